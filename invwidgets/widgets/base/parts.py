"""Small widgets that all panels use (lines of text, buttons), and the closing of widgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as w
import traitlets as t
from markupsafe import Markup, escape


class Line(w.HTML):
    """A line of text, in which all HTML is escaped except that of ``Markup``.

    Panels use this class for all text in HTML, so that it is escaped in one place.

    >>> Line("a <b> c").value
    Markup('a &lt;b&gt; c')
    """

    def __init__(self, words: str = "", name: str = "") -> None:
        super().__init__(words)
        if name:
            self.add_class(name)

    @t.validate("value")
    def _valid(self, proposal: Any) -> Markup:
        return escape(proposal["value"])


def heading(words: str) -> Line:
    """A heading: a line of bold text."""
    return Line(words, "iw-heading")


def note(words: str = "") -> Line:
    """A remark: a line of gray text."""
    return Line(words, "iw-note")


def section(title: str, *children: w.Widget) -> w.VBox:
    """A box of widgets below each other, with a heading."""
    return classed(w.VBox([heading(title), *children]), "iw-section")


def button(text: str, tip: str, pressed: Callable[..., Any], style: str = "") -> w.Button:
    """A button with a text and a tooltip; ``pressed`` is called at each click."""
    made = w.Button(description=text, tooltip=tip, button_style=style)
    made.on_click(pressed)
    return made


def classed(widget: w.Box, *names: str) -> Any:
    """Add CSS classes to a box and return it."""
    for name in names:
        widget.add_class(name)
    return widget


class Trouble(w.HBox):
    """An error message, with a button for its remedy if there is one."""

    def __init__(self) -> None:
        self.error, self.remedy = Line(name="iw-error"), w.Button()
        super().__init__([self.error, self.remedy])
        classed(self, "iw-row", "iw-trouble")
        self.show("")

    def show(self, words: str, remedy: str = "") -> None:
        """Show a message and a button with the text ``remedy``; hide whichever is empty."""
        self.error.value, self.remedy.description = words, remedy
        self.layout.display = None if words else "none"
        self.remedy.layout.display = None if remedy else "none"


def close_all(*roots: w.Widget) -> int:
    """Close widgets and, recursively, all widgets in them; return how many were closed."""
    seen: dict[int, w.Widget] = {}
    todo: list[Any] = list(roots)
    while todo:
        value = todo.pop()
        if isinstance(value, w.Widget):
            if id(value) not in seen:
                seen[id(value)] = value
                todo += [getattr(value, name) for name in value.keys if value.has_trait(name)]
        elif isinstance(value, list | tuple):
            todo += value
        elif isinstance(value, dict):
            todo += value.values()
    for widget in seen.values():
        widget.unobserve_all()
        w.Widget.close(widget)
    return len(seen)
