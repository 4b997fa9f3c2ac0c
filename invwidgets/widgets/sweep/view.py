"""The grid of a sweep's pictures, and the menus that choose its two axes.

>>> axes = SweepAxes(loop, sweep, rows="tv_weight", columns=None, changed=draw)
>>> axes.held_menus["photo"].value = "rocket"
>>> view = SweepView(loop)
>>> view.show(axes.plane, cells)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import ipywidgets as w

from ...figures.sheet import Sheet
from ...figures.sweep_grid import Cell, shape_of, sweep_plan, sweep_sheet
from ...sweeps.grid import words_of
from ...sweeps.plane import Plane, plane_of
from ...sweeps.sweep import Sweep
from ..base.loop import Loop
from ..base.parts import classed
from ..base.picture_view import WIDTH, PictureView


class SweepView(PictureView):
    """The grid of a sweep's pictures.

    ``enlarged`` is the index of the job whose picture was pressed, -1 for none.
    """

    def __init__(self, loop: Loop) -> None:
        self.plane: Plane | None = None
        self.cells: dict[int, Cell] = {}
        super().__init__(loop)

    def show(self, plane: Plane, cells: Mapping[int, Cell]) -> None:
        """Show a plane of the sweep; ``cells`` has its pictures by the index of the job."""
        self.plane, self.cells = plane, dict(cells)
        self.redraw()

    def still(self) -> Sheet:
        """A figure of the pictures, for notebooks without a kernel."""
        assert self.plane is not None
        return sweep_sheet(self.plane, self.cells, WIDTH)

    def redraw(self) -> None:
        """Lay out and send all pictures for the current width."""
        plane = self.plane
        if plane is None or not self.comm:
            return
        shape = shape_of(self.cells)
        whole, heads = sweep_plan(plane, shape, self.room)
        places, columns = list(plane.places.items()), len(plane.column_heads)
        spots = tuple(whole.spots[row * columns + column] for (row, column), _ in places)
        cells = [self.cells.get(place, Cell(None)) for _, place in places]
        named = [(plane.row_heads[row], plane.column_heads[column]) for (row, column), _ in places]
        names = [" · ".join(filter(None, heads)) for heads in named]
        does = [
            "" if cell.pixels is None else f"open {name} ({cell.words})"
            for name, cell in zip(names, cells, strict=True)
        ]
        keys = [f"s{place}" for _, place in places]
        shown = {k: c.pixels for k, c in zip(keys, cells, strict=True) if c.pixels is not None}
        with self.hold_sync():
            self.shape = [*shape]
            self.lay(replace(whole, spots=spots), keys, names, does, heads=heads)
            lines = [(cell.words, "") for cell in cells]
            self.send(shown, lines, str(len(shown)), f"{len(shown)} of {len(keys)} jobs")


class SweepAxes:
    """The menus of a sweep: its two axes to show, and one value for each other axis.

    ``box`` holds the menus. ``changed`` is called after a choice. Raises ``InvwidgetsError``
    for an axis that the sweep does not have.
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
        """The chosen plane: two axes of the sweep with one value for each other axis."""
        seen = (self.rows_menu.value, self.columns_menu.value)
        held = {axis: menu.value for axis, menu in self.held_menus.items() if axis not in seen}
        return plane_of(self._sweep.grid, self._sweep.points, *seen, held)

    def _chosen(self) -> None:
        rows, columns = self.rows_menu.value, self.columns_menu.value
        if rows and rows == columns:  # an axis cannot have both directions
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
