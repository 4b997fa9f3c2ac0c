"""The picker of a region on the photo with a layer's grid, which shows its receptive field.

>>> picker = RegionPicker("coffee", layer="blocks.2")
>>> picker.observe(lambda change: print(change["new"]), "value")
"""

from __future__ import annotations

import io
import os
from typing import Any

import anywidget
import ipywidgets as w
import numpy as np
import traitlets as t
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from ...images import parse_size, read_photo, to_uint8
from ...models.zoo import DEFAULT_MODEL
from ...representations.base import Region, Representation
from ...representations.network import check_region
from ...representations.registry import representation
from ...selection import cells_in_words, parse_region
from ..base.loop import Loop
from ..base.parts import button, classed, close_all, note
from ..base.tiles import HandleNames, static

_REGION = Markup("<b>{}</b>, <b>{}</b>, counted from 0, which see {}")


class RegionCanvas(anywidget.AnyWidget):
    """The photo with the grid; ``box`` is [row 0, row 1, column 0, column 1], half-open.

    ``box`` is empty for the whole photo. ``row_fields`` and ``column_fields`` have the pixels
    [from, to) that each row and column of cells can see, so the browser can show a receptive field
    during a drag.
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
    """A control that selects a rectangle of cells on the photo, by mouse, sliders or keys.

    >>> picker = iw.controls.RegionPicker("coffee", layer="blocks.2")
    >>> picker.observe(lambda change: print(change["new"]), "value")
    >>> picker.value = "11:16,11:16"
    >>> result = iw.invert("coffee", layer="blocks.2", region=picker.value)

    Parameters
    ----------
    photo, model, layer, weights, size
        The photo, and the network with the layer of the cells. ``photo=None`` leaves the picker
        empty until ``show_photo`` and ``show_layer`` are called.
    value
        The first region; None is the whole photo.

    Raises
    ------
    SelectionError
        For a value that is not a region of the layer's grid, also when ``value`` is set.

    Notes
    -----
    The trait ``value``, to link and observe, is (row 0, row 1, column 0, column 1) in cells,
    half-open, or None for the whole photo.
    """

    value: Any = t.Any(None, allow_none=True)

    def __init__(
        self,
        photo: Any = None,
        model: Any = DEFAULT_MODEL,
        layer: str | None = None,
        value: Any = None,
        *,
        weights: str | os.PathLike[str] = "pretrained",
        size: Any = None,
        loop: Loop | None = None,
    ) -> None:
        loop = loop or Loop()
        self._strict = photo is not None  # a panel may set a region before its grid
        self._representation: Representation | None = None
        self._size = (224, 224)
        self._following = False
        self.canvas = RegionCanvas()
        self.rows = _range("Rows")
        self.columns = _range("Columns")
        self.caption = note()
        self.reset = button("Whole photo", "Select all cells again", loop.handler(self._clear))
        self.canvas.observe(loop.handler(self._drawn), "box")
        self.rows.observe(loop.handler(self._slid), "value")
        self.columns.observe(loop.handler(self._slid), "value")
        self.observe(self._changed, "value")
        self.exact = classed(w.VBox([self.rows, self.columns]), "iw-section")
        self.back = classed(w.HBox([self.reset]), "iw-row")
        alone = [] if photo is None else [self.exact, HandleNames()]
        super().__init__([self.canvas, self.caption, self.back, *alone])
        classed(self, "iw-section")
        if photo is not None:
            phi = representation(model, layer or None, weights)
            wanted = parse_size(size) if size is not None else phi.size
            self.show_photo(to_uint8(read_photo(photo, wanted, channels=phi.channels)))
            self.show_layer(phi, wanted)
            self.value = value

    def show_photo(self, pixels: NDArray[np.uint8] | None) -> None:
        """Show a photo (H, W, 3) of the network's size; None removes it and keeps the grid."""
        if pixels is None:
            self.canvas.picture = b""
            self._follow()
            return
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=92)
        with self.canvas.hold_sync():
            self.canvas.image_size = list(pixels.shape[:2])
            self.canvas.picture = file.getvalue()
        self._follow()

    def show_layer(self, representation: Representation, size: tuple[int, int]) -> None:
        """Show the grid of a representation's layer; a region of another grid is removed."""
        self._representation, self._size = representation, size
        info = representation.layer_info(size)
        rows, columns = info.grid or (0, 0)
        if (rows, columns) != (self.canvas.rows, self.canvas.columns):
            self.value = None
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
            self.canvas.image_size = list(size)
            self.canvas.row_fields, self.canvas.column_fields = down, across
            self.canvas.rows, self.canvas.columns = rows, columns
        for slider, count in ((self.rows, rows), (self.columns, columns)):
            slider.disabled = not count
            slider.max = max(1, count - 1)
        self._follow()

    def _drawn(self) -> None:
        box = self.canvas.box
        self.value = tuple(int(v) for v in box) if len(box) == 4 else None

    def _slid(self) -> None:
        if not self.canvas.rows or self._following:
            return
        (top, bottom), (left, right) = self.rows.value, self.columns.value
        whole = (0, self.canvas.rows, 0, self.canvas.columns)
        wanted = (top, bottom + 1, left, right + 1)
        if wanted[1] <= whole[1] and wanted[3] <= whole[3]:
            self.value = None if wanted == whole else wanted

    def _clear(self) -> None:
        self.value = None

    def close(self) -> None:
        """Close this widget and all widgets in it."""
        close_all(self, self.exact)

    @t.validate("value")
    def _valid(self, proposal: Any) -> Region | None:
        region = parse_region(proposal["value"])
        if region is not None and self._strict and self._representation is not None:
            check_region(region, self._representation.layer_info(self._size))
        return region

    def _changed(self, _: Any) -> None:
        self._follow()

    def _follow(self) -> None:
        """Update canvas, sliders and text after a change of ``value``."""
        rows, columns = self.canvas.rows, self.canvas.columns
        region: Region | None = self.value
        if region is not None and (region[1] > rows or region[3] > columns):
            region = None
        self.canvas.box = list(region) if region is not None else []
        r0, r1, c0, c1 = region or (0, max(1, rows), 0, max(1, columns))
        self._following = True
        self.rows.value, self.columns.value = (r0, r1 - 1), (c0, c1 - 1)
        self._following = False
        self.reset.disabled = region is None
        self.back.layout.display = None if region is not None else "none"
        shown = ""
        if not rows:
            words = "This layer is a list of numbers without a map, so it has no regions."
        elif region is None and not self.canvas.picture:
            words = (
                "No photo is needed. The middle cell is selected. Drag over the grid to select "
                "other cells."
            )
        elif region is None or self._representation is None:
            words = "The whole photo is selected. Drag over it to select a part."
        else:
            field = self._representation.receptive_field(region, self._size)
            seen = f"{field.clipped.height} × {field.clipped.width} pixels"
            seen = "the whole photo" if field.covers(self._size) else f"{seen} (dashed)"
            across, along = cells_in_words(region)
            words = f"{across}, {along}, counted from 0, which see {seen}"
            shown = _REGION.format(across, along, seen)
        self.caption.value = shown or words
        self.canvas.describes = (
            f"Region of cells: {words.removesuffix('.')}. Arrow keys move it, Shift and arrow keys "
            "resize it, Escape selects the whole photo."
        )


def _range(name: str) -> w.IntRangeSlider:
    # With continuous updates, a slider would send each end that Python sets back to Python alone,
    # as if the user had moved it. So it only sends when the user releases it.
    return w.IntRangeSlider(
        value=(0, 1), min=0, max=1, description=name, disabled=True, continuous_update=False
    )
