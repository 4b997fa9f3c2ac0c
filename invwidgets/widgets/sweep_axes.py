"""Which two axes of a sweep are seen, down and across, and where each of the others is held.

>>> axes = SweepAxes(loop, sweep, rows="tv_weight", columns=None, changed=draw)
>>> axes.held_menus["photo"].value = "rocket"
>>> axes.plane.places                      # (row, column) -> the place of a job
"""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as w

from ..sweeps.grid import words_of
from ..sweeps.plane import Plane, plane_of
from ..sweeps.sweep import Sweep
from .loop import Loop
from .parts import classed


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
