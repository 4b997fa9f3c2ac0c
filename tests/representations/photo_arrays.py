"""The bundled photos as tensors for the tests of HOG and dense SIFT."""

from __future__ import annotations

from torch import Tensor

from invwidgets.images import photos, read_photo

__all__ = ["PHOTOS", "photo"]

PHOTOS = photos()


def photo(name: str, size: tuple[int, int] | None = None) -> Tensor:
    """A photo as (1, 3, H, W) in [0, 1], at its own size or scaled (antialiased) to `size`."""
    return read_photo(name, size)[None]
