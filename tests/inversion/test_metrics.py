"""Tests of the metrics: the compared pixels, live and final values, and outliers."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from invwidgets.energy.objectives import Objective
from invwidgets.errors import InvwidgetsError, SelectionError
from invwidgets.figures.gallery import best_seed
from invwidgets.images import luminance, read_photo
from invwidgets.inversion.engine import Step
from invwidgets.inversion.invert import invert
from invwidgets.inversion.metrics import (
    Reference,
    chroma_error,
    measure,
    outliers,
    pairwise_distance,
    psnr,
    ssim,
)
from invwidgets.inversion.phase import Phase
from invwidgets.inversion.prepare import prepare
from invwidgets.inversion.progress import frame_of, last_frame
from invwidgets.inversion.result import Reconstruction
from invwidgets.inversion.run import Run
from invwidgets.representations.base import Representation
from invwidgets.representations.receptive_fields.tracer import Box
from invwidgets.representations.registry import representation
from invwidgets.selection import Selection
from tests.saboteurs import kept_colors
from tests.small_networks import phi, picture

PHOTO = picture()
CORNER = "0:2,0:2"  # its receptive field is a part of the image


def finished(run: Run) -> tuple[Run, Step, Reconstruction]:
    result = run.finish()
    assert run.last is not None
    return run, run.last, result


def test_scores_are_scikit_images() -> None:
    images = torch.stack([PHOTO, (PHOTO + 0.1).clamp(0, 1), PHOTO.flip(2)])
    whole = Reference(PHOTO)
    decibels, similar = psnr(images, whole), ssim(images, whole)
    assert decibels[0] == math.inf
    assert similar[0] == pytest.approx(1)
    one, other = (np.asarray(x.movedim(0, -1), np.float64) for x in (PHOTO, images[2]))
    assert decibels[2] == pytest.approx(peak_signal_noise_ratio(one, other, data_range=1))
    expected = structural_similarity(one, other, data_range=1, channel_axis=-1)
    assert similar[2] == pytest.approx(expected, abs=1e-12)
    assert decibels[1] > decibels[2]
    tiny = torch.rand(3, 2, 2)
    assert math.isnan(ssim(tiny[None] * 0.5, Reference(tiny))[0])


@pytest.mark.parametrize("shape", [(1, 3, 3), (4, 5, 9), (3, 6, 30), (3, 40, 7)])
def test_small_pictures_have_smaller_windows(shape: tuple[int, int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = torch.rand(2, *shape, generator=generator)
    wanted = structural_similarity(
        *(x.movedim(0, -1).double().numpy() for x in (one, other)),
        data_range=1,
        channel_axis=-1,
        win_size=(min(7, *shape[1:]) - 1) // 2 * 2 + 1,
    )
    assert ssim(other[None], Reference(one))[0] == pytest.approx(wanted, abs=1e-12)


def test_a_perfect_region_is_perfect_whatever_lies_outside_it() -> None:
    box = Box(2, 3, 18, 20)
    image = torch.full_like(PHOTO, 0.5)
    image[:, 2:18, 3:20] = PHOTO[:, 2:18, 3:20]
    field = Reference(PHOTO, box)
    assert psnr(image[None], field) == (math.inf,)
    assert ssim(image[None], field)[0] == pytest.approx(1)
    assert psnr(image[None], Reference(PHOTO))[0] < 30
    assert psnr(PHOTO[None] * 0.9, field) == psnr(
        (PHOTO * 0.9)[None, :, 2:18, 3:20], Reference(PHOTO[:, 2:18, 3:20])
    )


def test_a_regions_scores_are_of_its_receptive_field() -> None:
    run, _, result = finished(prepare(PHOTO, phi("conv2"), region=CORNER, seeds=2, steps=30))
    box = run.representation.receptive_field((0, 2, 0, 2), run.size).clipped
    inside = (..., slice(box.top, box.bottom), slice(box.left, box.right))
    cut = Reference(PHOTO[inside])
    assert result.psnr == psnr(result.images[inside], cut)
    assert result.ssim == ssim(result.images[inside], cut)
    assert result.psnr != psnr(result.images, Reference(PHOTO))
    assert result.scored_on == result.summary()["scored_on"] == "receptive field"


def test_without_a_region_or_where_it_sees_all_they_are_of_the_whole_image() -> None:
    everywhere = invert(PHOTO, phi(), seeds=1, steps=1, frames=0)
    assert everywhere.scored_on == "whole image"
    assert everywhere.psnr == psnr(everywhere.images, Reference(PHOTO))
    covering = prepare(PHOTO, phi(), region="0:12,0:14", seeds=1, steps=1)
    reference = covering.reference
    assert reference is not None
    assert reference.box is None


LIVE: dict[str, dict[str, Any]] = {
    "a region": {"layer": "conv2", "region": CORNER},
    "whole": {"layer": "conv2"},
    "caricature": {"layer": "conv2", "objective": "caricature"},
    "unit": {"photo": None, "layer": "relu_1", "channels": 2, "objective": "maximize"},
    "hog": {"photo": "coffee", "model": "hog", "size": 64},
    "dsift": {"photo": "coffee", "model": "dsift", "size": 64},
    "hog's region": {"photo": "coffee", "model": "hog", "size": 64, "region": "1:3,1:3"},
}


@pytest.mark.parametrize("name", LIVE)
def test_live_and_final_agree(name: str) -> None:
    """Every number is of the same images; a step's energies are of the image before it."""
    options = {"photo": PHOTO, "model": phi(), "seeds": 2, "precision": "float32"}
    still = {"phases": [Phase(5, 4.0)], "bound": "picture"}  # no jitter, nothing clipped later
    run = prepare(**{**options, **still, **LIVE[name]})
    steps = run.steps()
    for _ in range(3):
        step = next(steps)
    frame, result = frame_of(run, step), run.result(stopped=True)
    assert frame.psnr == result.psnr
    assert frame.scores == result.scores
    assert frame.handcrafted == result.handcrafted == run.representation.handcrafted
    assert ("gray values" in result.scored_on) == run.representation.grayscale
    assert frame.spread is not None
    ended = last_frame(result)
    assert (ended.psnr, ended.scores, ended.best) == (result.psnr, result.scores, best_seed(result))
    assert np.array_equal(ended.images, frame.images)
    assert np.array_equal(ended.spread, frame.spread)
    later = next(steps)
    energies = run.objective.score(later.energies["data"])
    assert energies.tolist() == pytest.approx(result.scores, rel=1e-3)
    assert frame_of(run, later).scores != result.scores


