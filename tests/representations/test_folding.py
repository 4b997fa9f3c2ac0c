"""Tests that folding BatchNorm into the convolution before it keeps the function."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from invwidgets.models.zoo import load_network
from invwidgets.representations.fusion import drop_dead_code, fold_batch_norms
from tests.small_networks import cut, filled, picture, small


def folded(module: nn.Module, expect: int) -> tuple[Tensor, Tensor, fx.GraphModule]:
    module = module.double().eval()
    image = torch.rand(
        2, 3, 12, 13, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    with torch.no_grad():
        expected = module(image.clone())
        before = {k: v.clone() for k, v in module.state_dict().items()}
        graph = fx.symbolic_trace(module)
        assert fold_batch_norms(graph) == expect
        given = graph(image.clone())
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    return given, expected, graph


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
def test_folding_keeps_the_function(bias: bool, affine: bool, groups: int) -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4, affine=affine),
        nn.Conv2d(4, 6, 3, groups=groups, bias=bias, dilation=2), nn.BatchNorm2d(6, eps=0.1),
    )  # fmt: skip
    given, expected, graph = folded(filled(module), 2)
    torch.testing.assert_close(given, expected)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in graph.modules())


class Functional(nn.Module):
    """A network that calls BatchNorm as a function, like timm's."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return F.batch_norm(
            x,
            self.bn.running_mean,
            self.bn.running_var,
            self.bn.weight,
            self.bn.bias,
            False,
            0.1,
            0.01,
        )


def test_functional_batch_norm() -> None:
    given, expected, _ = folded(filled(Functional()), 1)
    torch.testing.assert_close(given, expected)


class Shared(nn.Module):
    """A network that uses a convolution or its output twice, so it must not be folded."""

    def __init__(self, twice: bool) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.twice = twice

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        z: Tensor = self.bn(y)
        return z + self.conv(z) if self.twice else z + y


@pytest.mark.parametrize("twice", [True, False])
def test_a_shared_convolution_is_left_alone(twice: bool) -> None:
    given, expected, _ = folded(filled(Shared(twice)), 0)
    torch.testing.assert_close(given, expected)


def test_batch_norm_without_a_convolution_stays() -> None:
    module = filled(
        nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1), nn.ReLU(), nn.BatchNorm2d(2))
    )
    given, expected, _ = folded(module, 0)
    torch.testing.assert_close(given, expected)
    own_statistics = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2, track_running_stats=False))
    given, expected, _ = folded(filled(own_statistics), 0)
    torch.testing.assert_close(given, expected)


def test_a_cut_right_after_the_convolution_is_before_the_norm() -> None:
    module = small().eval()
    own = cut(module, "conv1")
    image = picture()[None]
    with torch.no_grad():
        torch.testing.assert_close(own(image), module.conv1((image - 0.5) / 0.5))


def test_the_embedded_network_has_no_batch_norm_left() -> None:
    own = cut(load_network("efficientnet_lite0").module, "blocks.2", (64, 64))
    assert isinstance(own.cache_key, fx.GraphModule)
    targets = [n.target for n in own.cache_key.graph.nodes]
    assert F.batch_norm not in targets
    assert not any(isinstance(m, nn.BatchNorm2d) for m in own.cache_key.modules())


def test_dead_branches_are_dropped() -> None:
    class Dead(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            self.unused(x)
            y: Tensor = self.used(x)
            return y

    graph = fx.symbolic_trace(Dead())
    drop_dead_code(graph)
    assert [name for name, _ in graph.named_children()] == ["used"]
