"""A saved sheet: pictures in their places, the best framed, words cut to the width beneath."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text
from numpy.typing import NDArray

from invwidgets.figures.canvas import DARK, LIGHT, Theme
from invwidgets.figures.gallery import Gallery, seed_caption
from invwidgets.figures.grid import plan_grid
from invwidgets.figures.sheet import Sheet

from .test_figures import pixels as pixels_of

SHAPE, SEEDS = (32, 48), (3, 4, 5)


def drawn(theme: Theme = LIGHT, scale: float = 1.0) -> Gallery:
    gallery = Gallery(SEEDS, SHAPE, width=700, theme=theme, scale=scale)
    gallery.show_photo(np.full((*SHAPE, 3), 200, np.uint8), "coffee", (8, 12, 24, 36))
    images = np.stack([np.full((*SHAPE, 3), 20 * seed, np.uint8) for seed in SEEDS])
    captions = [seed_caption(seed, "error 12.3 %", 18.2, 0.43) for seed in SEEDS]
    gallery.show_seeds(images, captions, 1, np.full(SHAPE, 0.5, np.float32))
    return gallery


def inside(gallery: Gallery, pixels: NDArray[np.uint8], key: int | str) -> NDArray[np.uint8]:
    """The pixels of a picture."""
    spot, scale = gallery.plan.spots[gallery.place[key]], gallery.sheet.scale
    box = (spot.top, spot.top + spot.height, spot.left, spot.left + spot.width)
    top, bottom, left, right = (round(scale * side) for side in box)
    return pixels[top + 1 : bottom - 1, left + 1 : right - 1]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_each_picture_is_in_its_place(theme: Theme, scale: float) -> None:
    gallery = drawn(theme, scale)
    pixels = pixels_of(gallery.sheet.figure)
    for place, seed in enumerate(SEEDS):
        assert (inside(gallery, pixels, place) == 20 * seed).all()
    assert (inside(gallery, pixels, "mean") == 80).all()
    assert (inside(gallery, pixels, "spread")[..., 0] > 240).all(), "the largest there is"
    photo = inside(gallery, pixels, "photo")
    height, width = photo.shape[:2]
    (rows, columns) = np.nonzero((photo != 200).any(-1))
    box = (rows.min() / height, columns.min() / width, rows.max() / height, columns.max() / width)
    assert box == pytest.approx((0.25, 0.25, 0.75, 0.75), abs=0.02)


def test_the_best_is_framed_and_bold_and_no_other() -> None:
    gallery = drawn()
    pixels = pixels_of(gallery.sheet.figure).astype(int)
    green = [int(LIGHT.best[place : place + 2], 16) for place in (1, 3, 5)]
    framed = []
    for key in (*range(len(SEEDS)), "photo", "mean", "spread"):
        spot = gallery.plan.spots[gallery.place[key]]
        edge = pixels[spot.top + spot.height // 2, spot.left - 3 : spot.left]
        framed += [key] if (abs(edge - green).max(-1) < 60).any() else []
    assert framed == [1]
    bold = [text for text in texts(gallery.sheet) if text.get_fontweight() == "bold"]
    assert len(bold) == 1


def test_empty_places_are_empty() -> None:
    gallery = Gallery(SEEDS, SHAPE)
    pixels = pixels_of(gallery.sheet.figure)
    assert (inside(gallery, pixels, 0) == (0xF0, 0xF2, 0xF4)).all()
    assert "seed 3" in [text.get_text() for text in texts(gallery.sheet)]


@pytest.mark.parametrize(
    "words",
    ["error 4 %", "error 4.0 % · outlier · and more", "m" * 300, "i" * 300, "a · b · c · d", ""],
)
def test_words_are_cut_to_the_width_and_no_further(words: str) -> None:
    sheet = Sheet(plan_grid(5, SHAPE, 600))
    sheet.caption(0, words)
    text = texts(sheet)[0]
    room, cut = 0.98 * sheet.plan.spots[0].width, text.get_text()
    assert width(sheet, text, cut) <= room
    if cut == words:
        return
    if cut.endswith("…"):
        longer = f"{words[: len(cut)]}…"
    else:
        longer = " · ".join(words.split(" · ")[: cut.count(" · ") + 2])
    assert words.startswith(longer.rstrip("…"))
    assert width(sheet, text, longer) > room


def texts(sheet: Sheet) -> list[Text]:
    return list(sheet.figure.texts)


def width(sheet: Sheet, text: Text, words: str) -> float:
    renderer: Any = sheet.figure.canvas.get_renderer()  # type: ignore[attr-defined]
    font = text.get_fontproperties()
    return float(renderer.get_text_width_height_descent(words, font, False)[0])
