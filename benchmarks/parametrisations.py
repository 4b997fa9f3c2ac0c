"""In which basis to search: pixels, an image pyramid, Fourier, decorrelated colours.

    python -m benchmarks parametrisations

All are Adam on other coordinates of the same image. Ours is as the default has it; the others are
shown at their best, by the error, of two rates and two pairs of moments: ours, which forget sooner
in a short run, and 0.9 and 0.95. The photos are those of ``goals``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from statistics import mean
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

import invwidgets as iw
from invwidgets.inversion import engine
from invwidgets.inversion.optimizers import Adam, MultiscaleAdam, Optimizer

from .goals import HELD_OUT

LAYERS = ("blocks.1", "blocks.2", "blocks.4")
STEPS = (40, 150)
RATES = (1.0, 2.0)
# A grey axis and two opponent colours, each with its standard deviation in photos, roughly.
OPPONENT = torch.tensor([[1.0, 1, 1], [1, 0, -1], [1, -2, 1]])
DEVIATIONS = torch.tensor([1.0, 0.4, 0.2])


@dataclass
class Transformed:
    """An optimiser that works on coordinates c of the iterate z = A c: g becomes Aᵀg."""

    inner: Any  # an Optimizer, or another of these
    to: Callable[[Tensor], Tensor]  # Aᵀ
    back: Callable[[Tensor], Tensor]  # A
    start: Tensor  # coordinates of zero

    def update(self, z: Tensor, gradient: Tensor, rates: Tensor) -> None:
        step = torch.zeros_like(self.start)
        self.inner.update(step, self.to(gradient), rates)
        z.add_(self.back(step))

    def forget(self, seeds: Tensor | None = None) -> None:
        self.inner.forget(seeds)


def _fourier(z: Tensor, rule: Callable[[Tensor], Any]) -> Transformed:
    """Coefficients weighed as photos' spectra fall, by 1 / frequency."""
    height, width = z.shape[-2:]
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    falling = 1 / torch.hypot(rows, columns).clamp_min(1 / max(height, width))
    falling /= falling.square().mean().sqrt()

    def to(gradient: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(gradient, norm="ortho") * falling
        return torch.cat([spectrum.real, spectrum.imag], -1)

    def back(step: Tensor) -> Tensor:
        spectrum = torch.complex(*step.chunk(2, -1)) * falling
        return torch.fft.irfft2(spectrum, s=(height, width), norm="ortho")

    start = to(torch.zeros_like(z))
    return Transformed(rule(start), to, back, start)


def _opponent(z: Tensor, rule: Callable[[Tensor], Any]) -> Transformed:
    """Decorrelated colours: the axes of photos' colours, each weighed by its deviation."""
    basis = OPPONENT / OPPONENT.norm(dim=1, keepdim=True)
    basis = basis * (DEVIATIONS / DEVIATIONS.square().mean().sqrt())[:, None]

    def times(matrix: Tensor, image: Tensor) -> Tensor:
        return (matrix @ image.flatten(2)).unflatten(2, image.shape[2:])

    start = torch.zeros_like(z)
    return Transformed(
        rule(start), lambda g: times(basis, g), lambda c: times(basis.t(), c), start
    )  # fmt: skip


def _short(horizon: int) -> Callable[[Tensor], Optimizer]:
    """Adam without a pyramid, its moments those of ours."""
    return lambda z: MultiscaleAdam(z, horizon, levels=1)


def _long(horizon: int) -> Callable[[Tensor], Optimizer]:
    return lambda z: Adam(z, 0.9, 0.95)


MOMENTS = {"ours": _short, "0.9, 0.95": _long}
Basis = Callable[[Tensor, Callable[[Tensor], Any]], Any]
BASES: dict[str, Basis] = {
    "pixels": lambda z, rule: rule(z),
    "Fourier": _fourier,
    "Fourier, decorrelated colours": lambda z, rule: _opponent(z, lambda c: _fourier(c, rule)),
}


def _pyramid(horizon: int) -> Callable[[Tensor], Optimizer]:
    return lambda z: MultiscaleAdam(z, horizon)


def measure() -> dict[str, Any]:
    rows = []
    for layer, steps in product(LAYERS, STEPS):
        phi = iw.representation("efficientnet_lite0", layer)
        for name, basis in BASES.items():
            found = [
                {"moments": words} | _tried(phi, steps, basis, rule, rate)
                for (words, rule), rate in product(MOMENTS.items(), RATES)
            ]
            best = min(found, key=lambda scores: scores["error %"])
            rows.append(_row(layer, steps, name, best))
        for name, basis in (
            ("pyramid (ours)", BASES["pixels"]),
            ("pyramid, decorrelated colours", _opponent),
        ):
            scores = {"moments": "ours"} | _tried(phi, steps, basis, _pyramid, 1.0)
            rows.append(_row(layer, steps, name, scores))
    return {"rows": rows, "photos": HELD_OUT}


def _row(layer: str, steps: int, name: str, scores: dict[str, Any]) -> dict[str, Any]:
    numbers = {k: v if isinstance(v, str) else f"{v:.3g}" for k, v in scores.items()}
    row = {"after": layer, "steps": steps, "Adam on": name} | numbers
    print(row, flush=True)
    return row


def _tried(
    phi: iw.Representation,
    steps: int,
    basis: Basis,
    rule: Callable[[int], Callable[[Tensor], Any]],
    rate: float,
) -> dict[str, Any]:
    def maker(_: str, z: Tensor, horizon: int = 200) -> Any:
        made = basis(z, rule(horizon))
        update = made.update
        made.update = lambda z, gradient, rates: update(z, gradient, rate * rates)
        return made

    with patch.object(engine, "make_optimizer", maker):
        results = [
            iw.invert(photo, phi, seeds=2, steps=steps, frames=0, precision="float32")
            for photo in HELD_OUT
        ]
    return {
        "rate ×": rate,
        "error %": 100 * mean(mean(r.relative_error or ()) for r in results),
        "SSIM": mean(mean(r.ssim or ()) for r in results),
        "ms a step": 1e3 * mean(r.seconds / r.steps for r in results),
    }
