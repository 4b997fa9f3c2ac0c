"""A comparison of parametrizations and optimizers: error, PSNR, SSIM and CPU seconds.

    python -m benchmarks searches

It uses EfficientNet-Lite2 with its ImageNet weights and held-out photos. Every search has the
default's energy, start and schedule of λ_V; only the parametrization and the optimizer differ. For
Adam on other parametrizations, the better of two learning rates (the default's and twice that) is
shown, by the error. A Gauss-Newton step takes as long as several other steps, so it gets fewer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import mean
from typing import Any

import torch
from torch import Tensor

import invwidgets as iw
from invwidgets.inversion.metrics import Reference, psnr, relative_error, ssim
from invwidgets.search.colors import color_basis, mixed
from invwidgets.search.optimizers import Adam, MultiscaleAdam, Optimizer, per_seed
from invwidgets.search.parametrizations import Fourier, Parametrization, Pixels

from .gauss_newton import gauss_newton
from .photos import photo

MODEL, LAYERS, PHOTOS = "efficientnet_lite2", ("blocks.2", "blocks.4"), ("motorcycle", "flower")
STEPS = (20, 40, 80, 150)
SEEDS = 1  # a photo


class ColorPixels(Parametrization):
    """A parametrization by the pixels in decorrelated colors."""

    name = "color-pixels"

    def parameters(self, z: Tensor) -> Tensor:
        return mixed(torch.linalg.inv(color_basis(z).T), z)

    def image(self, parameters: Tensor) -> Tensor:
        return mixed(color_basis(parameters).T, parameters)


class ShortAdam(Adam):
    """Adam without a pyramid, with the betas that the default has in a run of so many steps."""

    name = "short-adam"

    def start(self, parameters: Tensor, steps: int) -> None:
        self.betas = MultiscaleAdam.betas(steps)
        super().start(parameters, steps)


class NesterovAdam(ShortAdam):
    """Adam with Nesterov momentum (Dozat 2016)."""

    name = "nesterov-adam"

    def add_step(self, step: Tensor, gradient: Tensor, lr: float = 1.0) -> None:
        self._count += 1
        self._first.lerp_(gradient, 1 - self.betas[0])
        self._second.lerp_(gradient.square(), 1 - self.betas[1])
        count = per_seed(self._count, gradient)
        ahead = self._first * self.betas[0] + gradient * (1 - self.betas[0])
        size = (self._second / (1 - self.betas[1] ** count)).sqrt_().add_(1e-14)
        step.addcdiv_(ahead / (1 - self.betas[0] ** (count + 1)), size, value=-lr)


class NesterovPyramid(MultiscaleAdam):
    """The default's optimizer with Nesterov momentum at every level."""

    name = "nesterov-pyramid"
    level_rule = NesterovAdam


Search = Callable[[iw.Representation, str, int], tuple[Tensor, float]]


def _engine(
    rule: Optimizer,
    basis: Parametrization | None = None,
    lr: float = 1.0,
    constant: bool = False,
    averaged: bool = False,
) -> Search:
    """A search with another optimizer or parametrization; ``averaged``: over the last quarter."""

    def search(phi: iw.Representation, name: str, steps: int) -> tuple[Tensor, float]:
        phase = iw.preset("default", phi, steps=steps).phases[0]
        end = None if constant else lr * (phase.lr_end or 0.0)
        run = iw.prepare(
            photo(name), phi, steps=steps, seeds=SEEDS, frames=0, precision="float32",
            optimizer=rule, parametrization=basis or Pixels(),
            phases=[replace(phase, lr=lr * phase.lr, lr_end=end)],
        )  # fmt: skip
        kept: list[Tensor] = []
        began = time.process_time()
        with run.cpu_threads():
            for step in run.steps():
                if step.index >= (0.75 * steps if averaged else steps - 1):
                    kept.append(step.images)
        return torch.stack(kept).mean(0), time.process_time() - began

    return search


def _second_order(phi: iw.Representation, name: str, steps: int) -> tuple[Tensor, float]:
    run = iw.prepare(photo(name), phi, steps=steps, seeds=SEEDS, frames=0, precision="float32")
    began = time.process_time()
    return gauss_newton(run), time.process_time() - began


LBFGS = iw.TorchOptimizer(torch.optim.LBFGS, history_size=20, max_iter=1)
SEARCHES: dict[str, list[Search]] = {
    "pixels, Adam": [_engine(ShortAdam(), Pixels(), lr) for lr in (1, 2)],
    "pixels of decorrelated colors, Adam": [
        _engine(ShortAdam(), ColorPixels(), lr) for lr in (1, 2)
    ],
    "Fourier, Adam": [_engine(ShortAdam(), Fourier(decorrelated=False), lr) for lr in (1, 2)],
    "Fourier of decorrelated colors, Adam": [_engine(ShortAdam(), Fourier(), lr) for lr in (1, 2)],
    "pyramid, Adam": [_engine(MultiscaleAdam(decorrelated=False))],
    "pyramid of decorrelated colors, Adam (the default)": [_engine(MultiscaleAdam())],
    "the same, a constant rate, a third as high": [
        _engine(MultiscaleAdam(), lr=1 / 3, constant=True)
    ],
    "the same, the last quarter's images averaged": [_engine(MultiscaleAdam(), averaged=True)],
    "the same, Nesterov's momentum": [_engine(NesterovPyramid())],
    "Fourier of decorrelated colors, L-BFGS": [_engine(LBFGS, Fourier(), 0.1, constant=True)],
    "Fourier of decorrelated colors, Gauss-Newton": [_second_order],
}


def measure() -> dict[str, Any]:
    rows = []
    for layer in LAYERS:
        phi = iw.representation(MODEL, layer)
        for words, searches in SEARCHES.items():
            row = {"after": layer, "search": words}
            for steps in STEPS:
                found = min((_scores(phi, search, steps) for search in searches), key=_error)
                row[f"{steps} steps"] = "{} %, {} dB, {}, {} s".format(
                    *(f"{value:.3g}" for value in found.values())
                )
            print(row, flush=True)
            rows.append(row)
    return {"rows": rows, "photos": PHOTOS}


def _error(scores: dict[str, float]) -> float:
    return scores["error %"]


def _scores(phi: iw.Representation, search: Search, steps: int) -> dict[str, float]:
    found = []
    for name in PHOTOS:
        images, seconds = search(phi, name, steps)
        pixels = iw.read_photo(photo(name), phi.size)
        with torch.no_grad():
            error = relative_error(phi(images), phi.target(pixels), iw.types.Selection())
        whole = Reference(pixels)
        found.append(
            (
                100 * float(error.mean()),
                mean(psnr(images, whole)),
                mean(ssim(images, whole)),
                seconds,
            )
        )
    names = ("error %", "PSNR dB", "SSIM", "seconds")
    return dict(zip(names, (mean(values) for values in zip(*found, strict=True)), strict=True))
