"""A sheet of pictures with captions, as a figure: pictures lie in boxes of whole pixels.

>>> sheet = Sheet(plan_grid(5, (224, 224), width=900))
>>> sheet.show(0, photo, "coffee", "the photo")
>>> sheet.figure.savefig("sheet.png")
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from numpy.typing import NDArray

from .canvas import LIGHT, Picture, Theme, narrow
from .grid import Plan, Spot

Pixels = NDArray[np.uint8]


class Sheet:
    """A sheet of pictures with captions, one of which can be marked."""

    def __init__(self, plan: Plan, theme: Theme = LIGHT, scale: float = 1.0) -> None:
        self.plan, self.theme, self.scale = plan, theme, scale
        self._pixels = (round(plan.width * scale), round(plan.height * scale))
        dpi = 96 * scale
        size = (self._pixels[0] / dpi, self._pixels[1] / dpi)
        self.figure: Figure = Picture(figsize=size, dpi=dpi, facecolor=theme.face)
        self._renderer = FigureCanvasAgg(self.figure).get_renderer()
        self._boxes = [self._box(spot) for spot in plan.spots]
        for box in self._boxes:
            self._rectangle(box, facecolor=theme.empty, edgecolor="none", zorder=-1)
        self._texts = [self._captions(spot) for spot in plan.spots]

    def show(self, cell: int, pixels: Pixels, first: str = "", second: str = "") -> None:
        """Put a picture (H, W, 3) into a cell, with up to two lines beneath."""
        axes = self.figure.add_axes(self._bounds(self._boxes[cell]), zorder=-0.5)
        axes.set_axis_off()
        axes.imshow(pixels, interpolation="antialiased", aspect="auto")
        self.caption(cell, first, second)

    def caption(self, cell: int, first: str = "", second: str = "") -> None:
        """Write up to two lines below a picture, shortened to its width."""
        for text, words in zip(self._texts[cell], (first, second), strict=False):
            text.set_text(self._fitted(text, words, 0.98 * self._boxes[cell][2]))

    def mark(self, cell: int) -> None:
        """Frame one picture."""
        left, top, width, height = self._boxes[cell]
        lift = round(2 * self.scale)
        around = (left - lift, top - lift, width + 2 * lift, height + 2 * lift)
        self._rectangle(around, fill=False, linewidth=2.2, edgecolor=self.theme.best)
        self._texts[cell][0].set_fontweight("bold")

    def frame_field(self, cell: int, parts: tuple[float, float, float, float]) -> None:
        """Frame a part of a picture: top, left, bottom, right, in parts of its sides."""
        left, top, width, height = self._boxes[cell]
        seen = (left + parts[1] * width, top + parts[0] * height,
                (parts[3] - parts[1]) * width, (parts[2] - parts[0]) * height)  # fmt: skip
        self._rectangle(seen, fill=False, linewidth=1.6, edgecolor=self.theme.field)

    def head(self, title: str, note: str, left: int | None = None) -> None:
        """Write a heading above the pictures, and a fainter line below it.

        The heading is aligned with the pictures, or begins ``left`` pixels from the edge.
        """
        width, height = self.plan.width, self.plan.height
        left = min(spot.left for spot in self.plan.spots) if left is None else left
        shared: dict[str, Any] = {"va": "top", "parse_math": False}
        bold: dict[str, Any] = {"fontsize": 11, "weight": "bold", "color": self.theme.ink}
        faint: dict[str, Any] = {"fontsize": 8, "color": self.theme.faint}
        for down, words, look in ((2, title, bold), (25, note, faint)):
            y = 1 - (left + down) / height
            narrow(self.figure.text(left / width, y, words, **look, **shared))

    def write(self, left: int, top: int, width: int, words: str, faint: bool = False) -> None:
        """Write a line at a place in CSS pixels, as the heading of a row, cut to a width."""
        text = self.figure.text(left / self.plan.width, 1 - top / self.plan.height, "", fontsize=8,
                                color=self.theme.faint if faint else self.theme.ink, va="top",
                                parse_math=False)  # fmt: skip
        text.set_text(self._fitted(text, words, self.scale * width))

    def save(self, file: Any, kind: str) -> None:
        """Write the sheet as ``png``, ``pdf`` or ``svg``."""
        self.figure.savefig(file, format=kind, dpi=max(192.0, self.figure.dpi))

    def _box(self, spot: Spot) -> tuple[int, int, int, int]:
        scaled = (spot.left, spot.top, spot.width, spot.height)
        left, top, width, height = (round(v * self.scale) for v in scaled)
        return left, top, min(width, self._pixels[0] - left), height

    def _bounds(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """A box as fractions of the figure from its lower left, from pixels from its upper left."""
        left, top, width, height = box
        across, down = self._pixels
        return left / across, 1 - (top + height) / down, width / across, height / down

    def _rectangle(self, box: tuple[float, float, float, float], **look: Any) -> None:
        left, bottom, width, height = self._bounds(box)
        transform = self.figure.transFigure
        self.figure.add_artist(
            Rectangle((left, bottom), width, height, transform=transform, **look)
        )

    def _fitted(self, text: Text, words: str, room: float) -> str:
        """Words cut to at most ``room`` pixels in the font of a text.

        The last parts of ``a · b · c`` are left out first, then letters.
        """
        font = text.get_fontproperties()

        def width(words: str) -> float:
            extent: float = self._renderer.get_text_width_height_descent(words, font, False)[0]
            return extent

        parts = words.split(" · ")
        while len(parts) > 1 and width(" · ".join(parts)) > room:
            parts.pop()
        kept = " · ".join(parts)
        if width(kept) <= room:
            return kept
        cut = range(1, len(kept))
        fitting = bisect_right(cut, room, key=lambda letters: width(f"{kept[:letters]}…"))
        return f"{kept[: max(1, fitting)]}…"

    def _captions(self, spot: Spot) -> list[Text]:
        theme, (width, height) = self.theme, (self.plan.width, self.plan.height)
        y = 1 - (spot.top + spot.height + 6) / height
        small = spot.lines == 1
        lines = [(y, 6.5 if small else 8.5, theme.ink)]
        if not small:
            lines.append((y - 16 / height, 7.5, theme.faint))
        return [
            self.figure.text(spot.left / width, y, "", fontsize=size, color=color, va="top",
                              parse_math=False)
            for y, size, color in lines
        ]  # fmt: skip
