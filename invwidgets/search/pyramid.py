"""An image pyramid, with downsampling by means of 2x2 pixels and bilinear upsampling.

>>> [level.shape[-1] for level in pyramid(torch.zeros(1, 3, 224, 224), 4)]
[224, 112, 56, 28]
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def pyramid(z: Tensor, levels: int) -> list[Tensor]:
    """z followed by versions of half, a quarter, … of its size, down to one pixel at the least."""
    found = [z]
    while len(found) < levels and max(found[-1].shape[-2:]) > 1:
        found.append(halved(found[-1]))
    return found


def halved(z: Tensor) -> Tensor:
    """The means of 2x2 pixels, at the end of an odd side of fewer pixels."""
    if z.shape[-2] % 2 or z.shape[-1] % 2:
        return F.avg_pool2d(z, 2, ceil_mode=True)
    rows = z[..., ::2, :] + z[..., 1::2, :]  # five times as fast as the pooling operator
    return (rows[..., ::2] + rows[..., 1::2]).mul_(0.25)


def upsample(coarse: Tensor, out: Tensor) -> None:
    """Write ``coarse``, upsampled bilinearly to the size of ``out``, into ``out``."""
    height, width = out.shape[-2:]
    if (2 * coarse.shape[-2], 2 * coarse.shape[-1]) != (height, width):
        size = (height, width)
        out.copy_(F.interpolate(coarse, size=size, mode="bilinear", align_corners=False))
        return
    wide = coarse.new_empty(*coarse.shape[:-1], width)
    _double(coarse, wide, -1)  # the slower direction first, while there are half as many rows
    _double(wide, out, -2)


def _double(z: Tensor, out: Tensor, dim: int) -> None:
    """Double the length along ``dim`` linearly, with ¾ of the nearer pixel and ¼ of the next."""
    length = z.shape[dim]
    pairs = out.unflatten(dim, (length, 2))
    even, odd = pairs.select(dim, 0), pairs.select(dim, 1)
    along = dim + z.ndim
    all_but_last, all_but_first = z.narrow(dim, 0, length - 1), z.narrow(dim, 1, length - 1)
    torch.lerp(all_but_first, all_but_last, 0.25, out=even.narrow(along, 1, length - 1))
    torch.lerp(all_but_last, all_but_first, 0.25, out=odd.narrow(along, 0, length - 1))
    even.select(along, 0).copy_(z.select(dim, 0))
    odd.select(along, length - 1).copy_(z.select(dim, length - 1))
