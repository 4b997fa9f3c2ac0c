"""HOG and HOGb as networks whose stages can be listed, cut and inverted like a CNN's layers."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.fx
from torch import Tensor, nn
from torch.nn import functional as F

from ...arguments import one_of
from ...errors import BadSettingError
from .gradients import (
    Border,
    Clamp,
    Gradient,
    Gray,
    Scale255,
    StrongestGradient,
    check_images,
    positive_int,
    stages_of,
)
from .orientation import Gate, Orientation

torch.fx.wrap("check_images")  # it reads sizes, which fx cannot follow

__all__ = ["Hog", "hog", "hogb"]

Variant = Literal["vlfeat", "matconvnet"]
Color = Literal["gray", "strongest"]


def hog(
    *,
    cell_size: int = 8,
    orientations: int = 9,
    texture: bool = True,
    color: Color = "gray",
    gradient: Literal["straight-through", "exact"] = "straight-through",
    variant: Variant = "vlfeat",
) -> Hog:
    """HOG, the histogram of oriented gradients of Dalal-Triggs and UoCTTI, as a network.

    >>> phi = hog()
    >>> phi(torch.rand(2, 3, 192, 256)).shape
    torch.Size([2, 31, 24, 32])
    >>> [name for name, _ in phi.named_children()][:4]
    ['gray', 'gradient', 'orientation', 'cells']
    >>> phi[:4](torch.rand(2, 3, 192, 256)).shape  # cut after ``cells``
    torch.Size([2, 18, 24, 32])

    The gradient of each pixel votes for the nearest of 2K directions. The votes are pooled
    bilinearly into cells. Each cell is normalized by the four 2x2 blocks that contain it, clamped
    at 0.2, and averaged over the blocks.

    Parameters
    ----------
    cell_size : int
        The side of a cell in pixels, at least 1; odd sizes work too.
    orientations : int
        K, the number of directions in half a turn.
    texture : bool
        Whether to add the four texture channels, the summed energy of each block (top left, top
        right, bottom left, bottom right). The paper's networks (``matconvnet``) have none.
    color : str
        ``"gray"`` uses ITU-R BT.601 gray values in 0-255; ``"strongest"`` uses at each pixel the
        color channel with the longest gradient, as VLFeat does with color images.
    gradient : str
        The derivative of the vote. The vote for one direction is constant in the angle, so its
        exact derivative cannot rotate an edge. ``"straight-through"`` differentiates the bilinear
        vote of ``hogb`` instead, which inverts far better; ``"exact"`` is the true derivative.
    variant : str
        ``"vlfeat"`` equals VLFeat 0.9.21 up to rounding. ``"matconvnet"`` is the network that the
        paper published: with halved gradients, zeros around the image and around the blocks,
        division by max(norm, 1e-6), whole cells only, and no texture channels.

    Returns
    -------
    Hog
        A network from images (N, 3, H, W) in [0, 1] to (N, 3K [+ 4], h, w), where h = (H +
        cell_size // 2) // cell_size for ``vlfeat``, which counts a last cell if at least half of it
        is inside the image. The channels are 2K directed and K undirected histograms, then the
        texture; see ``Hog.output_layout``.

    Raises
    ------
    BadSettingError
        For a parameter that cannot work.
    BadImageError
        When the network is called with something else than a batch of RGB images, or with images
        smaller than one block (2x2 cells).

    References
    ----------
    CVPR15, section 4.1; Felzenszwalb et al., PAMI 2010.
    """
    one_of(gradient, "gradient", ("straight-through", "exact"))
    gate: Gate = "straight-through" if gradient == "straight-through" else "hard"
    return Hog(cell_size, orientations, texture, color, gate, variant)


def hogb(
    *,
    cell_size: int = 8,
    orientations: int = 9,
    texture: bool = True,
    color: Color = "gray",
    variant: Variant = "vlfeat",
) -> Hog:
    """HOGb, which is HOG with bilinear votes: each pixel votes for its two nearest directions.

    >>> hogb()(torch.rand(1, 3, 192, 256)).shape
    torch.Size([1, 31, 24, 32])

    Parameters
    ----------
    cell_size : int
        The side of a cell in pixels, at least 1; odd sizes work too.
    orientations : int
        K, the number of directions in half a turn.
    texture : bool
        Whether to add the four texture channels, the summed energy of each block (top left, top
        right, bottom left, bottom right). The paper's networks (``matconvnet``) have none.
    color : str
        ``"gray"`` uses ITU-R BT.601 gray values in 0-255; ``"strongest"`` uses at each pixel the
        color channel with the longest gradient, as VLFeat does with color images.
    variant : str
        ``"vlfeat"`` equals VLFeat 0.9.21 up to rounding. ``"matconvnet"`` is the network that the
        paper published: with halved gradients, zeros around the image and around the blocks,
        division by max(norm, 1e-6), whole cells only, and no texture channels.

    Returns
    -------
    Hog
        A network from images (N, 3, H, W) in [0, 1] to (N, 3K [+ 4], h, w), where h = (H +
        cell_size // 2) // cell_size for ``vlfeat``, which counts a last cell if at least half of it
        is inside the image. The channels are 2K directed and K undirected histograms, then the
        texture; see ``Hog.output_layout``. Its derivative is exact.

    Raises
    ------
    BadSettingError
        For a parameter that cannot work.
    BadImageError
        When the network is called with something else than a batch of RGB images, or with images
        smaller than one block (2x2 cells).

    References
    ----------
    CVPR15, section 4.1, "bilinear orientation assignment".
    """
    return Hog(cell_size, orientations, texture, color, "bilinear", variant)


class Hog(nn.Sequential):
    """The network of HOG with named stages, as made by `hog` and `hogb`.

    | stage | output | what it computes |
    |---|---|---|
    | gray (color) | (N, 1 (3), H, W) | gray values (colors) in 0-255 |
    | gradient | (N, 2, H, W) | d/dx and d/dy, from which all directional derivatives follow |
    | orientation | (N, 2K, H, W) | gating: each gradient as votes for directions |
    | cells | (N, 2K, h, w) | the votes, pooled bilinearly |
    | blocks | (N, 4·3K, h±1, w±1) | 2x2 neighboring cells as channels, directed and undirected |
    | normalize | the same | each block divided by the norm of its undirected part |
    | clamp | the same | values above 0.2 replaced by 0.2 |
    | decompose | (N, 3K [+ 4], h, w) | cells as the mean over their blocks, and the texture |

    Attributes: `output_layout` names the channels; `minimum_size` (H, W) of an image;
    `mean_color`, with which 255·(x − mean) is the paper's 255·gray − 128; `grayscale`, True if
    the result depends only on gray values.
    """

    def __init__(
        self,
        cell_size: int,
        orientations: int,
        texture: bool,
        color: Color,
        gate: Gate,
        variant: Variant,
    ) -> None:
        cell_size = positive_int("cell_size", cell_size, 1, "the side of a cell in pixels")
        k = positive_int("orientations", orientations, 2, "the number of orientations")
        if not isinstance(texture, bool):
            raise BadSettingError(f"texture={texture!r} must be True or False")
        one_of(color, "color", ("gray", "strongest"))
        one_of(variant, "variant", ("vlfeat", "matconvnet"))
        published = variant == "matconvnet"
        texture = texture and not published
        scale = 0.5 if published else 1.0
        border: Border = "pad" if published else "zero"
        super().__init__()
        if color == "gray":
            self.gray = Gray()
            self.gradient: nn.Module = Gradient(scale, border)
        else:
            self.colors = Scale255()
            self.gradient = StrongestGradient(scale, border)
        self.orientation = Orientation(2 * k, gate)
        self.cells = Cells(2 * k, cell_size, whole_cells_only=published)
        self.blocks = Blocks(k, replicate=not published)
        self.normalize = NormalizeBlocks(k, 1e-6 if published else None)
        self.clamp = Clamp(0.2)
        self.decompose = Decompose(k, texture, surround=published)
        self.eval()
        self.cell_size = cell_size
        self.orientations = k
        self.grayscale = color == "gray"
        self.raises_noise = True  # to full contrast
        self.minimum_size = (max(4, 2 * cell_size),) * 2
        self.mean_color = (128 / 255,) * 3
        self.output_layout: dict[str, range] = {
            "directed": range(2 * k),
            "undirected": range(2 * k, 3 * k),
            "texture": range(3 * k, 3 * k + 4 * texture),
        }

    def forward(self, images: Tensor) -> Tensor:
        check_images(
            images, self.minimum_size, "HOG (2 x 2 cells)", "a smaller cell_size to hog() or hogb()"
        )
        features: Tensor = super().forward(images)  # type: ignore[no-untyped-call]
        return features

    def __getitem__(self, index: Any) -> Any:
        """One stage, or for a slice the network of these stages as a plain `nn.Sequential`."""
        return stages_of(self, index) if isinstance(index, slice) else super().__getitem__(index)

    def orientation_channels(self, *directions: int) -> list[int]:
        """The output channels of some undirected orientations k = 0 ... K-1 (at the angle kπ/K).

        >>> hog().orientation_channels(0, 4)       # [0, 9, 18, 4, 13, 22]
        """
        k = self.orientations
        for direction in directions:
            if direction not in range(k):
                raise BadSettingError(f"no orientation {direction!r}; there are {k}, 0 to {k - 1}")
        return [channel for d in directions for channel in (d, d + k, d + 2 * k)]


class Cells(nn.Module):
    """Bilinear pooling into cells, (N, C, H, W) to (N, C, h, w).

    The weights are a triangle that is twice as wide as a cell.
    """

    kernel: Tensor

    def __init__(self, channels: int, cell_size: int, whole_cells_only: bool = False) -> None:
        super().__init__()
        self.cell_size = cell_size
        self.whole_cells_only = whole_cells_only
        half = cell_size // 2
        # Pixel x is (x + 1/2) / size - 1/2 cells right of the center of cell 0.
        places = torch.arange(-half, -half + 2 * cell_size - cell_size % 2, dtype=torch.float64)
        triangle = 1 - ((places + 0.5) / cell_size - 0.5).abs()
        self.register_buffer("kernel", triangle.float().expand(channels, 1, -1).clone())

    def forward(self, gated: Tensor) -> Tensor:
        return self._pool(self._pool(gated, 2), 3)

    def _pool(self, x: Tensor, axis: int) -> Tensor:
        size, half, length = self.cell_size, self.cell_size // 2, self.kernel.shape[2]
        extent = x.shape[axis]
        cells = (extent + 2 * half - length) // size + 1
        if not self.whole_cells_only:
            cells = (extent + half) // size
        missing = (cells - 1) * size + length - half - extent  # zeros to add on the right
        if missing > half:
            x = F.pad(x, (0, 0, 0, missing - half) if axis == 2 else (0, missing - half))
        kernel = self.kernel.to(x.dtype)
        kernel = kernel[..., None] if axis == 2 else kernel[:, :, None]
        stride, padding = ((size, 1), (half, 0)) if axis == 2 else ((1, size), (0, half))
        return F.conv2d(x, kernel, None, stride, padding, groups=kernel.shape[0])


class Blocks(nn.Module):
    """Grouping of 2x2 neighboring cells into blocks, (N, 2K, h, w) to (N, 4·3K, ...).

    The K undirected sums of each cell are added first. The order of the four cells is top left, top
    right, bottom left, bottom right. With ``replicate`` the border cells are repeated outwards, so
    that each cell is in four blocks.
    """

    def __init__(self, orientations: int, replicate: bool) -> None:
        super().__init__()
        self.orientations = orientations
        self.replicate = replicate

    def forward(self, cells: Tensor) -> Tensor:
        k = self.orientations
        cells = torch.cat([cells, cells[:, :k] + cells[:, k:]], 1)
        if self.replicate:
            cells = torch.cat([cells[:, :, :1], cells, cells[:, :, -1:]], 2)
            cells = torch.cat([cells[..., :1], cells, cells[..., -1:]], 3)
        top, bottom = cells[:, :, :-1], cells[:, :, 1:]
        return torch.cat([top[..., :-1], top[..., 1:], bottom[..., :-1], bottom[..., 1:]], 1)


class NormalizeBlocks(nn.Module):
    """The division of each block by √(n² + 1e-4) or max(n, floor), n the undirected part's norm."""

    def __init__(self, orientations: int, floor: float | None) -> None:
        super().__init__()
        self.orientations = orientations
        self.floor = floor

    def forward(self, blocks: Tensor) -> Tensor:
        k = self.orientations
        energy: Tensor = sum(  # type: ignore[assignment]
            blocks[:, start : start + k].square().sum(1, keepdim=True)
            for start in range(2 * k, 12 * k, 3 * k)
        )
        if self.floor is None:
            return blocks * torch.rsqrt(energy + 1e-4)
        return blocks * torch.rsqrt(energy.clamp_min(self.floor**2))


class Decompose(nn.Module):
    """Conversion of blocks back to cells, and the texture channels.

    A cell is half the sum of its four normalized copies. ``surround`` adds blocks of zeros around
    the others, if ``Blocks`` did not repeat border cells.
    """

    def __init__(self, orientations: int, texture: bool, surround: bool) -> None:
        super().__init__()
        self.orientations = orientations
        self.texture = texture
        self.surround = surround

    def forward(self, blocks: Tensor) -> Tensor:
        k = self.orientations
        if self.surround:
            blocks = F.pad(blocks, (1, 1, 1, 1))
        # In the block above and to the left of it, a cell is the bottom right one, and so on.
        copies = [
            blocks[:, 9 * k :, :-1, :-1],
            blocks[:, 6 * k : 9 * k, :-1, 1:],
            blocks[:, 3 * k : 6 * k, 1:, :-1],
            blocks[:, : 3 * k, 1:, 1:],
        ]
        features = 0.5 * (copies[0] + copies[1] + copies[2] + copies[3])
        if not self.texture:
            return features
        sums = [copy[:, 2 * k :].sum(1, keepdim=True) for copy in copies]
        return torch.cat([features, torch.cat(sums, 1) * 18**-0.5], 1)
