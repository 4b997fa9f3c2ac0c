"""The weights of data and prior on logarithmic sliders; each knows its way back to the preset."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as w

from ..inversion.presets import PRESETS
from .loop import Loop
from .parts import button, classed

PER_DECADE = 8
_BOUNDS = {"displayable colours": "picture", "norm 80": 80.0, "norm 160": 160.0, "none": None}


class Knob(w.HBox):
    """One value: a control, and a button that gives it back to the preset."""

    def __init__(
        self,
        loop: Loop,
        name: str,
        control: Any,
        tip: str,
        moved: Callable[[str, Any], None],
        reset: Callable[[str], None],
    ) -> None:
        self.name, self.control, self._moved = name, control, moved
        self._value: Any = None
        control.tooltip = tip
        self.back = button(
            "↺", f"Back to the preset's {name}", loop.handler(lambda: reset(self.name))
        )
        control.observe(loop.handler(self._turned), "value")
        super().__init__([control, self.back])
        classed(self, "iw-knob")

    def show(self, value: Any, is_moved: bool) -> None:
        """Stand at a value, or at the nearest the control can show."""
        self._value = value
        self.control.value = self._nearest(value)
        (self.remove_class if is_moved else self.add_class)("iw-still")

    def _turned(self) -> None:
        value = self.control.value
        if value != self._nearest(self._value):
            self._value = value
            self._moved(self.name, value)

    def _nearest(self, value: Any) -> Any:
        options = getattr(self.control, "options", None)
        if options is None:
            low, high = self.control.min, self.control.max
            kept = min(max(value, low), high)
            step = self.control.step
            return type(low)(round(low + round((kept - low) / step) * step, 6))
        values = [option[1] for option in options]
        if not isinstance(value, float | int):
            return value if value in values else values[-1]
        numbers = [v for v in values if isinstance(v, float | int)]
        return min(numbers, key=lambda v: abs(_scale(v) - _scale(value)))


class PriorKnobs(w.VBox):
    """All of them; ``moved(name, value)`` and ``reset(name)`` are called, ``show`` sets them."""

    def __init__(
        self,
        loop: Loop,
        moved: Callable[[str, Any], None],
        reset: Callable[[str], None],
        preset: Callable[[str], None],
    ) -> None:
        self._preset = preset
        self.preset = w.Dropdown(options=list(PRESETS), description="Preset")
        self.preset.observe(loop.handler(self._chosen), "value")

        def knob(name: str, control: Any, tip: str) -> Knob:
            return Knob(loop, name, control, tip, moved, reset)

        slider = {"continuous_update": True, "readout_format": ".1f"}
        knobs = [
            knob("tv_weight", _log("Smooth λᵥ", -5, 2), "λ_V: how much differences cost"),
            knob("beta", w.FloatSlider(1.0, min=1.0, max=3.0, step=0.1, description="Sharp β",
                                       **slider),
                 "β: 1 allows sharp edges, 2 prefers soft ones"),
            knob("alpha_weight", _log("Range λₐ", -5, 3), "λ_α: how much strong colours cost"),
            knob("data_weight", _log("Data C", -2, 3), "C: how much the features count"),
            knob("bound", w.Dropdown(options=list(_BOUNDS.items()), description="Bound"),
                 "What no pixel may leave"),
            knob("jitter", w.IntSlider(0, min=0, max=32, description="Jitter"),
                 "Pixels by which the image is shifted at random, each step anew"),
        ]  # fmt: skip
        self.knobs = {knob.name: knob for knob in knobs}
        super().__init__([self.preset, *knobs])

    def show(self, values: Mapping[str, Any], moved: set[str]) -> None:
        for name, knob in self.knobs.items():
            knob.show(values[name], name in moved)

    def _chosen(self) -> None:
        self._preset(self.preset.value)


def _log(label: str, low: int, high: int) -> w.SelectionSlider:
    """A slider over 0 and the powers of ten between, in even steps."""
    places = range(low * PER_DECADE, high * PER_DECADE + 1)
    options = [("off", 0.0), *((_text(v := 10 ** (n / PER_DECADE)), v) for n in places)]
    return w.SelectionSlider(options=options, description=label, continuous_update=True)


def _text(value: float) -> str:
    digits = 1 - math.floor(math.log10(value))
    return f"{value:.{max(0, digits)}f}" if value >= 1e-3 else f"{value:.0e}".replace("e-0", "e-")


def _scale(value: float) -> float:
    """Where a number lies on a logarithmic scale that has a place for zero."""
    return -30.0 if value <= 0 else math.log10(value)
