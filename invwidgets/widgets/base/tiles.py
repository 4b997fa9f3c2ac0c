"""A grid of small pictures to choose from: photos, channels, finished runs."""

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
    """A bundled file's text. anywidget given a path would watch it, and keep every widget alive."""
    return (Path(__file__).parents[1] / "static" / name).read_text(encoding="utf-8")


def script(*modules: str) -> str:
    """Bundled modules as one script, each before those that import it; some are the pages' own."""

    def read(name: str) -> str:
        own = Path(__file__).parents[1] / "static" / name
        return static(name) if own.exists() else page_file(name)

    return bundle(read, *modules)


class HandleNames(anywidget.AnyWidget):
    """Unseen: names the handles of all sliders around it by the labels beside them."""

    _esm = static("names.js")


class Tiles(anywidget.AnyWidget):
    """Pictures sent as one sprite; ``selected`` lists the chosen ones' places.

    ``most`` limits how many can be chosen at once, the oldest choice giving way. A press on a
    tile's cross sends ``{"delete": place}``.
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
        """Show these pictures, each (H, W, 3), in place of what was shown."""
        width, height = self.tile
        across = max(1, min(16, len(pictures)))
        down = -(-max(1, len(pictures)) // across)
        size = (2 * width, 2 * height)  # sharp on dense screens
        sheet = Image.new("RGBA", (size[0] * across, size[1] * down))
        for place, pixels in enumerate(pictures):
            small = ImageOps.contain(Image.fromarray(pixels), size)  # in its own proportions
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
