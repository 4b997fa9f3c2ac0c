"""Tests of the cost of a step in operators, FLOPs and bytes, with upper limits.

Every limit leaves room for another version of torch; a cost above it means that an optimization
was lost. ``python -m benchmarks`` measures seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

import invwidgets as iw
from benchmarks.plain import PlainNetwork, plain_adam
from invwidgets.inversion.prepare import prepare
from invwidgets.representations import network as cnn
from tests.counting import Counter

LITE = {"layer": "blocks.4"}
PRETRAINED = {"model": "efficientnet_lite0", "weights": "pretrained", **LITE}
ALEXNET = {"model": "alexnet", "weights": "random", "layer": "features.10"}


def step_cost(photo: str = "coffee", **options: Any) -> Counter:
    """The cost of a step of the engine, the second of its run, on this thread."""
    exact = {"threads": 1, "micro_batch": 1, "precision": "float32", "steps": 4,
             "frames": 0}  # fmt: skip
    run = prepare(photo, **{**exact, "seeds": 1, **options}).steps()
    next(run)
    with Counter() as cost:
        next(run)
    run.close()  # type: ignore[attr-defined]
    return cost


def plain_cost(*, model: str, layer: str, weights: str, frozen: bool) -> Counter:
    """The cost of a step of the plain loop: the second of two, minus the first."""
    network = PlainNetwork(model, layer, frozen, weights)
    photo = iw.read_photo("coffee", (224, 224))
    costs = []
    for steps in (1, 2):
        with Counter() as cost:
            plain_adam(network, photo, seeds=1, steps=steps)
        costs.append(cost)
    costs[1].flops -= costs[0].flops
    costs[1].bytes -= costs[0].bytes
    costs[1].parameter_gradients -= costs[0].parameter_gradients
    return costs[1]


@pytest.fixture(scope="module")
def lite() -> Counter:
    return step_cost(**LITE)


def test_the_counter_counts() -> None:
    weight = torch.zeros(4, 3, 3, 3, requires_grad=True)
    image = torch.zeros(1, 3, 8, 8, requires_grad=True)
    with Counter() as cost:
        total = nn.functional.conv2d(image, weight).sum()
    assert cost.flops == 2 * 6 * 6 * 4 * 3 * 9
    assert cost.bytes == 4 * (4 * 6 * 6 + 1)
    with Counter() as back:
        torch.autograd.grad(total, [image, weight])
    assert back.flops == 2 * cost.flops
    assert back.parameter_gradients == 1
    with Counter() as asked:
        total.detach().item()
    assert asked.waits == 1


def test_nothing_is_computed_beyond_the_cut_nor_for_the_weights(lite: Counter) -> None:
    plain = plain_cost(**PRETRAINED, frozen=True)
    assert lite.flops <= 1.03 * plain.flops  # 1.02: zeros that fill up the first layer's kernel
    assert lite.parameter_gradients == 0
    whole = plain_cost(**PRETRAINED, frozen=False)
    assert whole.parameter_gradients > 0
    assert lite.flops < 0.5 * whole.flops


@pytest.mark.parametrize(
    ("options", "limit"),
    [(LITE, 0.8), (ALEXNET, 1.1)],  # 0.65 and 1.07: BatchNorm folded, a canvas wider by the jitter
    ids=["efficientnet_lite0", "alexnet"],
)
def test_a_step_writes_less_than_the_plain_loop(options: dict[str, Any], limit: float) -> None:
    plain = plain_cost(**(PRETRAINED | options), frozen=True)
    assert step_cost(**options).bytes < limit * plain.bytes


def test_convolutions_take_batch_norms_and_relus_along(lite: Counter) -> None:
    assert not [name for name in lite.names if "batch_norm" in name]
    if torch.backends.mkldnn.is_available():  # 33 layers, forward and back
        assert lite.names["mkldnn._convolution_pointwise"] == 63
        assert lite.names["mkldnn._convolution_transpose_pointwise"] == 3
        assert lite.names["hardtanh_backward"] == 22
        assert not [name for name in lite.names if "slow" in name or name == "convolution"]


def test_the_engine_around_the_network_is_a_bounded_number_of_operators() -> None:
    flat = nn.Sequential(nn.Identity(), nn.AvgPool2d(1))
    phi = iw.representation(flat, mean=(0, 0, 0), std=(1, 1, 1), size=(64, 64))
    cost = step_cost(model=phi)
    assert cost.operators < 200  # 146 with six levels of the pyramid, both priors and the bound
    later = prepare("coffee", phi, seeds=1, steps=40, threads=1, frames=0).steps()
    for _ in range(30):
        next(later)
    with Counter() as thirtieth:
        next(later)
    assert thirtieth.operators == cost.operators


def test_the_host_waits_twice_a_step(lite: Counter) -> None:
    assert lite.waits <= 2  # whether a seed diverged, before and after its update; on an
    # accelerator it is not asked


def test_seeds_cost_what_they_are(lite: Counter) -> None:
    three = step_cost(**LITE, seeds=3)
    assert three.flops == 3 * lite.flops
    assert three.bytes <= 3 * lite.bytes


@pytest.mark.parametrize(
    ("options", "region", "flops", "written"),
    [
        ({"layer": "blocks.1"}, "26:31,26:31", 0.05, 0.27),  # 0.03 and 0.23: the image's own passes
        ({"layer": "conv_stem"}, "54:59,54:59", 0.06, 0.5),  # 0.05: colors of the whole image
        ({"model": "hogb"}, "10:15,13:18", 0.15, 0.4),
        ({"model": "alexnet", "weights": "random", "layer": "features.3"}, "12:17,12:17", 0.2, 0.6),
    ],
    ids=["blocks.1", "conv_stem", "hogb", "alexnet"],
)
def test_a_region_costs_what_it_sees(
    options: dict[str, Any], region: str, flops: float, written: float
) -> None:
    whole, part = step_cost(**options), step_cost(**options, region=region)
    assert part.flops < flops * whole.flops
    assert part.bytes < written * whole.bytes


def test_the_default_of_a_descriptor_costs_no_more_than_the_papers_descent() -> None:
    default = step_cost(model="hogb")
    descent = step_cost(model="hogb", preset="cvpr2015")
    assert default.flops == descent.flops
    assert default.bytes < 1.1 * descent.bytes


def test_a_layer_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"layer": "blocks.1", "seeds": 1, "steps": 3, "threads": 1, "precision": "float32"}
    iw.invert("coffee", **options)
    calls: list[nn.Module] = []

    def counted(self: cnn.NetworkRepresentation, images: torch.Tensor) -> torch.Tensor:
        calls.append(self)
        return forward(self, images)

    forward = cnn.NetworkRepresentation.forward
    monkeypatch.setattr(cnn.NetworkRepresentation, "forward", counted)
    with Counter() as cost:
        prepare("coffee", **options)
    assert not calls, "the target, the window and the memory plan are kept"
    assert cost.flops < 5e6, "no layer is traced again; the update rule is tried on one image"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
