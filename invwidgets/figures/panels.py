"""A row of pictures in a matplotlib figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .canvas import Picture

__all__ = ["panels"]


def panels(
    pictures: Sequence[NDArray[Any]], titles: Sequence[str] | None = None, height: float = 3.2
) -> Figure:
    """A figure with a row of pictures, (H, W) or (H, W, 3) in [0, 1], ``height`` inches high.

    >>> panels([photo, hog_glyph_image(features)], ["photo", "HOG"]).savefig("hog.png")
    """
    shapes = [np.asarray(picture).shape for picture in pictures]
    widths = [height * shape[1] / shape[0] for shape in shapes]
    gap, head = 0.08, 0.3 if titles else 0.0
    total = sum(widths) + gap * (len(widths) + 1)
    figure = Picture(figsize=(total, height + head + gap))
    FigureCanvasAgg(figure)
    left = gap
    for i, picture in enumerate(pictures):
        box = (left / total, gap / 2 / (height + head + gap), widths[i] / total)
        axes = figure.add_axes((*box, height / (height + head + gap)))
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
        axes.set_axis_off()
        if titles:
            axes.set_title(titles[i], fontsize=10, pad=4, parse_math=False)
        left += widths[i] + gap
    return figure
