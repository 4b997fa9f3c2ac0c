"""The grid of a sweep, live, and which two of its axes are seen: pictures, pressed to be opened.

>>> axes = SweepAxes(loop, sweep, rows="tv_weight", columns=None, changed=draw)
>>> axes.held_menus["photo"].value = "rocket"
>>> view = SweepView(loop)
>>> view.show(axes.plane, cells)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ipywidgets as w

from ...figures.canvas import Theme
from ...figures.sheet import Sheet
from ...figures.sweep_grid import Cell, sweep_sheet
from ...sweeps.grid import words_of
from ...sweeps.plane import Plane, plane_of
from ...sweeps.sweep import Sweep
from ..base.loop import Loop
from ..base.parts import classed
from ..base.picture_view import PictureView


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


class SweepAxes:
    """``box`` holds the menus; ``changed`` is called when another plane is chosen.

    Raises ``InvwidgetsError`` for an axis that the sweep does not have.
    """

    def __init__(
        self,
        loop: Loop,
        sweep: Sweep,
        rows: str | None,
        columns: str | None,
        changed: Callable[[], None],
    ) -> None:
        self._sweep, self._changed = sweep, changed
        plane = plane_of(sweep.grid, (), rows, columns)
        axes = list(sweep.grid.axes())
        self.rows_menu = _menu("Down", axes, plane.rows)
        self.columns_menu = _menu("Across", axes, plane.columns)
        self.held_menus = {axis: self._held_menu(axis) for axis in axes}
        menus = [self.rows_menu, self.columns_menu, *self.held_menus.values()]
        self.box = classed(w.HBox(menus if axes else []), "iw-axes")
        for menu in (self.rows_menu, self.columns_menu):
            menu.observe(loop.handler(self._chosen), "value")
        for menu in self.held_menus.values():
            menu.observe(loop.handler(changed), "value")
        self._show_held()

    @property
    def plane(self) -> Plane:
        """The plane that is chosen."""
        seen = (self.rows_menu.value, self.columns_menu.value)
        held = {axis: menu.value for axis, menu in self.held_menus.items() if axis not in seen}
        return plane_of(self._sweep.grid, self._sweep.points, *seen, held)

    def _chosen(self) -> None:
        rows, columns = self.rows_menu.value, self.columns_menu.value
        if rows and rows == columns:  # each axis has one place
            others = [axis for axis in self.held_menus if axis != rows]
            self.rows_menu.value = others[0] if others else ""
            return
        self._show_held()
        self._changed()

    def _show_held(self) -> None:
        seen = (self.rows_menu.value, self.columns_menu.value)
        for axis, menu in self.held_menus.items():
            menu.layout.display = "none" if axis in seen else None

    def _held_menu(self, axis: str) -> w.Dropdown:
        values = self._sweep.grid.axes()[axis]
        options = [(words_of(axis, value), value) for value in values]
        return w.Dropdown(options=options, description=axis)


def _menu(words: str, axes: list[str], value: str) -> w.Dropdown:
    choices = [("–", ""), *((axis, axis) for axis in axes)]
    return w.Dropdown(options=choices, value=value, description=words)
