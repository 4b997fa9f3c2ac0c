"""What a cell in the middle truly heeds of what it can see: its effective receptive field.

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

HEEDED = 1 - 0.9545  # of the largest weight, as in the source


@dataclass(frozen=True)
class EffectiveField:
    """``weight`` (H, W): how much each pixel moves the cells, 1 for the one that moves them most.

    It is the root mean square, over photos, colors and channels, of the derivatives of the cells'
    features by the pixel. ``box`` is what they can see at most, clipped to the image.
    """

    weight: Tensor
    box: Box
    region: Region

    @property
    def side(self) -> int:
        """The root of the number of pixels with more than 4.55 % of the largest weight."""
        return round(math.sqrt(float((self.weight > HEEDED).sum())))

    @property
    def coverage(self) -> float:
        """The share of the box, by its area, that these pixels fill."""
        return float((self.weight > HEEDED).sum()) / (self.box.height * self.box.width)


@own_state()
def effective_field(
    representation: Representation,
    sources: Sequence[PhotoSource] | None = None,
    *,
    region: Region | None = None,
    probes: int = 8,
) -> EffectiveField:
    """Measure the effective receptive field of a layer's cells, over photos.

    >>> phi = representation("efficientnet_lite0", "blocks.1")
    >>> effective_field(phi, ["coffee"], probes=2).box.width
    19

    Parameters
    ----------
    representation : Representation
        Cut at a layer that is a map.
    sources : sequence of photos, optional
        Each as ``read_photo`` takes it; the bundled ones by default.
    region : tuple of int, optional
        Rows and columns of cells, (r0, r1, c0, c1); the one in the middle by default.
    probes : int, optional
        Random sums of the channels whose gradients stand for all of them; with no more channels
        than probes, each channel is taken.

    Returns
    -------
    EffectiveField
        The weight of every pixel, and the box of what can be seen at most.

    Raises
    ------
    SelectionError
        Where the layer is a vector, or the region leaves the map.

    References
    ----------
    Luo, Li, Urtasun and Zemel, Understanding the Effective Receptive Field in Deep Convolutional
    Neural Networks, NIPS 2016; the threshold is theirs.
    """
    layer = representation.layer_info()
    if layer.grid is None:
        raise SelectionError(f"layer {layer.name} is a vector: none of its cells is in the middle")
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
