"""The few shapes that all controls share, and how widgets are closed with all they hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as w
import traitlets as t
from markupsafe import Markup, escape


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
        return escape(proposal["value"])


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


class Trouble(w.HBox):
    """An error, and beside it a button that helps, where there is one."""

    def __init__(self) -> None:
        self.error, self.remedy = Line(name="iw-error"), w.Button()
        super().__init__([self.error, self.remedy])
        classed(self, "iw-row", "iw-trouble")
        self.show("")

    def show(self, words: str, remedy: str = "") -> None:
        """Show an error, and what the button is called; an empty one goes away."""
        self.error.value, self.remedy.description = words, remedy
        self.layout.display = None if words else "none"
        self.remedy.layout.display = None if remedy else "none"


def close_all(*roots: w.Widget) -> int:
    """Close widgets and all widgets they hold, recursively; how many were closed."""
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
