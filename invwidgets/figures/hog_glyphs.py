"""The glyphs of HOG: each cell has bars along its edges, whose brightness shows their strength."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from ..errors import BadSettingError
from .panels import panels

__all__ = ["hog_glyph_image", "hog_glyphs"]


def hog_glyphs(
    features: Tensor,
    photo: Tensor | None = None,
    *,
    title: str = "HOG",
    cell_pixels: int = 21,
    height: float = 3.2,
) -> Figure:
    """A figure of HOG or HOGb features as glyphs, next to the photo if it is given.

    >>> phi = hog()
    >>> hog_glyphs(phi(image), image).savefig("glyphs.png")

    Parameters
    ----------
    features : torch.Tensor
        (3K [+ 4], h, w), or (N, ...) for a row of N pictures.
    photo : torch.Tensor, optional
        (3, H, W) or (1, 3, H, W) in [0, 1].
    title : str
        The heading of the figure.
    cell_pixels : int
        The side of a glyph in pixels.
    height : float
        The height of the pictures in inches.

    Raises
    ------
    BadSettingError
        For features that are not a map of HOG.
    """
    batch = features if features.ndim == 4 else features[None]
    pictures: list[NDArray[Any]] = [hog_glyph_image(one, cell_pixels=cell_pixels) for one in batch]
    titles = [f"{title}, {batch.shape[2]} × {batch.shape[3]} cells"] * len(pictures)
    if photo is not None:
        pictures.insert(0, picture_of(photo))
        titles.insert(0, "photo")
    return panels(pictures, titles, height)


def hog_glyph_image(
    features: Tensor, *, cell_pixels: int = 21, brightest: float | None = None
) -> NDArray[np.float32]:
    """The glyphs of one feature map (3K [+ 4], h, w) as an array (h·cell_pixels, w·cell_pixels).

    >>> hog_glyph_image(hog()(image)[0]).shape     # (504, 672) for an image of 192 x 256

    A bar is parallel to the edge, perpendicular to the gradient. Its brightness is the sum of the
    two directed entries and the undirected entry of its orientation, divided by ``brightest``, by
    default the 99.5 % quantile of the map; give one number to compare two maps. Texture is not
    shown.
    """
    values = features.detach().float().cpu().numpy()
    if values.ndim != 3 or values.shape[0] < 6 or values.shape[0] % 3 == 2:
        raise BadSettingError(
            f"features of shape {tuple(features.shape)} are no HOG map; a map is (3K, h, w), or "
            "(3K + 4, h, w) with texture, for K orientations: (27, h, w) or (31, h, w) by default"
        )
    k = (values.shape[0] - 4 * (values.shape[0] % 3)) // 3
    weights = values[:k] + values[k : 2 * k] + values[2 * k : 3 * k]
    scale = float(np.quantile(weights, 0.995)) if brightest is None else brightest
    weights = np.clip(weights / max(scale, 1e-12), 0, 1)
    bars = np.stack([_bar(np.pi * (o / k + 0.5), cell_pixels) for o in range(k)])
    # The brightest bar wins where they cross, so that a cell is no brighter than its bars.
    image = np.zeros((values.shape[1], cell_pixels, values.shape[2], cell_pixels), np.float32)
    for weight, bar in zip(weights, bars, strict=True):
        np.maximum(image, weight[:, None, :, None] * bar[None, :, None, :], out=image)
    return image.reshape(values.shape[1] * cell_pixels, values.shape[2] * cell_pixels)


def picture_of(photo: Tensor) -> NDArray[np.float32]:
    """A photo (3, H, W) or (1, 3, H, W) in [0, 1] as an array (H, W, 3) to show."""
    one = photo[0] if photo.ndim == 4 else photo
    shown = one.detach().float().cpu().clamp(0, 1).permute(1, 2, 0)
    return np.asarray(shown.numpy(), np.float32)


def _bar(angle: float, pixels: int) -> NDArray[np.float32]:
    """An antialiased bar through the center of a square; ``angle`` is clockwise from the right."""
    places = np.arange(pixels) - (pixels - 1) / 2
    x, y = places[None, :], places[:, None]
    along = np.abs(x * np.cos(angle) + y * np.sin(angle))
    across = np.abs(y * np.cos(angle) - x * np.sin(angle))
    thick, long = max(0.5, pixels / 28), 0.47 * pixels
    inside = np.clip(thick + 0.5 - across, 0, 1) * np.clip(long + 0.5 - along, 0, 1)
    return np.asarray(inside, np.float32)
