"""The photo: a row of bundled ones as thumbnails, and a place to drop one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import ipywidgets as w
import traitlets as t
from torch import Tensor

from ..images import photos, read_photo, to_uint8
from .loop import Loop
from .parts import classed, heading, note
from .tiles import Tiles, static

_SIDE = 33


class Upload(anywidget.AnyWidget):
    """Sends a picture scaled down in the browser: ``{"name"}`` and its bytes, or ``{"error"}``."""

    _esm = static("upload.js")
    longest_side = t.Int(1024).tag(sync=True)


class PhotoChooser(w.VBox):
    """``chosen`` is called with a bundled name, or the bytes of an upload and its file's name."""

    def __init__(
        self,
        loop: Loop,
        chosen: Callable[[Any, str], None],
        failed: Callable[[str], None],
    ) -> None:
        self._loop, self._chosen, self._failed = loop, chosen, failed
        self.names = photos()
        self.tiles = Tiles(tile=[_SIDE, _SIDE], describes="Photos")
        self.tiles.fill([to_uint8(read_photo(n, 2 * _SIDE)) for n in self.names], self.names)
        self.upload = Upload()
        self.caption = note()
        self.tiles.observe(loop.handler(self._pick), "selected")
        self.upload.on_msg(lambda _, content, buffers: loop.call(self._take, content, buffers))
        super().__init__([heading("Photo"), self.tiles, self.upload, self.caption])
        classed(self, "iw-section")

    def show(self, source: Any, name: str) -> None:
        """Mark the photo in use, or name it if it is none of the bundled ones."""
        known = isinstance(source, str) and source in self.names
        self.tiles.selected = [self.names.index(source)] if known else []
        self.caption.value = "" if known else f"<b>{name}</b>, your own photo"
        self.caption.layout.display = "none" if known else None

    def _pick(self) -> None:
        if self.tiles.selected:
            name = self.names[self.tiles.selected[0]]
            self._chosen(name, name)

    def _take(self, content: dict[str, Any], buffers: list[Any]) -> None:
        name = str(content.get("name", "photo"))
        if content.get("error") or not buffers:
            self._failed(f"{name}: {content.get('error') or 'nothing arrived'}")
            return
        data = bytes(buffers[0])
        try:
            photo: Tensor = read_photo(data)
        except ValueError as error:
            self._failed(f"{name}: {error}")
            return
        del photo
        self._chosen(data, name.rsplit(".", 1)[0] or "photo")
