"""The grid of a sweep, live: pictures over two of its axes, pressed to be opened.

>>> view = SweepView(loop)
>>> view.show(plane, cells)
"""

from __future__ import annotations

from collections.abc import Mapping

from ..figures.canvas import Theme
from ..figures.sheet import Sheet
from ..figures.sweep_grid import Cell, sweep_sheet
from ..sweeps.plane import Plane
from .loop import Loop
from .picture_view import PictureView


class SweepView(PictureView):
    """``enlarged`` is the place of the job that was pressed, -1 for none."""

    def __init__(self, loop: Loop) -> None:
        self.plane: Plane | None = None
        self.cells: dict[int, Cell] = {}
        super().__init__(loop)

    def show(self, plane: Plane, cells: Mapping[int, Cell]) -> None:
        """Show the cells of a plane, by the place of their job."""
        self.plane, self.cells = plane, dict(cells)
        self.redraw()

    def sheet(self, theme: Theme, width: int, scale: float) -> Sheet:
        """The picture, ready to be drawn or saved."""
        assert self.plane is not None
        return sweep_sheet(self.plane, self.cells, width, theme, scale)

    def redraw(self) -> None:
        """Draw again, as wide as the view is now."""
        plane = self.plane
        if plane is None or not self.comm:
            return
        sheet = self.sheet(self.figure_theme, max(240, self.width), self.pixel_ratio)
        columns, places = len(plane.column_heads), []
        for (row, column), place in plane.places.items():
            cell = self.cells.get(place)
            if cell is None or cell.pixels is None:
                continue
            spot = sheet.plan.spots[row * columns + column]
            heads = (plane.row_heads[row], plane.column_heads[column])
            label = f"open {' · '.join(head for head in heads if head)} ({cell.words})"
            box = [spot.left, spot.top, spot.width, spot.height]
            places.append({"index": place, "label": label, "box": box})
        self.places = places
        done = len(places)
        self.send_sheet(sheet, sheet.plan, str(done), f"{done} of {len(plane.places)} jobs")
