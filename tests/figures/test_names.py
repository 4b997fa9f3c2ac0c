"""Tests of names with dollar signs in figures, which matplotlib could read as mathematics."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest

import invwidgets as iw
from invwidgets.figures.comparison import comparison
from invwidgets.figures.curves import curves
from invwidgets.figures.gallery import gallery_of
from invwidgets.figures.strip import strip


@pytest.fixture(scope="module")
def hostile() -> iw.Reconstruction:
    result = iw.invert("coffee", layer="blocks.0", size=32, seeds=2, steps=2, weights="random")
    name = "$x_$ \\frac{ $^$"  # each pair of dollars holds what is no mathematics
    return replace(result, photo_name=name, layer=name)


def saved(figure: Any) -> int:
    file = io.BytesIO()
    figure.savefig(file, format="pdf")
    return len(file.getvalue())


def descriptor() -> iw.Reconstruction:
    return iw.invert("coffee", "hog", size=32, seeds=1, steps=2)


@pytest.mark.parametrize(
    "draw",
    [
        lambda result: gallery_of(result).sheet.figure,
        lambda result: strip([result, result]),
        lambda result: comparison([replace(descriptor(), photo_name=result.photo_name)]),
        curves,
    ],
    ids=["gallery", "strip", "comparison", "curves"],
)
def test_dollars_in_a_name_are_only_dollars(hostile: iw.Reconstruction, draw: Any) -> None:
    assert saved(draw(hostile)) > 1000


def test_a_long_name_ends_at_its_picture(hostile: iw.Reconstruction) -> None:
    gallery = gallery_of(replace(hostile, photo_name="m" * 300))
    spot = gallery.plan.spots[gallery.place["photo"]]
    shown = [text.get_text() for text in gallery.sheet.figure.texts]
    (name,) = [words for words in shown if words.startswith("mmm") and words.endswith("…")]
    assert len(name) <= spot.width / 7
