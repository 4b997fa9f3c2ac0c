"""Decorrelated colors: a gray axis and two opponent ones, each by its deviation in photos.

    >>> basis = color_basis(z)            # (3, 3), a row a color axis
    >>> z = mixed(basis.T, parameters)    # the image of parameters in these axes
    >>> parameters = mixed(color_inverse(z).T, z)

Photos' red, green and blue rise and fall together: equal steps along the rows change an image as
photos differ. Source of the idea: Olah, Mordvintsev & Schubert, *Feature Visualization*, Distill
2017.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

PHOTO_MEAN = (0.485, 0.456, 0.406)  # ImageNet's photos, on average
_OPPONENT = torch.tensor([[1.0, 1, 1], [1, 0, -1], [1, -2, 1]], dtype=torch.float32)
_DEVIATIONS = torch.tensor([1.0, 0.28, 0.13], dtype=torch.float32)  # in photos, roughly


def color_basis(like: Tensor) -> Tensor:
    """The axes (3, 3), a row each, whose squares sum to 3, as those of red, green and blue do.

    On the device and in the type of ``like``; kept there, so that a step copies nothing to it, and
    so not to be changed.
    """
    return _placed(like.device, like.dtype)[0]


def color_inverse(like: Tensor) -> Tensor:
    """The inverse of ``color_basis``."""
    return _placed(like.device, like.dtype)[1]


@lru_cache(maxsize=8)
def _placed(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False):  # else autograd could not save them later
        axes = _OPPONENT / _OPPONENT.norm(dim=1, keepdim=True)
        basis = axes * (_DEVIATIONS / _DEVIATIONS.square().mean().sqrt())[:, None]
        return basis.to(device, dtype), torch.linalg.inv(basis).to(device, dtype)


def mixed(matrix: Tensor, z: Tensor) -> Tensor:
    """Every pixel's colors of z (S, 3, H, W) times a matrix (3, 3)."""
    colors: Tensor = torch.matmul(matrix, z.flatten(2))
    return colors.view_as(z)
