"""What to take home: the picture, the animation, the result's file, and the code that does it."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import anywidget
import traitlets as t

from ..figures.canvas import THEMES
from ..figures.gallery import gallery_of
from ..inversion.replay import code_for
from ..inversion.result import Reconstruction
from .loop import Loop
from .tiles import static

TYPES = {
    "png": "image/png",
    "pdf": "application/pdf",
    "gif": "image/gif",
    "safetensors": "application/octet-stream",
}


class Export(anywidget.AnyWidget):
    """Buttons that download, and the run's code with a button that copies it."""

    _esm = static("export.js")
    ready = t.Bool(False).tag(sync=True)
    code = t.Unicode("").tag(sync=True)
    theme = t.Unicode("light")

    def __init__(self, loop: Loop) -> None:
        self._result: Reconstruction | None = None
        super().__init__()
        self.on_msg(lambda _, content, buffers: loop.call(self.send_wanted, content))

    def offer(self, result: Reconstruction | None, photo: str | None = None) -> None:
        """Offer a result; ``photo`` is the Python that names its photo."""
        self._result = result
        with self.hold_sync():
            self.code = "" if result is None else code_for(result, photo)
            self.ready = result is not None

    def send_wanted(self, content: dict[str, Any]) -> None:
        kind = content.get("want")
        if self._result is None or kind not in TYPES:
            return
        name = file_name(self._result.photo_name or "unit", self._result.layer, str(kind))
        data = file_of(self._result, str(kind), self.theme)
        self.send({"save": name, "type": TYPES[str(kind)]}, buffers=[data])


def file_name(photo: str, layer: str, kind: str) -> str:
    """What every system takes as a file's name: ``coffee-blocks.2.png``."""
    plain = "".join(c if c.isprintable() and c not in '\\/:*?"<>|' else "_" for c in photo)
    return f"{plain.strip('. ')[:60] or 'photo'}-{layer.replace('/', '_')}.{kind}"


def file_of(result: Reconstruction, kind: str, theme: str = "light") -> bytes:
    """A result as the bytes of a file: png, pdf, gif or safetensors."""
    if kind in ("png", "pdf"):
        file = io.BytesIO()
        gallery_of(result, theme=THEMES[theme]).sheet.save(file, kind)
        return file.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"result.{kind}"
        result.animation(path) if kind == "gif" else result.save(path)
        return path.read_bytes()
