"""The animation of a run as a GIF, with the seeds side by side."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from ..errors import OutputError
from ..files import written_whole
from ..images import in_rgb, rgb_note
from ..inversion.result import Reconstruction
from .canvas import INK
from .contrast import stretched

_GAP = 4


def save_animation(
    result: Reconstruction, path: str | os.PathLike[str], seconds: float = 4.0, said: str = ""
) -> None:
    """Save the kept frames as a looping GIF that pauses on its last picture.

    A line below the pictures names weights that are not pretrained, and adds the text ``said``.

    Raises ``OutputError`` if no frames were kept or the path cannot be written to.
    """
    if not len(result.frames):
        raise OutputError("no pictures of the run were kept: run it again with frames=24")
    frames = in_rgb(result.frames).movedim(2, -1).numpy()
    shown = [_shown(frame, result.handcrafted) for frame in frames]
    pictures = [Image.fromarray(_side_by_side(frame)) for frame in shown]
    words = " · ".join(filter(None, (result.note, rgb_note(result.images.shape[1]), said)))
    if words:
        pictures = [_said(picture, words) for picture in pictures]
    each = max(20, round(1000 * seconds / len(pictures)))
    durations = [each] * (len(pictures) - 1) + [1500]
    with written_whole(path) as partial:
        pictures[0].save(
            partial, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0
        )


def _said(picture: Image.Image, words: str) -> Image.Image:
    """A picture with a line of text below it."""
    taller = ImageOps.expand(picture, (0, 0, 0, 16), "white")
    ImageDraw.Draw(taller).text((4, picture.height + 2), words, fill=INK)
    return taller


def _shown(frame: NDArray[np.uint8], stretch: bool) -> NDArray[np.uint8]:
    """The pictures (S, H, W, 3) of all seeds as they are shown."""
    return np.stack([stretched(picture) for picture in frame]) if stretch else frame


def _side_by_side(frame: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    seeds, height, width, _ = frame.shape
    columns = min(seeds, 5 if seeds != 9 else 3)
    rows = -(-seeds // columns)
    sheet = np.full(
        (rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3), 255, np.uint8
    )
    for index, image in enumerate(frame):
        top = _GAP + index // columns * (height + _GAP)
        left = _GAP + index % columns * (width + _GAP)
        sheet[top : top + height, left : left + width] = image
    return sheet
