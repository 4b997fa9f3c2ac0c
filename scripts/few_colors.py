"""The reduction of a picture's colors, which makes its PNG file smaller."""

from __future__ import annotations

import numpy as np
from PIL import Image


def in_few_colors(picture: Image.Image, count: int) -> Image.Image:
    """A dithered picture with ``count`` colors, in which a white page stays white."""
    few = picture.quantize(palette=picture.quantize(count))
    colors = np.array(few.getpalette()).reshape(-1, 3)
    colors[colors.min(1) > 245] = 255
    few.putpalette(colors.ravel().tolist())
    return few
