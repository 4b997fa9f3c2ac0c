"""The figure of an interpolation between two reconstructions: blends above, images below."""

from __future__ import annotations

from matplotlib.figure import Figure

from ..analysis.interpolation import Interpolation
from .canvas import INK, new_figure, set_title, show_image

_CELL, _GAP, _CAPTION, _TITLE, _MARGIN = 1.35, 0.08, 0.32, 0.75, 0.95


def interpolation_figure(path: Interpolation) -> Figure:
    """Draw both rows of an interpolation with the feature error below every image.

    >>> interpolation_figure(interpolate(result, phi)).savefig("interpolation.png")
    """
    height, width = path.images.shape[-2:]
    scale = _CELL / max(height, width)
    across, down = width * scale, height * scale
    total = _MARGIN + len(path.images) * (across + _GAP)
    tall = _TITLE + 2 * (down + _CAPTION)
    figure = new_figure(total, tall)
    set_title(figure, "From one pre-image to another", "beneath each: its feature error",
              total, tall)  # fmt: skip
    rows = (("blended", path.blends, path.blend_error), ("pulled back", path.images, path.error))
    for row, (name, images, errors) in enumerate(rows):
        top = _TITLE + row * (down + _CAPTION)
        figure.text(0.15 / total, 1 - (top + down / 2) / tall, name, fontsize=8.5, color=INK,
                    va="center")  # fmt: skip
        for column, (image, error) in enumerate(zip(images, errors, strict=True)):
            left = _MARGIN + column * (across + _GAP)
            axes = figure.add_axes(
                (left / total, 1 - (top + down) / tall, across / total, down / tall)
            )
            show_image(axes, image, f"{100 * error:.0f} %")
    return figure
