"""The layout of pictures on a sheet, in a grid that is as large as possible.

>>> plan = plan_grid(5, (224, 224), width=900)
>>> plan.spots[0].left, plan.spots[0].top
(4, 4)
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

EDGE = 4  # room for the mark
_GAP = 14  # all in CSS pixels: a 96th of an inch
_CAPTION, _SMALL_CAPTION = 48, 24
_SMALL = 104  # cells narrower than this have one line of caption
_LARGEST = 300


@dataclass(frozen=True)
class Spot:
    """The box of a picture in pixels from the upper left, and its number of caption lines."""

    left: int
    top: int
    width: int
    height: int
    lines: int = 2


@dataclass(frozen=True)
class Plan:
    """The layout of pictures on a sheet of ``width`` × ``height`` pixels."""

    width: int
    height: int
    spots: tuple[Spot, ...]


def plan_grid(
    cells: int,
    shape: tuple[int, int],
    width: int,
    tallest: int = 640,
    columns: int | None = None,
    large: tuple[int, ...] = (),
    head: int = 0,
    edge: int = EDGE,
) -> Plan:
    """The largest layout of ``cells`` pictures of (height, width) ``shape`` that fits on a sheet.

    If possible, no picture is alone in the last row. ``large`` names cells that are shown large in
    a row above the others. ``head`` pixels are left free at the top, ``edge`` pixels on the other
    sides.
    """
    spots: dict[int, Spot] = {}
    top = head if head else edge
    if large:
        each = _cell_width(len(large), shape, width, tallest * 0.68, edge)
        for place, cell in enumerate(large):
            spots[cell] = _spot(place, len(large), each, shape, top, edge)
        top += round(each * shape[0] / shape[1]) + _caption(each) + 6
        tallest = 150
    rest = [cell for cell in range(cells) if cell not in spots]
    if rest:
        columns = columns or _columns(len(rest), shape, width, tallest)
        each = _cell_width(columns, shape, width, math.inf, edge)
        if large:
            columns = min(columns, max(1, width // 70))
            each = min(_cell_width(columns, shape, width, math.inf, edge), 96)
        for place, cell in enumerate(rest):
            spots[cell] = _spot(place, columns, each, shape, top, edge)
    bottom = max(s.top + s.height + _caption(s.width) for s in spots.values())
    bottom += edge - EDGE
    return Plan(width, bottom, tuple(spots[cell] for cell in range(cells)))


def _columns(cells: int, shape: tuple[int, int], width: int, tallest: float) -> int:
    """The number of columns that makes the pictures largest without growing too tall."""

    def height(columns: int) -> float:
        each = _cell_width(columns, shape, width, math.inf)
        return math.ceil(cells / columns) * (each * shape[0] / shape[1] + _caption(each))

    fitting = [c for c in range(1, cells + 1) if height(c) <= tallest]
    wide = [c for c in fitting if _cell_width(c, shape, width, math.inf) >= 48]
    return without_orphan(cells, min(wide or [min(cells, max(1, width // 64))]), wide)


def without_orphan(cells: int, columns: int, choice: Collection[int]) -> int:
    """The number of columns, or one or two more, that leaves no picture alone in the last row.

    >>> without_orphan(7, 3, (3, 4, 5)), without_orphan(8, 3, (3, 4))
    (4, 3)
    """
    for more in (columns, columns + 1, columns + 2):
        if (more in choice or more == columns) and (cells % more != 1 or 1 in (more, cells)):
            return more
    return columns


def _cell_width(
    columns: int, shape: tuple[int, int], width: int, tallest: float, edge: int = EDGE
) -> int:
    each = (width - 2 * edge - _GAP * (columns - 1)) // columns
    largest = _LARGEST if columns > 2 else 1.4 * _LARGEST
    return max(8, int(min(each, largest, tallest * shape[1] / shape[0])))


def _caption(cell_width: int) -> int:
    return _SMALL_CAPTION if cell_width < _SMALL else _CAPTION


def _spot(place: int, columns: int, each: int, shape: tuple[int, int], top: int, edge: int) -> Spot:
    row, column = divmod(place, columns)
    height = max(8, round(each * shape[0] / shape[1]))
    caption = _caption(each)
    return Spot(
        edge + column * (each + _GAP),
        top + row * (height + caption),
        each,
        height,
        1 if caption == _SMALL_CAPTION else 2,
    )
