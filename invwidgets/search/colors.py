"""A basis of decorrelated colors: one gray axis and two color axes, scaled as in photos.

    >>> basis = color_basis(z)            # (3, 3), one color axis per row
    >>> z = mixed(basis.T, parameters)    # the image of parameters along these axes
    >>> parameters = mixed(color_inverse(z).T, z)

The red, green and blue values of photos are correlated. Equal steps along these axes change an
image in proportion to the variation of photos. Source: Olah, Mordvintsev & Schubert, *Feature
Visualization*, Distill 2017.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

PHOTO_MEAN = (0.485, 0.456, 0.406)  # the mean color of ImageNet's photos
_OPPONENT = torch.tensor([[1.0, 1, 1], [1, 0, -1], [1, -2, 1]], dtype=torch.float32)
_DEVIATIONS = torch.tensor([1.0, 0.28, 0.13], dtype=torch.float32)  # in photos, roughly


def color_basis(like: Tensor) -> Tensor:
    """The color axes as rows (3, 3), scaled so that their squares sum to 3, as for RGB.

    They have the device and type of ``like``. The tensor is cached, so callers must not change it.
    """
    return _placed(like.device, like.dtype)[0]


def color_inverse(like: Tensor) -> Tensor:
    """The inverse of ``color_basis``."""
    return _placed(like.device, like.dtype)[1]


@lru_cache(maxsize=8)
def _placed(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False):  # autograd cannot save tensors of inference mode
        axes = _OPPONENT / _OPPONENT.norm(dim=1, keepdim=True)
        basis = axes * (_DEVIATIONS / _DEVIATIONS.square().mean().sqrt())[:, None]
        return basis.to(device, dtype), torch.linalg.inv(basis).to(device, dtype)


def mixed(matrix: Tensor, z: Tensor) -> Tensor:
    """The product of a matrix (3, 3) with the color of each pixel of z (S, 3, H, W)."""
    colors: Tensor = torch.matmul(matrix, z.flatten(2))
    return colors.view_as(z)
