"""In which basis to search: pixels, an image pyramid, Fourier, decorrelated colours.

    python -m benchmarks parametrisations

All are Adam with the moments of ``MultiscaleAdam``, on other coordinates of the same image; where a
rate of their own may suit them better, the best of three by the error is shown. The photos are
those of ``goals``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
RATES = (1.0, 2.0, 4.0)
# A grey axis and two opponent colours, each with its standard deviation in photos, roughly.
OPPONENT = torch.tensor([[1.0, 1, 1], [1, 0, -1], [1, -2, 1]])
DEVIATIONS = torch.tensor([1.0, 0.4, 0.2])


@dataclass
class Transformed:
    """An optimiser that works on coordinates c of the iterate z = A c: g becomes Aᵀg."""

    inner: Optimizer
    to: Callable[[Tensor], Tensor]  # Aᵀ
    back: Callable[[Tensor], Tensor]  # A
    start: Tensor  # coordinates of zero

    def update(self, z: Tensor, gradient: Tensor, rates: Tensor) -> None:
        step = torch.zeros_like(self.start)
        self.inner.update(step, self.to(gradient), rates)
        z.add_(self.back(step))

    def forget(self, seeds: Tensor | None = None) -> None:
        self.inner.forget(seeds)


def _fourier(z: Tensor, rule: Callable[[Tensor], Optimizer]) -> Transformed:
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


def _opponent(z: Tensor, rule: Callable[[Tensor], Optimizer]) -> Transformed:
    """Decorrelated colours: the axes of photos' colours, each weighed by its deviation."""
    basis = OPPONENT / OPPONENT.norm(dim=1, keepdim=True)
    basis = basis * (DEVIATIONS / DEVIATIONS.square().mean().sqrt())[:, None]

    def times(matrix: Tensor, image: Tensor) -> Tensor:
        return (matrix @ image.flatten(2)).unflatten(2, image.shape[2:])

    start = torch.zeros_like(z)
    return Transformed(
        rule(start), lambda g: times(basis, g), lambda c: times(basis.t(), c), start
    )  # fmt: skip


def _adam(z: Tensor) -> Optimizer:
    return Adam(z, 0.9, 0.95)


BASES: dict[str, tuple[Callable[[Tensor, int], Any], tuple[float, ...]]] = {
    "pixels": (lambda z, horizon: _adam(z), RATES),
    "Fourier": (lambda z, horizon: _fourier(z, _adam), RATES),
    "Fourier, decorrelated colours": (
        lambda z, horizon: _opponent(z, lambda c: _fourier(c, _adam)),  # type: ignore[arg-type]
        RATES,
    ),
    "pyramid (ours)": (lambda z, horizon: MultiscaleAdam(z, horizon), (1.0,)),
    "pyramid, decorrelated colours": (
        lambda z, horizon: _opponent(z, lambda c: MultiscaleAdam(c, horizon)),
        (1.0,),
    ),
}


def measure() -> dict[str, Any]:
    rows = []
    for layer in LAYERS:
        phi = iw.representation("efficientnet_lite0", layer)
        for steps in STEPS:
            for name, (make, rates) in BASES.items():
                found = [_tried(phi, steps, make, rate) for rate in rates]
                best = min(found, key=lambda scores: scores["error %"])
                row = {"after": layer, "steps": steps, "Adam on": name} | {
                    key: f"{value:.3g}" for key, value in best.items()
                }
                rows.append(row)
                print(row, flush=True)
    return {"rows": rows, "photos": HELD_OUT}


def _tried(
    phi: iw.Representation, steps: int, make: Callable[[Tensor, int], Any], rate: float
) -> dict[str, float]:
    def maker(_: str, z: Tensor, horizon: int = 200) -> Any:
        rule = make(z, horizon)
        update = rule.update
        rule.update = lambda z, gradient, rates: update(z, gradient, rate * rates)
        return rule

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
