"""A first guess of an image from its features alone: the best linear one.

    >>> phi = representation("efficientnet_lite0", "blocks.2")
    >>> gray = torch.full((3,), 0.5)
    >>> linear_guess(phi, phi.target(photo), Selection(), (224, 224), gray).shape
    torch.Size([3, 224, 224])

A search from noise spends its first steps on what a line through the features would have told it:
where it is bright, and of which colour. That line is fitted once for each layer, on images of
noise whose spectrum falls as photos' does: a cell's patch of pixels from the features of 3×3
cells, by ridge regression,

    W = (XᵀX + λI)⁻¹ XᵀY,    λ = 10 · columns of X,

so that it fades where the layer has many features and few cells, and is no more than the centre's
colour where they tell nothing. No photo has a part in it but by the features that are inverted.

Images of photos' spectra: Field, JOSA A 1987.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..representations.base import Representation
from ..representations.caching import cached
from ..selection import Selection
from .colors import color_basis, mixed

_EQUATIONS = 12_000  # cells that it is fitted on, about
_IMAGES = (4, 32)  # the fewest and the most that they are taken from
_WIDTH = 112  # of the features, the directions in which they vary most
_PATCH = 8  # pixels of a cell's side at most: finer ones a coarse layer does not tell linearly
_RIDGE = 10.0
_REACH = 0.3  # how far an image's mean lies from the centre, each colour
_CONTRAST = (0.1, 0.25)  # the least and the largest standard deviation of a grey value


class Line(NamedTuple):
    """Features to pixels: one convolution of 3×3 cells, on standardised features."""

    mean: Tensor  # (1, C, 1, 1)
    weight: Tensor  # (3·patch², C, 3, 3)
    patch: int


def linear_guess(
    representation: Representation,
    target: Tensor,
    selection: Selection,
    size: tuple[int, int],
    centre: Tensor,
) -> Tensor:
    """The guess (3, H, W) of the image whose features ``target`` (1, C, h, w) are.

    Only selected channels tell of it; beyond a selected region it has the colour ``centre`` (3,).
    """
    channels = Selection(channels=selection.channels)
    flat = centre[:, None, None].expand(3, *size)
    if selection.channels is None:
        key = ("linear guess", size, tuple(centre.tolist()))
        line = cached(representation, key, lambda: fitted(representation, channels, size, centre))
    else:  # of channels there are too many choices to keep
        line = fitted(representation, channels, size, centre)
    if line is None:
        return flat
    features = F.pad(channels.of(target) - line.mean, (1, 1, 1, 1), mode="replicate")
    patches = F.conv2d(features, line.weight)
    if selection.region is not None:
        told = Selection(selection.region).mask(tuple(patches.shape[1:])).to(patches.device)
        patches = patches * told
    deviation = F.pixel_shuffle(patches, line.patch)
    if deviation.shape[-2:] != size:
        deviation = F.interpolate(deviation, size=size, mode="bilinear", align_corners=False)
    return (flat + deviation[0]).clamp(0, 1)


@torch.no_grad()
def fitted(
    representation: Representation, channels: Selection, size: tuple[int, int], centre: Tensor
) -> Line | None:
    """The line of a layer, fitted anew; None where features of noise are no finite numbers."""
    rows, columns = representation.layer_info(size).shape[1:]
    fewest, most = _IMAGES
    count = min(most, max(fewest, 2 * math.ceil(_EQUATIONS / (rows * columns) / 2)))
    images = _photo_like_noise(count, size, centre)
    features = torch.cat([channels.of(representation(image[None])) for image in images]).float()
    if not bool(torch.isfinite(features).all()):
        return None
    at = _some_cells(count, rows, columns)
    mean = features.mean((0, 2, 3), keepdim=True)
    features = features - mean
    basis = _main_directions(_at(features, at))
    around = F.pad(F.conv2d(features, basis[:, :, None, None]), (1, 1, 1, 1), mode="replicate")
    picture, row, column = at
    x = torch.stack(
        [_at(around, (picture, row + i, column + j)) for i in range(3) for j in range(3)], 2
    ).flatten(1)
    patch = max(1, min(_PATCH, round(math.sqrt(size[0] * size[1] / (rows * columns)))))
    coarse = F.interpolate(images, size=(rows * patch, columns * patch), mode="area")
    y = _at(F.pixel_unshuffle(coarse - centre[:, None, None], patch), at)
    normal = x.T @ x
    normal.diagonal().add_(_RIDGE * x.shape[1])
    solved = torch.linalg.solve(normal, x.T @ y)  # (9·k, 3·patch²)
    weight = torch.einsum("kxyp,kc->pcxy", solved.view(len(basis), 3, 3, -1), basis)
    return Line(mean, weight.contiguous(), patch)


def _some_cells(count: int, rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """Which image, row and column each: as many of every image, at random."""
    generator = torch.Generator().manual_seed(0)
    each = min(rows * columns, math.ceil(_EQUATIONS / count))
    cells = torch.cat([torch.randperm(rows * columns, generator=generator)[:each]] * count)
    picture = torch.arange(count).repeat_interleave(each)
    return picture, cells // columns, cells % columns


def _at(maps: Tensor, at: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """The channels (cells, C) of maps (N, C, h, w) at some cells."""
    picture, row, column = (index.to(maps.device) for index in at)
    return maps[picture, :, row, column]


def _main_directions(features: Tensor) -> Tensor:
    """Features (N, C) of mean zero to the k ≤ ``_WIDTH`` numbers (k, C) in which they vary most,
    each feature by its deviation."""
    deviation = features.square().mean(0).sqrt()
    scale = torch.where(deviation > 1e-6 * deviation.max(), 1 / deviation, 0)
    if len(deviation) <= _WIDTH:
        return torch.diag(scale)
    scaled = features * scale
    _, directions = torch.linalg.eigh(scaled.T @ scaled)
    main: Tensor = directions[:, -_WIDTH:].T * scale
    return main


def _photo_like_noise(count: int, size: tuple[int, int], centre: Tensor) -> Tensor:
    """Images (N, 3, H, W) in [0, 1] of 1/f noise in decorrelated colours, around ``centre``."""
    generator = torch.Generator().manual_seed(0)
    height, width = size
    spectrum = torch.view_as_complex(
        torch.randn(count, 3, height, width // 2 + 1, 2, generator=generator)
    )
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    frequency = torch.hypot(rows, columns).clamp_min(1 / max(height, width))
    noise = torch.fft.irfft2(spectrum / frequency, s=size)
    noise /= noise.flatten(1).std(1)[:, None, None, None]
    least, largest = _CONTRAST
    contrast = least + (largest - least) * torch.rand(count, 1, 1, 1, generator=generator)
    reach = _REACH * (2 * torch.rand(count // 2, 3, 1, 1, generator=generator) - 1)
    means = centre.cpu()[:, None, None] + torch.cat([reach, -reach])
    images = means + contrast * mixed(color_basis(noise).T, noise)
    return images.clamp_(0, 1).to(centre.device)
