"""A picture that swaps without a blank, with places to press, and that tells its own width."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import traitlets as t

from ...figures.grid import Plan, Spot
from ...figures.sheet import Sheet
from .sized_view import SizedView
from .tiles import script, static


class PictureView(SizedView):
    """A sheet sent as a JPEG; ``enlarged`` is the index of the place pressed, -1 for none."""

    _esm = script("sized", "gallery")
    _css = static("panel.css")
    picture = t.Bytes().tag(sync=True)
    shown = t.Unicode("").tag(sync=True)
    describes = t.Unicode("").tag(sync=True)
    extent = t.List([1, 1]).tag(sync=True)
    places: Any = t.List().tag(sync=True)

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
