"""What a view of pictures knows of its page: its width, how dark it is, what a picture may cost."""

from __future__ import annotations

from dataclasses import replace

import anywidget
import traitlets as t

from ...figures.canvas import THEMES, Theme
from .loop import Loop

_SHARE = 0.04  # of the time that pictures may take
_STEADY = (0.5, 1.0)  # seconds between two pictures, at least and at most


class SizedView(anywidget.AnyWidget):
    """The browser tells ``width``, ``pixel_ratio`` and ``page_theme``, see ``sized.js``; ``theme``
    is auto, light or dark. ``redraw`` is called on the loop whenever one of them changes, and with
    ``enlarged``, the index of the picture pressed, -1 for none.
    """

    enlarged = t.Int(-1).tag(sync=True)
    width = t.Int(880).tag(sync=True)
    pixel_ratio = t.Float(1.0).tag(sync=True)
    page_theme = t.Unicode("light").tag(sync=True)
    page_ground = t.Unicode("").tag(sync=True)
    theme = t.Unicode("auto").tag(sync=True)

    def __init__(self, loop: Loop) -> None:
        self.seconds = 0.0  # what the last picture took
        super().__init__()
        again = loop.handler(self.redraw)
        self.observe(
            again, ["enlarged", "width", "pixel_ratio", "page_theme", "page_ground", "theme"]
        )

    @property
    def colors(self) -> str:
        """The theme in use: light or dark."""
        return self.page_theme if self.theme == "auto" else self.theme

    @property
    def figure_theme(self) -> Theme:
        """The figure's colors, on the page's own ground."""
        theme = THEMES[self.colors]
        own = self.theme == "auto" and self.page_ground
        return replace(theme, face=self.page_ground) if own else theme

    @property
    def pause(self) -> float:
        """Seconds to leave between two pictures, so that they cost little of the search."""
        return min(max(self.seconds / _SHARE, _STEADY[0]), _STEADY[1])

    def redraw(self) -> None:
        """Draw again, as wide as the view is now."""
