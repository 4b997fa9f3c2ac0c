"""A grid of small pictures to choose from, and the scripts of widgets."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets as t
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ...pages.document import bundle
from ...pages.document import static as page_file


def static(name: str) -> str:
    """The text of a bundled file.

    Widgets get this text instead of a path, because anywidget watches files that it gets as paths
    and then keeps every widget in memory.
    """
    return (Path(__file__).parents[1] / "static" / name).read_text(encoding="utf-8")


def script(*modules: str) -> str:
    """Join bundled JavaScript modules into one script.

    A module must come before those that import it. Modules that are not among the widgets' files
    are taken from those of the pages.
    """

    def read(name: str) -> str:
        own = Path(__file__).parents[1] / "static" / name
        return static(name) if own.exists() else page_file(name)

    return bundle(read, *modules)


class HandleNames(anywidget.AnyWidget):
    """An invisible widget that gives the handles of nearby sliders names for screen readers."""

    _esm = static("names.js")


class Tiles(anywidget.AnyWidget):
    """A grid of small pictures, sent as one image, of which one or several can be selected.

    ``selected`` lists the indices of the selected pictures. ``most`` limits their number (0: no
    limit); a further choice replaces the oldest. A press on the cross of a picture sends the
    message ``{"delete": index}``.
    """

    _esm = static("tiles.js")
    _css = static("panel.css")
    sprite = t.Bytes().tag(sync=True)
    tile = t.List([36, 36]).tag(sync=True)
    across = t.Int(1).tag(sync=True)
    labels: Any = t.List(t.Unicode()).tag(sync=True)
    captions: Any = t.List(t.Unicode()).tag(sync=True)
    selected: Any = t.List(t.Int()).tag(sync=True)
    multiple = t.Bool(False).tag(sync=True)
    most = t.Int(0).tag(sync=True)
    deletable = t.Bool(False).tag(sync=True)
    describes = t.Unicode("").tag(sync=True)

    def fill(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        labels: Sequence[str],
        captions: Sequence[str] = (),
    ) -> None:
        """Show these pictures, each (H, W, 3), with names for screen readers and captions."""
        width, height = self.tile
        across = max(1, min(16, len(pictures)))
        down = -(-max(1, len(pictures)) // across)
        size = (2 * width, 2 * height)  # sharp on dense screens
        sheet = Image.new("RGBA", (size[0] * across, size[1] * down))
        for place, pixels in enumerate(pictures):
            small = ImageOps.contain(Image.fromarray(pixels), size)  # keeps its proportions
            left, top = place % across * size[0], place // across * size[1]
            room = (size[0] - small.width) // 2, (size[1] - small.height) // 2
            sheet.paste(small, (left + room[0], top + room[1]))
        file = io.BytesIO()
        sheet.save(file, "WEBP", quality=85, method=2)
        with self.hold_sync():
            self.across = across
            self.sprite = file.getvalue()
            self.captions = list(captions)
            self.labels = list(labels)
