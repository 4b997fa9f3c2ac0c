"""What the network itself says: the five likeliest classes of the photo and of each image."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets as t

from .tiles import static


class ClassTable(anywidget.AnyWidget):
    """``rows`` holds (what, ((class, probability), …)), one a picture; nothing is shown without.

    ``boxes`` holds where each picture lies above: left and width as parts of the whole width, and
    the row of pictures; each list of classes then stands beneath its own.

    >>> ClassTable(rows=[("coffee", (("espresso", 0.88), ("cup", 0.03)))])
    """

    _esm = static("classes.js")
    _css = static("panel.css")
    rows: Any = t.List().tag(sync=True)
    boxes: Any = t.List().tag(sync=True)
