"""The photo and every seed's image side by side, their errors beneath."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..inversion.reconstruction import Reconstruction
from .canvas import ACCENT, new_figure, set_title, show_image

_CELL = 2.05  # inches of a picture's longer side
_GAP, _CAPTION, _TITLE = 0.15, 0.55, 0.66


def gallery(result: Reconstruction, columns: int | None = None, limit: int = 64) -> Figure:
    """Draw a result: the photo first, then up to ``limit`` seeds.

    >>> gallery(invert("coffee", layer="blocks.2")).savefig("coffee.png")

    A region's receptive field is framed on the photo; weights that are not pretrained are named.
    """
    images = result.images[:limit]
    height, width = images.shape[-2:]
    cells = len(images) + (result.photo is not None)
    columns = columns or _columns(cells)
    rows = math.ceil(cells / columns)
    scale = _CELL / max(height, width)
    cell_width, cell_height = width * scale, height * scale
    figure_width = max(columns * (cell_width + _GAP) + _GAP, 4.6)
    figure_height = rows * (cell_height + _CAPTION) + _TITLE
    figure = new_figure(figure_width, figure_height)
    set_title(figure, title_of(result), note_of(result), figure_width, figure_height)
    for cell in range(cells):
        row, column = divmod(cell, columns)
        left = _GAP + column * (cell_width + _GAP)
        top = _TITLE + row * (cell_height + _CAPTION)
        axes = figure.add_axes(
            (
                left / figure_width,
                1 - (top + cell_height) / figure_height,
                cell_width / figure_width,
                cell_height / figure_height,
            )
        )
        seed = cell - (result.photo is not None)
        if seed < 0:
            assert result.photo is not None
            show_image(axes, result.photo, f"{result.photo_name}\nthe photo")
            _frame_field(axes, result)
        else:
            show_image(axes, images[seed], caption(result, seed))
    return figure


def title_of(result: Reconstruction) -> str:
    """What was done, in one line."""
    return {
        "inversion": f"What {result.layer} still knows of {result.photo_name}",
        "maximise": f"What excites channel {_first(result)} of {result.layer}",
        "caricature": f"What {result.layer} sees in {result.photo_name}, raised",
    }[result.settings.objective]


def _first(result: Reconstruction) -> int:
    channels = result.selection["channels"]
    return int(channels[0]) if channels else 0


def note_of(result: Reconstruction) -> str:
    """With what it was done, in one line; random weights are always named."""
    parts = [result.model]
    if result.weights_note:
        parts.append(result.weights_note)
    if result.selection["shown"]:
        parts.append(result.selection["shown"])
    parts.append(f"{result.steps} steps")
    if result.stopped:
        parts.append("stopped early")
    return " · ".join(parts)


def caption(result: Reconstruction, seed: int) -> str:
    """A seed's name and scores, beneath its image."""
    first = f"seed {result.seeds[seed]}"
    if result.relative_error is not None:
        first += f" · error {100 * result.relative_error[seed]:.1f} %"
    elif "total" in result.energies and len(result.energies["total"]):
        reached = -float(result.energies["data"][-1][seed])
        first += f" · response ×{reached:.2f}"
    if result.psnr is None or result.ssim is None:
        return first
    return f"{first}\n{result.psnr[seed]:.1f} dB · SSIM {result.ssim[seed]:.2f}"


def _columns(cells: int) -> int:
    if cells <= 5:
        return cells
    return min(8, math.ceil(math.sqrt(cells * 1.6)))


def _frame_field(axes: Axes, result: Reconstruction) -> None:
    field = result.receptive_field
    if field is None or field["covers_image"]:
        return
    top, left, bottom, right = field["box"]
    axes.add_patch(
        Rectangle(
            (left - 0.5, top - 0.5),
            right - left,
            bottom - top,
            fill=False,
            edgecolor=ACCENT,
            linewidth=1.8,
        )
    )
