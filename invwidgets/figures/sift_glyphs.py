"""The glyphs of SIFT descriptors, in which each of 4x4 bins has petals, sized by strength."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from ..errors import BadSettingError
from .hog_glyphs import picture_of
from .panels import panels

__all__ = ["sift_glyph_image", "sift_glyphs"]


def sift_glyphs(
    descriptors: Tensor,
    photo: Tensor | None = None,
    *,
    every: int = 4,
    title: str = "SIFT",
    bin_pixels: int = 25,
    height: float = 3.2,
) -> Figure:
    """A figure of dense SIFT descriptors as glyphs (roses), next to the photo if it is given.

    >>> phi = dsift()
    >>> sift_glyphs(phi(image), image).savefig("roses.png")

    Parameters
    ----------
    descriptors : torch.Tensor
        (16 B, h, w), or (N, ...) for a row of N pictures.
    photo : torch.Tensor, optional
        (3, H, W) or (1, 3, H, W) in [0, 1].
    every : int
        The distance between the shown descriptors, in rows and columns. With 4, the default, and a
        step of one bin, neighboring roses show neighboring areas of the image.
    title : str
        The heading of the figure.
    bin_pixels : int
        The side of a bin of a rose in pixels.
    height : float
        The height of the pictures in inches.

    Raises
    ------
    BadSettingError
        For features that are not a map of SIFT descriptors.
    """
    batch = descriptors if descriptors.ndim == 4 else descriptors[None]
    pictures: list[NDArray[Any]] = [
        sift_glyph_image(one, every=every, bin_pixels=bin_pixels) for one in batch
    ]
    shown = f"{title}, {-(-batch.shape[2] // every)} × {-(-batch.shape[3] // every)} descriptors"
    titles = [shown] * len(pictures)
    if photo is not None:
        pictures.insert(0, picture_of(photo))
        titles.insert(0, "photo")
    return panels(pictures, titles, height)


def sift_glyph_image(
    descriptors: Tensor, *, every: int = 4, bin_pixels: int = 25
) -> NDArray[np.float32]:
    """The roses of one descriptor map (16 B, h, w) as an array, 4 x 4 bins per descriptor.

    >>> sift_glyph_image(dsift()(image)[0]).shape  # (900, 1300) for an image of 192 x 256

    A petal points along the gradient, from dark to bright. Its area is proportional to the entry,
    and the largest 1 % of entries reach the border of their bin. A thin line surrounds each
    descriptor.
    """
    values = descriptors.detach().float().cpu().numpy()
    if values.ndim != 3 or values.shape[0] % 16 or values.shape[0] < 32:
        raise BadSettingError(
            f"descriptors of shape {tuple(descriptors.shape)} are no SIFT map; a map is "
            "(16 B, h, w) for B orientations: (128, h, w) by default"
        )
    if every < 1:
        raise BadSettingError(f"every={every} shows nothing; give 1 or more, 4 is the default")
    values = values[:, ::every, ::every]
    b = values.shape[0] // 16
    rows, columns = values.shape[1], values.shape[2]
    # (row of bins, column of bins, orientation, row, column) to one rose per place.
    roses = values.reshape(4, 4, b, rows, columns).transpose(3, 0, 4, 1, 2)
    roses = roses.reshape(4 * rows, 4 * columns, b)
    strongest = max(float(np.quantile(roses, 0.99)), 1e-12)
    lengths = np.sqrt(np.clip(roses / strongest, 0, 1)) * bin_pixels / 2

    places = np.arange(bin_pixels) - (bin_pixels - 1) / 2
    x, y = places[None, :], places[:, None]
    image = np.zeros((4 * rows, bin_pixels, 4 * columns, bin_pixels), np.float32)
    for o in range(b):
        angle = 2 * np.pi * o / b
        along = x * np.cos(angle) + y * np.sin(angle)
        across = np.abs(y * np.cos(angle) - x * np.sin(angle))
        half = 0.5 + np.maximum(along, 0) * np.tan(0.6 * np.pi / b)
        line = np.clip(half + 0.5 - across, 0, 1) * (along > -0.5)
        length = lengths[:, None, :, None, o]
        reaches = np.clip(length + 0.5 - along[None, :, None, :], 0, 1) * (length > 0.5)
        np.maximum(image, line[None, :, None, :] * reaches, out=image)
    flat = image.reshape(4 * rows * bin_pixels, 4 * columns * bin_pixels)
    side = 4 * bin_pixels
    for edge in (flat[::side], flat[side - 1 :: side], flat[:, ::side], flat[:, side - 1 :: side]):
        np.maximum(edge, 0.25, out=edge)
    return flat
