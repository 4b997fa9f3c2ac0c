"""The fast drawing of matplotlib texts on a picture with Pillow, at the same place.

    >>> letters = Lettering(canvas)
    >>> letters.write(ImageDraw.Draw(picture), text)

matplotlib needs 3 to 4 ms for a line of text, Pillow 0.1 ms with the same font file. The captions
of a live view change with every frame.
"""

from __future__ import annotations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.font_manager import findfont
from matplotlib.text import Text
from PIL import ImageDraw, ImageFont


class Lettering:
    """A writer of single-line texts of a figure, which are anchored at their upper left corner."""

    def __init__(self, canvas: FigureCanvasAgg) -> None:
        self._canvas = canvas
        self._styles: dict[tuple[object, object], tuple[ImageFont.FreeTypeFont, float]] = {}

    def write(self, pen: ImageDraw.ImageDraw, text: Text) -> None:
        """The text as the figure would show it, on a picture of the canvas' size."""
        if not text.get_text():
            return
        font, ascent = self._style(text)
        left, bottom = text.get_transform().transform(text.get_position())
        top = self._canvas.figure.bbox.height - bottom
        color = str(text.get_color())
        pen.text((left, round(top + ascent)), text.get_text(), fill=color, font=font, anchor="ls")

    def fitted(self, text: Text, words: str, room: float) -> str:
        """Words cut to at most ``room`` pixels in the font of the text.

        The last parts of ``a · b · c`` are left out first, then letters.
        """
        font, _ = self._style(text)
        parts = words.split(" · ")
        while len(parts) > 1 and font.getlength(" · ".join(parts)) > room:
            parts.pop()
        kept = " · ".join(parts)
        if font.getlength(kept) <= room:
            return kept
        while len(kept) > 1 and font.getlength(f"{kept}…") > room:
            kept = kept[:-1]
        return f"{kept}…"

    def _style(self, text: Text) -> tuple[ImageFont.FreeTypeFont, float]:
        """The text's font, and how far below the text's top its letters stand."""
        properties = text.get_fontproperties()
        key = (properties.get_size_in_points(), properties.get_weight())
        if key not in self._styles:
            pixels = properties.get_size_in_points() * self._canvas.figure.dpi / 72
            renderer = self._canvas.get_renderer()
            _, height, descent = renderer.get_text_width_height_descent("lp", properties, False)
            font = ImageFont.truetype(
                findfont(properties), pixels, layout_engine=ImageFont.Layout.BASIC
            )
            self._styles[key] = font, height - descent
        return self._styles[key]
