"""A still picture that stays in the saved notebook, so that the panel shows without a kernel.

It is an output of its own, hidden while the panel lives: the rule that hides it comes with the
panel's style, which is there only where a kernel is. A third output is a style that stays: where no
kernel is, notebooks say of the panel itself that they cannot display it, and that line goes away.
"""

from __future__ import annotations

import contextvars
import io
from collections.abc import Callable
from typing import Any

from PIL import Image

from ...figures.sheet import Sheet

_ABSENT = "The panel lives where a kernel runs. Below is its last picture."
_STYLE = """<style>
.jp-OutputArea-child:has(+ .jp-OutputArea-child img) > .jupyter-widgets:not(:has(*)),
.jp-OutputArea-child:has(+ .jp-OutputArea-child img):has(script[type$="widget-view+json"])
{ display: none !important; }
</style>"""


class Snapshot:
    """``display`` shows a widget and reserves the output; ``keep`` fills it."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._stills: dict[
            int, tuple[bytes, int]
        ] = {}  # each column's PNG, and how wide it is seen

    def display(self, widget: Any) -> None:
        from IPython.display import display

        display(widget._repr_mimebundle_() | {"text/plain": _ABSENT}, raw=True)
        self._handle = display({"text/plain": ""}, raw=True, display_id=True)
        display({"text/html": _STYLE, "text/plain": ""}, raw=True)

    def keep(self, draw: Callable[[], Sheet], column: int = 0) -> None:
        """Put a sheet there, below those of the columns before it; it is drawn only where there is
        a notebook to keep it."""
        if self._handle is None:
            return
        file, sheet = io.BytesIO(), draw()
        sheet.save(file, "png")  # sharp on dense screens: twice as many pixels as it is wide
        self._stills[column] = file.getvalue(), sheet.plan.width
        self._update()

    def drop(self, column: int) -> None:
        """Take a column's sheet away."""
        if self._stills.pop(column, None) is not None and self._stills:
            self._update()

    def _update(self) -> None:
        stills = [still for _, still in sorted(self._stills.items())]
        # of no cell: nbclient hears only what the cell now running sends, or nobody in particular
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
        self._handle = None


def _below(files: list[bytes]) -> bytes:
    """PNG files below each other, as one."""
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
