"""The planes of a sweep, which have two of its axes and fixed values of the others.

>>> plane = plane_of(sweep.grid, sweep.points, rows="tv_weight", columns="layer")
>>> plane.places[0, 1]          # the index of the point in the first row and second column
1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import BadSettingError, shown, unknown_name
from .grid import Grid, Point, words_of


@dataclass(frozen=True)
class Plane:
    """A plane of a sweep with its axes, their values in words, and its points.

    ``rows`` and ``columns`` are the names of the axes, empty if there is only one row or column.
    ``held`` has the values of the other axes, and ``places`` the index of the point at each (row,
    column).
    """

    rows: str
    columns: str
    row_heads: tuple[str, ...]
    column_heads: tuple[str, ...]
    held: dict[str, Any]
    places: dict[tuple[int, int], int]

    @property
    def held_words(self) -> str:
        return " · ".join(f"{axis} {words_of(axis, value)}" for axis, value in self.held.items())


def plane_of(
    grid: Grid,
    points: Sequence[Point],
    rows: str | None = None,
    columns: str | None = None,
    held: Mapping[str, Any] | None = None,
) -> Plane:
    """The plane of two axes; by default the layers as columns and the first other axis as rows.

    ``held`` has values of the other axes; an axis that is not named has its first value.

    Raises ``UnknownNameError`` for an axis or a value that the sweep does not have.
    """
    axes = grid.axes()
    for axis in (rows, columns, *(held or {})):
        if axis and axis not in axes:
            raise unknown_name("axis with several values", axis, axes, "this sweep")
    if columns is None:
        free = [axis for axis in ("layer", *axes) if axis in axes and axis != rows]
        columns = free[0] if free else ""
    if rows is None:
        order = [*grid.settings, "photo", "model", *axes]
        free = [axis for axis in order if axis in axes and axis != columns]
        rows = free[0] if free else ""
    if rows and rows == columns:
        raise BadSettingError(f"rows and columns are both {shown(rows)}: give two axes")
    stands = {}
    for axis, values in axes.items():
        if axis in (rows, columns):
            continue
        value = (held or {}).get(axis, values[0])
        value = tuple(value) if isinstance(value, list) else value
        if value not in values:
            raise unknown_name(axis, value, [words_of(axis, known) for known in values])
        stands[axis] = value
    down = {value: n for n, value in enumerate(axes.get(rows, (None,)))}
    across = {value: n for n, value in enumerate(axes.get(columns, (None,)))}
    places = {
        (down[p.value(rows) if rows else None], across[p.value(columns) if columns else None]): n
        for n, p in enumerate(points)
        if all(p.value(axis) == value for axis, value in stands.items())
    }
    return Plane(
        rows, columns,
        tuple(words_of(rows, value) if rows else "" for value in down),
        tuple(words_of(columns, value) if columns else "" for value in across),
        stands, places,
    )  # fmt: skip
