"""A picture of a panel that is saved in the notebook and shown if no kernel is running.

The picture is a second output of the panel's cell. While a kernel runs, the panel's style sheet
hides it. Without a kernel, notebooks show a message that they cannot display the panel. A third
output is a style sheet that hides this message.
"""

from __future__ import annotations

import asyncio
import contextvars
import io
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from PIL import Image

from ...figures.sheet import Sheet
from ..base.loop import Loop, error_words, retrieve

T = TypeVar("T")

_ABSENT = "The panel needs a running kernel. Its last picture is below."
_STYLE = """<style>
.jp-OutputArea-child:has(+ .jp-OutputArea-child img) > .jupyter-widgets:not(:has(*)),
.jp-OutputArea-child:has(+ .jp-OutputArea-child img):has(script[type$="widget-view+json"])
{ display: none !important; }
</style>"""


class Snapshot:
    """The saved picture of a panel.

    ``display`` shows a widget and makes an empty output for the picture; ``keep`` sets the picture.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._handle: Any = None
        self._unwritten: dict[int, Sheet] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._writes = threading.Lock()  # two threads must not draw the same figure
        # for each column of the panel: a PNG file and the width in which it is shown
        self._stills: dict[int, tuple[bytes, int]] = {}

    def display(self, widget: Any) -> None:
        """Show a widget, and make an empty output for its picture."""
        from IPython.display import display

        display(widget._repr_mimebundle_() | {"text/plain": _ABSENT}, raw=True)
        self._handle = display({"text/plain": ""}, raw=True, display_id=True)
        display({"text/html": _STYLE, "text/plain": ""}, raw=True)

    def keep(self, draw: Callable[[], Sheet], column: int = 0) -> None:
        """Set the picture of a column of the panel; the columns are saved below each other.

        ``draw`` is called only after ``display``, because otherwise no notebook saves the picture.
        Its file is written on a thread, because many pictures take seconds.
        """
        if self._handle is None:
            return
        sheet = self._unwritten[column] = draw()

        def write() -> bytes:
            return self._png(sheet) if self._unwritten.get(column) is sheet else b""

        def then(png: bytes) -> None:
            if self._unwritten.get(column) is sheet:
                self._set(column, png)

        def failed(error: Exception) -> None:
            if self._unwritten.get(column) is sheet:
                self._done(column)
            self._loop.failed(error_words(error))

        self._loop.background(write, then, failed, "still")

    async def written(self) -> None:
        """Wait until the pictures have been written.

        A notebook that waits for a run, and is executed without a page, then has its picture.
        """
        if self._unwritten:
            self._waiting.append(asyncio.get_running_loop().create_future())
            await self._waiting[-1]

    def after(self, task: asyncio.Task[T]) -> asyncio.Task[T]:
        """A task with the result of a task, which ends when the pictures have been written."""

        async def both() -> T:
            result = await task
            await self.written()
            return result

        later = task.get_loop().create_task(both())
        later.add_done_callback(retrieve)
        return later

    def _set(self, column: int, png: bytes) -> None:
        self._stills[column] = png, self._unwritten[column].plan.width
        self._update()
        self._done(column)

    def _done(self, column: int) -> None:
        self._unwritten.pop(column, None)
        if not self._unwritten:
            for future in self._waiting:
                if not future.done():
                    future.set_result(None)
            self._waiting.clear()

    def drop(self, column: int) -> None:
        """Remove the picture of a column."""
        self._done(column)
        if self._stills.pop(column, None) is not None and self._stills:
            self._update()

    def _update(self) -> None:
        stills = [still for _, still in sorted(self._stills.items())]
        # in an empty context: nbclient ignores updates from another cell than the running one
        contextvars.Context().run(
            self._handle.update,
            {
                "image/png": _below([png for png, _ in stills]),
                "text/plain": "the panel's last picture",
            },
            metadata={"image/png": {"width": max(width for _, width in stills)}},
            raw=True,
        )

    def close(self) -> None:
        """Set no further pictures; the last one stays in the notebook."""
        for column, sheet in [*self._unwritten.items()]:
            self._set(column, self._png(sheet))
        self._handle = None

    def _png(self, sheet: Sheet) -> bytes:
        """A sheet's file, with twice the resolution, for dense screens."""
        file = io.BytesIO()
        with self._writes:
            sheet.save(file, "png")
        return file.getvalue()


def _below(files: list[bytes]) -> bytes:
    """Join PNG files into one picture, below each other."""
    if len(files) == 1:
        return files[0]
    pictures = [Image.open(io.BytesIO(file)).convert("RGB") for file in files]
    size = max(one.width for one in pictures), sum(one.height for one in pictures)
    whole, top, file = Image.new("RGB", size, "white"), 0, io.BytesIO()
    for one in pictures:
        whole.paste(one, (0, top))
        top += one.height
    whole.save(file, "PNG")
    return file.getvalue()
