"""The figure of a sweep: a grid of pictures over two of its axes, such as layer and weight.

>>> sweep_grid(sweep, rows="tv_weight", columns="layer").savefig("grid.png")
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ..images import open_picture
from ..sweeps.plane import Plane, plane_of
from .grid import EDGE, Plan, Spot
from .sheet import Pixels, Sheet

if TYPE_CHECKING:
    from ..sweeps.sweep import Sweep

_GAP, _CAPTION, _HEADS, _TITLE = 6, 20, 22, 54  # CSS pixels
_LETTER = 6.6  # a letter's width in a row's head
_SMALLEST, _LARGEST = 40, 132  # of a picture's width
_LEAST = 440  # of a figure with a title


Head = tuple[int, int, int, str, bool]  # left, top, width, words, and whether it names the rows


@dataclass(frozen=True)
class Cell:
    """A picture of the grid (None if it does not exist yet) and the text below it."""

    pixels: Pixels | None
    words: str = ""


def cell_of(store: Any, body: dict[str, Any]) -> Cell:
    """The cell of a record: its small picture and the best seed's error."""
    pixels = np.asarray(open_picture(io.BytesIO(store.thumbnail(body))).convert("RGB"))
    errors = body["outcome"]["relative_error"]
    return Cell(pixels, f"{100 * min(errors):.1f} %" if errors else "")


def shape_of(cells: Mapping[int, Cell]) -> tuple[int, int]:
    """The height and width of the first picture, which all places have."""
    shapes = (cell.pixels.shape for cell in cells.values() if cell.pixels is not None)
    height, width, *_ = next(shapes, (1, 1))
    return height, width


def sweep_plan(
    plane: Plane, shape: tuple[int, int], width: int, title: bool = False
) -> tuple[Plan, list[Head]]:
    """The places of a plane's cells, row by row, and its heads."""
    longest = max(map(len, (*plane.row_heads, plane.rows)), default=0)
    left = EDGE + (min(150, round(longest * _LETTER) + 14) if plane.rows else 0)
    columns, rows = len(plane.column_heads), len(plane.row_heads)
    room = (width - left - EDGE) // columns - _GAP
    each = max(_SMALLEST, min(_LARGEST, room))
    down = round(each * shape[0] / shape[1])
    top = (_TITLE if title else 6) + _HEADS
    spots = [
        Spot(left + c * (each + _GAP), top + r * (down + _CAPTION), each, down, 1)
        for r in range(rows)
        for c in range(columns)
    ]
    across = left + columns * (each + _GAP)
    plan = Plan(
        max(_LEAST if title else width, across), top + rows * (down + _CAPTION) + 4, tuple(spots)
    )
    lines = (top + r * (down + _CAPTION) + down // 2 - 7 for r in range(rows))
    heads = [
        (EDGE, top - 17, left - EDGE, plane.rows, True),
        *(
            (spot.left, top - 17, each, words, False)
            for spot, words in zip(spots, plane.column_heads, strict=False)
        ),
        *(
            (EDGE, line, left - EDGE, words, False)
            for line, words in zip(lines, plane.row_heads, strict=True)
        ),
    ]
    return plan, [head for head in heads if head[3]]


def sweep_sheet(
    plane: Plane, cells: Mapping[int, Cell], width: int, scale: float = 1.0, title: str = ""
) -> Sheet:
    """A sheet with the cells of a plane, by the index of their point."""
    plan, heads = sweep_plan(plane, shape_of(cells), width, bool(title))
    sheet, columns = Sheet(plan, scale=scale), len(plane.column_heads)
    if title:
        sheet.head(title, plane.held_words, EDGE)
    for head in heads:
        sheet.write(*head)
    for (r, c), place in plane.places.items():
        cell = cells.get(place)
        if cell is None:
            continue
        if cell.pixels is None:
            sheet.caption(r * columns + c, cell.words)
        else:
            sheet.show(r * columns + c, cell.pixels, cell.words)
    return sheet


def sweep_grid(
    sweep: Sweep, rows: str | None = None, columns: str | None = None, **held: Any
) -> Figure:
    """Draw the best seed of each finished job of a sweep with its error.

    >>> sweep_grid(sweep, rows="tv_weight", columns="layer", photo="coffee")

    ``rows`` and ``columns`` name axes with several values. Keywords set values of other axes, which
    are at their first value by default. The layout is that of figure 6 of CVPR15.

    Raises ``UnknownNameError`` for an axis that the sweep does not have.
    """
    plane = plane_of(sweep.grid, sweep.points, rows, columns, held)
    keys = {place: sweep.keys[place] for place in plane.places.values()}
    found, _ = sweep.store.survey(keys.values())
    cells = {p: cell_of(sweep.store, found[key]) for p, key in keys.items() if key in found}
    title = "Best seed of each job with its feature error"
    width = 180 + len(plane.column_heads) * (_LARGEST + _GAP)
    return sweep_sheet(plane, cells, min(1200, width), title=title, scale=2.0).figure
