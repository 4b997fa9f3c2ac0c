"""The bounding boxes of the pixels that can change each element of a tensor, and their operations.

Boxes of a tensor are numbers (2, 4, *shape). Index 0 of the first axis is the box within the image,
index 1 the box in an image without borders. The four numbers are top, left, -bottom and -right. The
union of boxes is then the minimum of each number, and an empty box has infinity in all four.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

EMPTY = float("inf")
ATEN = torch.ops.aten
Jump = tuple[float, float]  # the distance in pixels between neighboring cells, down and right


class Boxes(NamedTuple):
    """The boxes of a tensor's elements; ``values`` is (2, 4, *shape), see the module.

    ``jump`` is the distance between neighboring cells. ``assumed`` is True after an operator
    without a rule, for which every output is assumed to depend on all inputs.
    """

    values: Tensor
    jump: Jump
    assumed: bool = False


def spacing(line: Tensor, jump: float) -> float:
    """The distance between neighboring cells in ``line``, the near sides of their boxes.

    It is 0 if all cells have the same box, and the step of an evenly spaced line. For other lines,
    such as those of a resized map, it is ``jump``.
    """
    if line.numel() < 2:
        return jump
    steps = line.diff()
    step = float(steps[0])
    return step if bool((steps == step).all()) else jump


def slim(values: Tensor) -> Tensor:
    """The values with every axis that repeats one number reduced to length one."""
    for dim in range(2, values.ndim):
        if values.shape[dim] > 1 and values.stride(dim) == 0:
            values = values.narrow(dim, 0, 1)
    return values


def least(values: Tensor, dims: Sequence[int]) -> Tensor:
    """The union of boxes over the axes ``dims``, counted from the end; these get length one."""
    return slim(values).amin(list(dims), keepdim=True)


def expanded(values: Tensor, shape: Sequence[int]) -> Tensor:
    """Values of one element, (2, 4), or slim values, expanded to ``shape`` without a copy."""
    missing = len(shape) + 2 - values.ndim
    return values.reshape(2, 4, *([1] * missing), *values.shape[2:]).expand(2, 4, *shape)


def union(parts: list[Tensor], like: Tensor | None) -> Tensor:
    """The union of the boxes of several tensors, broadcast to the shape of ``like``."""
    assert like is not None
    merged: Tensor | None = None
    for part in parts:
        thin = slim(part)
        thin = thin.reshape(2, 4, *([1] * (like.ndim + 2 - thin.ndim)), *thin.shape[2:])
        merged = thin if merged is None else torch.minimum(merged, thin)
    assert merged is not None
    return merged.expand(2, 4, *like.shape)
