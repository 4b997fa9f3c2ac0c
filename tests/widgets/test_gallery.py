"""Tests of the gallery without a browser: pictures, captions and layout that it sends."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("anywidget")
pytest.importorskip("ipywidgets")

from invwidgets.energy.objectives import objective_of
from invwidgets.figures.gallery import heat
from invwidgets.inversion.progress import Frame
from invwidgets.widgets.base.loop import Loop
from invwidgets.widgets.views.live_gallery import LiveGallery

SHAPE = (48, 64)
pytestmark = pytest.mark.usefixtures("no_widget_stays")


SHADES = (40, 80, 200)  # of the seeds' images


def frame(shades: tuple[int, ...] = SHADES, index: int = 4) -> Frame:
    images = np.stack([np.full((*SHAPE, 3), shade, np.uint8) for shade in shades])
    spread = np.full(SHAPE, 0.2, np.float32) if len(shades) > 1 else None
    errors = tuple(shade / 1000 for shade in shades)
    return Frame(index, images, errors, objective_of("inversion"), errors, spread=spread)


def made(photo: bool = True, seeds: int = 3, **options: Any) -> LiveGallery:
    gallery = LiveGallery(Loop())
    pixels = np.full((*SHAPE, 3), 120, np.uint8)
    gallery.show_photo(pixels if photo else None, "coffee", range(seeds), **options)
    return gallery


def shade(file: bytes) -> tuple[int, ...]:
    picture = Image.open(io.BytesIO(file))
    assert picture.size == (SHAPE[1], SHAPE[0])
    return tuple(np.asarray(picture).reshape(-1, 3).mean(0).round().astype(int).tolist())


def test_every_picture_is_a_file_with_its_words() -> None:
    gallery = made()
    assert gallery.order == ["photo", "s0", "s1", "s2", "mean", "spread"]
    assert gallery.names == ["coffee", "seed 0", "seed 1", "seed 2", "mean", "spread"]
    assert (gallery.files, gallery.shown, gallery.best) == ({}, "", "")
    assert shade(gallery.photo_file) == (120, 120, 120)
    gallery.show(frame())
    found = [shade(gallery.files[key]) for key in gallery.order if key != "photo"]
    assert found[:3] == [(level,) * 3 for level in SHADES]
    assert found[3] == (107, 107, 107), "the mean of 40, 80 and 200"
    assert found[4] == pytest.approx(tuple(heat(np.full((1, 1), 0.2, np.float32))[0, 0]), abs=2)
    assert gallery.captions[0] == ["coffee", "the photo"]
    assert gallery.captions[1] == ["error 4.0 %", "seed 0 · 0.0 dB"]
    assert gallery.captions[4] == ["mean", "of all seeds"]
    assert (gallery.shown, gallery.best) == ("5", "s0")
    gallery.show_photo(np.zeros((*SHAPE, 3), np.uint8), "cat", range(2))
    assert (gallery.files, gallery.shown, gallery.best) == ({}, "", ""), "of the run before"
    assert gallery.captions[0][0] == "cat"
    gallery.show(frame(SHADES[:1]))
    assert gallery.files == {}, "a frame of fewer seeds is of another run"


def test_one_seed_has_no_mean_and_no_best() -> None:
    gallery = made(seeds=1)
    gallery.show(frame(SHADES[:1]))
    assert gallery.order == ["photo", "s0"]
    assert [*gallery.files] == ["s0"]
    assert gallery.best == ""


def test_the_region_is_in_parts_of_the_photo() -> None:
    gallery = made(field=(12, 16, 36, 64))
    assert gallery.field == [0.25, 0.25, 0.75, 1.0]
    assert gallery.captions[0][1] == "dB and SSIM: in the frame"


def test_a_large_picture_is_sent_smaller() -> None:
    gallery = LiveGallery(Loop())
    gallery.show_photo(np.zeros((900, 1200, 3), np.uint8), "large", range(1))
    assert Image.open(io.BytesIO(gallery.photo_file)).size == (640, 480)


def test_an_enlarged_seed_lies_beside_the_photo() -> None:
    gallery = made()
    small = gallery.spots[2]
    gallery.enlarged = 1
    photo, seed = gallery.spots[0], gallery.spots[2]
    assert photo[1:4] == seed[1:4], "the same top and size"
    assert seed[2] > small[2]
    gallery.show_photo(None, "", range(1))
    assert gallery.enlarged == -1, "there is no such seed"


def test_what_is_compared_is_there_and_has_its_classes_beside_the_photos() -> None:
    gallery = made()
    gallery.show(frame())
    gallery.compared = "s2"
    (photo, first, second, third) = gallery.boxes
    assert photo == [0, 0.3, 0]
    assert third == [pytest.approx(0.33), 0.3, 0]
    assert (first, second) == ([0, 0, 0], [0, 0, 0])
    assert {spot[1] for spot in gallery.spots} == {gallery.spots[0][1]}, "one row of small ones"
    gallery.show_photo(np.zeros((*SHAPE, 3), np.uint8), "coffee", range(2))
    assert gallery.compared == "s0", "the third seed is gone"
    gallery.show_photo(None, "", range(2))
    assert gallery.compared == "", "nothing to compare with"


def test_the_still_is_the_photo_and_empty_places() -> None:
    sheet = made(field=(12, 16, 36, 64)).still()
    assert len(sheet.plan.spots) == 6
    file = io.BytesIO()
    sheet.save(file, "png")
    assert file.getvalue()[:4] == b"\x89PNG"
