"""Decorrelated colours: a grey axis and two opponent ones, each by its deviation in photos.

    >>> basis = color_basis(z)            # (3, 3), a row a colour axis
    >>> z = mixed(basis.T, parameters)    # the image of parameters in these axes

Photos' red, green and blue rise and fall together: equal steps along the rows change an image as
photos differ. Source of the idea: Olah, Mordvintsev & Schubert, *Feature Visualization*, Distill
2017.
"""

from __future__ import annotations

import torch
from torch import Tensor

PHOTO_MEAN = (0.485, 0.456, 0.406)  # ImageNet's photos, on average
_OPPONENT = torch.tensor([[1.0, 1, 1], [1, 0, -1], [1, -2, 1]], dtype=torch.float32)
_DEVIATIONS = torch.tensor([1.0, 0.28, 0.13], dtype=torch.float32)  # in photos, roughly


def color_basis(like: Tensor) -> Tensor:
    """The axes (3, 3), a row each, whose squares sum to 3, as those of red, green and blue do."""
    axes = _OPPONENT / _OPPONENT.norm(dim=1, keepdim=True)
    scaled: Tensor = (axes * (_DEVIATIONS / _DEVIATIONS.square().mean().sqrt())[:, None]).to(like)
    return scaled


def mixed(matrix: Tensor, z: Tensor) -> Tensor:
    """Every pixel's colours of z (S, 3, H, W) times a matrix (3, 3)."""
    colors: Tensor = torch.matmul(matrix, z.flatten(2))
    return colors.view_as(z)
