"""A first guess of an image from its features alone: the best linear one.

    >>> phi = representation("efficientnet_lite0", "blocks.2")
    >>> linear_guess(phi, phi.target(photo), Selection(), (224, 224)).shape
    torch.Size([3, 224, 224])

A search from noise spends its first steps on what a linear function of the features would have told
it: where it is bright, and of which colour. That function is fitted once for each layer, on images
of noise whose spectrum falls as photos' does (Field, JOSA A 1987): a cell's patch of pixels from
the features of 3×3 cells, by ridge regression,

    W = (XᵀX + λI)⁻¹ XᵀY,    λ = 10 · columns of X.

Only the features that are inverted have a part in the guess, and no photo has one in W. The cells
are taken to lie on the image edge to edge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..representations.base import Layer, Region, Representation
from ..representations.caching import cached
from ..selection import Selection
from .colors import PHOTO_MEAN, color_basis, mixed

_EQUATIONS = 12_000  # cells that it is fitted on, about
_IMAGES = (20, 32)  # the fewest and the most that they are taken from
_WIDTH = 112  # of the features, the directions in which they vary most
_PATCH = 8  # pixels of a cell's side at most: finer ones a coarse layer does not tell linearly
_RIDGE = 10.0
_REACH = 0.3  # how far an image's mean lies from that of photos, each colour
_CONTRAST = (0.1, 0.25)  # the least and the largest standard deviation of a grey value


class LinearDecoder(NamedTuple):
    """Features (1, C, h, w) to pixels: ȳ + W ∗ (x − x̄), a convolution of 3×3 cells."""

    mean: Tensor  # x̄, (1, C, 1, 1)
    weight: Tensor  # W, (3·patch², C, 3, 3)
    bias: Tensor  # ȳ, (3·patch²,)
    patch: int


def linear_guess(
    representation: Representation, target: Tensor, selection: Selection, size: tuple[int, int]
) -> Tensor:
    """The guess (3, H, W) of the image whose features ``target`` (1, C, h, w) are.

    Only selected features tell of it; beyond a selected region it has the mean colour of photos.
    """
    channels = Selection(channels=selection.channels)
    if selection.channels is None:
        key = ("linear decoder", size)
        decoder = cached(representation, key, lambda: fit_decoder(representation, channels, size))
    else:  # of channels there are too many choices to keep
        decoder = fit_decoder(representation, channels, size)
    blank = target.new_tensor(PHOTO_MEAN, dtype=torch.float32)[:, None, None].expand(3, *size)
    if decoder is None:
        return blank
    mean, weight, bias = (part.to(target.device) for part in decoder[:3])
    rows, columns = _cells(representation.layer_info(size))
    top, bottom, left, right = _within(selection.region, rows, columns)
    seen = channels.of(target)[:, :, top:bottom, left:right].float() - mean
    if not seen.numel():
        return blank
    patches = blank.new_zeros(1, len(bias), rows, columns)
    patches[:, :] = blank[:, 0, 0].repeat_interleave(decoder.patch**2)[:, None, None]
    around = F.pad(seen, (1, 1, 1, 1), mode="replicate")
    patches[:, :, top:bottom, left:right] = F.conv2d(around, weight, bias)
    guess = F.pixel_shuffle(patches, decoder.patch)
    if guess.shape[-2:] != size:
        guess = F.interpolate(guess, size=size, mode="bilinear", align_corners=False)
    return guess[0].clamp(0, 1)


@torch.no_grad()
def fit_decoder(
    representation: Representation, channels: Selection, size: tuple[int, int]
) -> LinearDecoder | None:
    """The decoder of a layer, fitted anew; None where features of noise are no finite numbers."""
    rows, columns = _cells(representation.layer_info(size))
    fewest, most = _IMAGES
    count = min(most, max(fewest, 2 * math.ceil(_EQUATIONS / (rows * columns) / 2)))
    patch = max(1, min(_PATCH, round(math.sqrt(size[0] * size[1] / (rows * columns)))))
    device = representation.mean_color.device
    windows, wanted = [], []
    for image, (top, left, height, width) in _noise_and_windows(count, size, rows, columns):
        features = channels.of(representation(image.to(device)[None]))[:, :, :rows, :columns]
        around = F.pad(features.float(), (1, 1, 1, 1), mode="replicate")
        windows.append(around[:, :, top : top + height + 2, left : left + width + 2].cpu())
        coarse = F.interpolate(image[None], size=(rows * patch, columns * patch), mode="area")
        cells = F.pixel_unshuffle(coarse, patch)[:, :, top : top + height, left : left + width]
        wanted.append(cells.movedim(1, -1).flatten(0, 2))
    features = torch.cat(windows)
    if not bool(torch.isfinite(features).all()):
        return None
    mean = features.mean((0, 2, 3), keepdim=True)
    features = features - mean
    basis = _main_directions(features.movedim(1, -1).flatten(0, 2))
    narrow = F.conv2d(features, basis[:, :, None, None])
    x, y = F.unfold(narrow, 3).movedim(1, -1).flatten(0, 1), torch.cat(wanted)
    x_mean, bias = x.mean(0), y.mean(0)
    x, y = x - x_mean, y - bias
    normal = x.T @ x
    normal.diagonal().add_(_RIDGE * x.shape[1])
    solved = torch.linalg.solve(normal, x.T @ y)  # (9·k, 3·patch²)
    weight = torch.einsum("kxyp,kc->pcxy", solved.view(len(basis), 3, 3, -1), basis)
    return LinearDecoder(mean, weight.contiguous(), bias - x_mean @ solved, patch)


def _cells(layer: Layer) -> tuple[int, int]:
    """Rows and columns of cells that lie on the image: of tokens, the patches alone."""
    if layer.tokens is not None:
        return layer.tokens[1], layer.tokens[2]
    return layer.shape[1], layer.shape[2]


def _within(region: Region | None, rows: int, columns: int) -> Region:
    top, bottom, left, right = region or (0, rows, 0, columns)
    return top, min(bottom, rows), left, min(right, columns)


def _main_directions(features: Tensor) -> Tensor:
    """Features (N, C) of mean zero to the k ≤ ``_WIDTH`` numbers (k, C) in which they vary most,
    each feature by its deviation."""
    deviation = features.square().mean(0).sqrt()
    scale = torch.where(deviation > 1e-5 * features.abs().max(), 1 / deviation, 0)
    if len(deviation) <= _WIDTH:
        return torch.diag(scale)
    scaled = features * scale
    _, directions = torch.linalg.eigh(scaled.T @ scaled)
    main: Tensor = directions[:, -_WIDTH:].T * scale
    return main


def _noise_and_windows(
    count: int, size: tuple[int, int], rows: int, columns: int
) -> Iterator[tuple[Tensor, tuple[int, int, int, int]]]:
    """Images (3, H, W) in [0, 1] of 1/f noise in decorrelated colours, and of each which cells to
    take: (top, left, height, width)."""
    generator = torch.Generator().manual_seed(0)
    side = math.ceil(math.sqrt(_EQUATIONS / count))
    height, width = min(rows, side), min(columns, side)
    frequency = torch.hypot(
        torch.fft.fftfreq(size[0])[:, None], torch.fft.rfftfreq(size[1])[None]
    ).clamp_min(1 / max(size))
    reach = _REACH * (2 * torch.rand(count // 2, 3, 1, 1, generator=generator) - 1)
    photo_mean = torch.tensor(PHOTO_MEAN)[:, None, None]
    least, largest = _CONTRAST
    for offset in torch.stack([reach, -reach], 1).flatten(0, 1):  # in pairs: their mean is photos'
        numbers = torch.randn(3, *frequency.shape, 2, generator=generator)
        noise = torch.fft.irfft2(torch.view_as_complex(numbers) / frequency, s=size)
        noise = mixed(color_basis(noise).T, noise[None] / noise.std().clamp_min(1e-6))[0]
        contrast, *place = torch.rand(3, generator=generator).tolist()
        image = photo_mean + offset + (least + (largest - least) * contrast) * noise
        top, left = int(place[0] * (rows - height + 1)), int(place[1] * (columns - width + 1))
        yield image.clamp_(0, 1), (top, left, height, width)
