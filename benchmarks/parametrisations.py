"""In which basis to search: pixels, an image pyramid, Fourier, decorrelated colours.

    python -m benchmarks parametrisations

All are Adam on other coordinates of the same image. Ours is as the default has it; the others are
shown at their best, by the error, of three rates and two pairs of moments: ours, which forget
sooner in a short run, and 0.9 and 0.95. The photos are those of ``goals``.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from statistics import mean
from typing import Any

import invwidgets as iw
from invwidgets.search.optimizers import Adam, MultiscaleAdam, Optimizer
from invwidgets.search.parametrizations import Fourier, Parametrization, Pixels

from .goals import HELD_OUT

LAYERS = ("blocks.1", "blocks.2", "blocks.4")
STEPS = (40, 150)
RATES = (1.0, 2.0, 4.0)
BASES: dict[str, Parametrization] = {
    "pixels": Pixels(),
    "Fourier": Fourier(decorrelated=False),
    "Fourier, decorrelated colours": Fourier(),
}


class ShortAdam(Adam):
    """Adam without a pyramid, its moments those of ours in a run of so many steps."""

    name = "short-adam"

    def start(self, parameters: Any, steps: int) -> None:
        self.momentum = min(0.9, max(0.6, 1 - 20 / steps))
        self.decay = min(0.95, max(0.6, 1 - 16 / steps))
        super().start(parameters, steps)


MOMENTS: dict[str, Optimizer] = {"ours": ShortAdam(), "0.9, 0.95": Adam(0.9, 0.95)}


def measure() -> dict[str, Any]:
    rows = []
    for layer, steps in product(LAYERS, STEPS):
        phi = iw.representation("efficientnet_lite0", layer)
        for name, basis in BASES.items():
            found = [
                {"moments": words} | _tried(phi, steps, basis, rule, rate)
                for (words, rule), rate in product(MOMENTS.items(), RATES)
            ]
            rows.append(_row(layer, steps, name, min(found, key=lambda scores: scores["error %"])))
        scores = {"moments": "ours"} | _tried(phi, steps, Pixels(), MultiscaleAdam(), 1.0)
        rows.append(_row(layer, steps, "pyramid (ours)", scores))
    return {"rows": rows, "photos": HELD_OUT}


def _row(layer: str, steps: int, name: str, scores: dict[str, Any]) -> dict[str, Any]:
    numbers = {k: v if isinstance(v, str) else f"{v:.3g}" for k, v in scores.items()}
    row = {"after": layer, "steps": steps, "Adam on": name} | numbers
    print(row, flush=True)
    return row


def _tried(
    phi: iw.Representation, steps: int, basis: Parametrization, rule: Optimizer, rate: float
) -> dict[str, Any]:
    phases = iw.preset("default", phi, steps=steps).phases
    faster = tuple(
        replace(phase, rate=rate * phase.rate, rate_end=rate * (phase.rate_end or phase.rate))
        for phase in phases
    )
    results = [
        iw.invert(
            photo, phi, seeds=2, steps=steps, frames=0, precision="float32", phases=faster,
            optimizer=rule, parametrization=basis,
        )
        for photo in HELD_OUT
    ]  # fmt: skip
    return {
        "rate ×": rate,
        "error %": 100 * mean(mean(r.relative_error or ()) for r in results),
        "SSIM": mean(mean(r.ssim or ()) for r in results),
        "ms a step": 1e3 * mean(r.seconds / r.steps for r in results),
    }
