"""The photos of the benchmarks: eight bundled ones, and seven of scikit-image and matplotlib.

The default was chosen on the photos ``CHOSEN_ON``. The photos ``JUDGES`` are held out, with one
exception: short runs of HOG were inspected on flower and rocket.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import invwidgets as iw

CHOSEN_ON = ("coffee", "chelsea", "astronaut", "hopper", "camera")
NOT_BUNDLED = {
    "motorcycle": ("skimage.data", "motorcycle_left.png"),
    "hubble": ("skimage.data", "hubble_deep_field.jpg"),
    "brick": ("skimage.data", "brick.png"),
    "histology": ("skimage.data", "ihc.png"),
    "retina": ("skimage.data", "retina.jpg"),
    "clock": ("skimage.data", "clock_motion.png"),
    "hopper": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
}
PHOTOS = (*iw.photos(), *NOT_BUNDLED)
JUDGES = tuple(name for name in PHOTOS if name not in CHOSEN_ON)


def photo(name: str) -> Any:
    """The argument for ``invert``: a bundled photo's name, or another photo's pixels (H, W, 3)."""
    if name not in NOT_BUNDLED:
        return name
    package, file = NOT_BUNDLED[name]
    with resources.as_file(resources.files(package) / file) as path:
        pixels: NDArray[np.uint8] = np.asarray(Image.open(path).convert("RGB"))
    return pixels
