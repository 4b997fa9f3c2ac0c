"""Plain images at places of a plan, with text beside them in the page, and what a page says of
itself: its width, and how dark it is."""

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
from ...figures.sheet import Sheet
from ...pages.document import static as page_file
from .loop import Loop
from .tiles import script, static

WIDTH = 880  # of a view that no browser has told its width, and of a still
_NARROWEST = 240
_SHARE = 0.04  # of the time that pictures may take
_STEADY = (0.5, 1.0)  # seconds between two pictures, at least and at most
_LARGEST = 640  # pixels of the longer side of a picture that is sent


class PictureView(anywidget.AnyWidget):
    """Pictures, each with two lines of text beneath; a press on one tells its index, ``enlarged``.

    The browser tells ``width``, ``page_theme`` and ``page_ground``, see ``sized.js``; ``theme`` is
    auto, light or dark. ``redraw`` is called on the loop when the width or ``enlarged`` changes.
    ``lay`` says which pictures there are and where, ``send`` brings them. A picture is named by its
    key: ``"s3"`` for the one with index 3, or another word, as ``"photo"``.
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
    labels: Any = t.List().tag(sync=True)  # what a press does; empty where there is none to press
    pressed = t.Unicode(None, allow_none=True).tag(sync=True)  # a key; None: no press stays
    spots: Any = t.List().tag(sync=True)  # left, top, width, height, lines of text
    heads: Any = t.List().tag(sync=True)  # of rows and columns: left, top, width, words
    extent = t.List([1, 1]).tag(sync=True)
    shape = t.List([224, 224]).tag(sync=True)  # height and width of a picture
    photo_file = t.Bytes().tag(sync=True)
    files: Any = t.Dict().tag(sync=True)  # of all keys but the photo; none: an empty place
    captions: Any = t.List().tag(sync=True)  # two lines for each key
    best = t.Unicode("").tag(sync=True)
    shown = t.Unicode("").tag(sync=True)
    describes = t.Unicode("").tag(sync=True)

    def __init__(self, loop: Loop) -> None:
        self.seconds = 0.0  # what the last pictures took
        self._sent: dict[str, tuple[NDArray[np.uint8], bytes]] = {}
        super().__init__()
        self.observe(loop.handler(self.redraw), ["enlarged", "width"])

    @property
    def room(self) -> int:
        """The width to lay out for."""
        return max(_NARROWEST, self.width)

    @property
    def colors(self) -> str:
        """The theme in use: light or dark."""
        return self.page_theme if self.theme == "auto" else self.theme

    @property
    def figure_theme(self) -> Theme:
        """A figure's colors, on the page's own ground."""
        theme = THEMES[self.colors]
        own = self.theme == "auto" and self.page_ground
        return replace(theme, face=self.page_ground) if own else theme

    @property
    def pause(self) -> float:
        """Seconds to leave between two pictures, so that they cost little of the search."""
        return min(max(self.seconds / _SHARE, _STEADY[0]), _STEADY[1])

    def redraw(self) -> None:
        """Lay out again, as wide as the view is now."""

    def still(self) -> Sheet:
        """The pictures as a figure, for where no kernel is."""
        raise NotImplementedError

    def lay(
        self,
        plan: Plan,
        keys: Sequence[str],
        names: Sequence[str],
        labels: Sequence[str] = (),
        pressed: str | None = None,
        heads: Sequence[Sequence[Any]] = (),
    ) -> None:
        """Say which pictures there are, by their keys, and where; none is pressed by default."""
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
        """Bring pictures (H, W, 3) by their keys, and two lines for every key, in order."""
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
    """What a press on a picture does that is enlarged by it."""
    return "back to all" if pressed else "enlarge beside the photo"


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """A picture (H, W, 3) as a JPEG file."""
    picture, file = Image.fromarray(pixels), io.BytesIO()
    picture.thumbnail((_LARGEST, _LARGEST))
    picture.save(file, "JPEG", quality=92, subsampling=0)
    return file.getvalue()
