"""The photos of the tables: the eight bundled ones, and four more from scikit-image's wheel.

The default was chosen on coffee and chelsea; on the others no choice was made.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import invwidgets as iw

CHOSEN_ON = ("coffee", "chelsea")
NOT_BUNDLED = {
    "motorcycle": "motorcycle_left.png",
    "hubble": "hubble_deep_field.jpg",
    "brick": "brick.png",
    "histology": "ihc.png",
}
PHOTOS = (*iw.photos(), *NOT_BUNDLED)


def photo(name: str) -> Any:
    """What ``invert`` takes: a bundled photo's name, or the pixels (H, W, 3) of another."""
    if name not in NOT_BUNDLED:
        return name
    with resources.as_file(resources.files("skimage") / "data" / NOT_BUNDLED[name]) as path:
        pixels: NDArray[np.uint8] = np.asarray(Image.open(path).convert("RGB"))
    return pixels
