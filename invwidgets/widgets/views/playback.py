"""A slider over the stored frames of a run, from noise to the last step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as w

from ..base.loop import Loop
from ..base.parts import classed


class Playback(w.HBox):
    """A slider that calls ``scrubbed`` with the index of a frame when it is moved.

    ``show`` sets the steps of the frames and the current one.
    """

    def __init__(self, loop: Loop) -> None:
        self.scrubbed: Callable[[int], Any] = lambda place: None
        self.slider = w.SelectionSlider(options=[("", 0)], description="Playback")
        self.slider.tooltip = "The stored pictures of the search, from noise to the end"
        self._steps: tuple[int, ...] = ()
        self._at = 0
        self.slider.observe(loop.handler(self._moved), "value")
        super().__init__([self.slider])
        classed(self, "iw-playback")
        self.show((), None)

    def show(self, steps: tuple[int, ...], at: int | None) -> None:
        """Set the steps of the frames, and the index of the shown one; None is the last step."""
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
