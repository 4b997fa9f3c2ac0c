"""Tests of the best matches of a reconstruction's parts, with parts moved by the test."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

import invwidgets as iw
from invwidgets.errors import BadSettingError
from invwidgets.figures.recomposition import arrows
from tests.saboteurs import parts_in_place, photo_itself, random_matches


def tiles(images: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(images, 2)


@pytest.fixture(scope="module")
def run() -> iw.Reconstruction:
    return iw.invert("coffee", layer="conv_stem", size=64, seeds=2, steps=2, frames=0)


def measured(run: iw.Reconstruction, *images: Tensor, **options: object):  # type: ignore[no-untyped-def]
    by = iw.from_callable(tiles, size=(64, 64))
    return iw.analysis.recomposition(replace(run, images=torch.stack(images)), by=by, **options)


@pytest.mark.claim(saboteurs=[random_matches])
def test_the_photo_itself_is_in_its_place(run: iw.Reconstruction) -> None:
    found = measured(run, run.photo)
    assert found.grid == (8, 8)
    assert found.cell == (8, 8)
    assert found.displacement == 0
    assert found.reuse == 0
    assert found.similarity == pytest.approx(1, abs=1e-5)
    assert found.elsewhere < 0.9
    assert found.shuffled == pytest.approx(0.52, abs=0.08)  # of two random points of a square


@pytest.mark.claim(saboteurs=[parts_in_place, random_matches])
def test_parts_that_were_moved_are_found_where_they_were(run: iw.Reconstruction) -> None:
    rolled = run.photo.roll(16, -1)  # two patches to the right, a quarter of the side
    found = measured(run, rolled)
    place = torch.arange(64)
    assert torch.equal(found.matches[0], (place // 8) * 8 + (place % 8 - 2) % 8)
    assert found.displacement == pytest.approx((6 * 0.25 + 2 * 0.75) / 8)
    assert found.reuse == 0


@pytest.mark.claim(saboteurs=[parts_in_place, random_matches])
def test_a_part_used_twice_is_counted(run: iw.Reconstruction) -> None:
    doubled = run.photo.clone()
    doubled[:, 32:] = doubled[:, :32]
    found = measured(run, doubled, run.photo)
    assert found.reuse == pytest.approx(32 / 128)
    assert found.moved[0].max() == pytest.approx(0.5)
    assert found.moved[1].max() == 0


def test_it_needs_a_photo_and_patches_that_fit(run: iw.Reconstruction) -> None:
    with pytest.raises(BadSettingError, match="nothing to match"):
        iw.analysis.recomposition(replace(run, photo=None))
    with pytest.raises(BadSettingError, match="patch 33"):
        measured(run, run.photo, patch=33)


def test_arrows_are_drawn_from_parts_to_places(run: iw.Reconstruction) -> None:
    found = measured(run, run.photo.roll(16, -1))
    figure = arrows(run, found, count=5)
    drawn = [artist for artist in figure.artists if type(artist).__name__ == "ConnectionPatch"]
    assert len(drawn) == 5
    for arrow in drawn:
        (x0, y0), (x1, y1) = arrow.xy1, arrow.xy2
        assert y0 == y1
        assert x1 - x0 in (16, -48)
    assert figure._repr_png_()[0][1:4] == b"PNG"


def test_arrows_of_parts_in_their_place_are_gray_and_as_many_as_those_are(
    run: iw.Reconstruction,
) -> None:
    half = run.photo.clone()
    half[:, :32] = half[:, :32].roll(16, -1)
    found = measured(run, half)
    figure = arrows(run, found, count=8)
    drawn = [artist for artist in figure.artists if type(artist).__name__ == "ConnectionPatch"]
    moved = [arrow for arrow in drawn if arrow.xy1 != arrow.xy2]
    gray = [arrow for arrow in drawn if len(set(arrow.get_edgecolor()[:3])) == 1]
    assert moved
    assert all(arrow.xy1[1] < 32 for arrow in moved)
    assert {id(arrow) for arrow in gray} == {id(arrow) for arrow in drawn if arrow not in moved}
    assert abs(len(gray) - len(moved)) <= 2
    assert "50 % of the parts are in their place" in figure.axes[1].get_xlabel()


def test_arrows_are_of_the_parts_that_moved_furthest(run: iw.Reconstruction) -> None:
    found = measured(run, run.photo)
    places = found.matches.clone()
    places[0, 18], places[0, 45] = 19, 9  # by one patch, and across half of the image
    figure = arrows(run, replace(found, matches=places), count=30)
    drawn = [artist for artist in figure.artists if type(artist).__name__ == "ConnectionPatch"]
    assert drawn[0].xy2 == (44 - 0.5, 44 - 0.5)
    assert drawn[0].xy1 == (12 - 0.5, 12 - 0.5)
    assert drawn[1].xy2 == (20 - 0.5, 20 - 0.5)


def test_an_arrow_leaves_the_border_alone_while_there_are_others(run: iw.Reconstruction) -> None:
    figure = arrows(run, measured(run, run.photo), count=4)
    drawn = [artist for artist in figure.artists if type(artist).__name__ == "ConnectionPatch"]
    assert drawn
    for arrow in drawn:
        assert min(*arrow.xy1, *arrow.xy2) > 8
        assert max(*arrow.xy1, *arrow.xy2) < 56


@pytest.mark.claim(saboteurs=[parts_in_place, random_matches, photo_itself])
@pytest.mark.slow
def test_parts_move_more_the_deeper_the_layer() -> None:
    moved = []
    for layer in ("blocks.0", "blocks.2", "blocks.4"):
        result = iw.invert("china", layer=layer, seeds=2, size=160, steps=80, frames=0)
        found = iw.analysis.recomposition(result)
        assert found.displacement < 0.6 * found.shuffled
        moved.append(found.displacement)
    assert moved[0] < 0.01
    assert moved == sorted(moved)
    assert moved[2] > 0.1
