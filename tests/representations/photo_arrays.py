"""The photos of the tests, in one place: those that come with scikit-image and scikit-learn."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["PHOTOS", "photo"]

PHOTOS = ("astronaut", "camera", "chelsea", "coffee", "rocket", "motorcycle", "china", "flower")


@lru_cache(maxsize=4)
def _array(name: str) -> Any:
    if name in ("china", "flower"):
        from sklearn.datasets import load_sample_image  # type: ignore[import-untyped]

        return load_sample_image(f"{name}.jpg")
    if name == "motorcycle":
        import skimage

        return skimage.io.imread(Path(skimage.__file__).parent / "data" / "motorcycle_left.png")
    from skimage import data

    return getattr(data, name)()


def photo(name: str, size: tuple[int, int] | None = None) -> Tensor:
    """A photo as (1, 3, H, W) in [0, 1], at its own size or scaled (antialiased) to `size`."""
    array = np.array(_array(name))
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, 2)
    image = torch.from_numpy(array).permute(2, 0, 1)[None].float() / 255
    if size is None:
        return image
    # Cut to the shape first, then scale.
    height, width = image.shape[2:]
    scale = min(height / size[0], width / size[1])
    h, w = round(size[0] * scale), round(size[1] * scale)
    top, left = (height - h) // 2, (width - w) // 2
    image = image[:, :, top : top + h, left : left + w]
    image = torch.nn.functional.interpolate(image, size, mode="bilinear", antialias=True)
    return image.clamp(0, 1)
