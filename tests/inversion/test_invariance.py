"""Tests that several forms of one network have equal settings, targets and pictures."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import nn

from benchmarks.invariance import Normalized, Wrapped
from invwidgets.inversion.invert import invert
from invwidgets.inversion.presets import PRESETS, preset
from invwidgets.models.spec import IMAGENET_MEAN, IMAGENET_STD
from invwidgets.models.zoo import load_network
from invwidgets.representations.base import Representation
from invwidgets.representations.registry import representation
from tests.small_networks import picture

SIZE = (40, 48)
MEAN, STD = IMAGENET_MEAN, IMAGENET_STD


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        widths = (3, 16, 24, 32)
        blocks = [
            nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU(inplace=True))
            for a, b in pairwise(widths)
        ]
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
        return nn.Sequential(*blocks, head).eval()


def own(module: nn.Module, layer: str | None, inside: bool = False) -> Representation:
    mean, std = ((0.0,) * 3, (1.0,) * 3) if inside else (MEAN, STD)
    return representation(module, layer, mean=mean, std=std, size=SIZE)


FORMS: dict[str, Callable[[int], Representation]] = {
    "whole": lambda k: own(network(), f"{k}.2"),
    "cut": lambda k: own(network()[: k + 1], None),
    "preprocessing inside": lambda k: own(
        Normalized(network(), MEAN, STD), f"inner.{k}.2", inside=True
    ),
    "wrapped": lambda k: own(Wrapped(network()), f"model.{k}.2"),
    "wrapped, cut, preprocessing inside": lambda k: own(
        Wrapped(Normalized(network()[: k + 1], MEAN, STD)), None, inside=True
    ),
}


@pytest.mark.parametrize("form", list(FORMS)[1:])
@pytest.mark.parametrize("block", [0, 2])
def test_a_network_is_inverted_alike_however_it_is_given(form: str, block: int) -> None:
    whole, other = FORMS["whole"](block), FORMS[form](block)
    for steps in (None, 20):
        assert preset("default", other, steps=steps) == preset("default", whole, steps=steps)
    photo = picture(SIZE)
    torch.testing.assert_close(other.target(photo), whole.target(photo), rtol=1e-4, atol=1e-5)
    exact = {"seeds": 2, "steps": 12, "frames": 0, "precision": "float32"}  # not by a measurement
    one, two = (invert(photo, phi, **exact) for phi in (whole, other))
    # another order of sums rounds otherwise, and a search makes rounding grow
    assert float((two.images - one.images).square().mean().sqrt()) < 0.01
    assert two.relative_error == pytest.approx(one.relative_error, rel=0.05)
    assert two.psnr == pytest.approx(one.psnr, abs=0.5)


@pytest.mark.parametrize("name", PRESETS)
def test_a_vectors_settings_do_not_go_by_what_follows_it(name: str) -> None:
    longer = nn.Sequential(network(), nn.ReLU(), nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 10))
    alone = own(network(), None)
    assert preset(name, own(longer, "0.3.2")) == preset(name, alone.at(alone.layers()[-1].name))


def test_nothing_is_darker_where_the_preprocessing_is_inside() -> None:
    region = (0, 1, 0, 1)
    phi = FORMS["preprocessing inside"](0)
    seen = phi.receptive_field(region).clipped
    result = invert(picture(SIZE), phi, region=region, seeds=1, steps=30, frames=0)
    unseen = result.images[0, :, seen.bottom + 8 :, seen.right + 8 :].mean((1, 2))
    torch.testing.assert_close(unseen, torch.tensor(MEAN), rtol=0, atol=0.02)


@pytest.mark.slow
def test_of_timm_by_name_or_as_a_module() -> None:
    named = representation("timm/resnet18", "layer2", "random")
    network = load_network("timm/resnet18", "random")
    given = representation(network.module, "layer2", mean=network.mean, std=network.std)
    one, two = (
        invert("coffee", phi, seeds=1, steps=8, size=96, frames=0, precision="float32")
        for phi in (named, given)
    )
    assert one.settings == two.settings
    torch.testing.assert_close(two.images, one.images, rtol=0, atol=0.02)
