"""The figure of a photo and its reconstruction with arrows from parts to their matches."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, Rectangle

from ..analysis.matching import Recomposition
from ..inversion.result import Reconstruction
from .canvas import COLORS, new_figure, set_title, show_image
from .gallery import picture_note

_SIDE, _GAP, _TITLE, _CAPTION = 3.3, 0.5, 0.7, 0.5
_STAYS = "0.6"  # the color of a part in its place
_MOVES = [color for color in COLORS if color != "#57606a"]  # that one is gray


def arrows(result: Reconstruction, found: Recomposition, seed: int = 0, count: int = 12) -> Figure:
    """Draw the photo, the image of ``result.seeds[seed]``, and ``count`` arrows between parts.

    >>> result = invert("coffee", layer="blocks.4", seeds=1)
    >>> arrows(result, recomposition(result)).savefig("arrows.png")

    An arrow runs from a part of the photo to the patch of the image that matches it. It is colored
    if the part has moved, and gray if it is in its place. The numbers of both kinds are in the
    proportion of all patches. Of the moved parts, those with the largest displacement are shown.
    All shown matches are more similar than matches with another photo, are spread over the image,
    and are neither flat nor at the image's border, where all patches look similar. A part of the
    photo that is used more than once keeps its color.
    """
    assert result.photo is not None
    height, width = found.size
    scale = _SIDE / max(height, width)
    across, down = width * scale, height * scale
    figure_width, figure_height = 2 * across + _GAP + 0.3, down + _TITLE + _CAPTION
    figure = new_figure(figure_width, figure_height)
    title = f"Where the parts come from: {result.photo_name} after {result.layer_in_words}"
    set_title(figure, title, picture_note(result), figure_width, figure_height)
    moved = found.moved[seed]
    stay = 100 * float((moved == 0).float().mean())
    words = (
        f"mean displacement {moved.mean():.2f} of the side\n"
        f"{stay:.0f} % of the parts are in their place"
    )
    sides = []
    for column, (picture, caption) in enumerate(
        (
            (result.photo, "the photo"),
            (result.images[seed], words),
        )
    ):
        left = 0.15 + column * (across + _GAP)
        axes = figure.add_axes(
            (left / figure_width, _CAPTION / figure_height, across / figure_width,
             down / figure_height)
        )  # fmt: skip
        show_image(axes, picture, caption)
        sides.append(axes)
    columns = found.grid[1]
    for place in _spread_out(found, seed, count):
        source = int(found.matches[seed, place])
        color = _MOVES[source % len(_MOVES)] if moved[place] else _STAYS
        ends = []
        for axes, cell in ((sides[0], source), (sides[1], place)):
            top, left = (cell // columns) * found.cell[0], (cell % columns) * found.cell[1]
            axes.add_patch(
                Rectangle((left - 0.5, top - 0.5), found.cell[1], found.cell[0], fill=False,
                          edgecolor=color, linewidth=1.8)
            )  # fmt: skip
            ends.append((left + found.cell[1] / 2 - 0.5, top + found.cell[0] / 2 - 0.5))
        bow = f"arc3,rad={0.06 if place % 2 else -0.06}"  # those of one row do not hide each other
        figure.add_artist(
            ConnectionPatch(ends[0], ends[1], "data", "data", axesA=sides[0], axesB=sides[1],
                            arrowstyle="-|>", connectionstyle=bow, color=color, linewidth=1.1,
                            alpha=0.85, shrinkA=3, shrinkB=3)
        )  # fmt: skip
    return figure


def _spread_out(found: Recomposition, seed: int, count: int) -> list[int]:
    """The patches to show, none next to another.

    First those with the largest displacement, then those in their place with the most similar
    matches. Flat patches and those at the border are used only if there are no others.
    """
    rows, columns = found.grid
    matches, moved, likeness = found.matches[seed], found.moved[seed], found.likeness[seed]
    inner = torch.zeros(found.grid, dtype=torch.bool)
    inner[1 : rows - 1, 1 : columns - 1] = True
    inner = inner.flatten()
    shown = (found.relief[matches] >= found.relief.median()) & inner & inner[matches]
    shown = shown & (likeness > found.elsewhere)
    if not shown.any():
        shown = torch.ones_like(shown)
    movers = round(count * float((moved[shown] > 0).float().mean()))
    chosen: list[int] = []
    for group, rank, most in (
        (shown & (moved > 0), moved, movers),
        (shown & (moved == 0), likeness, count),
    ):
        for place in torch.argsort(rank, descending=True, stable=True).tolist():
            near = any(
                abs(place // columns - c // columns) <= 1
                and abs(place % columns - c % columns) <= 1
                for c in chosen
            )
            if group[place] and not near and len(chosen) < most:
                chosen.append(int(place))
    return chosen
