"""A sheet of pictures with captions, which can be saved as a figure or updated live.

Pictures lie in boxes of whole pixels. To save it, the sheet is drawn as a matplotlib figure. For a
live view, the figure is drawn once, and only pictures, captions and the mark are drawn on a copy of
it at each update. This takes milliseconds instead of a tenth of a second.

    >>> sheet = Sheet(plan_grid(5, (224, 224), width=900))
    >>> sheet.show(0, photo, "coffee", "the photo")
    >>> sheet.figure.savefig("sheet.png"); sheet.jpeg()[:2]
    b'\\xff\\xd8'
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .canvas import LIGHT, Picture, Theme, narrow
from .grid import Plan, Spot
from .lettering import Lettering

Pixels = NDArray[np.uint8]


class Sheet:
    """A sheet of pictures with captions, one of which can be marked."""

    def __init__(self, plan: Plan, theme: Theme = LIGHT, scale: float = 1.0) -> None:
        self.plan, self.theme, self.scale = plan, theme, scale
        self._pixels = (round(plan.width * scale), round(plan.height * scale))
        dpi = 96 * scale
        size = (self._pixels[0] / dpi, self._pixels[1] / dpi)
        self._figure = Picture(figsize=size, dpi=dpi, facecolor=theme.face)
        self.canvas = FigureCanvasAgg(self._figure)
        self._boxes = [self._box(spot) for spot in plan.spots]
        for box in self._boxes:
            self._ground_of(box)
        self._texts = [self._captions(spot) for spot in plan.spots]
        self._images: dict[int, AxesImage] = {}
        self._letters = Lettering(self.canvas)
        self._mark = self._rectangle((0, 0, 1, 1), 2.2, theme.best)
        self._mark.set_visible(False)
        self._frames: dict[int, Rectangle] = {}
        self._ground: Image.Image | None = None
        self._lively: frozenset[int] = frozenset()
        self._shown: dict[int, Pixels] = {}
        self._fitted: dict[int, Image.Image] = {}

    def show(self, cell: int, pixels: Pixels, first: str = "", second: str = "") -> None:
        """Put a picture (H, W, 3) into a cell, with up to two lines beneath."""
        if self._shown.get(cell) is not pixels:
            self._shown[cell] = pixels
            self._fitted.pop(cell, None)
        self.caption(cell, first, second)

    def clear(self, cell: int) -> None:
        """Remove the picture of a cell."""
        self._shown.pop(cell, None)
        self._fitted.pop(cell, None)
        image = self._images.pop(cell, None)
        if image is not None:
            image.axes.remove()

    def caption(self, cell: int, first: str = "", second: str = "") -> None:
        """Write up to two lines below a picture, shortened to its width."""
        room = 0.98 * self._boxes[cell][2]
        for text, given in zip(self._texts[cell], (first, second), strict=False):
            words = self._letters.fitted(text, given, room)
            if text.get_text() != words:
                text.set_text(words)
                if cell not in self._lively:
                    self._ground = None

    def enliven(self, cells: Iterable[int]) -> None:
        """Name the cells whose captions change in every frame; other changes redraw everything."""
        self._lively = frozenset(cells)

    def mark(self, cell: int | None) -> None:
        """Frame one picture, or none."""
        self._mark.set_visible(cell is not None)
        for lively in self._lively:
            self._texts[lively][0].set_fontweight("normal")
        if cell is None:
            return
        left, top, width, height = self._boxes[cell]
        lift = round(2 * self.scale)
        around = (left - lift, top - lift, width + 2 * lift, height + 2 * lift)
        self._mark.set_bounds(*self._bounds(around))
        self._texts[cell][0].set_fontweight("bold")

    def frame_field(self, cell: int, box: tuple[int, int, int, int] | None) -> None:
        """Frame the pixels (top, left, bottom, right) of a picture; None removes the frame."""
        old = self._frames.pop(cell, None)
        if old is not None:
            old.remove()
        if box is not None and cell in self._shown:
            left, top, width, height = self._boxes[cell]
            rows, columns = self._shown[cell].shape[:2]
            across, down = width / columns, height / rows
            seen = (left + box[1] * across, top + box[0] * down,
                    (box[3] - box[1]) * across, (box[2] - box[0]) * down)  # fmt: skip
            self._frames[cell] = self._rectangle(seen, 1.6, self.theme.field)
        self._ground = None

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
            narrow(self._figure.text(left / width, y, words, **look, **shared))

    def write(self, left: int, top: int, words: str, faint: bool = False) -> None:
        """Write a line of text at a place in CSS pixels, such as the heading of a row."""
        self._figure.text(left / self.plan.width, 1 - top / self.plan.height, words, fontsize=8,
                         color=self.theme.faint if faint else self.theme.ink, va="top",
                         parse_math=False)  # fmt: skip

    @property
    def figure(self) -> Figure:
        """The figure with the current pictures, ready to be saved."""
        for cell, pixels in self._shown.items():
            if cell not in self._images:
                axes = self._figure.add_axes(self._bounds(self._boxes[cell]), zorder=-0.5)
                axes.set_axis_off()
                self._images[cell] = axes.imshow(pixels, interpolation="antialiased", aspect="auto")
            image = self._images[cell]
            image.set_data(pixels)
            image.set_extent((-0.5, pixels.shape[1] - 0.5, pixels.shape[0] - 0.5, -0.5))
        return self._figure

    def picture(self) -> Image.Image:
        """The current sheet in pixels."""
        if self._ground is None:
            self._ground = self._draw_ground()
        picture = self._ground.copy()
        for cell in self._shown:
            if cell not in self._fitted:
                self._fitted[cell] = _fit(self._shown[cell], self._boxes[cell][2:])
            picture.paste(self._fitted[cell], self._boxes[cell][:2])
        pen = ImageDraw.Draw(picture)
        for frame in self._frames.values():
            self._outline(pen, frame)
        for cell in self._lively:
            for text in self._texts[cell]:
                self._letters.write(pen, text)
        if self._mark.get_visible():
            self._outline(pen, self._mark)
        return picture

    def _draw_ground(self) -> Image.Image:
        """Draw the parts that do not change from frame to frame, without the others."""
        moving: list[Artist] = list(self._images.values())
        moving += [text for cell in self._lively for text in self._texts[cell]]
        moving += [self._mark, *self._frames.values()]
        shown = [artist for artist in moving if artist.get_visible()]
        for artist in shown:
            artist.set_visible(False)
        self.canvas.draw()
        for artist in shown:
            artist.set_visible(True)
        return Image.fromarray(np.asarray(self.canvas.buffer_rgba())[..., :3])

    def _outline(self, pen: ImageDraw.ImageDraw, patch: Rectangle) -> None:
        """Draw a rectangle's outline in whole pixels, with the width and place of the figure's."""
        box = patch.get_window_extent()
        width = max(1, round(patch.get_linewidth() * self._figure.dpi / 72))
        down, out = self._pixels[1], width / 2
        corners = (box.x0 - out, down - box.y1 - out, box.x1 + out - 1, down - box.y0 + out - 1)
        color = to_hex(patch.get_edgecolor())
        pen.rectangle([round(corner) for corner in corners], outline=color, width=width)

    def jpeg(self, quality: int = 88) -> bytes:
        """The sheet as a JPEG file."""
        file = io.BytesIO()
        self.picture().save(file, "JPEG", quality=quality, subsampling=0)
        return file.getvalue()

    def save(self, file: Any, kind: str) -> None:
        """Write the sheet as ``png``, ``pdf`` or ``svg``."""
        self.figure.savefig(file, format=kind, dpi=max(192.0, self._figure.dpi))

    def _box(self, spot: Spot) -> tuple[int, int, int, int]:
        scaled = (spot.left, spot.top, spot.width, spot.height)
        left, top, width, height = (round(v * self.scale) for v in scaled)
        return left, top, min(width, self._pixels[0] - left), height

    def _bounds(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """A box as fractions of the figure from its lower left, from pixels from its upper left."""
        left, top, width, height = box
        across, down = self._pixels
        return left / across, 1 - (top + height) / down, width / across, height / down

    def _ground_of(self, box: tuple[int, int, int, int]) -> None:
        """The background of an empty cell, which a picture covers."""
        left, bottom, width, height = self._bounds(box)
        patch = Rectangle((left, bottom), width, height, facecolor=self.theme.empty,
                          edgecolor="none", transform=self._figure.transFigure,
                          zorder=-1)  # fmt: skip
        self._figure.add_artist(patch)

    def _rectangle(
        self, box: tuple[float, float, float, float], line: float, color: str
    ) -> Rectangle:
        left, bottom, width, height = self._bounds(box)
        patch = Rectangle((left, bottom), width, height, fill=False, linewidth=line,
                          edgecolor=color,
                          transform=self._figure.transFigure)  # fmt: skip
        self._figure.add_artist(patch)
        return patch

    def _captions(self, spot: Spot) -> list[Text]:
        theme, (width, height) = self.theme, (self.plan.width, self.plan.height)
        y = 1 - (spot.top + spot.height + 6) / height
        small = spot.lines == 1
        lines = [(y, 6.5 if small else 8.5, theme.ink)]
        if not small:
            lines.append((y - 16 / height, 7.5, theme.faint))
        return [
            self._figure.text(spot.left / width, y, "", fontsize=size, color=color, va="top",
                              parse_math=False)
            for y, size, color in lines
        ]  # fmt: skip


def _fit(pixels: Pixels, size: tuple[int, int]) -> Image.Image:
    """The picture resized to its box (width, height)."""
    picture = Image.fromarray(pixels)
    if picture.size == size:
        return picture
    if picture.width <= size[0]:
        how = Image.Resampling.BICUBIC
    else:
        slight = picture.width < 4 * size[0]
        how = Image.Resampling.BILINEAR if slight else Image.Resampling.BOX
    return picture.resize(size, how)
