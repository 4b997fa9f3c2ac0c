"""A search over names: type a part of one, and pick it from a list."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets as t

from ..base.tiles import static


class NameSearch(anywidget.AnyWidget):
    """``value`` is the place of the name picked; a number finds it too.

    >>> search = NameSearch(label="Class", names=["tench", "goldfish"])
    >>> search.value = 1

    The arrow keys go through the list, Enter picks, Escape leaves the name that was picked.
    """

    _esm = static("search.js")
    _css = static("panel.css")
    label = t.Unicode("").tag(sync=True)
    names: Any = t.List(t.Unicode()).tag(sync=True)
    value = t.Int(0).tag(sync=True)
