"""Dense SIFT as a network whose stages can be listed, cut and inverted like a CNN's layers."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
import torch.fx
from torch import Tensor, nn
from torch.nn import functional as F

from ...arguments import one_of
from ...errors import BadSettingError
from .gradients import (
    Clamp,
    Gradient,
    Gray,
    SiftGradient,
    check_images,
    positive_int,
    stages_of,
)
from .orientation import Angle, Orientation

torch.fx.wrap("check_images")  # it reads sizes, which torch.fx cannot trace

__all__ = ["Dsift", "dsift"]

Window = Literal["gaussian", "flat"]
Variant = Literal["vlfeat", "matconvnet"]


def dsift(
    *,
    bin_size: int = 5,
    step: int | None = None,
    window: Window = "gaussian",
    angle: Angle = "vlfeat",
    orientations: int = 8,
    variant: Variant = "vlfeat",
) -> Dsift:
    """Dense SIFT, a network that computes SIFT descriptors of one size and direction on a grid.

    >>> phi = dsift()
    >>> phi(torch.rand(2, 3, 192, 256)).shape
    torch.Size([2, 128, 36, 49])
    >>> [name for name, _ in phi.named_children()][:4]
    ['gray', 'gradient', 'orientation', 'blocks']
    >>> phi[:3](torch.rand(2, 3, 192, 256)).shape  # cut after ``orientation``
    torch.Size([2, 8, 192, 256])

    The gradient of each pixel is divided between its two nearest directions. The results are pooled
    with triangular weights into 4x4 bins and weighted by a window around the descriptor. Each
    descriptor is divided by its norm, clamped at 0.2, and divided by its norm again. Gray values
    (ITU-R BT.601) are in 0-255, because on a smaller scale nearly flat areas become unstable.

    Parameters
    ----------
    bin_size : int
        The side of one of the 4x4 bins in pixels, at least 1.
    step : int, optional
        The distance between neighboring descriptors in pixels; by default ``bin_size``, or three
        times ``bin_size`` for ``matconvnet``, where it must be a multiple of ``bin_size``.
    window : str
        ``"gaussian"`` weights each pixel by a Gaussian with σ = 2 bins; ``"flat"``, VLFeat's fast
        form, weights each bin by the mean of this window over the bin.
    angle : str
        ``"vlfeat"``, its approximate arctangent, or ``"exact"``; the features differ by up to 0.02.
    orientations : int
        The number of directions in a full turn.
    variant : str
        ``"vlfeat"`` equals VLFeat 0.9.21 up to rounding. ``"matconvnet"`` is the network that the
        paper published: without a border, with exact angles, with bins on a fixed grid that are
        weighted by a Gaussian with σ = 1.5 bins, and with one normalization before the clamp.

    Returns
    -------
    Dsift
        A network from images (N, 3, H, W) in [0, 1] to (N, 16·orientations, h, w), where h = (H - 1
        - 3 bin_size) // step + 1. Channel o + orientations·(column + 4·row) is direction o of the
        bin in this row and column; see ``Dsift.output_layout``.

    Raises
    ------
    BadSettingError
        For a parameter that cannot work.
    BadImageError
        When the network is called with something else than a batch of RGB images, or with images
        smaller than one block (4x4 bins).

    References
    ----------
    CVPR15, section 4.1; Lowe, IJCV 2004; VLFeat's ``dsift.c``.
    """
    return Dsift(bin_size, step, window, angle, orientations, variant)


class Dsift(nn.Sequential):
    """The network of dense SIFT with named stages, as made by `dsift`.

    | stage | output | what it computes |
    |---|---|---|
    | gray | (N, 1, H, W) | gray values in 0-255 |
    | gradient | (N, 2, H, W) | d/dx and d/dy, from which all directional derivatives follow |
    | orientation | (N, B, H, W) | each gradient, divided between the two nearest directions |
    | cells | (N, B, ...) | the bins, each pooled once (does not exist with ``gaussian``) |
    | blocks | (N, 16 B, h, w) | 4x4 bins as channels, weighted by the window |
    | normalize | the same | each descriptor divided by its norm |
    | clamp | the same | values above 0.2 replaced by 0.2 |
    | renormalize | the same | divided by the norm again (does not exist with ``matconvnet``) |

    The Gaussian window weights each pixel by its place in the block, so a pixel has different
    weights in the 16 bins. `blocks` then pools and groups in one stage.

    Attributes: `output_layout` (rows and columns of bins, orientations); `minimum_size` (H, W) of
    an image; `mean_color`, with which 255·(x − mean) is the paper's 255·gray − 128; `grayscale`.
    """

    grayscale = True
    raises_noise = False

    def __init__(
        self,
        bin_size: int,
        step: int | None,
        window: Window,
        angle: Angle,
        orientations: int,
        variant: Variant,
    ) -> None:
        size = positive_int("bin_size", bin_size, 1, "the side of a bin in pixels")
        b = positive_int("orientations", orientations, 2, "the number of orientations")
        one_of(window, "window", ("gaussian", "flat"))
        one_of(angle, "angle", ("vlfeat", "exact"))
        one_of(variant, "variant", ("vlfeat", "matconvnet"))
        published = variant == "matconvnet"
        stride = (3 * size if published else size) if step is None else step
        stride = positive_int("step", stride, 1, "the step between descriptors in pixels")
        if published and stride % size:
            raise BadSettingError(
                f"step={stride} is no multiple of bin_size={size}, as variant='matconvnet' needs: "
                f"give step={size * max(1, stride // size)}, or variant='vlfeat'"
            )
        super().__init__()
        self.gray = Gray()
        self.gradient: nn.Module = Gradient(0.5, "crop") if published else SiftGradient()
        self.orientation = Orientation(b, "bilinear", "exact" if published else angle)
        if published:
            self.cells = SiftCells(b, size, size, even=True)
            self.blocks: nn.Module = SiftBlocks(_gaussian_of_bins(), 1, stride // size)
            self.normalize = NormalizeDescriptors(softened=1e-6)
            self.clamp = Clamp(0.2)
        else:
            if window == "gaussian":
                self.blocks = WindowedBlocks(b, size, stride)
            else:
                grid = math.gcd(size, stride)
                self.cells = SiftCells(b, size, grid, even=False)
                self.blocks = SiftBlocks(_mean_window(size), size // grid, stride // grid)
            self.normalize = NormalizeDescriptors()
            self.clamp = Clamp(0.2)
            self.renormalize = NormalizeDescriptors()
        self.eval()
        self.bin_size, self.step, self.orientations = size, stride, b
        least = 5 * size + 2 if published else 3 * size + 1
        self.minimum_size = (least, least)
        self.mean_color = (128 / 255,) * 3
        self.output_layout = {"rows": 4, "columns": 4, "orientations": b}

    def forward(self, images: Tensor) -> Tensor:
        check_images(
            images, self.minimum_size, "dense SIFT (4 x 4 bins)", "a smaller bin_size to dsift()"
        )
        features: Tensor = super().forward(images)  # type: ignore[no-untyped-call]
        return features

    def __getitem__(self, index: Any) -> Any:
        """One stage, or for a slice the network of these stages as a plain `nn.Sequential`."""
        return stages_of(self, index) if isinstance(index, slice) else super().__getitem__(index)

    def orientation_channels(self, *directions: int) -> list[int]:
        """The output channels of some directions k (at the angle k·2π/orientations) in all 16 bins.

        >>> dsift().orientation_channels(2)[:3]    # [2, 10, 18]
        """
        b = self.orientations
        for direction in directions:
            if direction not in range(b):
                raise BadSettingError(f"no orientation {direction!r}; there are {b}, 0 to {b - 1}")
        return [d + b * place for d in directions for place in range(16)]


def _window(size: int, place: Tensor) -> Tensor:
    """The weights of VLFeat's Gaussian window (σ = 2 bins) ``place`` pixels from its center."""
    return torch.exp(-0.5 * (place / (2 * size)) ** 2)


