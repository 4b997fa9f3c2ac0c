"""Receptive fields by autograd: the pixels with a nonzero gradient, for several random weights.

In float64, because its kernels have exact zeros where float32's leave rounding errors.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

Cell = tuple[int, int] | None

_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.Hardswish, nn.LeakyReLU)


def reweighted(module: nn.Module, seed: int) -> None:
    """Set new random weights of both signs, in place."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            fan = parameter[0].numel() if parameter.ndim > 1 else 1
            parameter.copy_(noise / max(1, fan) ** 0.5)


def opened(module: nn.Module) -> nn.Module:
    """A float64 copy without gates: activations are skipped, and maxima become sums.

    A receptive field asks which pixels can matter, not which ones happen to win.
    """
    module = copy.deepcopy(module).double().eval()
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _ACTIVATIONS):
                setattr(parent, name, nn.Identity())
            elif isinstance(child, nn.AdaptiveMaxPool2d):
                setattr(parent, name, nn.AdaptiveAvgPool2d(child.output_size))
            elif isinstance(child, nn.MaxPool2d):
                setattr(parent, name, _Summed(child))
    return module


class _Summed(nn.Module):
    """The sum of every window of a max pooling, whose indices locate the windows."""

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        pool = self.pool
        size, stride = _two(pool.kernel_size), _two(pool.stride)
        padding, dilation = _two(pool.padding), _two(pool.dilation)
        out = pool(x.detach()).shape[-2:]
        reach = [
            max(0, (o - 1) * s + (k - 1) * d + 1 - n - p)
            for o, s, k, d, n, p in zip(
                out, stride, size, dilation, x.shape[-2:], padding, strict=True
            )
        ]
        padded = nn.functional.pad(x, (padding[1], reach[1], padding[0], reach[0]))
        kernel = torch.ones(x.shape[1], 1, *size, dtype=x.dtype)
        summed = nn.functional.conv2d(
            padded, kernel, stride=stride, dilation=dilation, groups=x.shape[1]
        )
        return summed[..., : out[0], : out[1]]


def _two(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def pixels_seen(
    features: Tensor, image: Tensor, cell: Cell, seed: int = 0
) -> tuple[int, int, int, int] | None:
    """The bounding box (top, left, bottom, right) of a cell's gradient over several images."""
    generator = torch.Generator().manual_seed(seed)
    chosen = features.flatten(1) if cell is None else features[:, :, cell[0], cell[1]]
    weights = torch.rand(chosen.shape, generator=generator, dtype=chosen.dtype) + 0.5
    (gradient,) = torch.autograd.grad((chosen * weights).sum(), image, retain_graph=True)
    touched = (gradient != 0).any(1).any(0)
    rows, columns = touched.any(1).nonzero().flatten(), touched.any(0).nonzero().flatten()
    if not len(rows):
        return None
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def merged(
    one: tuple[int, int, int, int] | None, other: tuple[int, int, int, int] | None
) -> tuple[int, int, int, int] | None:
    """The smallest box that contains both."""
    if one is None or other is None:
        return one or other
    return (min(one[0], other[0]), min(one[1], other[1]),
            max(one[2], other[2]), max(one[3], other[3]))  # fmt: skip
