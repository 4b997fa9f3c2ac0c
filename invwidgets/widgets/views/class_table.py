"""The likeliest classes of the photo and of each image, according to two networks."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets as t

from ..base.tiles import static


class ClassTable(anywidget.AnyWidget):
    """A list of the likeliest classes below each picture.

    >>> ClassTable(rows=[("coffee", (("espresso", 0.88), ("cup", 0.03)), (("cup", 0.61),))])

    Attributes
    ----------
    rows : list
        (name, ((class, probability), …), ((class, probability), …)) of each picture: the classes
        by the network that was inverted, and by another network.
    awaited : list
        The names of the pictures whose classes are being computed, for which space is reserved. If
        this and ``rows`` are empty, nothing is shown.
    judge : str
        The name of the other network.
    boxes : list
        The place of each picture above: left side and width as parts of the whole width, and
        the row of pictures.
    """

    _esm = static("classes.js")
    _css = static("panel.css")
    rows: Any = t.List().tag(sync=True)
    awaited: Any = t.List().tag(sync=True)
    judge: Any = t.Unicode().tag(sync=True)
    boxes: Any = t.List().tag(sync=True)
