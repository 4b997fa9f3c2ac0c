"""Dense SIFT by plain convolutions, the reference for the fast module.

Equal to VLFeat 0.9.21 with its approximate arctangent, Gaussian or flat window.

Source: Mahendran & Vedaldi, CVPR 2015, section 4.1; VLFeat's dsift.c.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["plain_dsift"]


def plain_dsift(
    gray: Tensor, bin_size: int = 5, step: int = 5, flat_window: bool = False, exact: bool = False
) -> Tensor:
    """Gray values (N, 1, H, W) in 0-255 to descriptors (N, 128, h, w)."""
    gated = _gate(_derivatives(gray), exact)
    height, width = gray.shape[2] - 3 * bin_size, gray.shape[3] - 3 * bin_size
    edge = bin_size - 1
    padded = F.pad(gated, (edge, edge, edge, edge), mode="replicate")
    bins = []
    for row in range(4):
        for column in range(4):
            top, left = row * bin_size, column * bin_size
            kernel = _kernel(row, bin_size, flat_window)[:, None] * _kernel(
                column, bin_size, flat_window
            )
            filters = kernel.to(gray.dtype).expand(8, 1, -1, -1)
            place = padded[:, :, top : top + height + 2 * edge, left : left + width + 2 * edge]
            bins.append(F.conv2d(place, filters, stride=step, groups=8))
    descriptors = torch.cat(bins, 1)
    descriptors = torch.clamp(_normalize(descriptors), max=0.2)
    return _normalize(descriptors)


def _derivatives(gray: Tensor) -> Tensor:
    """Halved differences (N, 2, H, W); the outermost ones are one-sided."""
    filters = torch.zeros(2, 1, 3, 3, dtype=gray.dtype)
    filters[0, 0, 1, 0], filters[0, 0, 1, 2] = -0.5, 0.5
    filters[1, 0, 0, 1], filters[1, 0, 2, 1] = -0.5, 0.5
    both = F.conv2d(F.pad(gray, (1, 1, 1, 1), mode="replicate"), filters)
    scale = torch.ones_like(both)
    scale[:, 0, :, 0] = scale[:, 0, :, -1] = 2
    scale[:, 1, 0, :] = scale[:, 1, -1, :] = 2
    return both * scale


def _gate(derivatives: Tensor, exact: bool) -> Tensor:
    """The value 1 - |angle - direction| / 45 degrees of each of 8 directions, where positive."""
    dx, dy = derivatives[:, :1], derivatives[:, 1:]
    squared = dx * dx + dy * dy
    norm = torch.where(squared > 0, squared.clamp_min(1e-30).sqrt(), 0)
    some = norm > 0
    angle = torch.where(
        some,
        (_true_angle if exact else _vlfeat_angle)(
            torch.where(some, dx, 1), torch.where(some, dy, 0)
        ),
        0,
    )
    shares = []
    for direction in range(8):
        away = (angle * 4 / math.pi - direction) % 8
        shares.append(torch.clamp(1 - torch.minimum(away, 8 - away), min=0))
    return norm * torch.cat(shares, 1)


def _true_angle(dx: Tensor, dy: Tensor) -> Tensor:
    return torch.atan2(dy, dx)


def _vlfeat_angle(dx: Tensor, dy: Tensor) -> Tensor:
    """vl_fast_atan2_f."""
    size = dy.abs() + 1.19209290e-07
    right = (dx - size) / (dx.abs() + size)
    left = (dx + size) / (dx.abs() + size)
    r = torch.where(dx >= 0, right, left)
    start = torch.where(dx >= 0, math.pi / 4, 3 * math.pi / 4)
    angle = start + (0.1821 * r * r - 0.9675) * r
    return torch.where(dy < 0, -angle, angle)


def _kernel(index: int, size: int, flat_window: bool) -> Tensor:
    """A triangle times VLFeat's Gaussian of 2 bins around the middle of the descriptor."""
    away = torch.arange(1 - size, size, dtype=torch.float64)
    window = torch.exp(-0.5 * ((away + size * (index - 1.5)) / (2 * size)) ** 2)
    if flat_window:
        window = window.mean()
    return (1 - away.abs() / size) * window


def _normalize(descriptors: Tensor) -> Tensor:
    squared = descriptors.square().sum(1, keepdim=True)
    norm = torch.where(squared > 0, squared.clamp_min(1e-30).sqrt(), 0)
    return descriptors / (norm + 1.19209290e-07)
