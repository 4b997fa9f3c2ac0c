"""The downloads of a result: picture, animation, page, file, and the code that repeats the run."""

from __future__ import annotations

import ast
import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets as t

from ...figures.animation import save_animation
from ...figures.canvas import THEMES
from ...figures.gallery import gallery_of
from ...files import written_whole
from ...inversion.replay import code_for
from ...inversion.result import Reconstruction
from ...pages.page import page_text
from ...representations.base import Representation
from ...sweeps.sweep import Sweep
from ..base.loop import Loop, error_words
from ..base.tiles import static

TYPES = {
    "png": "image/png",
    "pdf": "application/pdf",
    "gif": "image/gif",
    "html": "text/html",
    "safetensors": "application/octet-stream",
}
_PAGE = ["html", "Page (HTML)", "One HTML file that works without a kernel"]
_KINDS = [
    ["png", "Picture (PNG)", ""], ["pdf", "Picture (PDF)", ""], ["gif", "Animation (GIF)", ""],
    _PAGE, ["safetensors", "Result file", ""],
    ["code", "Show code", "The Python code that repeats this run"],
]  # fmt: skip
_MAKES = {
    "gif": "Making the animation …",
    "html": "Making the page …",
    "pdf": "Making the picture …",
}  # slow
_SLOW = ("gif", "html")  # many seconds during a run

Made = tuple[str, bytes]  # a file's name and content


class Export(anywidget.AnyWidget):
    """Buttons that download a result's files, and one that shows the code of its run.

    The code for an uploaded photo reads a file, which a further button writes into the notebook's
    folder. On a page of a server, the browser saves this file instead.
    """

    _esm = static("export.js")
    kinds: Any = t.List(_KINDS).tag(sync=True)  # the buttons: kind, label, tooltip
    waits = t.Unicode("Files and code are available when a run has ended.").tag(sync=True)
    ready = t.Bool(False).tag(sync=True)
    note = t.Unicode("").tag(sync=True)
    code = t.Unicode("").tag(sync=True)
    settings = t.Unicode("").tag(sync=True)  # as JSON, for *Copy settings*
    refused = t.Unicode("").tag(sync=True)  # why settings cannot be copied
    saves = t.Bool(False).tag(sync=True)  # whether the code reads a photo that can be saved
    theme = t.Unicode("light")

    def __init__(self, loop: Loop) -> None:
        self._result: Reconstruction | None = None
        self._photo: str | None = None
        self._upload: tuple[str, bytes] | None = None
        self._network: Representation | None = None
        self._overridden = self._note_before = ""
        self._loop = loop
        self._making: list[str] = []  # the kinds being made, the current one first
        super().__init__()
        self.on_msg(lambda _, content, buffers: loop.call(self._wanted, content))

    def offer(
        self,
        result: Reconstruction | None,
        photo: str | None = None,
        upload: tuple[str, bytes] | None = None,
        overridden: str = "",
        network: Representation | None = None,
    ) -> None:
        """Offer the files of a result.

        ``photo`` is the Python code of its photo, ``upload`` the name and bytes of an uploaded
        photo that this code reads, and ``overridden`` the text about overridden knobs. ``network``
        is the network, for the receptive fields in a page.
        """
        self._overridden, self._network = overridden, network
        self._result, self._photo, self._upload = result, photo, upload
        with self.hold_sync():
            self.code, self.note, self.saves = "", "", False
            self.ready = result is not None

    def show_code(self) -> None:
        """Show the Python code that repeats the run."""
        if self._result is None:
            return
        upload = self._upload if self._result.photo is not None else None  # if there was one
        note = ""
        if upload is not None:
            note = f"The code reads your photo from {upload[0]}. Save photo writes this file."
        with self.hold_sync():
            self.note, self.saves = note, upload is not None
            self.code = code_for(self._result, self._photo)

    def save_photo(self) -> None:
        """Write an uploaded photo to the file that the code reads."""
        if self._result is None or self._upload is None:
            return
        name, data = self._upload
        if on_a_server():
            self.send({"save": name, "type": "image/png"}, buffers=[data])
            self.note = f"The browser saves {name}. Put it into the folder of the code."
            return
        kept = write_beside(name, data)
        photo = (self._photo or repr(name)).replace(repr(name), repr(kept))
        with self.hold_sync():
            self.note = f"{kept} was written into the notebook's folder. The code reads it."
            self.code = code_for(self._result, photo)

    def _wanted(self, content: dict[str, Any]) -> None:
        """Make a file that the user requested, on a separate thread if that is slow.

        Otherwise the controls would not respond for seconds during a run. The file is of the result
        that was offered when the button was pressed.
        """
        kind, loop = str(content.get("want")), self._loop
        if kind not in _SLOW or not self.ready or loop.loop is None:
            self.send_wanted(content)
            return
        if kind in self._making:
            return
        if self.note not in _MAKES.values():
            self._note_before = self.note
        self._making.append(kind)
        self.note = _MAKES[kind]

        def rest() -> None:
            self._making.remove(kind)
            if self.note in _MAKES.values():
                self.note = _MAKES[self._making[0]] if self._making else self._note_before

        def made(given: Made) -> None:
            rest()
            self.send({"save": given[0], "type": TYPES[kind]}, buffers=[given[1]])

        def failed(error: Exception) -> None:
            rest()
            loop.failed(error_words(error))

        loop.background(self.maker(kind), made, failed, "export")

    def send_wanted(self, content: dict[str, Any]) -> None:
        kind = str(content.get("want"))
        if kind == "code":
            self.show_code()
        if kind == "photo":
            self.save_photo()
        if self.ready and kind in TYPES:
            before = self.note
            self.note = _MAKES.get(kind, before)
            try:
                name, data = self.maker(kind)()
                self.send({"save": name, "type": TYPES[kind]}, buffers=[data])
            finally:
                self.note = before

    def maker(self, kind: str) -> Callable[[], Made]:
        """A function that makes a file of the result that is offered now."""
        result, overridden, network = self._result, self._overridden, self._network
        assert result is not None
        if kind != "html":
            return lambda: self.file(result, kind, overridden)
        name = file_name(result.photo_name or "unit", result.layer, kind)
        photo = None if self._photo is None else without_folders(self._photo)
        return lambda: (name, page_text(result, network=network, photo=photo).encode())

    def file(self, result: Reconstruction, kind: str, overridden: str = "") -> Made:
        """The name and the bytes of a file; a picture has the text about ``overridden`` knobs."""
        name = file_name(result.photo_name or "unit", result.layer, kind)
        return name, file_of(result, kind, self.theme, overridden)


