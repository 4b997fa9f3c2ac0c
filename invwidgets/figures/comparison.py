"""The comparison of HOG, HOGb and dense SIFT on one photo: their glyphs and their inversions."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from ..inversion.result import Reconstruction, steps_in_words
from ..representations.registry import representation
from .canvas import INK, new_figure, set_title, show_image
from .contrast import STRETCHED, as_shown
from .hog_glyphs import hog_glyph_image
from .sift_glyphs import sift_glyph_image

_GLYPHS = {"dsift": sift_glyph_image}  # by descriptor; HOG's for its kin
_CELL, _GAP, _CAPTION, _TITLE = 2.5, 0.12, 0.3, 0.95


def comparison(results: Sequence[Reconstruction]) -> Figure:
    """Draw the photo and one column per descriptor: glyphs above, the first seed's image below.

    >>> comparison([invert("coffee", name, seeds=1) for name in ("hog", "hogb", "dsift")])

    The layout is that of figure 4 of CVPR15.
    """
    first = results[0]
    assert first.photo is not None
    height, width = first.images.shape[-2:]
    across, down = _CELL, _CELL * height / width
    columns = len(results) + 1
    figure_width = columns * (across + _GAP) + _GAP
    figure_height = 2 * (down + _CAPTION) + _TITLE
    figure = new_figure(figure_width, figure_height)
    steps = steps_in_words(first.steps)
    note = f"glyphs above, inversions below, {STRETCHED} · {steps}, seed {first.seeds[0]}"
    set_title(figure, f"What descriptors keep of {first.photo_name}", note,
              figure_width, figure_height)  # fmt: skip
    for column in range(columns):
        for row in range(2):
            if column == 0 and row == 1:
                continue
            left = _GAP + column * (across + _GAP)
            top = _TITLE + row * (down + _CAPTION)
            axes = figure.add_axes(
                (left / figure_width, 1 - (top + down) / figure_height,
                 across / figure_width, down / figure_height)
            )  # fmt: skip
            if column == 0:
                show_image(axes, first.photo)
                axes.set_title("the photo", fontsize=9, color=INK, pad=4)
                continue
            result = results[column - 1]
            if row:
                error = result.relative_error
                show_image(
                    axes, as_shown(result, 0), f"error {100 * error[0]:.1f} %" if error else ""
                )
                continue
            phi = representation(result.model)
            features = phi.target(result.photo)[0]  # type: ignore[arg-type]
            glyphs = _GLYPHS.get(result.model, hog_glyph_image)
            show_image(axes, glyphs(features))
            axes.images[0].set_cmap("gray")
            axes.set_aspect("auto")
            axes.set_title(result.model, fontsize=9, color=INK, pad=4, parse_math=False)
    return figure
