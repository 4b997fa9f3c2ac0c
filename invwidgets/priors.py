"""The natural image prior: α-norm, total variation V^β, the bound, the jitter.

All act on the iterate z = 255·(x − mean colour), (S, 3, H, W), and give one number a seed. They
are normalised as in IJCV16 (per pixel, by the image range), so that a weight means the same at
every image size. Energy and gradient come from one pass, without autograd: given ``gradient``,
a tensor like z, each adds weight · ∂R/∂z to it in place.
"""

from __future__ import annotations

import torch
from torch import Tensor

IMAGE_RANGE = 80.0  # B of IJCV16: a typical pixel's norm
TV_RANGE = IMAGE_RANGE / 6.5  # V of IJCV16: a typical gradient's norm
TV_FLOOR = 1e-5  # gradient norms below it count as it in V^β's gradient, which for β < 2 has a pole


def alpha_norm(
    z: Tensor,
    alpha: float = 6.0,
    kind: str = "pixel",
    gradient: Tensor | None = None,
    weight: float = 1.0,
) -> Tensor:
    """R_α, (S,): the pixels' norms to the power α, by the image range.

    >>> alpha_norm(torch.full((1, 3, 2, 2), 80 / 3**0.5))
    tensor([1.0000])

    ``kind="pixel"`` takes the norm of a pixel's three colours, Σ ‖z(u,v)‖^α / (H·W·B^α)
    (IJCV16, section 3.1); ``"element"`` every colour by itself, Σ |z|^α / (H·W·B^α) (CVPR15,
    section 3, up to its weight).
    """
    step = weight * alpha / (_pixels(z) * IMAGE_RANGE**2)
    if alpha == 2:  # the gradient is z itself, whatever the kind
        if gradient is not None:
            gradient.add_(z, alpha=step)
        return _square(z) / (_pixels(z) * IMAGE_RANGE**2)
    scaled = z.square().mul_(1 / IMAGE_RANGE**2)
    if kind == "pixel":
        scaled = scaled.sum(1, keepdim=True)
    power = (scaled.clamp_min(1e-12) if alpha < 2 else scaled).pow(alpha / 2 - 1)
    if gradient is not None:
        gradient.addcmul_(z, power, value=step)
    return (power * scaled).flatten(1).sum(1) / _pixels(z)


def total_variation(
    z: Tensor, beta: float = 2.0, gradient: Tensor | None = None, weight: float = 1.0
) -> Tensor:
    """R_{V^β}, (S,): the gradients' norms to the power β, colour by colour.

    >>> total_variation(torch.zeros(1, 3, 8, 8), beta=1.0)
    tensor([0.])

    Σ ((z(v,u+1) − z(v,u))² + (z(v+1,u) − z(v,u))²)^{β/2} / (H·W·V^β), with V = B / 6.5; a
    difference beyond the border is zero. β is a real number of at least 1; for β < 2 the
    gradient floors the norm at ``TV_FLOOR``. Source: CVPR15, section 3; IJCV16, section 3.2.
    """
    scale = 1 / (_pixels(z) * TV_RANGE**beta)
    down, right = z[..., 1:, :] - z[..., :-1, :], z[..., 1:] - z[..., :-1]
    if beta == 2:
        energy = _square(down) + _square(right)
    else:
        square = torch.zeros_like(z)
        square[..., :-1, :] = down.square()
        square[..., :-1] += right.square()
        energy = square.pow(beta / 2).flatten(1).sum(1)
        if gradient is not None:
            power = square.clamp_min_(TV_FLOOR**2).pow_(beta / 2 - 1)
            down.mul_(power[..., :-1, :])
            right.mul_(power[..., :-1])
    if gradient is not None:
        step = weight * beta * scale
        gradient[..., 1:, :].add_(down, alpha=step)
        gradient[..., :-1, :].sub_(down, alpha=step)
        gradient[..., 1:].add_(right, alpha=step)
        gradient[..., :-1].sub_(right, alpha=step)
    scaled: Tensor = energy * scale
    return scaled


def bound(z: Tensor, radius: float) -> Tensor:
    """Project every pixel of z, in place, onto ‖z(u,v)‖ ≤ radius (IJCV16, section 3.1)."""
    norm = z.square().sum(-3, keepdim=True).sqrt_()
    return z.mul_(radius / norm.clamp_min_(radius))


def crops(z: Tensor, shifts: Tensor, size: tuple[int, int]) -> list[Tensor]:
    """Views of each seed's crop of ``size`` of its canvas (S, C, H, W), at its own shift (S, 2)."""
    height, width = size
    return [
        seed[:, top : top + height, left : left + width]
        for seed, (top, left) in zip(z, shifts.tolist(), strict=True)
    ]


def _pixels(z: Tensor) -> int:
    return z.shape[-2] * z.shape[-1]


def _square(z: Tensor) -> Tensor:
    """Σ z² by seed."""
    norm: Tensor = torch.linalg.vector_norm(z, dim=(1, 2, 3))
    return norm.square()
