"""The few shapes that all controls share: a heading, a note, a labelled knob with its reset."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ipywidgets as w


def heading(text: str) -> w.HTML:
    return _classed(w.HTML(html.escape(text)), "iw-heading")


def note(text: str = "") -> w.HTML:
    """A fainter line; ``text`` may hold <b>."""
    return _classed(w.HTML(text), "iw-note")


def section(title: str, *children: w.Widget) -> w.VBox:
    return classed(w.VBox([heading(title), *children]), "iw-section")


def button(text: str, tip: str, pressed: Callable[..., Any], style: str = "") -> w.Button:
    made = w.Button(description=text, tooltip=tip, button_style=style)
    made.on_click(pressed)
    return made


def classed(widget: w.Box, *names: str) -> Any:
    for name in names:
        widget.add_class(name)
    return widget


def _classed(widget: w.HTML, name: str) -> w.HTML:
    widget.add_class(name)
    return widget
