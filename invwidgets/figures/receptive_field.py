"""The figure of a photo with a layer's grid of cells, a region, and its receptive field."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from ..representations.base import Region, Representation
from .canvas import ACCENT, new_figure, set_title, show_image

_SIDE = 3.6


def receptive_field_figure(
    photo: Tensor, representation: Representation, region: Region | None = None
) -> Figure:
    """Draw the pixels of ``photo`` (3, H, W) that ``region`` can see, with the rest dimmed.

    >>> receptive_field_figure(photo, representation, (10, 15, 10, 15)).savefig("field.png")
    """
    size = (photo.shape[-2], photo.shape[-1])
    field = representation.receptive_field(region, size)
    top, left, bottom, right = field.clipped
    dimmed = photo * 0.25 + 0.75
    dimmed[:, top:bottom, left:right] = photo[:, top:bottom, left:right]
    scale = _SIDE / max(size)
    width, height = max(size[1] * scale + 0.3, 4.2), size[0] * scale + 1.15
    figure = new_figure(width, height)
    layer = representation.layer_info(size)
    where = "every cell" if region is None else "cells {}:{},{}:{}".format(*region)
    set_title(figure, f"{representation.layer}, {where}", representation.name, width, height)
    axes = figure.add_axes(
        (0.15 / width, 0.42 / height, size[1] * scale / width, size[0] * scale / height)
    )
    whole = ", the whole image" if field.covers(size) else ""
    show_image(axes, dimmed, f"sees {field.clipped.height} × {field.clipped.width} pixels{whole}")
    axes.add_patch(
        Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False,
                  edgecolor=ACCENT, linewidth=2)
    )  # fmt: skip
    if region is not None and layer.grid is not None:
        rows, columns = layer.grid
        step = (size[0] / rows, size[1] / columns)
        for row in range(region[0], min(region[1], rows)):
            for column in range(region[2], region[3]):
                axes.add_patch(
                    Rectangle((column * step[1] - 0.5, row * step[0] - 0.5), step[1], step[0],
                              fill=False, edgecolor="white", linewidth=0.6)
                )  # fmt: skip
    return figure
