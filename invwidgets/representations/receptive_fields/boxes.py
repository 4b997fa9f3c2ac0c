"""The boxes that tensors carry, and what all operators' rules share.

Boxes are (2, 4, *shape): [0] within the image, [1] as if it had no end; top, left, -bottom,
-right. With the far sides negated the union of boxes is the minimum of their numbers everywhere,
and no box at all is infinity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

EMPTY = float("inf")
ATEN = torch.ops.aten
Jump = tuple[float, float]  # pixels from one cell to the next, down and right


class Boxes(NamedTuple):
    """``values`` is (2, 4, *shape): the box within the image and the one without an image's end.

    ``assumed``: an operator on the way is unknown, so that all its inputs see was assumed.
    """

    values: Tensor
    jump: Jump
    assumed: bool = False


def spacing(line: Tensor, jump: float) -> float:
    """From one cell to the next along ``line``, near sides of endless boxes.

    Where all cells see the same it is 0, on an even grid its step; elsewhere (a resized map) the
    ``jump`` that was counted.
    """
    if line.numel() < 2:
        return jump
    steps = line.diff()
    step = float(steps[0])
    return step if bool((steps == step).all()) else jump


def slim(values: Tensor) -> Tensor:
    """Dimensions that only repeat one number, as one."""
    for dim in range(2, values.ndim):
        if values.shape[dim] > 1 and values.stride(dim) == 0:
            values = values.narrow(dim, 0, 1)
    return values


def least(values: Tensor, dims: Sequence[int]) -> Tensor:
    """The union over ``dims`` (of the tensor, from its end), kept as dimensions of one."""
    return slim(values).amin(list(dims), keepdim=True)


def spread(values: Tensor, shape: Sequence[int]) -> Tensor:
    """(2, 4) or slim values over every element of ``shape``, without copying."""
    missing = len(shape) + 2 - values.ndim
    return values.reshape(2, 4, *([1] * missing), *values.shape[2:]).expand(2, 4, *shape)


def union(parts: list[Tensor], like: Tensor | None) -> Tensor:
    assert like is not None
    merged: Tensor | None = None
    for part in parts:
        thin = slim(part)
        thin = thin.reshape(2, 4, *([1] * (like.ndim + 2 - thin.ndim)), *thin.shape[2:])
        merged = thin if merged is None else torch.minimum(merged, thin)
    assert merged is not None
    return merged.expand(2, 4, *like.shape)
