"""Tests of exact receptive fields against autograd, on random networks and on the zoo's."""

from __future__ import annotations

from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from benchmarks.random_networks import Overwritten, random_network
from benchmarks.receptive_fields import ZOO_SIZES, as_box, check_module, check_zoo
from invwidgets.representations.receptive_fields.tracer import Box, BoxTracer, ReceptiveField
from tests.saboteurs import narrow_boxes
from tests.small_networks import cut, phi

QUICK = ("squeezenet1_1", "efficientnet_lite0")


@given(st.randoms(use_true_random=False), st.integers(1, 5))
@settings(max_examples=80)
def test_randomized_networks(rng: Random, depth: int) -> None:
    torch.manual_seed(0)
    module, size = random_network(rng, depth)
    for tried in check_module(module, size, rng):
        assert tried.ours == tried.autograd, (module, size, tried)


@pytest.mark.claim(saboteurs=[narrow_boxes])
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, (3, 2), (2, 3), (1, 0), (2, 1), groups=2),
        nn.Conv2d(4, 4, 3, padding=2, padding_mode="circular"),
        nn.Conv2d(4, 4, 3, padding=2, padding_mode="reflect"),
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        nn.AdaptiveAvgPool2d((3, 5)),
        nn.AdaptiveMaxPool2d((4, 2)),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Upsample(size=(7, 30), mode="bilinear", align_corners=True),
        nn.Upsample(scale_factor=1.5, mode="bicubic"),
        nn.Upsample(scale_factor=2),
        nn.ConvTranspose2d(4, 2, 3, 2, 1, 1, groups=2, dilation=2),
        nn.InstanceNorm2d(4),
        nn.GroupNorm(2, 4),
        nn.LocalResponseNorm(3),
        nn.ChannelShuffle(2),
        nn.PixelShuffle(2),
        Overwritten(4),
    ],
    ids=lambda m: str(m).splitlines()[0][:50],
)
def test_each_kind_of_layer_between_convolutions(layer: nn.Module) -> None:
    torch.manual_seed(0)
    stem = nn.Conv2d(3, 4, (3, 2), stride=(1, 2), padding=1, groups=1)
    module = nn.Sequential(stem, layer)
    for tried in check_module(module, (13, 18), Random(0), cells=9):
        assert tried.ours == tried.autograd, tried


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ZOO_SIZES],
)
def test_networks_of_the_zoo(name: str) -> None:
    tried = check_zoo(name, Random(0), layers=3)
    assert len(tried) >= 6
    assert [t for t in tried if t.ours != t.autograd] == []


def test_the_check_can_fail() -> None:
    """An oracle that sees a mismatch where the tracer is made blind."""
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.InstanceNorm2d(2))
    boxes = BoxTracer()
    image = boxes.image(9, 9)
    with torch.no_grad(), boxes:
        features = module[0](image)
    wrong = as_box(boxes.of(features)[0, :, 0, 0, 0, 0])
    right = next(t for t in check_module(module, (9, 9), Random(0)) if t.cell == (0, 0))
    assert wrong == (0, 0, 3, 3)
    assert right.autograd == (0, 0, 9, 9)


@given(st.lists(
    st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 4), st.integers(1, 2)),
    min_size=1, max_size=4,
))  # fmt: skip
def test_without_end_the_textbook_formula_holds(chain: list[tuple[int, int, int, int]]) -> None:
    """Field 1 + Σ (k − 1)·d·jump, stride Π s, offset −Σ p·jump for a chain of convolutions."""
    chain = [(k, s, min(p, (k - 1) * d), d) for k, s, p, d in chain]
    convs = [nn.Conv2d(3, 3, k, s, p, d) for k, s, p, d in chain]
    field, jump, offset = 1, 1, 0
    for k, s, p, d in chain:
        field, offset = field + (k - 1) * d * jump, offset - p * jump
        jump *= s
    size = (field + 9, field + 12)
    module = nn.Sequential(*convs)
    last = cut(module, str(len(convs) - 1), size).layer_info()
    assert last.receptive_field == (field, field)
    assert last.stride == (jump, jump)
    assert last.offset == (offset, offset)


def test_regions_unite_their_cells_and_clip_to_the_image() -> None:
    own = phi("conv3")  # 5 × 5 stride 2, 3 × 3, 3 × 3 stride 2
    info = own.layer_info()
    assert info.shape == (12, 5, 6)
    assert info.receptive_field == (13, 13)
    corner = own.receptive_field((0, 1, 0, 1))
    assert corner == ReceptiveField(Box(-4, -4, 9, 9), Box(0, 0, 9, 9))
    two = own.receptive_field((0, 1, 0, 2))
    assert two.unclipped == Box(-4, -4, 9, 13)
    whole = own.receptive_field()
    assert whole.covers((24, 28)) is (whole.clipped == Box(0, 0, 24, 28))
    assert (whole.clipped.height, whole.clipped.width) == (24, 28)


def test_a_vector_sees_everything() -> None:
    own = phi("head.2")
    assert own.layer_info().is_global
    assert own.receptive_field().covers((24, 28))
    assert own.layer_info().receptive_field is None


def test_it_depends_on_the_size_asked_for() -> None:
    own = phi("conv2")
    assert own.receptive_field((5, 6, 5, 6), (48, 40)).clipped == Box(6, 6, 15, 15)
    assert own.receptive_field(size=(48, 40)).covers((48, 40))