def _mean_window(size: int) -> Tensor:
    """The weights (4, 4) of the bins for the flat window: its mean over each bin."""
    near = torch.arange(1 - size, size, dtype=torch.float64)
    means = torch.stack([_window(size, near + size * (i - 1.5)).mean() for i in range(4)])
    return means[:, None] * means


def _gaussian_of_bins() -> Tensor:
    """The weights (4, 4) of the bins in the paper's network: a Gaussian with σ = 1.5 bins."""
    one = torch.exp(-0.5 * ((torch.arange(4, dtype=torch.float64) - 1.5) / 1.5) ** 2)
    return one[:, None] * one


def _pool(x: Tensor, kernel: Tensor, stride: int, axis: int) -> Tensor:
    """Filter every channel along one axis, by a depthwise convolution."""
    channels = x.shape[1]
    if axis == 3:
        weight = kernel.to(x.dtype).view(1, 1, 1, -1).expand(channels, 1, 1, -1)
        return F.conv2d(x, weight, None, (1, stride), groups=channels)
    weight = kernel.to(x.dtype).view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    return F.conv2d(x, weight, None, (stride, 1), groups=channels)


class WindowedBlocks(nn.Module):
    """Pooling into 4x4 bins under a Gaussian window, (N, B, H, W) to (N, 16 B, h, w).

    There is one kernel for each bin along each axis: a triangle multiplied by the Gaussian. The
    border pixels are repeated outwards.
    """

    kernels: Tensor

    def __init__(self, orientations: int, bin_size: int, step: int) -> None:
        super().__init__()
        self.bin_size, self.step = bin_size, step
        near = torch.arange(1 - bin_size, bin_size, dtype=torch.float64)
        kernels = torch.zeros(4, 5 * bin_size - 1, dtype=torch.float64)
        for i in range(4):
            triangle = 1 - near.abs() / bin_size
            weights = triangle * _window(bin_size, near + bin_size * (i - 1.5))
            kernels[i, i * bin_size : i * bin_size + len(near)] = weights
        self.register_buffer("kernels", kernels.float())

    def forward(self, gated: Tensor) -> Tensor:
        gated = F.pad(gated, (self.bin_size - 1,) * 4, mode="replicate")
        columns = torch.cat([_pool(gated, k, self.step, 3) for k in self.kernels], 1)
        return torch.cat([_pool(columns, k, self.step, 2) for k in self.kernels], 1)


