"""Tests of the work before the first step, counted in calls.

``test_package`` tests the imports, and ``benchmarks startup`` measures seconds.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from invwidgets.inversion.prepare import prepare
from invwidgets.models.efficientnet_lite import efficientnet_lite
from invwidgets.models.isolate import frozen
from invwidgets.representations import network
from invwidgets.representations.receptive_fields import tracer
from invwidgets.representations.registry import representation
from tests.counting import Counter
from tests.small_networks import HALF, picture, small


class Counted:
    """A function whose calls are counted."""

    def __init__(self, function: Any) -> None:
        self.function, self.calls = function, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return self.function(*args, **kwargs)


def test_a_network_is_run_for_its_layers_once_and_cut_at_the_one_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuts, traces = Counted(network.made_trunk), Counted(network.trace_layers)
    monkeypatch.setattr(network, "made_trunk", cuts)
    monkeypatch.setattr(network, "trace_layers", traces)
    phi = representation(small(), mean=HALF, std=HALF, size=(32, 32))
    assert len(phi.layers()) > 2
    assert (cuts.calls, traces.calls) == (0, 1)
    prepare(picture(), phi.at("conv2"), seeds=1, steps=1)
    assert (cuts.calls, traces.calls) == (1, 1)
    prepare(picture(), small(), mean=HALF, std=HALF, seeds=1, steps=1, size=32)
    assert (cuts.calls, traces.calls) == (2, 2)
    phi.at("conv1")(picture()[None])
    assert (cuts.calls, traces.calls) == (3, 2)  # another layer, now that it is asked for


def test_only_the_networks_own_operators_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = Counted(tracer.tree_flatten)
    monkeypatch.setattr(tracer, "tree_flatten", looked_at)
    module = frozen(efficientnet_lite())
    with Counter() as cost, torch.no_grad():
        module(torch.rand(1, 3, 32, 32))
    assert len(representation(module, mean=0.5, std=0.5, size=(32, 32)).layers()) == 110
    # the inputs and the outputs of each, and of the few that move boxes
    assert cost.operators < looked_at.calls < 6 * cost.operators


def test_a_symbolic_trace_ends_at_the_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = []
    drop = network.drop_dead_code

    def counted(graph: torch.fx.GraphModule) -> None:
        nodes.append(len(graph.graph.nodes))
        drop(graph)

    monkeypatch.setattr(network, "drop_dead_code", counted)
    module = frozen(efficientnet_lite())
    for layer in ("blocks.0", "classifier"):
        representation(module, layer, mean=0.5, std=0.5, size=(32, 32))
    assert 10 < nodes[0] < nodes[1] / 5
