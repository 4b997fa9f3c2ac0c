"""A picture that swaps without a blank, with places to press, and that tells its own width."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import anywidget
import traitlets as t

from ...figures.canvas import THEMES, Theme
from ...figures.grid import Plan, Spot
from ...figures.sheet import Sheet
from .loop import Loop
from .tiles import static

_SHARE = 0.04  # of the time that pictures may take
_STEADY = (0.5, 1.0)  # seconds between two pictures, at least and at most


class PictureView(anywidget.AnyWidget):
    """A sheet sent as a JPEG; ``enlarged`` is the index of the place pressed, -1 for none.

    The browser tells ``width``, ``pixel_ratio`` and ``page_theme``; ``theme`` is auto, light or
    dark. ``redraw`` is called on the loop whenever one of them changes.
    """

    _esm = static("gallery.js")
    _css = static("panel.css")
    picture = t.Bytes().tag(sync=True)
    shown = t.Unicode("").tag(sync=True)
    describes = t.Unicode("").tag(sync=True)
    extent = t.List([1, 1]).tag(sync=True)
    places: Any = t.List().tag(sync=True)
    enlarged = t.Int(-1).tag(sync=True)
    width = t.Int(880).tag(sync=True)
    pixel_ratio = t.Float(1.0).tag(sync=True)
    page_theme = t.Unicode("light").tag(sync=True)
    page_ground = t.Unicode("").tag(sync=True)
    theme = t.Unicode("auto")

    def __init__(self, loop: Loop) -> None:
        self.seconds = 0.0  # what the last picture took
        super().__init__()
        again = loop.handler(self.redraw)
        self.observe(
            again, ["enlarged", "width", "pixel_ratio", "page_theme", "page_ground", "theme"]
        )

    @property
    def colors(self) -> str:
        """The theme in use: light or dark."""
        return self.page_theme if self.theme == "auto" else self.theme

    @property
    def figure_theme(self) -> Theme:
        """The figure's colors, on the page's own ground."""
        theme = THEMES[self.colors]
        own = self.theme == "auto" and self.page_ground
        return replace(theme, face=self.page_ground) if own else theme

    @property
    def pause(self) -> float:
        """Seconds to leave between two pictures, so that they cost little of the search."""
        return min(max(self.seconds / _SHARE, _STEADY[0]), _STEADY[1])

    def redraw(self) -> None:
        """Draw again, as wide as the view is now."""

    def offer_places(self, plan: Plan, spots: Sequence[Spot], names: Sequence[str]) -> None:
        """A press on a spot, called by its name, enlarges it, or goes back to all."""
        self.extent = [plan.width, plan.height]
        places = []
        for index, (spot, name) in enumerate(zip(spots, names, strict=True)):
            does = "back to all" if index == self.enlarged else "enlarge beside the photo"
            box = [spot.left, spot.top, spot.width, spot.height]
            places.append({"index": index, "label": f"{name}: {does}", "box": box})
        self.places = places

    def send_sheet(self, sheet: Sheet, plan: Plan, shown: str, describes: str) -> None:
        """Show a sheet as it stands; ``shown`` is sent with it."""
        began = time.perf_counter()
        with self.hold_sync():
            self.shown, self.describes = shown, describes
            self.extent = [plan.width, plan.height]
            self.picture = sheet.jpeg()
        self.seconds = time.perf_counter() - began
