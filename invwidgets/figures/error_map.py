"""The heat map of a sweep's errors over two of its axes.

>>> error_map(sweep, rows="tv_weight", columns="layer").savefig("errors.png")
"""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ..arguments import one_of
from ..sweeps.plane import plane_of
from .canvas import FAINT, INK, new_figure, set_title

if TYPE_CHECKING:
    from ..sweeps.sweep import Sweep

MEASURES = {  # by the name in a table: its heading, how it is written, whether less is better
    "relative_error": ("feature error, %", "{:.1f}", 100.0, True),
    "psnr": ("PSNR, dB", "{:.1f}", 1.0, False),
    "ssim": ("SSIM", "{:.2f}", 1.0, False),
    "diversity": ("diversity", "{:.3f}", 1.0, False),
}


def error_map(
    sweep: Sweep,
    rows: str | None = None,
    columns: str | None = None,
    measure: str = "relative_error",
) -> Figure:
    """Draw the mean over all other axes and seeds for each pair of values.

    >>> error_map(sweep, rows="tv_weight", columns="layer", measure="ssim")

    ``measure`` is ``relative_error`` (‖M∘ΔΦ‖/‖M∘Φ₀‖ in percent), ``psnr``, ``ssim`` or
    ``diversity``. The best value of each column is in bold; cells without finished jobs are empty.

    Raises ``UnknownNameError`` for an axis or a measure that does not exist.
    """
    heading, form, factor, less = MEASURES[one_of(measure, "measure", MEASURES)]
    plane = plane_of(sweep.grid, sweep.points, rows, columns)
    axes = sweep.grid.axes()
    by_key: dict[str, dict[str, Any]] = {row["key"]: row for row in sweep.table()}
    found: dict[tuple[int, int], list[float]] = {}
    for point, key in zip(sweep.points, sweep.keys, strict=True):
        value = by_key.get(key, {}).get(measure)
        if value is not None:
            place = tuple(
                axes[axis].index(point.value(axis)) if axis else 0
                for axis in (plane.rows, plane.columns)
            )
            found.setdefault((place[0], place[1]), []).append(factor * value)
    numbers = np.full((len(plane.row_heads), len(plane.column_heads)), np.nan)
    for place, values in found.items():
        numbers[place] = mean(values)
    return _drawn(numbers, plane.row_heads, plane.column_heads, plane.rows, plane.columns,
                  heading, form, less, max(map(len, found.values()), default=0))  # fmt: skip


def _drawn(
    numbers: np.ndarray[Any, Any],
    row_heads: tuple[str, ...],
    column_heads: tuple[str, ...],
    rows: str,
    columns: str,
    heading: str,
    form: str,
    less: bool,
    jobs: int,
) -> Figure:
    left = 0.5 + 0.085 * max(map(len, row_heads), default=0)
    width = max(4.0, left + 0.95 * len(column_heads) + 0.25)
    height = 1.45 + 0.42 * len(row_heads)
    figure = new_figure(width, height)
    note = f"mean over {jobs} jobs each; bold: best of the column"
    set_title(figure, heading, note, width, height)
    axes = figure.add_axes(
        (left / width, 0.55 / height, 0.95 * len(column_heads) / width,
         0.42 * len(row_heads) / height)
    )  # fmt: skip
    shown = numbers if less else -numbers
    axes.imshow(shown, cmap="YlOrBr", aspect="auto", alpha=0.75)
    axes.set_xticks(range(len(column_heads)), column_heads, fontsize=8, color=INK)
    axes.set_yticks(range(len(row_heads)), row_heads, fontsize=8, color=INK)
    axes.set_xlabel(columns, fontsize=8, color=FAINT)
    axes.set_ylabel(rows, fontsize=8, color=FAINT)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    top = np.nanmax(shown) if np.isfinite(shown).any() else 0.0
    low = np.nanmin(shown) if np.isfinite(shown).any() else 0.0
    for (r, c), value in np.ndenumerate(numbers):
        if np.isnan(value):
            continue
        best = value == (np.nanmin if less else np.nanmax)(numbers[:, c])
        dark = shown[r, c] > low + 0.8 * (top - low)
        axes.text(c, r, form.format(value), ha="center", va="center", fontsize=8.5,
                  color="#ffffff" if dark and top > low else INK,
                  weight="bold" if best and len(row_heads) > 1 else "normal")  # fmt: skip
    return figure
