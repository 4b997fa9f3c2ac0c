"""The stages that HOG and dense SIFT have in common: checks, gray values, derivatives, the clamp.

Both descriptors sort the gradients of an image by direction. The paper describes this as a bank of
directional derivative filters and a gate that keeps the largest value (HOG) or the two largest
(HOGb, SIFT). All derivatives of this bank are combinations of the horizontal and the vertical one.
So the stage ``gradient`` computes these two, and ``orientation`` (``orientation.py``) computes the
rest. The result is the same with a ninth of the operations.

Source: Mahendran & Vedaldi, CVPR 2015, section 4.1; VLFeat 0.9.21, ``hog.c`` and ``dsift.c``.
"""

from __future__ import annotations

import operator
from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import BadImageError, BadSettingError

__all__ = [
    "Clamp",
    "Gradient",
    "Gray",
    "Scale255",
    "SiftGradient",
    "StrongestGradient",
]


def positive_int(name: str, value: object, low: int, what: str) -> int:
    """The value as an int of at least ``low``; raises an error that names ``name``."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise BadSettingError(
            f"{name}={value!r} is not a whole number; {what} is an int of at least {low}, "
            f"for instance {name}={max(low, 8)}"
        )
    if number < low:
        raise BadSettingError(f"{name}={number} is too small; {what} must be at least {low}")
    return number


def check_images(images: Tensor, minimum: tuple[int, int], what: str, remedy: str) -> None:
    """Raise ``BadImageError`` unless ``images`` is a batch of RGB images of at least one block."""
    if images.ndim != 4 or images.shape[1] != 3:
        raise BadImageError(
            f"{what} takes RGB images (N, 3, H, W) in [0, 1]; got a tensor of shape "
            f"{tuple(images.shape)}: repeat a gray channel three times, add a batch axis to one "
            "image"
        )
    if not images.is_floating_point():
        raise BadImageError(
            f"{what} takes floating point images in [0, 1]; got {images.dtype}: divide by 255"
        )
    height, width = int(images.shape[2]), int(images.shape[3])
    if height < minimum[0] or width < minimum[1]:
        raise BadImageError(
            f"an image of {height} x {width} pixels is smaller than one block of {what}, which "
            f"needs at least {minimum[0]} x {minimum[1]}: give a larger image, or {remedy}"
        )


def stages_of(network: nn.Sequential, stages: slice) -> nn.Sequential:
    """A slice of the named stages of a network as a plain `nn.Sequential`, without the checks."""
    return nn.Sequential(OrderedDict(list(network._modules.items())[stages]))


class Clamp(nn.Module):
    """The replacement of values above ``most`` by ``most``."""

    def __init__(self, most: float) -> None:
        super().__init__()
        self.most = most

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp_max(self.most)


class Gray(nn.Module):
    """Conversion of RGB in [0, 1] to gray values in 0-255.

    Gray is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601). It is computed as G + 0.299 (R - G) + 0.114
    (B - G). A gray image of 8-bit values then keeps its values exactly, and flat areas stay flat.
    """

    def forward(self, images: Tensor) -> Tensor:
        red, green, blue = images[:, 0:1], images[:, 1:2], images[:, 2:3]
        gray: Tensor = 255 * (green + 0.299 * (red - green) + 0.114 * (blue - green))
        return gray


class Scale255(nn.Module):
    """Conversion of RGB in [0, 1] to RGB in 0-255."""

    def forward(self, images: Tensor) -> Tensor:
        colors: Tensor = 255 * images
        return colors


Border = Literal["zero", "pad", "crop"]


class Gradient(nn.Module):
    """Central differences, (N, 1, H, W) to (N, 2, H, W): d/dx, then d/dy.

    With ``border="zero"`` the gradient of the outermost pixels is zero (VLFeat). ``"pad"`` first
    surrounds the image with zeros, and ``"crop"`` removes the outermost pixels, as the paper's
    networks of HOG and SIFT do.
    """

    def __init__(self, scale: float = 1.0, border: Border = "zero") -> None:
        super().__init__()
        self.scale = scale
        self.border = border

    def forward(self, gray: Tensor) -> Tensor:
        if self.border == "pad":
            gray = F.pad(gray, (1, 1, 1, 1))
        dx = gray[:, :, 1:-1, 2:] - gray[:, :, 1:-1, :-2]
        dy = gray[:, :, 2:, 1:-1] - gray[:, :, :-2, 1:-1]
        both = torch.cat([dx, dy], 1)
        if self.scale != 1.0:
            both = both * self.scale
        return F.pad(both, (1, 1, 1, 1)) if self.border == "zero" else both


class StrongestGradient(Gradient):
    """The gradient of the color channel in which it is longest, (N, 3, H, W) to (N, 2, H, W).

    If several channels have equally long gradients, the first is used. The choice of the channel
    is not differentiated.
    """

    def forward(self, colors: Tensor) -> Tensor:
        best = super().forward(colors[:, 0:1])
        strength = best.square().sum(1, keepdim=True)
        for channel in (1, 2):
            other = super().forward(colors[:, channel : channel + 1])
            other_strength = other.square().sum(1, keepdim=True)
            stronger = other_strength > strength
            best = torch.where(stronger, other, best)
            strength = torch.where(stronger, other_strength, strength)
        return best


class SiftGradient(nn.Module):
    """Half of the central differences, one-sided at the border, (N, 1, H, W) to (N, 2, H, W)."""

    def forward(self, gray: Tensor) -> Tensor:
        dx = torch.cat(
            [
                gray[..., 1:2] - gray[..., 0:1],
                0.5 * (gray[..., 2:] - gray[..., :-2]),
                gray[..., -1:] - gray[..., -2:-1],
            ],
            3,
        )
        dy = torch.cat(
            [
                gray[..., 1:2, :] - gray[..., 0:1, :],
                0.5 * (gray[..., 2:, :] - gray[..., :-2, :]),
                gray[..., -1:, :] - gray[..., -2:-1, :],
            ],
            2,
        )
        return torch.cat([dx, dy], 1)
