"""A slider from a run's noise to its end, over the frames that were kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as w

from ..base.loop import Loop
from ..base.parts import classed


class Playback(w.HBox):
    """``show`` says which steps were kept and where it stands; a move calls ``scrubbed`` with the
    place among them."""

    def __init__(self, loop: Loop) -> None:
        self.scrubbed: Callable[[int], Any] = lambda place: None
        self.slider = w.SelectionSlider(options=[("", 0)], description="Playback")
        self.slider.tooltip = "From noise to the end: the pictures that were kept of the search"
        self._steps: tuple[int, ...] = ()
        self._at = 0
        self.slider.observe(loop.handler(self._moved), "value")
        super().__init__([self.slider])
        classed(self, "iw-playback")
        self.show((), None)

    def show(self, steps: tuple[int, ...], at: int | None) -> None:
        """The steps of the frames, and the place of the one shown; None is the end."""
        self.layout.visibility = "visible" if len(steps) > 1 else "hidden"
        self._at = max(0, len(steps) - 1) if at is None else at
        if steps != self._steps:
            self._steps = steps
            named = [(f"step {step + 1} of {steps[-1] + 1}", n) for n, step in enumerate(steps)]
            self.slider.options = named or [("", 0)]
        self.slider.value = self._at

    def _moved(self) -> None:
        if self.slider.value != self._at:
            self.scrubbed(self.slider.value)
