"""The contrast stretching of pictures of HOG and SIFT.

>>> show_image(axes, as_shown(result, 0))

A histogram of normalized gradients does not contain the brightness or contrast of a photo, so the
gray values of an inversion are arbitrary and its contrast is low. The papers' code stretches every
saved picture from its minimum to its maximum. Here the 0.5 and 99.5 percentiles become black and
white, so that single pixels do not matter. Numbers (errors, PSNR, SSIM) and saved results use the
images without stretching.

Source: experiments/experiment_run.m of the code released with CVPR15 (``vl_imsc``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..images import to_uint8
from ..inversion.result import Reconstruction

STRETCHED = "contrast stretched"  # the note on such pictures in a figure
PERCENTILES = (0.5, 99.5)
_LEAST = 4  # levels of 255 below which there is nothing to stretch but noise


def as_shown(result: Reconstruction, index: int) -> NDArray[np.uint8]:
    """The picture (H, W, 3) of a result's seed number ``index``, as every figure shows it."""
    pixels = to_uint8(result.images[index])
    return stretched(pixels) if result.handcrafted else pixels


def stretched(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One picture (H, W, 3) with its darkest values black and its brightest white.

    >>> stretched(np.linspace(100, 150, 300).reshape(10, 10, 3).astype(np.uint8)).max()
    255
    """
    low, high = np.percentile(pixels, PERCENTILES)
    if high - low < _LEAST:
        return pixels
    table = (np.arange(256) - low) * (255 / (high - low))
    shades: NDArray[np.uint8] = np.clip(np.round(table), 0, 255).astype(np.uint8)
    return shades[pixels]
