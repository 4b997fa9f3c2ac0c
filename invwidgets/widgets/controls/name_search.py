"""A search field for names: the user types a part of a name and picks it from a list."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets as t

from ..base.tiles import static


class NameSearch(anywidget.AnyWidget):
    """A search field; ``value`` is the index of the picked name, which can be typed as a number.

    >>> search = NameSearch(label="Class", names=["tench", "goldfish"])
    >>> search.value = 1

    The arrow keys move through the list, Enter picks a name, and Escape keeps the previous one.
    """

    _esm = static("search.js")
    _css = static("panel.css")
    label = t.Unicode("").tag(sync=True)
    names: Any = t.List(t.Unicode()).tag(sync=True)
    value = t.Int(0).tag(sync=True)
