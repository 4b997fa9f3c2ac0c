"""The common parts of all figures, which are made without pyplot: themes, titles, pictures."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from torch import Tensor

from ..images import to_uint8

INK = "#1f2328"
FAINT = "#656d76"
ACCENT = "#0969da"
SMALLEST = 5.0  # points
COLORS = ("#0969da", "#cf222e", "#1a7f37", "#9a6700", "#8250df", "#bf3989", "#57606a", "#0a7d91")


@dataclass(frozen=True)
class Theme:
    """The colors of a figure: background, text, faint text, selection, empty places, and frames.

    There is a frame for the best image and one for the receptive field of a region.
    """

    face: str
    ink: str
    faint: str
    accent: str
    empty: str
    best: str
    field: str


LIGHT = Theme("#ffffff", INK, FAINT, ACCENT, "#f0f2f4", "#1a7f37", "#e3a008")
DARK = Theme("#111111", "#e6e6e6", "#9a9fa6", "#58a6ff", "#1f2226", "#3fb950", "#f2c94c")
THEMES = {"light": LIGHT, "dark": DARK}


class Picture(Figure):
    """A figure that a notebook shows at its full resolution as the last value of a cell."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        file = io.BytesIO()
        self.savefig(file, format="png", facecolor=self.get_facecolor())
        return file.getvalue(), {"width": round(96 * self.get_figwidth())}


def new_figure(width: float, height: float, theme: Theme = LIGHT) -> Figure:
    """An empty figure of ``width`` × ``height`` inches, without pyplot, at 120 dots per inch."""
    figure = Picture(figsize=(width, height), dpi=120, facecolor=theme.face)
    FigureCanvasAgg(figure)
    return figure


def show_image(axes: Axes, image: Tensor | np.ndarray[Any, Any], caption: str = "") -> None:
    """Draw a picture (3, H, W) in [0, 1] with its caption below."""
    pixels = to_uint8(image) if isinstance(image, Tensor) else image
    axes.imshow(pixels, interpolation="antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel(caption, fontsize=8.5, color=INK, labelpad=5, linespacing=1.4, parse_math=False)


def set_title(
    figure: Figure, title: str, note: str, width: float, height: float, theme: Theme = LIGHT
) -> None:
    """Write a heading at the upper left and a faint line below it; sizes in inches."""
    left = 0.15 / width
    shared: dict[str, Any] = {"va": "top", "parse_math": False}  # a name may hold dollars
    bold: dict[str, Any] = {"fontsize": 11, "weight": "bold", "color": theme.ink}
    narrow(figure.text(left, 1 - 0.12 / height, title, **bold, **shared))
    narrow(figure.text(left, 1 - 0.36 / height, note, fontsize=8.5, color=theme.faint, **shared))


def narrow(text: Text) -> None:
    """Reduce the font size of a line until it fits into its figure with the same margin."""
    figure = text.get_figure(root=True)
    assert figure is not None
    start = text.get_transform().transform(text.get_position())[0]
    room = figure.bbox.width - 2 * start
    size = float(text.get_fontsize())
    while text.get_window_extent().width > room and size > SMALLEST:
        size -= 0.5  # step by step: widths go by whole pixels of a letter
        text.set_fontsize(size)
