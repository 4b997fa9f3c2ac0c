"""Effective receptive fields over a photo, each in the box of what its cells can see at most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.ndimage import gaussian_filter
from torch import Tensor

from ..analysis.fields import HEEDED, EffectiveField
from ..images import to_uint8
from .canvas import ACCENT, INK, new_figure, set_title, show_image

_SIDE, _GAP, _TITLE, _CAPTION = 2.2, 0.12, 0.95, 0.45


_BLUR = 0.012  # standard deviation, in sides of the image


def _smooth(field: EffectiveField) -> Tensor:
    """The weights averaged over a few pixels, 0 outside the box as they are."""
    blurred = gaussian_filter(field.weight.numpy(), _BLUR * max(field.weight.shape))
    box = field.box
    inside = np.zeros_like(blurred)
    seen = np.s_[box.top : box.bottom, box.left : box.right]
    inside[seen] = blurred[seen]
    return torch.from_numpy(inside / max(inside.max(), 1e-30))


def _level(field: EffectiveField, smooth: Tensor) -> float:
    """What as many of the smooth weights exceed as of the weights themselves are heeded."""
    heeded = int((field.weight > HEEDED).sum())
    return float(smooth.flatten().sort(descending=True).values[max(heeded, 1) - 1])


def effective_fields(
    photo: Tensor, fields: Sequence[EffectiveField], names: Sequence[str]
) -> Figure:
    """A column a layer: the photo, brighter where the cells heed it, and their box.

    >>> phi = [representation("efficientnet_lite0", f"blocks.{k}") for k in range(4)]
    >>> effective_fields(photo, [effective_field(p) for p in phi], [p.layer for p in phi])

    ``photo`` (3, H, W) in [0, 1]. What is not heeded fades to white, by the square root of the
    weights. The line holds as many pixels as weigh more than 4.55 % of the largest. Both are drawn
    of weights averaged over a few pixels, for single pixels flicker.
    """
    height, width = photo.shape[-2:]
    scale = _SIDE / max(height, width)
    across, down = width * scale, height * scale
    figure_width = len(fields) * (across + _GAP) + _GAP
    figure = new_figure(figure_width, down + _TITLE + _CAPTION)
    set_title(figure, "What a cell can see, and what it heeds",
              "frame: all it can see · line: around as many pixels as weigh more than 4.55 % of "
              "the largest weight",
              figure_width, down + _TITLE + _CAPTION)  # fmt: skip
    tall = down + _TITLE + _CAPTION
    for column, (field, name) in enumerate(zip(fields, names, strict=True)):
        left = _GAP + column * (across + _GAP)
        axes = figure.add_axes(
            (left / figure_width, _CAPTION / tall, across / figure_width, down / tall)
        )
        heeded = _smooth(field)
        share = heeded.sqrt() * 0.75 + 0.25
        shown = to_uint8(photo * share + 1 - share)
        side, box = field.side, field.box
        words = f"can see {box.height} × {box.width}\nheeds as many as {side} × {side}"
        show_image(axes, np.asarray(shown), words)
        axes.set_title(name, fontsize=8.5, color=INK, pad=4, parse_math=False)
        axes.contour(heeded.numpy(), [_level(field, heeded)], colors=[INK], linewidths=1.0)
        axes.add_patch(
            Rectangle((field.box.left - 0.5, field.box.top - 0.5), field.box.width,
                      field.box.height, fill=False, edgecolor=ACCENT, linewidth=1.6)
        )  # fmt: skip
    return figure
