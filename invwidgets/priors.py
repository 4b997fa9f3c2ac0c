"""The natural image prior: α-norm, total variation V^β, the bound, the jitter.

All act on the iterate z = 255·(x − mean colour), (S, 3, H, W), and give one number a seed. They
are normalised as in IJCV16 (per pixel, by the image range), so that a weight means the same at
every image size. Each energy carries its gradient along: one pass gives both.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

IMAGE_RANGE = 80.0  # B of IJCV16: a typical pixel's norm
TV_RANGE = IMAGE_RANGE / 6.5  # V of IJCV16: a typical gradient's norm
TV_FLOOR = 1e-5  # gradient norms below it count as it in V^β's gradient, which for β < 2 has a pole


def alpha_norm(z: Tensor, alpha: float = 6.0, kind: str = "pixel") -> Tensor:
    """R_α, (S,): the pixels' norms to the power α, by the image range.

    >>> alpha_norm(torch.full((1, 3, 2, 2), 80 / 3**0.5))
    tensor([1.0000])

    ``kind="pixel"`` takes the norm of a pixel's three colours, Σ ‖z(u,v)‖^α / (H·W·B^α)
    (IJCV16, section 3.1); ``"element"`` every colour by itself, Σ |z|^α / (H·W·B^α) (CVPR15,
    section 3, up to its weight).
    """
    return _AlphaNorm.apply(z, float(alpha), kind)  # type: ignore[no-any-return,no-untyped-call]


def total_variation(z: Tensor, beta: float = 2.0) -> Tensor:
    """R_{V^β}, (S,): the gradients' norms to the power β, colour by colour.

    >>> total_variation(torch.zeros(1, 3, 8, 8), beta=1.0)
    tensor([0.])

    Σ ((z(v,u+1) − z(v,u))² + (z(v+1,u) − z(v,u))²)^{β/2} / (H·W·V^β), with V = B / 6.5; a
    difference beyond the border is zero. β is a real number of at least 1; for β < 2 the
    gradient floors the norm at ``TV_FLOOR``. Source: CVPR15, section 3; IJCV16, section 3.2.
    """
    return _TotalVariation.apply(z, float(beta))  # type: ignore[no-any-return,no-untyped-call]


def bound(z: Tensor, radius: float) -> Tensor:
    """Project every pixel of z, in place, onto ‖z(u,v)‖ ≤ radius (IJCV16, section 3.1)."""
    norm = z.square().sum(-3, keepdim=True).sqrt_()
    return z.mul_(radius / norm.clamp_min_(radius))


def jittered(z: Tensor, shifts: Tensor, size: tuple[int, int]) -> Tensor:
    """Each seed's crop of ``size`` from its canvas (S, 3, H, W), at its own shift (S, 2)."""
    if z.shape[-2:] == size:
        return z
    height, width = size
    crops = [
        seed[:, top : top + height, left : left + width]
        for seed, (top, left) in zip(z, shifts.tolist(), strict=True)
    ]
    return torch.stack(crops).contiguous(memory_format=torch.channels_last)


def _pixels(z: Tensor) -> int:
    return z.shape[-2] * z.shape[-1]


class _AlphaNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, alpha: float, kind: str) -> Tensor:
        square = z.square()
        ctx.scale = alpha / (_pixels(z) * IMAGE_RANGE**2)
        if alpha == 2:  # the gradient is z itself, whatever the kind
            ctx.save_for_backward(z, z.new_ones(()))
            return square.flatten(1).sum(1) / (_pixels(z) * IMAGE_RANGE**2)
        if kind == "pixel":
            square = square.sum(1, keepdim=True)
        scaled = square / IMAGE_RANGE**2
        power = (scaled.clamp_min(1e-12) if alpha < 2 else scaled).pow(alpha / 2 - 1)
        ctx.save_for_backward(z, power)
        return (power * scaled).flatten(1).sum(1) / _pixels(z)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        z, power = ctx.saved_tensors
        return z * power * (grads[0] * ctx.scale)[:, None, None, None], None, None


class _TotalVariation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, beta: float) -> Tensor:
        down, right = torch.zeros_like(z), torch.zeros_like(z)
        torch.sub(z[..., 1:, :], z[..., :-1, :], out=down[..., :-1, :])
        torch.sub(z[..., :, 1:], z[..., :, :-1], out=right[..., :, :-1])
        scale = 1 / (_pixels(z) * TV_RANGE**beta)
        square = down * down
        square.addcmul_(right, right)
        if beta == 2:
            energy = square.flatten(1).sum(1)
        else:
            energy = square.pow(beta / 2).flatten(1).sum(1)
            weight = square.clamp_min_(TV_FLOOR**2).pow_(beta / 2 - 1)
            down.mul_(weight)
            right.mul_(weight)
        ctx.save_for_backward(down, right)
        ctx.scale = beta * scale
        scaled: Tensor = energy * scale
        return scaled

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        down, right = ctx.saved_tensors
        gradient = -down - right
        gradient[..., 1:, :] += down[..., :-1, :]
        gradient[..., :, 1:] += right[..., :, :-1]
        return gradient.mul_((grads[0] * ctx.scale)[:, None, None, None]), None
