"""The few shapes that all controls share: a line of words, a heading, a note, a button."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ipywidgets as w
import traitlets as t


class Markup(str):
    """HTML of our own; what ``format`` puts into it is escaped.

    >>> Markup("<b>{}</b>, your own photo").format("<img>")
    '<b>&lt;img&gt;</b>, your own photo'
    """

    __slots__ = ()

    def format(self, *given: object) -> Markup:  # type: ignore[override]
        return Markup(str.format(self, *(_escaped(part) for part in given)))


class Line(w.HTML):
    """A line of words. The one place where text becomes HTML: all but ``Markup`` is escaped.

    >>> Line("a <b> c").value
    'a &lt;b&gt; c'
    """

    def __init__(self, words: str = "", name: str = "") -> None:
        super().__init__(words)
        if name:
            self.add_class(name)

    @t.validate("value")
    def _valid(self, proposal: Any) -> Markup:
        return _escaped(proposal["value"])


def _escaped(given: object) -> Markup:
    return given if isinstance(given, Markup) else Markup(html.escape(str(given)))


def heading(words: str) -> Line:
    return Line(words, "iw-heading")


def note(words: str = "") -> Line:
    """A fainter line."""
    return Line(words, "iw-note")


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