class SweepExport(Export):
    """A button that downloads a page with all stored results of a sweep."""

    def __init__(self, loop: Loop, sweep: Sweep) -> None:
        self._sweep = sweep
        super().__init__(loop)
        self.kinds = [_PAGE]
        self.waits = "The page is available when results are stored and the sweep is not running."

    def offer_stored(self, stored: int, total: int) -> None:
        """Offer the page of ``stored`` of ``total`` jobs; nothing if none is stored."""
        holes = f"{stored} of {total} jobs are stored; the page has empty places for the others."
        with self.hold_sync():
            if not self._making:
                self.note = holes if stored < total else ""
            self.ready = stored > 0

    def maker(self, kind: str) -> Callable[[], Made]:
        return lambda: ("sweep.html", page_text(self._sweep).encode())


def on_a_server() -> bool:
    """Whether the kernel belongs to a page of Voila, whose visitor has no folder here."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila")


def write_beside(name: str, data: bytes) -> str:
    """Write a file into the working folder, and return its name.

    An existing file is never overwritten. Raises ``OutputError`` if the folder is not writable.
    """
    path = Path(name)
    stem, number = path.stem, 1
    while path.exists() and path.read_bytes() != data:
        number += 1
        path = Path(f"{stem}-{number}{Path(name).suffix}")
    if not path.exists():
        with written_whole(path) as partial:
            partial.write_bytes(data)
    return str(path)


def without_folders(photo: str) -> str:
    """The Python code of a photo, without the folders of this machine.

    >>> without_folders("iw.read_photo('/home/me/cat.png', (96, 96), at=0)")
    "iw.read_photo('cat.png', (96, 96), at=0)"
    """
    code = ast.parse(photo, mode="eval")
    for part in ast.walk(code):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            part.value = Path(part.value).name
    return ast.unparse(code)


def file_name(photo: str, layer: str, kind: str) -> str:
    """A file name that is valid on every system, such as ``coffee-blocks.2.png``."""
    plain = "".join(c if c.isprintable() and c not in '\\/:*?"<>|' else "_" for c in photo)
    return f"{plain.strip('. ')[:60] or 'photo'}-{layer.replace('/', '_')}.{kind}"


def file_of(result: Reconstruction, kind: str, theme: str = "light", overridden: str = "") -> bytes:
    """The bytes of a result as a file: png, pdf, gif or safetensors.

    A picture has the text about ``overridden`` knobs; a safetensors file contains all settings.
    """
    if kind in ("png", "pdf"):
        file = io.BytesIO()
        gallery_of(result, theme=THEMES[theme], said=overridden).sheet.save(file, kind)
        return file.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"result.{kind}"
        save_animation(result, path, said=overridden) if kind == "gif" else result.save(path)
        return path.read_bytes()
