"""A grid of pictures with captions, which adapts to the width and the theme of the page."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import anywidget
import numpy as np
import traitlets as t
from numpy.typing import NDArray
from PIL import Image

from ...figures.canvas import THEMES, Theme
from ...figures.grid import Plan
from ...pages.document import static as page_file
from .loop import Loop
from .tiles import script, static

WIDTH = 880  # pixels, until a browser has sent the width, and for figures without a kernel
_NARROWEST = 240  # pixels
_SHARE = 0.04  # the largest part of a run's time that pictures may take
_STEADY = (0.5, 1.0)  # the least and the most seconds between two pictures
_LARGEST = 640  # pixels of the longer side of a picture that is sent


class PictureView(anywidget.AnyWidget):
    """A grid of pictures, each with two lines of text below it.

    ``lay`` sets which pictures there are and their places, and ``send`` sends their pixels. Each
    picture has a key: ``"s3"`` for index 3, or a word such as ``"photo"``. A press on a picture
    with an index sets ``enlarged`` to it. The browser sets ``width``, ``page_theme`` (light or
    dark) and ``page_ground`` (the page's background color); see ``sized.js``. ``theme`` is auto,
    light or dark. ``redraw`` is called on the event loop when ``enlarged`` or ``width`` changes.
    """

    _esm = script("dom", "sized", "shots", "gallery")
    _css = page_file("compare.css") + static("panel.css")
    enlarged = t.Int(-1).tag(sync=True)  # -1 for none
    width = t.Int(WIDTH).tag(sync=True)
    page_theme = t.Unicode("light").tag(sync=True)
    page_ground = t.Unicode("").tag(sync=True)
    theme = t.Unicode("auto").tag(sync=True)
    order: Any = t.List().tag(sync=True)  # the keys of all pictures
    names: Any = t.List().tag(sync=True)
    labels: Any = t.List().tag(sync=True)  # the effect of a press; empty for pictures without one
    pressed = t.Unicode(None, allow_none=True).tag(sync=True)  # a key; None: none can be marked
    spots: Any = t.List().tag(sync=True)  # left, top, width, height, lines of text
    heads: Any = t.List().tag(sync=True)  # titles of rows and columns: left, top, width, text
    extent = t.List([1, 1]).tag(sync=True)
    shape = t.List([224, 224]).tag(sync=True)  # height and width of a picture
    photo_file = t.Bytes().tag(sync=True)
    files: Any = t.Dict().tag(sync=True)  # JPEG by key, without the photo; a key may be missing
    captions: Any = t.List().tag(sync=True)  # two lines for each key
    best = t.Unicode("").tag(sync=True)
    shown = t.Unicode("").tag(sync=True)
    describes = t.Unicode("").tag(sync=True)

    def __init__(self, loop: Loop) -> None:
        self.seconds = 0.0  # the duration of the last ``send``
        self._sent: dict[str, tuple[NDArray[np.uint8], bytes]] = {}
        super().__init__()
        self.observe(loop.handler(self.redraw), ["enlarged", "width"])

    @property
    def room(self) -> int:
        """The width in pixels for which pictures are laid out."""
        return max(_NARROWEST, self.width)

    @property
    def colors(self) -> str:
        """The theme in use: light or dark."""
        return self.page_theme if self.theme == "auto" else self.theme

    @property
    def figure_theme(self) -> Theme:
        """The colors of a figure, with the background of the page."""
        theme = THEMES[self.colors]
        own = self.theme == "auto" and self.page_ground
        return replace(theme, face=self.page_ground) if own else theme

    @property
    def pause(self) -> float:
        """Seconds to wait between two pictures, so that they take little of a run's time."""
        return min(max(self.seconds / _SHARE, _STEADY[0]), _STEADY[1])

    def redraw(self) -> None:
        """Lay out the pictures again for the current width."""

    def lay(
        self,
        plan: Plan,
        keys: Sequence[str],
        names: Sequence[str],
        labels: Sequence[str] = (),
        pressed: str | None = None,
        heads: Sequence[Sequence[Any]] = (),
    ) -> None:
        """Set which pictures there are, by their keys, and their places, names and effects.

        ``pressed`` is the key of the picture that is marked as pressed, or empty. None means that
        a press has no lasting effect, so that no picture can be marked.
        """
        with self.hold_sync():
            self.names, self.pressed = list(names), pressed
            self.labels = list(labels) or [""] * len(keys)
            self.extent = [plan.width, plan.height]
            self.spots = [[s.left, s.top, s.width, s.height, s.lines] for s in plan.spots]
            self.heads = [list(head) for head in heads]
            self.order = list(keys)

    def send(
        self,
        pictures: Mapping[str, NDArray[np.uint8]],
        captions: Sequence[Sequence[str]],
        shown: str,
        describes: str,
    ) -> None:
        """Send pictures (H, W, 3) by their keys, and two lines of text for every key in order.

        ``describes`` is the text for screen readers. ``shown`` is stored in the page as
        ``data-shown``.
        """
        began, before = time.perf_counter(), self._sent
        self._sent = {}
        for key, pixels in pictures.items():
            known = before.get(key)
            again = known is not None and known[0] is pixels
            self._sent[key] = known if known and again else (pixels, jpeg(pixels))
        with self.hold_sync():
            self.files = {key: file for key, (_, file) in self._sent.items()}
            self.captions = [list(lines) for lines in captions]
            self.shown, self.describes = shown, describes
        self.seconds = time.perf_counter() - began


def toggles(pressed: bool) -> str:
    """The effect of a press on a picture: enlarge it, or show all pictures again."""
    return "back to all" if pressed else "enlarge beside the photo"


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """A picture (H, W, 3) as a JPEG file of at most 640 × 640 pixels."""
    picture, file = Image.fromarray(pixels), io.BytesIO()
    picture.thumbnail((_LARGEST, _LARGEST))
    picture.save(file, "JPEG", quality=92, subsampling=0)
    return file.getvalue()
