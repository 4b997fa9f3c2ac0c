"""The chooser of the photo: thumbnails of bundled and uploaded photos, and a field for uploads."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any, NamedTuple

import anywidget
import ipywidgets as w
import numpy as np
import traitlets as t
from markupsafe import Markup
from numpy.typing import NDArray

from ...errors import BadImageError
from ...images import open_picture, photos, read_photo, to_uint8
from ..base.loop import Loop
from ..base.parts import classed, note
from ..base.tiles import Tiles, static

MOST_BYTES = 8 * 10**6  # a PNG of 1024 × 1024 pixels has 4; a websocket message takes ten
MOST_PIXELS = 4 * 10**6
_NAME = 60
_SIDE = 33
_KEPT = 3  # uploaded photos
_OWN = Markup("<b>{}</b>, your own photo")


class Upload(anywidget.AnyWidget):
    """The upload field: it sends a picture, reduced in the browser, as ``{"name"}`` and its bytes.

    If that fails, it sends ``{"error"}``. Reading a large picture takes seconds, so ``{"begun"}``
    is sent first; both messages have the same number ``reading``.
    """

    _esm = static("upload.js")
    longest_side = t.Int(1024).tag(sync=True)


class _Thumbnail(NamedTuple):
    """A selectable photo: the argument for ``read_photo``, its name, its label, its pixels."""

    source: str | bytes
    name: str
    label: str
    pixels: NDArray[np.uint8]


def _thumbnail(source: str | bytes, name: str, label: str) -> _Thumbnail:
    return _Thumbnail(source, name, label, to_uint8(read_photo(source, 2 * _SIDE)))


class PhotoChooser(w.HBox):
    """The chooser; ``value`` is the name of a bundled photo, or the bytes of an upload.

    The last three uploads are shown after the bundled photos. If another photo was chosen while an
    upload was being read, the upload is added but not selected.

    ``name`` is the photo's name, and ``error`` the message about the last upload.
    """

    value: Any = t.Any("")
    name = t.Unicode("")
    error = t.Unicode("")

    def __init__(self, loop: Loop) -> None:
        self.names = photos()
        self._bundled = [_thumbnail(name, name, name) for name in self.names]
        self._own: list[_Thumbnail] = []
        self._reading: Any = None  # the upload in progress, unless another photo was chosen
        self.tiles = Tiles(tile=[_SIDE, _SIDE], describes="Photos")
        self._fill()
        self.upload = Upload()
        self.caption = note()
        self.tiles.observe(loop.handler(self._pick), "selected")
        self.upload.on_msg(lambda _, content, buffers: loop.call(self.take, content, buffers))
        own = classed(w.VBox([self.upload, self.caption]), "iw-own")  # no further line for its name
        super().__init__([self.tiles, own])
        classed(self, "iw-photos")
        self.observe(self._show, ["value", "name"])
        self.observe(self._other_chosen, "value")
        self._show(None)

    @property
    def _thumbnails(self) -> list[_Thumbnail]:
        return [*self._bundled, *self._own]

    def _fill(self) -> None:
        shown = self._thumbnails
        self.tiles.fill([one.pixels for one in shown], [one.label for one in shown])

    def _show(self, _: Any) -> None:
        """Mark the photo in use, or show its name if it is not a bundled one."""
        given = self.value if isinstance(self.value, str | bytes) else None
        sources = [one.source for one in self._thumbnails]
        self.tiles.selected = [sources.index(given)] if given in sources else []
        named = given not in self.names and bool(self.name)
        self.caption.value = _OWN.format(self.name) if named else ""
        self.caption.layout.display = None if named else "none"

    def _other_chosen(self, _: Any) -> None:
        self._reading = None

    def _pick(self) -> None:
        if self.tiles.selected:
            chosen = self._thumbnails[self.tiles.selected[0]]
            if self.value != chosen.source:
                self._choose(chosen.source, chosen.name)

    def _choose(self, source: Any, name: str) -> None:
        self.error = ""
        self.value = source
        self.name = name  # last, because another photo clears it

    def take(self, content: dict[str, Any], buffers: list[Any]) -> None:
        name = short_name(str(content.get("name", "photo")))
        self.error = ""
        if content.get("begun"):
            self._reading = content.get("reading")
            return
        if content.get("error") or not buffers:
            self.error = f"{name}: {content.get('error') or 'the upload was empty'}"
            return
        data = bytes(buffers[0])
        try:
            check_upload(data)
        except BadImageError as error:
            self.error = f"{name}: {error}"
            return
        plain = name.rsplit(".", 1)[0] or "photo"
        if data not in [one.source for one in self._own]:
            new = _thumbnail(data, plain, f"{plain}, your own photo")
            self._own = [*self._own, new][-_KEPT:]
            self._fill()
        if content.get("reading") == self._reading:
            self._choose(data, plain)
        else:
            self._show(None)  # its index among the thumbnails may have changed


def short_name(name: str) -> str:
    """A file name in one line of at most 60 characters, with its ending."""
    words = " ".join("".join(c if c.isprintable() else " " for c in name).split()) or "photo"
    return words if len(words) <= _NAME else f"{words[: _NAME - 9]}…{words[-8:]}"


def check_upload(data: bytes) -> None:
    """Raise ``BadImageError`` for an upload that the page would not send.

    These are too many bytes, too many pixels, or no picture; the page reduces pictures before
    sending.
    """
    if len(data) > MOST_BYTES:
        raise BadImageError(
            f"{len(data) / 1e6:.1f} MB were uploaded, but at most {MOST_BYTES / 1e6:.0f} MB are "
            "accepted; reduce the picture first"
        )
    width = height = 0
    with suppress(Exception), open_picture(io.BytesIO(data)) as picture:
        width, height = picture.size  # read from the header, before any pixel
    if width * height > MOST_PIXELS:
        raise BadImageError(
            f"it has {width} × {height} pixels, but at most {MOST_PIXELS / 1e6:.0f} megapixels are "
            "accepted; reduce the picture first"
        )
    read_photo(data)
