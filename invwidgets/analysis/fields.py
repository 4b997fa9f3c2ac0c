"""The effective receptive field of a layer: how strongly a cell weights each pixel that it sees.

>>> field = effective_field(representation("efficientnet_lite0", "blocks.3"), ["coffee"])
>>> field.weight.shape, field.side, field.box.width
(torch.Size([224, 224]), 92, 201)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..arguments import whole_number
from ..errors import SelectionError
from ..images import PhotoSource, photos, read_photo
from ..representations.base import Region, Representation
from ..representations.network import check_region
from ..representations.receptive_fields.tracer import Box
from ..torch_state import own_state

THRESHOLD = 1 - 0.9545  # of the largest weight, as in the source


@dataclass(frozen=True)
class EffectiveField:
    """The effective receptive field of a layer's cells: the weight of each pixel.

    ``weight`` (H, W) is the root mean square, over photos, colors and channels, of the derivatives
    of the cells' features by the pixel, scaled to a maximum of 1. ``box`` is the receptive field,
    clipped to the image: the pixels that can change the cells at all.
    """

    weight: Tensor
    box: Box
    region: Region

    @property
    def side(self) -> int:
        """The square root of the number of pixels with more than 4.55 % of the largest weight."""
        return round(math.sqrt(float((self.weight > THRESHOLD).sum())))

    @property
    def coverage(self) -> float:
        """The part of the box's area that these pixels cover."""
        return float((self.weight > THRESHOLD).sum()) / (self.box.height * self.box.width)


@own_state()
def effective_field(
    representation: Representation,
    sources: Sequence[PhotoSource] | None = None,
    *,
    region: Region | None = None,
    probes: int = 8,
) -> EffectiveField:
    """Measure the effective receptive field of a layer's cells on photos.

    >>> phi = representation("efficientnet_lite0", "blocks.1")
    >>> effective_field(phi, ["coffee"], probes=2).box.width
    19

    Parameters
    ----------
    representation : Representation
        A representation whose layer is a map.
    sources : sequence of photos, optional
        Photos: names of bundled ones, paths, PIL images, arrays (H, W, 3) or tensors (3, H, W); by
        default all bundled photos.
    region : tuple of int, optional
        Rows and columns of cells, (r0, r1, c0, c1); by default the middle cell.
    probes : int, optional
        The number of random sums of channels whose gradients are used instead of every channel's;
        if there are no more channels than probes, each channel is used.

    Returns
    -------
    EffectiveField
        The weight of every pixel, and the receptive field.

    Raises
    ------
    SelectionError
        If the layer is a vector, or the region is not within the map.

    References
    ----------
    Luo, Li, Urtasun and Zemel, Understanding the Effective Receptive Field in Deep Convolutional
    Neural Networks, NIPS 2016; the threshold is theirs.
    """
    layer = representation.layer_info()
    if layer.grid is None:
        raise SelectionError(f"layer {layer.name} is a vector without cells: choose a map")
    channels = layer.shape[0]
    rows, columns = layer.grid
    if region is None:
        region = (rows // 2, rows // 2 + 1, columns // 2, columns // 2 + 1)
    check_region(region, layer)
    count = whole_number(probes, "probes", 1, 10_000)
    top, bottom, left, right = region
    shape = (channels, bottom - top, right - left)
    if channels <= count and shape[1:] == (1, 1):
        sums = torch.eye(channels).reshape(channels, *shape)
    else:
        sums = torch.randn(count, *shape, generator=torch.Generator().manual_seed(0))
    device = representation.mean_color.device
    sums = sums.to(device)
    energy = torch.zeros(representation.size, device=device)
    for source in photos() if sources is None else sources:
        photo = read_photo(source, representation.size, channels=representation.channels)
        photo = photo[None].to(device).requires_grad_(True)
        cells = representation(photo)[0, :, top:bottom, left:right]
        for one in sums:
            (slope,) = torch.autograd.grad(cells, photo, one.to(cells), retain_graph=True)
            energy += slope[0].square().sum(0)
    weight = energy.sqrt().cpu()
    box = representation.receptive_field(region).clipped
    return EffectiveField(weight / weight.max().clamp_min(1e-30), box, region)
