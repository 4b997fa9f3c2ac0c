"""The photo under a layer's grid of cells: drag a region, see what its cells can see.

>>> picker = RegionPicker()
>>> picker.observe(lambda change: print(change["new"]), "region")
"""

from __future__ import annotations

import io
from typing import Any

import anywidget
import ipywidgets as w
import numpy as np
import traitlets as t
from numpy.typing import NDArray
from PIL import Image

from ..representations.base import Region, Representation
from .loop import Loop
from .parts import Markup, button, classed, heading, note
from .tiles import static

_REGION = Markup("rows <b>{}–{}</b>, columns <b>{}–{}</b>, which see {}")


class RegionCanvas(anywidget.AnyWidget):
    """The canvas: ``box`` is [row 0, row 1, column 0, column 1], half-open, or empty for all.

    ``row_fields`` and ``column_fields`` hold the pixels [from, to) that each row and column of
    cells can see, so that a receptive field follows a drag without asking Python.
    """

    _esm = static("region_canvas.js")
    _css = static("panel.css")
    picture = t.Bytes().tag(sync=True)
    image_size = t.List([224, 224]).tag(sync=True)
    rows = t.Int(0).tag(sync=True)
    columns = t.Int(0).tag(sync=True)
    row_fields: Any = t.List().tag(sync=True)
    column_fields: Any = t.List().tag(sync=True)
    box: Any = t.List().tag(sync=True)
    describes = t.Unicode("Region of cells").tag(sync=True)


class RegionPicker(w.VBox):
    """``region`` is (row 0, row 1, column 0, column 1) of cells, half-open, or None for all."""

    region: Any = t.Any(None, allow_none=True)

    def __init__(self, loop: Loop | None = None) -> None:
        loop = loop or Loop()
        self._representation: Representation | None = None
        self._size = (224, 224)
        self._following = False
        self.canvas = RegionCanvas()
        self.rows = _range("Rows")
        self.columns = _range("Columns")
        self.caption = note()
        self.reset = button("Whole image", "Look at every cell", loop.handler(self._clear))
        self.reset.layout.width = "auto"
        self.canvas.observe(loop.handler(self._drawn), "box")
        self.rows.observe(loop.handler(self._slid), "value")
        self.columns.observe(loop.handler(self._slid), "value")
        self.observe(self._changed, "region")
        super().__init__(
            [heading("Region"), self.canvas, self.caption, self.rows, self.columns, self.reset]
        )
        classed(self, "iw-section")

    def show_photo(self, pixels: NDArray[np.uint8]) -> None:
        """The photo (H, W, 3) as the network gets it."""
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=92)
        with self.canvas.hold_sync():
            self.canvas.image_size = list(pixels.shape[:2])
            self.canvas.picture = file.getvalue()

    def show_layer(self, representation: Representation, size: tuple[int, int]) -> None:
        """The grid of the layer a representation is cut at; a region of another grid is dropped."""
        self._representation, self._size = representation, size
        shape = representation.layer_info(size).shape
        rows, columns = shape[1:] if len(shape) == 3 else (0, 0)
        if (rows, columns) != (self.canvas.rows, self.canvas.columns):
            self.region = None
        down: list[list[int]] = []
        across: list[list[int]] = []
        if rows:
            for row in range(rows):
                field = representation.receptive_field((row, row + 1, 0, columns), size).clipped
                down.append([field.top, field.bottom])
            for column in range(columns):
                field = representation.receptive_field((0, rows, column, column + 1), size).clipped
                across.append([field.left, field.right])
        with self.canvas.hold_sync():
            self.canvas.row_fields, self.canvas.column_fields = down, across
            self.canvas.rows, self.canvas.columns = rows, columns
        for slider, count in ((self.rows, rows), (self.columns, columns)):
            slider.disabled = not count
            slider.max = max(1, count)
        self._follow()

    def _drawn(self) -> None:
        box = self.canvas.box
        self.region = tuple(int(v) for v in box) if len(box) == 4 else None

    def _slid(self) -> None:
        if not self.canvas.rows or self._following:
            return
        (top, bottom), (left, right) = self.rows.value, self.columns.value
        whole = (0, self.canvas.rows, 0, self.canvas.columns)
        wanted = (top, max(bottom, top + 1), left, max(right, left + 1))
        if wanted[1] <= whole[1] and wanted[3] <= whole[3]:
            self.region = None if wanted == whole else wanted

    def _clear(self) -> None:
        self.region = None

    @t.validate("region")
    def _valid(self, proposal: Any) -> Region | None:
        value = proposal["value"]
        if value is None:
            return None
        if isinstance(value, str):
            from ..selection import parse_region

            value = parse_region(value)
        r0, r1, c0, c1 = (int(v) for v in value)
        return r0, r1, c0, c1

    def _changed(self, _: Any) -> None:
        self._follow()

    def _follow(self) -> None:
        """Bring canvas, sliders and words in step with ``region``."""
        rows, columns = self.canvas.rows, self.canvas.columns
        region: Region | None = self.region
        self.canvas.box = list(region) if region is not None else []
        r0, r1, c0, c1 = region or (0, max(1, rows), 0, max(1, columns))
        self._following = True
        self.rows.value, self.columns.value = (r0, r1), (c0, c1)
        self._following = False
        self.reset.disabled = region is None
        shown = ""
        if not rows:
            words = "This layer is a vector: it has no cells to choose from."
        elif region is None or self._representation is None:
            words = "The whole image. Drag over the photo to look at a part of it."
        else:
            field = self._representation.receptive_field(region, self._size)
            seen = f"{field.clipped.height} × {field.clipped.width} px"
            seen = "the whole image" if field.covers(self._size) else seen
            words = f"rows {r0}–{r1}, columns {c0}–{c1}, which see {seen}"
            shown = _REGION.format(r0, r1, c0, c1, seen)
        self.caption.value = shown or words
        self.canvas.describes = (
            f"Region of cells: {words}. Arrow keys move it, with shift they resize it, "
            "escape looks at the whole image."
        )


def _range(name: str) -> w.IntRangeSlider:
    slider = w.IntRangeSlider(value=(0, 1), min=0, max=1, description=name, disabled=True)
    slider.continuous_update = True
    return slider
