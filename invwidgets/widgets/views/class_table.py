"""What networks say a picture is: the five likeliest classes of the photo and of each image."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets as t

from ..base.tiles import static


class ClassTable(anywidget.AnyWidget):
    """The likeliest classes of each picture, in a list beneath it.

    >>> ClassTable(rows=[("coffee", (("espresso", 0.88), ("cup", 0.03)), (("cup", 0.61),))])

    Attributes
    ----------
    rows : list
        (what, ((class, probability), …), ((class, probability), …)) of each picture: the classes
        by the network that was searched on, and by another one.
    awaited : list
        The names of the pictures whose classes are to come: without rows, the room of their lists.
        Without both nothing is shown.
    judge : str
        The name of that other network.
    boxes : list
        Where each picture lies above: left and width as parts of the whole width, and the row of
        pictures.
    """

    _esm = static("classes.js")
    _css = static("panel.css")
    rows: Any = t.List().tag(sync=True)
    awaited: Any = t.List().tag(sync=True)
    judge: Any = t.Unicode().tag(sync=True)
    boxes: Any = t.List().tag(sync=True)
