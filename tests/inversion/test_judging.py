"""Tests of judging by another network: the photo is recognized, another photo is not."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from invwidgets.errors import BadSettingError
from invwidgets.images import luminance, read_photo
from invwidgets.inversion.invert import invert
from invwidgets.inversion.judging import Judgment, judgment
from invwidgets.inversion.result import Reconstruction
from invwidgets.models.zoo import load_network
from invwidgets.representations.classes import class_names
from invwidgets.representations.registry import representation
from tests.small_networks import HALF, Small, phi, picture

LITE = representation("efficientnet_lite0")
PHOTO = read_photo("coffee", LITE.size)


@pytest.fixture(scope="module")
def said() -> Judgment:
    """The judgments of the photo, another photo, the photo in gray, and one with a red cast."""
    red = (PHOTO + torch.tensor([0.1, 0, 0])[:, None, None]).clamp(0, 1)
    return judgment(LITE, torch.stack([PHOTO, other(), luminance(PHOTO), red]), PHOTO)


def other() -> torch.Tensor:
    return read_photo("chelsea", LITE.size)


def test_the_photo_is_the_photo_and_another_is_far_away(said: Judgment) -> None:
    assert (said.judge, said.label) == ("efficientnet_lite0", "espresso")
    assert said.photo_probability > 0.5
    assert said.probability_ratio[0] == pytest.approx(1, abs=1e-5)
    assert said.feature_distance[0] == pytest.approx(0, abs=1e-5)
    assert said.in_first_five[:2] == (True, False)
    assert said.probability_ratio[1] < 0.05
    assert said.feature_distance[1] > 0.9
    assert said.probability_ratio[2] < 0.99
    assert 0.05 < said.feature_distance[2] < said.feature_distance[1]


def test_colors_are_compared_with_the_photo_s(said: Judgment) -> None:
    assert said.color is not None
    assert said.color[0] == pytest.approx(1)
    assert said.color[2] == pytest.approx(0, abs=1e-5)
    assert said.color[3] > 1.02
    assert said.mean_color_off[0] == pytest.approx(0, abs=1e-6)
    assert said.mean_color_off[3] == pytest.approx(0.1 / 3**0.5, rel=0.2)
    gray = judgment(LITE, PHOTO[None], luminance(PHOTO))
    assert gray.color is None, "a gray photo has no color to compare with"


def test_the_features_are_those_that_the_classifier_reads(said: Judgment) -> None:
    """Against the classifier's own product: its numbers are W f + b of these features."""
    *_, before, last = LITE.layers()
    images = torch.stack([PHOTO, other()])
    with torch.no_grad():
        features = LITE.at(before.name)(images).flatten(1)
        numbers = LITE.at(last.name)(images)
    module: Any = load_network(LITE.name).module.classifier
    assert torch.allclose(features @ module.weight.T + module.bias, numbers, atol=1e-3)
    far = (features[1] - features[0]).norm() / features[0].norm()
    assert said.feature_distance[1] == pytest.approx(float(far), rel=1e-4)


def test_a_result_is_judged_seed_by_seed() -> None:
    result = invert("coffee", LITE.at("blocks.1"), steps=2, seeds=2, size=64, frames=0)
    again = dataclasses.replace(result, digest="of another network")
    images = torch.stack([result.photo, read_photo("chelsea", 64)])  # type: ignore[list-item]
    found = dataclasses.replace(again, images=images).judged_by("efficientnet_lite0")
    assert found == dataclasses.replace(again, images=images).judged_by(LITE)
    assert len(found.probability) == len(found.feature_distance) == 2
    assert found.probability_ratio[0] == pytest.approx(1, abs=1e-5)
    assert found.feature_distance[0] < 1e-5 < 0.3 < found.feature_distance[1]


def test_of_a_region_only_what_it_sees_is_judged() -> None:
    options: dict[str, Any] = {"steps": 1, "seeds": 1, "size": 96, "frames": 0}
    result = invert("coffee", LITE.at("blocks.0"), region="20:28,20:28", **options)
    box = result.field_box
    assert box is not None
    assert result.photo is not None
    images = other()[None, :, :96, :96].clone()
    top, left, bottom, right = box
    images[..., top:bottom, left:right] = result.photo[:, top:bottom, left:right]
    foreign = dataclasses.replace(result, images=images, digest="of another network")
    assert foreign.judged_by(LITE).feature_distance[0] == pytest.approx(0, abs=1e-5)
    whole = dataclasses.replace(foreign, receptive_field=None)
    assert whole.judged_by(LITE).feature_distance[0] > 0.1


@pytest.fixture(scope="module")
def small() -> Reconstruction:
    return invert(picture(), phi("conv1"), steps=1, seeds=1, frames=0)


def test_what_cannot_judge_is_refused(small: Reconstruction) -> None:
    itself = representation(Small(), mean=HALF, std=HALF, size=(24, 28))
    mine = dataclasses.replace(small, digest=itself.digest)
    for judge, words in (
        (itself.at("conv3"), "searched with this network"),
        (itself, "searched with this network.*'efficientnet_lite2'"),
    ):
        with pytest.raises(BadSettingError, match=words):
            mine.judged_by(judge)
    for named in (representation("efficientnet_lite0", weights="random"), "hog"):
        with pytest.raises(BadSettingError, match=r"is not a trained classifier"):
            small.judged_by(named)
    unit = dataclasses.replace(small, photo=None)
    with pytest.raises(BadSettingError, match="without a photo"):
        unit.judged_by("efficientnet_lite0")


def test_a_classifier_of_one_s_own_may_judge(small: Reconstruction) -> None:
    torch.manual_seed(3)
    own = representation(Small(), mean=HALF, std=HALF, size=(32, 32))
    assert class_names(own) == ()
    found = small.judged_by(own)
    assert found.label.startswith("class ")
    assert len(found.probability) == 1
