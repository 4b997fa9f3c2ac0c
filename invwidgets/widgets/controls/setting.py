"""A setting of a panel: an ipywidgets control with a typed value and a button to reset it.

>>> setting = Setting(loop, "seeds", w.IntSlider(4, min=1, max=64, description="Seeds"), "…")
>>> traitlets.link((panel, "seeds"), (setting, "value"))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import ipywidgets as w
import traitlets as t

from ...swappable import Part
from ..base.loop import Loop
from ..base.parts import button, classed, note

PER_DECADE = 8
_NOTHING = ("nothing",)  # replaces None in a menu, because ipywidgets shows None as no choice


class Setting(w.HBox):
    """A control with an exact ``value``, of which the control may show the nearest possible one.

    ``overridden`` is True after the user has changed it, so it no longer follows the preset. Then a
    button appears that calls ``back``. With ``meaning``, a button "?" shows and hides this text.
    """

    value: Any = t.Any(None)
    overridden = t.Bool(False)

    def __init__(
        self,
        loop: Loop,
        name: str,
        control: Any,
        tip: str,
        back: Callable[[str], None] | None = None,
        meaning: str = "",
    ) -> None:
        self.name, self.control = name, control
        control.tooltip = tip
        self.back = None
        children = [control]
        if back is not None:
            self.back = button(
                "↺",
                f"Reset {control.description} to the default",
                loop.handler(lambda: back(self.name)),
            )
            children.append(self.back)
        self.ask: w.ToggleButton | None = None
        self.meaning: w.HTML | None = None
        if meaning:
            self.meaning = note(meaning)
            self.ask = w.ToggleButton(description="?")
            self.ask.observe(loop.handler(self._explain), "value")
            children += [self.ask, self.meaning]
            self._explain()
        self._follow(None)
        super().__init__(children)
        self.value = self._chosen
        control.observe(loop.handler(self._turned), "value")
        self.observe(self._follow, "value")
        self.observe(self._mark, "overridden")
        classed(self, "iw-knob")
        self._mark(None)

    def rename(self, words: str, tip: str) -> None:
        """Change the label and the tooltip."""
        self.control.description, self.control.tooltip = words, tip
        if self.ask is not None:
            self._explain()
        if self.back is not None:
            self.back.tooltip = f"Reset {words} to the default"

    def _explain(self) -> None:
        """Show the meaning while the button "?" is pressed."""
        if self.ask is None or self.meaning is None:
            return
        self.ask.tooltip = f"What {self.control.description} means"
        self.meaning.layout.display = None if self.ask.value else "none"

    @property
    def _chosen(self) -> Any:
        return None if self.control.value is _NOTHING else self.control.value

    def _turned(self) -> None:
        value = self._chosen
        if self.control.value != self._nearest(self.value):
            self.value = value

    def _follow(self, change: Any) -> None:
        if change is not None:
            self.control.value = self._nearest(self.value)

    def _mark(self, _: Any) -> None:
        (self.remove_class if self.overridden else self.add_class)("iw-still")

    def _nearest(self, value: Any) -> Any:
        """The value that the control shows; a menu gets a missing value as a new choice."""
        control = self.control
        if _choices(control):
            return self._option(_NOTHING if value is None else value)
        if not isinstance(value, int | float) or isinstance(value, bool):
            return control.value
        if isinstance(control, w.IntSlider):  # counts are shown exactly
            control.max = max(control.max, int(value))
            control.min = min(control.min, int(value))
            return int(value)
        low, step = control.min, control.step
        kept = min(max(value, low), control.max)
        return round(low + round((kept - low) / step) * step, 6)

    def _option(self, value: Any) -> Any:
        choices = _choices(self.control)
        values = [choice for _, choice in choices]
        if value in values:
            return values[values.index(value)]
        if isinstance(self.control, w.SelectionSlider):
            numbers = [v for v in values if isinstance(v, float | int)]
            return min(numbers, key=lambda v: abs(_scale(v) - _scale(value)))
        plain = isinstance(value, str | int | float | tuple | Part)
        words = str(value) if plain else getattr(value, "name", type(value).__name__)
        self.control.options = (*choices, (words, value))  # the menu needs pairs
        return value


def _choices(control: Any) -> list[tuple[str, Any]]:
    """The choices of a menu as pairs; empty for other controls."""
    options = getattr(control, "options", ())
    return [o if isinstance(o, tuple) else (str(o), o) for o in options]


def menu(label: str, options: Iterable[tuple[str, Any]]) -> w.Dropdown:
    """A menu whose choices may be None, which ipywidgets would show as no choice."""
    choices = [(name, _NOTHING if value is None else value) for name, value in options]
    return w.Dropdown(options=choices, description=label)


def log_slider(label: str, low: int, high: int) -> w.SelectionSlider:
    """A slider over 0 and a range of powers of ten, in even steps."""
    places = range(low * PER_DECADE, high * PER_DECADE + 1)
    options = [("off", 0.0), *((short(v := 10 ** (n / PER_DECADE)), v) for n in places)]
    return w.SelectionSlider(options=options, description=label, continuous_update=True)


def short(value: float) -> str:
    """A number with two significant digits.

    >>> short(0.2371), short(12.3), short(0)
    ('0.24', '12', 'off')
    """
    if value <= 0:
        return "off"
    digits = 1 - math.floor(math.log10(value))
    return f"{value:.{max(0, digits)}f}" if value >= 1e-3 else f"{value:.0e}".replace("e-0", "e-")


def _scale(value: float) -> float:
    """The position of a number on a logarithmic scale that includes zero."""
    return -30.0 if value <= 0 else math.log10(value)
