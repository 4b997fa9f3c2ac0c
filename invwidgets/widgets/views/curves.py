"""The curves of the energy during a run, drawn seldom because a drawing takes 0.1 seconds."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from typing import Any

import ipywidgets as w
from torch import Tensor

from ...figures.canvas import Theme
from ...figures.curves import draw_curves
from ..base.parts import note
from ..controls.prior_knobs import NAMES

_SHARE = 0.02  # the part of the time that drawing may take
_LEAST = 2.0  # seconds between two drawings


class CurvesView(w.VBox):
    """A picture of the curves; ``show`` does nothing soon after the last drawing."""

    def __init__(self) -> None:
        self.image = w.Image(format="png")
        self.image.layout.max_width = "100%"
        self.image.layout.display = "none"
        self.caption = note(
            "The terms of the energy, which the search minimizes, are drawn here during a run."
        )
        self._next = 0.0
        super().__init__([self.image, self.caption])

    def show(
        self,
        energies: dict[str, Tensor],
        seeds: Sequence[int],
        changes: Sequence[tuple[int, str, Any]],
        theme: Theme,
        now: bool = False,
    ) -> None:
        began = time.monotonic()
        if (began < self._next and not now) or not energies or len(energies["data"]) < 2:
            return
        figure = draw_curves(energies, seeds, changes, theme)
        file = io.BytesIO()
        figure.savefig(file, format="png")
        self.image.value = file.getvalue()
        self.image.layout.display = None
        changed = sorted({f"{NAMES.get(name, name)} at step {step}" for step, name, _ in changes})
        words = f"Dashed: {', '.join(changed[:6])}." if changed else "One line per seed."
        self.caption.value = words if len(changed) <= 6 else words[:-1] + " …"
        self._next = began + max(_LEAST, (time.monotonic() - began) / _SHARE)
