"""The figure of effective receptive fields over a photo, each within its receptive field."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from ..analysis.fields import THRESHOLD, EffectiveField
from ..images import to_uint8
from .canvas import ACCENT, INK, new_figure, set_title, show_image

_SIDE, _GAP, _TITLE, _CAPTION = 2.2, 0.12, 0.95, 0.45


_BLUR = 0.012  # standard deviation, in sides of the image


def smooth(field: EffectiveField) -> Tensor:
    """The weights averaged over a few pixels; they stay 0 outside the box."""
    blurred = blur(field.weight, _BLUR * max(field.weight.shape))
    top, left, bottom, right = field.box
    inside = torch.zeros_like(blurred)
    inside[top:bottom, left:right] = blurred[top:bottom, left:right]
    return inside / inside.max().clamp(min=1e-30)


def blur(image: Tensor, deviation: float) -> Tensor:
    """An image (H, W) blurred by a Gaussian with this standard deviation, cut at 4 deviations.

    >>> blur(torch.eye(3), 0.5)[1]
    tensor([0.1793, 0.6415, 0.1793])

    The image is mirrored at its borders.
    """
    along = [_gaussian(side, deviation).to(image) for side in image.shape]
    return along[0] @ image @ along[1].T


def _gaussian(side: int, deviation: float) -> Tensor:
    """The matrix that blurs a line of pixels, with mirrored ends."""
    reach = int(4 * deviation + 0.5)
    offsets = torch.arange(-reach, reach + 1)
    weights = torch.exp(-((offsets / deviation) ** 2) / 2)
    places = torch.arange(side)[:, None] + offsets
    places = places.remainder(2 * side)
    places = torch.where(places < side, places, 2 * side - 1 - places)
    weights = (weights / weights.sum()).expand(side, -1)
    return torch.zeros(side, side).scatter_add_(1, places, weights)


def _level(field: EffectiveField, weight: Tensor) -> float:
    """The level that as many smooth weights exceed as weights exceed the threshold."""
    count = int((field.weight > THRESHOLD).sum())
    return float(weight.flatten().sort(descending=True).values[max(count, 1) - 1])


def effective_fields(
    photo: Tensor, fields: Sequence[EffectiveField], names: Sequence[str]
) -> Figure:
    """Draw one column per layer: the photo, faded where the cells' weights are small, and a frame.

    >>> phi = [representation("efficientnet_lite0", f"blocks.{k}") for k in range(4)]
    >>> effective_fields(photo, [effective_field(p) for p in phi], [p.layer for p in phi])

    ``photo`` is (3, H, W) in [0, 1]. Pixels with small weights fade to white, by the square root of
    the weights. The line encloses as many pixels as have more than 4.55 % of the largest weight.
    Both use weights averaged over a few pixels, because single pixels are noisy.
    """
    height, width = photo.shape[-2:]
    scale = _SIDE / max(height, width)
    across, down = width * scale, height * scale
    figure_width = len(fields) * (across + _GAP) + _GAP
    figure = new_figure(figure_width, down + _TITLE + _CAPTION)
    set_title(figure, "Receptive field and effective receptive field",
              "frame: receptive field · line: around as many pixels as have more than 4.55 % of "
              "the largest weight",
              figure_width, down + _TITLE + _CAPTION)  # fmt: skip
    tall = down + _TITLE + _CAPTION
    for column, (field, name) in enumerate(zip(fields, names, strict=True)):
        left = _GAP + column * (across + _GAP)
        axes = figure.add_axes(
            (left / figure_width, _CAPTION / tall, across / figure_width, down / tall)
        )
        weight = smooth(field)
        opacity = weight.sqrt() * 0.75 + 0.25
        shown = to_uint8(photo * opacity + 1 - opacity)
        side, box = field.side, field.box
        words = f"receptive field {box.height} × {box.width}\neffective area {side} × {side}"
        show_image(axes, np.asarray(shown), words)
        axes.set_title(name, fontsize=8.5, color=INK, pad=4, parse_math=False)
        axes.contour(weight.numpy(), [_level(field, weight)], colors=[INK], linewidths=1.0)
        axes.add_patch(
            Rectangle((field.box.left - 0.5, field.box.top - 0.5), field.box.width,
                      field.box.height, fill=False, edgecolor=ACCENT, linewidth=1.6)
        )  # fmt: skip
    return figure
