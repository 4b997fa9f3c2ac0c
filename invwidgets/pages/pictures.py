"""The pictures of a page as WebP files, at the best quality that its budget allows.

>>> len(encoded(result, EFFORTS[0]).seeds)
2

At equal similarity (SSIM) WebP files are a quarter smaller than JPEG files. For reconstructions of
128 px, 4.3 kB instead of 5.5 were measured at SSIM 0.965, and 2.8 instead of 3.4 at 0.94.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..figures.contrast import as_shown, stretched
from ..figures.gallery import heat
from ..images import to_uint8
from ..inversion.progress import last_frame
from ..inversion.result import Reconstruction

MOST_SEEDS = 16  # the number of seeds of a result that a page shows
TYPE = "image/webp"
_TALLEST = 16_000  # the largest height of a WebP file in pixels

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Effort:
    """The quality of pictures: WebP's quality, their longer side in pixels, a film's frames."""

    quality: int
    side: int
    frames: int


EFFORTS = (
    Effort(92, 512, 16),
    Effort(85, 384, 12),
    Effort(75, 256, 8),
    Effort(60, 224, 8),
    Effort(45, 160, 6),
    Effort(35, 128, 0),
)


@dataclass(frozen=True)
class Pictures:
    """The pictures of a result as files; ``mean`` and ``spread`` are None for a single seed.

    ``films`` has one picture per seed, with its frames one below the other, at ``film_steps``.
    """

    seeds: tuple[bytes, ...]
    size: tuple[int, int]
    mean: bytes | None
    spread: bytes | None
    films: tuple[bytes, ...]
    film_steps: tuple[int, ...]


def webp(picture: Image.Image, quality: int) -> bytes:
    """A picture as a WebP file."""
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=quality, method=4)
    return file.getvalue()


def data_url(picture: bytes) -> str:
    """A WebP file as the source of an image."""
    return f"data:{TYPE};base64,{base64.b64encode(picture).decode()}"


Write = Callable[[Image.Image, int], bytes]


def encoded(result: Reconstruction, effort: Effort, write: Write = webp) -> Pictures:
    """The pictures of a result, drawn as in every figure."""
    count = min(MOST_SEEDS, len(result.images))
    images = [as_shown(result, index) for index in range(count)]
    mean = spread = None
    last = last_frame(result)
    if last.spread is not None:
        average = np.round(last.images.mean(0, dtype=np.float32)).astype(np.uint8)
        mean = stretched(average) if result.handcrafted else average
        spread = heat(last.spread)

    def file(pixels: Pixels) -> bytes:
        return write(_resized(pixels, effort.side), effort.quality)

    columns, steps = _films(result, effort)
    film_quality = max(35, effort.quality - 12)  # each is visible for a fraction of a second
    small = _resized(images[0], effort.side)
    return Pictures(
        tuple(map(file, images)), (small.height, small.width),
        None if mean is None else file(mean), None if spread is None else file(spread),
        tuple(write(column, film_quality) for column in columns), steps,
    )  # fmt: skip


def photo_picture(photo: Tensor, effort: Effort) -> bytes:
    """A photo (C, H, W) in [0, 1] as a WebP file."""
    return webp(_resized(to_uint8(photo), effort.side), effort.quality)


def _resized(pixels: Pixels, side: int) -> Image.Image:
    """A picture (H, W, 3), reduced if it is larger than a page needs."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    scale = side / max(picture.size)
    if scale >= 1:
        return picture
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _films(
    result: Reconstruction, effort: Effort
) -> tuple[tuple[Image.Image, ...], tuple[int, ...]]:
    """The frames before the last step; the last picture is the result's."""
    places = [i for i, step in enumerate(result.frame_steps) if step < result.steps - 1]
    if not places or not effort.frames:
        return (), ()
    height = max(1, min(effort.side, result.frames.shape[-2]))
    most = max(1, min(effort.frames - 1, _TALLEST // height))
    if len(places) > most:
        even = np.linspace(0, len(places) - 1, most).round().astype(int)
        places = [places[i] for i in dict.fromkeys(even.tolist())]
    films = []
    for seed in range(min(MOST_SEEDS, result.frames.shape[1])):
        frames = [to_uint8(result.frames[i, seed].float() / 255) for i in places]
        if result.handcrafted:
            frames = [stretched(frame) for frame in frames]
        small = [np.asarray(_resized(frame, effort.side)) for frame in frames]
        films.append(Image.fromarray(np.concatenate(small, 0)))
    return tuple(films), tuple(result.frame_steps[i] for i in places)
