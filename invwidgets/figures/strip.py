"""The figure of reconstructions from several layers side by side, as in the papers."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..inversion.result import Reconstruction, steps_in_words
from ..representations.descriptors.named import layer_title
from .canvas import FAINT, INK, new_figure, set_title, show_image
from .contrast import as_shown
from .gallery import OUTLIER, caption, picture_note

_CELL, _GAP, _CAPTION, _TITLE = 1.35, 0.08, 0.42, 0.72


def _note(results: Sequence[Reconstruction]) -> str:
    """The line about model, preset and steps that is true for all results."""
    note = picture_note(results[0])
    steps = [result.steps for result in results]
    if len(set(steps)) > 1:
        note = note.replace(steps_in_words(steps[0]), f"{min(steps)} to {max(steps)} steps")
    selected = [result.selection.in_words() for result in results]
    if len(set(selected)) > 1:
        note = note.replace(f" · {selected[0]}", "")
    return note


def strip(results: Sequence[Reconstruction], names: Sequence[str] | None = None) -> Figure:
    """Draw results of one photo: the photo first, one column per result, one row per seed.

    >>> strip([invert("coffee", layer=f"blocks.{k}", seeds=2) for k in range(4)])

    ``names`` are the headings of the columns, by default the layers' names. Below each picture is
    its feature error, or the score of another objective.
    """
    heads = (
        list(names) if names is not None else [layer_title(one.model, one.layer) for one in results]
    )
    rows = max(len(result.images) for result in results)
    columns = len(results) + 1
    height, width = results[0].images.shape[-2:]
    scale = (_CELL if columns > 4 else 1.9) / max(height, width)
    across, down = width * scale, height * scale
    figure_width = columns * (across + _GAP) + _GAP + 0.1
    figure_height = rows * (down + _CAPTION) + _TITLE + 0.25
    figure = new_figure(figure_width, figure_height)
    first = results[0]
    set_title(figure, _title(first), _note(results), figure_width, figure_height)

    def cell(row: int, column: int, head: str) -> Axes:
        left = _GAP + 0.05 + column * (across + _GAP)
        top = _TITLE + 0.2 + row * (down + _CAPTION)
        axes = figure.add_axes(
            (left / figure_width, 1 - (top + down) / figure_height,
             across / figure_width, down / figure_height)
        )  # fmt: skip
        if head:
            axes.set_title(head, fontsize=8.5, color=INK, pad=4, parse_math=False)
        return axes

    if first.photo is not None:
        show_image(cell(0, 0, "the photo"), first.photo)
    for column, (result, head) in enumerate(zip(results, heads, strict=True), 1):
        for row, seed in enumerate(result.seeds):
            axes = cell(row, column, head if row == 0 else "")
            show_image(axes, as_shown(result, row), _words(result, row, seed))
    if any(result.relative_error is not None for result in results):
        figure.text(0.15 / figure_width, 0.1 / figure_height, "beneath each: its feature error",
                    fontsize=7.5, color=FAINT)  # fmt: skip
    return figure


def _title(result: Reconstruction) -> str:
    if result.objective.measures_error:
        return f"What is kept of {result.photo_name}"
    of = f" of {result.photo_name}" if result.photo_name else ""
    return f"{result.objective.name.capitalize()}{of}"


def _words(result: Reconstruction, row: int, seed: int) -> str:
    """The text below a seed's picture."""
    if result.relative_error is None:
        return caption(result, row)[0]
    far = OUTLIER if seed in result.outliers else ""
    return f"{100 * result.relative_error[row]:.0f} %{far}"
