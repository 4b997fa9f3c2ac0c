"""The window of a region: the part of the image that determines its features.

    >>> phi = representation("efficientnet_lite0", "blocks.1")
    >>> find_window(phi, Selection(region=(25, 30, 25, 30)), (224, 224)).box
    Box(top=88, left=88, bottom=132, right=132)

Computing only the window saves time. A cell depends on nothing outside its receptive field. So a
crop that contains the field gives the same cells, if it starts on the layer's grid (then all
strides fall on the same pixels) and ends at the border of the image wherever the field reaches it
(then the padding is the same). The crop is tried on noise before it is used. If the cells differ,
or the network cannot take such a small image, the whole image is computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..fallbacks import took_slower_path
from ..representations.base import Region, Representation
from ..representations.caching import cached
from ..representations.receptive_fields.tracer import Box
from ..selection import Selection

_SAME = 1e-5  # the largest allowed difference of a feature, relative to the largest feature
_LEAST = 32  # pixels per side; descriptors refuse less, and it would save no time
_WORTH = 0.8  # the largest part of the image's pixels for which a crop saves enough time


@dataclass(frozen=True)
class Window:
    """A part of the image: the ``box`` of its pixels, and the ``selection`` within its features."""

    box: Box
    selection: Selection

    def of(self, images: Tensor) -> Tensor:
        """The window's part of images (S, C, H, W)."""
        return self.box.of(images)


def find_window(
    representation: Representation, selection: Selection, size: tuple[int, int]
) -> Window | None:
    """The window of a selection at ``size`` (height, width); None if all must be computed."""
    region = selection.region
    if region is None:
        return None
    window = cached(
        representation, ("window", region, size), lambda: _find(representation, region, size)
    )
    if window is None:
        return None
    return Window(window.box, Selection(window.selection.region, selection.channels))


def _find(representation: Representation, region: Region, size: tuple[int, int]) -> Window | None:
    layer = representation.layer_info(size)
    field = representation.receptive_field(region, size)
    if layer.stride is None or layer.tokens is not None or field.covers(size):
        return None
    if not all(stride.is_integer() for stride in layer.stride):
        return None
    grid = (int(layer.stride[0]), int(layer.stride[1]))
    box = field.clipped
    if not (box.height and box.width):
        return None  # cells that see nothing
    top, bottom = _span(box.top, box.bottom, grid[0], size[0])
    left, right = _span(box.left, box.right, grid[1], size[1])
    if (bottom - top) * (right - left) > _WORTH * size[0] * size[1]:
        return None
    rows, columns = top // grid[0], left // grid[1]
    shifted = (region[0] - rows, region[1] - rows, region[2] - columns, region[3] - columns)
    window = Window(Box(top, left, bottom, right), Selection(shifted))
    if _same_cells(representation, window, region, size):
        return window
    took_slower_path(
        "the whole image is computed for a region",
        f"layer {representation.layer} of {representation.name} has other features for a crop",
    )
    return None


def _span(start: int, end: int, grid: int, size: int) -> tuple[int, int]:
    """The start and end of a crop that starts on a grid line at or before ``start``.

    Its length differs from the image's by a multiple of the grid step, so that padding which
    depends on the size is the same.
    """
    start = max(0, min(start, size - _LEAST)) // grid * grid
    end = max(end, start + _LEAST)
    return start, min(size, end + (size - end) % grid)


def _same_cells(
    representation: Representation, window: Window, region: Region, size: tuple[int, int]
) -> bool:
    noise = torch.rand(
        1, representation.channels, *size, generator=torch.Generator().manual_seed(0)
    )
    noise = noise.to(representation.mean_color)
    with torch.no_grad():
        wanted = Selection(region).of(representation(noise))
        try:
            given = window.selection.of(representation(window.of(noise)))
        except Exception:  # a network may raise anything for an image that is too small
            return False
    if given.shape != wanted.shape:
        return False
    return bool((given - wanted).abs().max() <= _SAME * wanted.abs().max())
