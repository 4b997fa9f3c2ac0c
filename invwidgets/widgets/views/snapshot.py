"""A still picture that stays in the saved notebook, so that the panel shows without a kernel.

It is an output of its own, hidden while the panel lives: the rule that hides it comes with the
panel's style, which is there only where a kernel is. A third output is a style that stays: where no
kernel is, notebooks say of the panel itself that they cannot display it, and that line goes away.
"""

from __future__ import annotations

import contextvars
import io
from collections.abc import Callable
from typing import Any, Protocol

from ...figures.canvas import LIGHT, Theme
from ...figures.gallery import gallery_of
from ...figures.sheet import Sheet
from ...inversion.result import Reconstruction

_WIDTH = 880  # of a still that no view has a width for
_ABSENT = "The panel lives where a kernel runs. Below is its last picture."
_STYLE = """<style>
.jp-OutputArea-child:has(+ .jp-OutputArea-child img) > .jupyter-widgets:not(:has(*)),
.jp-OutputArea-child:has(+ .jp-OutputArea-child img):has(script[type$="widget-view+json"])
{ display: none !important; }
</style>"""


class Drawn(Protocol):
    """What can be drawn at any width: a strip's view, a sweep's."""

    def sheet(self, theme: Theme, width: int, scale: float) -> Sheet: ...


class Snapshot:
    """``display`` shows a widget and reserves the output; ``keep`` fills it."""

    def __init__(self) -> None:
        self._handle: Any = None

    def display(self, widget: Any) -> None:
        from IPython.display import display

        display(widget._repr_mimebundle_() | {"text/plain": _ABSENT}, raw=True)
        self._handle = display({"text/plain": ""}, raw=True, display_id=True)
        display({"text/html": _STYLE, "text/plain": ""}, raw=True)

    def keep(self, result: Reconstruction) -> None:
        """Put a result's gallery into the saved notebook."""
        self.keep_sheet(lambda: gallery_of(result, scale=1.0).sheet)

    def keep_view(self, view: Drawn) -> None:
        """Put a view's picture there, light and of a page's width."""
        self.keep_sheet(lambda: view.sheet(LIGHT, _WIDTH, 1.0))

    def keep_sheet(self, draw: Callable[[], Sheet]) -> None:
        """Put a sheet there; it is drawn only where there is a notebook to keep it."""
        if self._handle is None:
            return
        file, sheet = io.BytesIO(), draw()
        sheet.save(file, "png")  # sharp on dense screens: twice as many pixels as it is wide
        # of no cell: nbclient hears only what the cell now running sends, or nobody in particular
        contextvars.Context().run(
            self._handle.update,
            {"image/png": file.getvalue(), "text/plain": "the panel's last picture"},
            metadata={"image/png": {"width": sheet.plan.width}},
            raw=True,
        )

    def close(self) -> None:
        self._handle = None