class SiftCells(nn.Module):
    """Pooling into bins with triangular weights, (N, B, H, W) to (N, B, ...).

    There is a bin every ``stride`` pixels, and the weight at its center is 1. With ``even=False``
    bins are centered on pixels, and the border pixels are repeated outwards (VLFeat). With ``True``
    they are centered between pixels and lie inside the image (the paper's network).
    """

    kernel: Tensor

    def __init__(self, orientations: int, bin_size: int, stride: int, even: bool) -> None:
        super().__init__()
        self.stride = stride
        self.border = 0 if even else bin_size - 1
        half = bin_size - 0.5 if even else bin_size - 1
        places = torch.arange(2 * half + 1, dtype=torch.float64) - half
        self.register_buffer("kernel", (1 - places.abs() / bin_size).float())

    def forward(self, gated: Tensor) -> Tensor:
        if self.border:
            gated = F.pad(gated, (self.border,) * 4, mode="replicate")
        return _pool(_pool(gated, self.kernel, self.stride, 3), self.kernel, self.stride, 2)


class SiftBlocks(nn.Module):
    """Grouping of 4x4 weighted bins into descriptors, (N, B, ...) to (N, 16 B, h, w).

    Neighboring bins of a descriptor are ``apart`` cells from one another. Neighboring descriptors
    are ``stride`` cells from one another.
    """

    weights: Tensor

    def __init__(self, weights: Tensor, apart: int, stride: int) -> None:
        super().__init__()
        self.apart, self.stride = apart, stride
        self.register_buffer("weights", weights.float())

    def forward(self, cells: Tensor) -> Tensor:
        weights = self.weights.to(cells.dtype)
        rows = cells.shape[2] - 3 * self.apart
        columns = cells.shape[3] - 3 * self.apart
        parts = []
        for row in range(4):
            top = row * self.apart
            for column in range(4):
                left = column * self.apart
                part = cells[
                    :, :, top : top + rows : self.stride, left : left + columns : self.stride
                ]
                parts.append(part * weights[row, column])
        return torch.cat(parts, 1)


class NormalizeDescriptors(nn.Module):
    """The division of each descriptor by its norm n.

    The divisor is n + 1.2e-7 as in VLFeat, or √(n² + softened) if ``softened`` is given.
    """

    def __init__(self, softened: float | None = None) -> None:
        super().__init__()
        self.softened = softened

    def forward(self, blocks: Tensor) -> Tensor:
        energy = blocks.square().sum(1, keepdim=True)
        if self.softened is not None:
            return blocks * torch.rsqrt(energy + self.softened)
        norm = energy.clamp_min(
            torch.finfo(blocks.dtype).tiny
        ).sqrt()  # the square root has no derivative at 0
        return blocks * (1 / (norm + torch.finfo(torch.float32).eps))
