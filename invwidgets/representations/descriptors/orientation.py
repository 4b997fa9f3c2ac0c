"""The stage that sorts the gradient of each pixel by direction (orientation gating)."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

__all__ = ["Angle", "Gate", "Orientation"]

Gate = Literal["hard", "bilinear", "straight-through"]
Angle = Literal["exact", "vlfeat"]

_C1, _C3 = 0.9675, 0.1821  # VLFeat's arctangent: angle = const + (C3 r^2 - C1) r


class Orientation(nn.Module):
    """Sorting of gradients by direction, (N, 2, H, W) to (N, bins, H, W).

    The directions are k·2π/bins for ``bins`` values of k. ``"hard"`` adds the length of a pixel's
    gradient to the nearest direction. ``"bilinear"`` divides it between the two nearest, by the
    angle. The derivative of the hard choice does not rotate gradients, so ``"straight-through"``
    computes the hard choice, but the derivative of the bilinear one.

    ``angle`` is ``"exact"``, or VLFeat's polynomial arctangent (off by up to 0.006 rad), which
    dense SIFT uses. A gradient of length 0 is added to no direction and has the derivative 0.
    """

    directions: Tensor

    def __init__(self, bins: int, gate: Gate = "bilinear", angle: Angle = "exact") -> None:
        super().__init__()
        self.bins = bins
        self.gate: Gate = gate
        self.angle: Angle = angle
        self.register_buffer("directions", _directions(bins))

    def forward(self, gradient: Tensor) -> Tensor:
        gated: Tensor = _Gate.apply(gradient, self.directions.float(), self.gate, self.angle)  # type: ignore[no-untyped-call]
        return gated


def _directions(bins: int) -> Tensor:
    """The unit vectors (2, bins) of the directions; the second half are the negatives of the first.

    They are rounded to float32 as in VLFeat, because the rounding decides ties: a vertical
    gradient is as near to 80 as to 100 degrees.
    """
    if bins % 2:
        angles = [2 * math.pi * k / bins for k in range(bins)]
        return torch.tensor([[math.cos(a) for a in angles], [math.sin(a) for a in angles]])
    angles = [2 * math.pi * k / bins for k in range(bins // 2)]
    half = torch.tensor([[math.cos(a) for a in angles], [math.sin(a) for a in angles]])
    return torch.cat([half, -half], 1)


def _angle_in_bins(dx: Tensor, dy: Tensor, bins: int, angle: Angle) -> Tensor:
    """The direction of (dx, dy) in units of bins, in [0, bins]."""
    if angle == "exact":
        turn = torch.atan2(dy, dx)
    else:
        size = dy.abs() + torch.finfo(torch.float32).eps
        ratio = (dx.abs() - size) / (dx.abs() + size)
        turn = math.pi / 4 + (_C3 * ratio * ratio - _C1) * ratio
        turn = torch.where(dx < 0, math.pi - turn, turn)
        turn = torch.where(dy < 0, -turn, turn)
    turn = turn * (bins / (2 * math.pi))
    return torch.where(turn < 0, turn + bins, turn)


class _Gate(torch.autograd.Function):
    """The gating with a derivative in closed form.

    For each pixel it keeps two directions and the proportion in which they divide the gradient.
    """

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, directions: Tensor, gate: Gate, angle: Angle) -> Tensor:
        bins = directions.shape[1]
        dx, dy = gradient[:, 0:1], gradient[:, 1:2]
        length = torch.sqrt(dx * dx + dy * dy)
        turn = _angle_in_bins(dx, dy, bins, angle)
        low = turn.long().clamp_(0, bins - 1)
        share = turn - low
        high = torch.where(low == bins - 1, 0, low + 1)
        n, _, height, width = gradient.shape
        out = gradient.new_zeros(n, height, width, bins).permute(0, 3, 1, 2)
        if gate == "bilinear":
            part = share * length
            out.scatter_(1, torch.cat([low, high], 1), torch.cat([length - part, part], 1))
            best = low
        else:
            best = _nearest(dx, dy, low, high, directions)
            out.scatter_(1, best, length)
        ctx.save_for_backward(gradient, length, share, low, high, best)
        ctx.gate, ctx.angle = gate, angle
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None]:
        gradient, length, share, low, high, best = ctx.saved_tensors
        dx, dy = gradient[:, 0:1], gradient[:, 1:2]
        least = torch.finfo(gradient.dtype).tiny ** 0.5
        inverse = 1 / length.clamp_min(least)
        if ctx.gate == "hard":
            return upstream.gather(1, best) * inverse * gradient, None, None, None
        # The pixel gives length * (1 - share) to `low` and length * share to `high`.
        both = upstream.gather(1, torch.cat([low, high], 1))
        at_low, at_high = both[:, 0:1], both[:, 1:2]
        difference = at_high - at_low
        along = (at_low + share * difference) * inverse
        per_radian = upstream.shape[1] / (2 * math.pi)
        if ctx.angle == "exact":  # d angle = (dx ddy - dy ddx) / length^2
            across = difference * inverse * per_radian
        else:  # d angle = 2 (C1 - 3 C3 r^2) (dx ddy - dy ddx) / (|dx| + |dy|)^2
            total = (dx.abs() + dy.abs()).clamp_min(least)
            ratio = (dx.abs() - dy.abs()) / total
            slope = 2 * (_C1 - 3 * _C3 * ratio * ratio)
            across = difference * (length / total) / total * slope * per_radian
        return torch.cat([along * dx - across * dy, along * dy + across * dx], 1), None, None, None


def _nearest(dx: Tensor, dy: Tensor, low: Tensor, high: Tensor, directions: Tensor) -> Tensor:
    """The nearer of two neighboring directions, determined as in VLFeat.

    The normalized gradient is projected on both in float32, whatever the type of the image. If the
    projections are equal, the direction with the lower number is used, where opposite directions
    have the same number.
    """
    n, _, height, width = dx.shape
    bins = directions.shape[1]
    dx, dy = dx.float(), dy.float()
    length = torch.sqrt(dx * dx + dy * dy).clamp_min(1e-10)
    x, y = dx / length, dy / length
    table = directions.view(2, 1, bins, 1, 1)
    ax = table[0].expand(n, bins, height, width)
    ay = table[1].expand(n, bins, height, width)
    at_low = x * ax.gather(1, low) + y * ay.gather(1, low)
    at_high = x * ax.gather(1, high) + y * ay.gather(1, high)
    half = bins // 2 if bins % 2 == 0 else bins
    wrapped = torch.where(high >= half, high - half, high) < torch.where(
        low >= half, low - half, low
    )
    wins = (at_high > at_low) | ((at_high == at_low) & wrapped)
    return torch.where(wins, high, low)