def test_without_a_photo_there_is_nothing_to_score() -> None:
    run, step, result = finished(
        prepare(None, phi(), layer="relu_1", channels=2, objective="maximize", seeds=1, steps=2)
    )
    assert result.psnr is result.ssim is None
    assert frame_of(run, step).psnr is None
    assert result.scored_on == "whole image"
    assert result.outliers == ()


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([0.175, 0.181, 0.398, 0.179], (2,)),
        ([0.398, 0.175], (0,)),  # what one seed reaches can be reached
        ([0.17, 0.18, 0.40, 0.39], (2, 3)),
        ([0.01, 0.012, 0.03], ()),  # three times as much, but nobody could see it
        ([0.50, 0.52, 0.60], ()),
        ([0.3], ()),
        ([], ()),
        ([0.2, 0.2, 0.2], ()),
        ([0.05, 0.4, 0.41], ()),  # one seed was lucky: the others are no outliers
    ],
)
def test_who_straggles(errors: list[float], expected: tuple[int, ...]) -> None:
    assert outliers(errors) == expected


def test_a_straggler_is_named_in_words_and_json() -> None:
    made = invert(PHOTO, phi(), seeds=[3, 5, 8], steps=1, frames=0)
    far = Reconstruction(**{**vars(made), "relative_error": (0.175, 0.398, 0.179)})
    assert far.outliers == (5,)
    assert json.loads(json.dumps(far.summary()))["outliers"] == [5]
    for words in ("seed 5 ended at 39.8 %", "median 17.5 %", "leave it out, or run more steps"):
        assert words in far.outlier_note
    many = Reconstruction(**{**vars(made), "relative_error": (0.1, 0.1, 0.1)})
    assert many.outlier_note == ""
    assert many.summary()["outliers"] == []


def test_distance_of_one_is_none() -> None:
    assert pairwise_distance(torch.rand(1, 5)) == 0.0


@pytest.mark.claim(saboteurs=[kept_colors])
def test_chroma_error_is_of_colors_alone() -> None:
    photo = read_photo("flower", 32)
    gray = luminance(photo)
    images = torch.stack([photo, gray, gray + 1.5 * (photo - gray), photo + 0.1])
    assert chroma_error(images, photo) == pytest.approx((0, 1, 0.5, 0), abs=1e-4)


class Nothing(Objective):
    """An objective without a photo, whose reference is zero."""

    needs_photo = False

    def reference(self, representation: Any, selection: Any) -> torch.Tensor:
        return torch.zeros(1)

    def energy(self, features: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (features - target).square().flatten(1).mean(1)


def test_features_compared_with_nothing_differ_by_their_root_mean_square() -> None:
    run = prepare(None, phi(), objective=Nothing(), seeds=2, steps=2, frames=0, threads=1)
    result = run.finish()
    features = phi()(result.images)
    apart = float((features[0] - features[1]).square().mean().sqrt())
    assert apart > 0
    assert result.diversity["features"] == pytest.approx(apart, rel=1e-3)


class Brightness(Objective):
    def energy(self, features: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return features.flatten(1).mean(1)


def silent() -> Representation:
    """Features after a ReLU that photos do not excite and noise excites a little."""
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.ReLU())
    with torch.no_grad():
        module[0].weight.fill_(-1.0)
        module[0].bias.fill_(-0.1)
    return representation(module, "1", mean=(0, 0, 0), std=(1, 1, 1), size=(16, 16))


def test_a_photo_whose_features_are_zero_ends_in_numbers() -> None:
    """Of an objective of one's own that may still mean something by it."""
    with pytest.raises(InvwidgetsError):
        invert(PHOTO, silent(), objective="inversion", size=16, steps=1)
    pair = silent()
    target = torch.zeros(1, 2, 16, 16)
    images = torch.rand(2, 3, 16, 16)
    scores = measure(pair, Brightness(), target, Selection(), None, images)
    assert scores.diversity["features"] == 0
    assert scores.diversity["pixels"] > 0


def test_a_unit_that_no_photo_excites_is_refused_before_the_run() -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.ReLU())
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([1.0, -1.0])[:, None, None, None])
        module[0].bias.copy_(torch.tensor([0.0, -0.1]))
    cut = representation(module, "1", mean=(0, 0, 0), std=(1, 1, 1), size=(16, 16))
    words = "channel 1 of layer 1: none of the bundled photos excites it.*choose another channel"
    with pytest.raises(SelectionError, match=words):
        prepare(None, cut, layer="1", channels=1, objective="maximize", steps=2)
    assert (
        prepare(None, cut, layer="1", channels=0, objective="maximize", steps=2, seeds=1)
        .finish()
        .scores[0]
        > 0
    )
