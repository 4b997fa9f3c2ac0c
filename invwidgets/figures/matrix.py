"""The figure of runs in rows and columns, which shows the joint effect of two settings."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from ..inversion.result import Reconstruction
from .canvas import INK, new_figure, set_title, show_image
from .contrast import as_shown
from .gallery import picture_note

_CELL, _GAP, _CAPTION, _TITLE, _MARGIN = 1.45, 0.08, 0.3, 0.95, 0.85


def matrix(
    results: Sequence[Sequence[Reconstruction]],
    row_names: Sequence[str],
    column_names: Sequence[str],
    title: str = "",
) -> Figure:
    """Draw the first seed of every result, in rows and columns, with its feature error below.

    >>> tried = [[invert("coffee", beta=b, tv_weight=w) for w in (0.01, 1)] for b in (1, 2)]
    >>> matrix(tried, ["β = 1", "β = 2"], ["λ = 0.01", "λ = 1"])
    """
    first = results[0][0]
    height, width = first.images.shape[-2:]
    scale = _CELL / max(height, width)
    across, down = width * scale, height * scale
    total = _MARGIN + len(column_names) * (across + _GAP)
    tall = _TITLE + len(row_names) * (down + _CAPTION)
    figure = new_figure(total, tall)
    set_title(figure, title or f"What {first.layer_in_words} keeps of {first.photo_name}",
              picture_note(first), total, tall)  # fmt: skip
    for row, line in enumerate(results):
        top = _TITLE + row * (down + _CAPTION)
        figure.text(0.15 / total, 1 - (top + down / 2) / tall, row_names[row], fontsize=8.5,
                    color=INK, va="center", parse_math=False)  # fmt: skip
        for column, result in enumerate(line):
            left = _MARGIN + column * (across + _GAP)
            axes = figure.add_axes(
                (left / total, 1 - (top + down) / tall, across / total, down / tall)
            )
            error = result.relative_error
            words = "" if error is None else f"{100 * error[0]:.0f} %"
            show_image(axes, as_shown(result, 0), words)
            if row == 0:
                axes.set_title(column_names[column], fontsize=8.5, color=INK, pad=4,
                               parse_math=False)  # fmt: skip
    return figure
