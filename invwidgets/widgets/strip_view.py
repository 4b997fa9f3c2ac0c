"""The strip's picture: the photo and a place for each layer; a press on a layer enlarges it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..figures.canvas import Theme
from ..figures.grid import plan_grid
from ..figures.sheet import Sheet
from .loop import Loop
from .picture_view import PictureView


class StripView(PictureView):
    """``pictures`` maps a layer to its image (H, W, 3) and the two lines beneath it."""

    def __init__(self, loop: Loop) -> None:
        self.layers: tuple[str, ...] = ()
        self.photo: NDArray[np.uint8] | None = None
        self.name = ""
        self.pictures: dict[str, tuple[NDArray[np.uint8], str, str]] = {}
        super().__init__(loop)

    def lay_out(self, photo: NDArray[np.uint8], name: str, layers: Sequence[str]) -> None:
        """A photo (H, W, 3) and an empty place for each layer."""
        self.photo, self.name, self.layers = photo, name, tuple(layers)
        self.pictures = {}
        self.redraw()

    @property
    def chosen(self) -> str:
        """The layer shown large; empty if there is none."""
        return self.layers[self.enlarged] if 0 <= self.enlarged < len(self.layers) else ""

    def redraw(self) -> None:
        if self.photo is None or not self.comm:
            return
        sheet = self.sheet(self.figure_theme, max(240, self.width), self.pixel_ratio)
        words = f"{self.name} and {len(self.pictures)} of {len(self.layers)} layers"
        if self.chosen:
            words += f", {self.chosen} enlarged"
        self.offer_places(sheet.plan, sheet.plan.spots[1:], self.layers)
        self.send_sheet(sheet, sheet.plan, str(len(self.pictures)), words)

    def sheet(self, theme: Theme, width: int, scale: float) -> Sheet:
        """The picture, ready to be drawn or saved."""
        assert self.photo is not None
        large = (0, self.enlarged + 1) if self.chosen else ()
        shape = (self.photo.shape[0], self.photo.shape[1])
        plan = plan_grid(1 + len(self.layers), shape, width, tallest=420, large=large)
        sheet = Sheet(plan, theme, scale)
        sheet.show(0, self.photo, self.name, "the photo")
        for place, layer in enumerate(self.layers):
            if layer in self.pictures:
                sheet.show(place + 1, *self.pictures[layer])
            else:
                sheet.caption(place + 1, layer)
        return sheet
