"""Pictures as they are shown: those of HOG and SIFT with their contrast stretched.

>>> show_image(axes, as_shown(result, 0))

A histogram of normalized gradients does not know how bright or how contrasty a photo was, so a
search ends in a veiled picture whose gray values mean nothing. The authors' code stretches every
picture it saves, from its least to its largest value; so do we, but a picture's own 0.5 and 99.5
percentiles become black and white, for a single pixel must not decide. Numbers (errors, PSNR, SSIM)
and saved results are of the images as they came out of the search.

Source: experiments/experiment_run.m of the code released with CVPR15 (``vl_imsc``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..images import to_uint8
from ..inversion.result import Reconstruction

STRETCHED = "contrast stretched"  # what a figure says of such pictures
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
