"""HOG and HOGb by plain convolutions as in the paper, the reference for the fast modules.

Every linear stage is one convolution with explicit filters, every other stage is its formula, and
autograd computes the derivatives. Equal to VLFeat 0.9.21 (UoCTTI variant). Source: Mahendran &
Vedaldi, CVPR 2015, section 4.1, and their published networks; VLFeat's hog.c.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["plain_gate", "plain_hog", "plain_pool"]


def plain_hog(
    gray: Tensor, cell_size: int = 8, orientations: int = 9, bilinear: bool = False
) -> Tensor:
    """Gray values (N, 1, H, W) in 0-255 to features (N, 3K + 4, h, w)."""
    k = orientations
    cells = plain_pool(plain_gate(_derivatives(gray), 2 * k, bilinear), cell_size)
    h, w = (
        (gray.shape[2] + cell_size // 2) // cell_size,
        (gray.shape[3] + cell_size // 2) // cell_size,
    )
    assert cells.shape[2:] == (h, w)

    # Group: 2x2 cells, 2K directed and K undirected numbers each, one filter a number.
    stack = torch.zeros(4, 3 * k, 2 * k, 2, 2, dtype=gray.dtype)
    for i in range(4):
        for o in range(k):
            stack[i, o, o, i // 2, i % 2] = 1
            stack[i, o + k, o + k, i // 2, i % 2] = 1
            stack[i, o + 2 * k, o, i // 2, i % 2] = 1
            stack[i, o + 2 * k, o + k, i // 2, i % 2] = 1
    blocks = F.conv2d(F.pad(cells, (1, 1, 1, 1), mode="replicate"), stack.flatten(0, 1))

    # Normalize by the undirected part, clamp.
    undirected = torch.cat([part[:, 2 * k :] for part in blocks.chunk(4, 1)], 1)
    norm = torch.sqrt(undirected.square().sum(1, keepdim=True) + 1e-4)
    blocks = torch.clamp(blocks / norm, max=0.2)

    # Back to cells: half the sum of a cell's four copies; the texture sums each of them.
    back = torch.zeros(3 * k + 4, 4, 3 * k, 2, 2, dtype=gray.dtype)
    for i in range(4):
        row, column = i // 2, i % 2  # this block lies so around the cell ...
        copy = (1 - row) * 2 + (1 - column)  # ... which therefore is its cell number `copy`
        for o in range(3 * k):
            back[o, copy, o, row, column] = 0.5
        back[3 * k + i, copy, 2 * k :, row, column] = 18**-0.5
    return F.conv2d(blocks, back.flatten(1, 2))


def _derivatives(gray: Tensor) -> Tensor:
    """d/dx and d/dy, not halved; the outermost ring of pixels has none."""
    filters = torch.zeros(2, 1, 3, 3, dtype=gray.dtype)
    filters[0, 0, 1, 0], filters[0, 0, 1, 2] = -1, 1
    filters[1, 0, 0, 1], filters[1, 0, 2, 1] = -1, 1
    return F.pad(F.conv2d(gray, filters), (1, 1, 1, 1))


def plain_gate(derivatives: Tensor, bins: int, bilinear: bool) -> Tensor:
    """(N, 2, H, W) to (N, bins, H, W): projections on all directions, then the gate.

    The projections are no F.conv2d, which may fuse multiply and add: ties decide the hard gate.
    """
    half = [2 * math.pi * o / bins for o in range(bins // 2)]
    directions = derivatives.new_tensor([[math.cos(a), math.sin(a)] for a in half])
    directions = torch.cat([directions, -directions])
    squared = derivatives.square().sum(1, keepdim=True)
    norm = torch.where(squared > 0, squared.clamp_min(1e-30).sqrt(), 0)
    unit = derivatives / norm.clamp_min(1e-10)
    if bilinear:  # the arccosine of the cosine, without what float32 loses in it near 1
        cosine = torch.stack([unit[:, 0] * d[0] + unit[:, 1] * d[1] for d in directions], 1)
        sine = torch.stack([unit[:, 1] * d[0] - unit[:, 0] * d[1] for d in directions], 1)
        angle = torch.atan2(sine.abs(), torch.where(norm > 0, cosine, 1))
        return norm * torch.clamp(1 - angle * bins / (2 * math.pi), min=0)
    single = derivatives.detach().float()
    single = single / single.square().sum(1, keepdim=True).sqrt().clamp_min(1e-10)
    projected = [single[:, 0] * d[0] + single[:, 1] * d[1] for d in directions.float()]
    best = torch.stack(projected, 1).argmax(1, keepdim=True)  # the first of equals, in float32
    return norm * norm.new_zeros(norm.shape[0], bins, *norm.shape[2:]).scatter(1, best, 1.0)


def plain_pool(gated: Tensor, cell_size: int) -> Tensor:
    """Bilinear pooling by one two-dimensional triangle filter per channel."""
    half = cell_size // 2
    places = torch.arange(-half, -half + 2 * cell_size - cell_size % 2, dtype=gated.dtype)
    triangle = 1 - ((places + 0.5) / cell_size - 0.5).abs()
    filters = (triangle[:, None] * triangle).expand(gated.shape[1], 1, -1, -1)
    padding = []
    for extent in (gated.shape[3], gated.shape[2]):
        cells = (extent + half) // cell_size
        padding += [half, (cells - 1) * cell_size + len(triangle) - half - extent]
    return F.conv2d(F.pad(gated, padding), filters, stride=cell_size, groups=gated.shape[1])
