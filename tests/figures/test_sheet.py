"""Tests that the live picture and the saved figure are equal."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from invwidgets.figures.canvas import DARK, LIGHT, Theme
from invwidgets.figures.gallery import Gallery, seed_caption
from invwidgets.images import read_photo, to_uint8

SEEDS = (0, 1, 2)


def _drawn(theme: Theme, scale: float) -> Gallery:
    photo = to_uint8(read_photo("coffee", (224, 224)))
    gallery = Gallery(SEEDS, (224, 224), width=700, theme=theme, scale=scale)
    gallery.show_photo(photo, "coffee", (40, 60, 120, 150))
    images = np.stack([np.roll(photo, 20 * seed, 1) for seed in SEEDS])
    captions = [seed_caption(seed, 0.1234 + seed, None, 18.2) for seed in SEEDS]
    gallery.show_seeds(images, captions, 1)
    return gallery


def _saved(gallery: Gallery) -> Image.Image:
    file = io.BytesIO()
    figure = gallery.sheet.figure
    figure.savefig(file, format="png", dpi=figure.dpi)
    return Image.open(file).convert("RGB")


def _ink(gallery: Gallery, picture: Image.Image, cell: int) -> NDArray[np.float64]:
    """The part of a cell's caption area that is not background, from 0 to 1."""
    spot, scale = gallery.plan.spots[cell], gallery.sheet.scale
    top = spot.top + spot.height + 4
    box = (spot.left, top, spot.left + spot.width, top + 34)
    room = np.asarray(picture.crop([round(v * scale) for v in box]))
    ground = room[-1, -1].astype(float)
    return np.abs(room - ground).max(-1) / 255


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("scale", [1.0, 1.5, 2.0])
def test_live_is_as_saved(theme: Theme, scale: float) -> None:
    gallery = _drawn(theme, scale)
    live, saved = gallery.sheet.picture(), _saved(gallery)
    assert live.size == saved.size
    apart = np.abs(np.asarray(live, float) - np.asarray(saved, float))
    assert apart.mean() < 1.5  # of 255: the two reduce a picture by slightly different filters
    for seed in SEEDS:
        cell = gallery.place[seed]
        ours, theirs = _ink(gallery, live, cell), _ink(gallery, saved, cell)
        assert theirs.sum() > 100 * scale
        assert ours.sum() == pytest.approx(theirs.sum(), rel=0.1)  # bold where that is bold
        extents = [np.argwhere(ink > 0.3) for ink in (ours, theirs)]
        corners = [np.r_[points.min(0), points.max(0)] for points in extents]
        assert np.abs(corners[0] - corners[1]).max() <= 1


def test_a_frame_later_only_what_moved_differs() -> None:
    gallery = _drawn(LIGHT, 1.0)
    before = np.asarray(gallery.sheet.picture())
    images = np.zeros((len(SEEDS), 224, 224, 3), np.uint8)
    gallery.show_seeds(images, [seed_caption(s, 0.5, None, 9.9) for s in SEEDS], 2)
    after = np.asarray(gallery.sheet.picture())
    spots = gallery.plan.spots

    def inside(pixels: NDArray[np.uint8], key: int | str) -> NDArray[np.uint8]:
        spot = spots[gallery.place[key]]
        return pixels[spot.top : spot.top + spot.height, spot.left : spot.left + spot.width]

    assert (inside(before, "photo") == inside(after, "photo")).all()
    for seed in SEEDS:
        assert inside(after, seed).max() == 0
    fresh = _drawn(LIGHT, 1.0)
    fresh.show_seeds(images, [seed_caption(s, 0.5, None, 9.9) for s in SEEDS], 2)
    assert (np.asarray(fresh.sheet.picture()) == after).all()


def test_cleared_places_are_empty_again() -> None:
    gallery = _drawn(LIGHT, 1.0)
    gallery.clear()
    spot = gallery.plan.spots[gallery.place[0]]
    at = (spot.left + spot.width // 2, spot.top + spot.height // 2)
    assert gallery.sheet.picture().getpixel(at) == (0xF0, 0xF2, 0xF4)
