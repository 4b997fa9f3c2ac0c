"""Tests that fused convolutions and ReLUs have the same numbers as the separate modules."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

import invwidgets as iw
from invwidgets.models.isolate import isolate, module_copy
from invwidgets.models.zoo import load_network
from invwidgets.representations.fusion import fuse_convolutions
from invwidgets.representations.kernels import Convolutions
from invwidgets.representations.network import Hooked
from tests.counting import Counter
from tests.small_networks import cut, filled, small

FAST = torch.backends.mkldnn.is_available()


def whole_numbers(*shape: int, most: int = 2, seed: int = 0) -> Tensor:
    """Small whole numbers, whose sums in float32 are exact in any order."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-most, most + 1, shape, generator=generator).float()


def exact(module: nn.Module) -> nn.Module:
    for place, parameter in enumerate(module.parameters()):
        parameter.data = whole_numbers(*parameter.shape, most=1, seed=place)
    return isolate(module, (32, 32))


def fused(module: nn.Module) -> fx.GraphModule:
    graph = fx.symbolic_trace(
        module_copy(isolate(module, (32, 32)) if module.training else module, share=True)
    )
    fuse_convolutions(graph)
    return graph


def runs(graph: nn.Module) -> list[int]:
    """The number of convolutions in each node."""
    return [len(m.convolutions) for m in graph.modules() if isinstance(m, Convolutions)]


def both(module: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """The features of x, and the gradient of a weighted sum of them."""
    x = x.clone().requires_grad_(True)
    features = module(x)
    (gradient,) = torch.autograd.grad(features, x, whole_numbers(*features.shape, seed=9))
    return features.detach(), gradient


GEOMETRIES: list[tuple[dict[str, Any], tuple[int, int]]] = [
    ({"in_channels": 8, "out_channels": 6, "kernel_size": 1}, (7, 9)),
    ({"in_channels": 8, "out_channels": 6, "kernel_size": 1, "stride": 2}, (7, 10)),
    ({"in_channels": 8, "out_channels": 6, "kernel_size": 3, "padding": 1}, (7, 9)),
    ({"in_channels": 6, "out_channels": 8, "kernel_size": (3, 2), "padding": (2, 0)}, (5, 6)),
    ({"in_channels": 6, "out_channels": 8, "kernel_size": 3, "padding": 3}, (5, 6)),
    ({"in_channels": 6, "out_channels": 4, "kernel_size": 3, "dilation": 2, "padding": 1}, (9, 8)),
    ({"in_channels": 8, "out_channels": 8, "kernel_size": 5, "padding": 2, "groups": 8}, (6, 7)),
    ({"in_channels": 8, "out_channels": 8, "kernel_size": 3, "stride": 2, "padding": 1,
      "groups": 8}, (9, 8)),
    ({"in_channels": 8, "out_channels": 16, "kernel_size": 3, "padding": 1, "groups": 4}, (6, 5)),
    ({"in_channels": 6, "out_channels": 9, "kernel_size": 3, "stride": (3, 2), "groups": 3},
     (11, 8)),
    ({"in_channels": 3, "out_channels": 8, "kernel_size": 3, "stride": 2, "padding": 1}, (16, 17)),
    ({"in_channels": 3, "out_channels": 8, "kernel_size": 3, "padding": 1}, (9, 12)),
    ({"in_channels": 3, "out_channels": 8, "kernel_size": 11, "stride": 4, "padding": 2}, (35, 30)),
    ({"in_channels": 3, "out_channels": 8, "kernel_size": 7, "stride": 2, "padding": 3}, (20, 21)),
    ({"in_channels": 3, "out_channels": 8, "kernel_size": 4, "stride": 4}, (19, 16)),
    ({"in_channels": 3, "out_channels": 8, "kernel_size": 3, "stride": 3}, (10, 12)),
    ({"in_channels": 3, "out_channels": 8, "kernel_size": 1, "stride": 2, "padding": 1}, (8, 9)),
    ({"in_channels": 1, "out_channels": 8, "kernel_size": (3, 5), "stride": (1, 2)}, (9, 12)),
]  # fmt: skip


@pytest.mark.parametrize("rectifier", [None, nn.ReLU(), nn.ReLU6(inplace=True)])
@pytest.mark.parametrize(("options", "size"), GEOMETRIES)
def test_every_geometry_gives_the_same_numbers(
    options: dict[str, Any], size: tuple[int, int], rectifier: nn.Module | None
) -> None:
    convolution = nn.Conv2d(**options, bias=rectifier is not None)
    module = exact(nn.Sequential(convolution, rectifier or nn.Identity()))
    graph = fused(module)
    assert runs(graph) == [1]
    x = whole_numbers(2, options["in_channels"], *size)
    for given, wanted in zip(both(graph, x), both(module, x), strict=True):
        assert torch.equal(given, wanted)


class Block(nn.Module):
    """A residual block with a ReLU after its sum, preceded by convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU6(), nn.Conv2d(8, 8, 1))
        self.wide = nn.Conv2d(8, 16, 1)
        self.deep = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.thin = nn.Conv2d(16, 8, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = F.relu(self.deep(F.relu6(self.wide(x))), inplace=True)
        y = self.thin(y)
        y += x
        return self.relu(y)


def test_runs_end_where_a_result_is_used_twice() -> None:
    module = exact(Block())
    graph = fused(module)
    assert runs(graph) == [2, 3]
    x = whole_numbers(3, 3, 12, 14)
    for given, wanted in zip(both(graph, x), both(module, x), strict=True):
        assert torch.equal(given, wanted)
    with torch.no_grad():
        assert torch.equal(graph(x), module(x))


def test_the_giver_keeps_its_gradient_and_the_input_its_numbers() -> None:
    module = exact(nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU()))
    graph = fused(module)
    x = whole_numbers(1, 4, 5, 5).contiguous(memory_format=torch.channels_last)
    x.requires_grad_(True)
    before, gradient = x.detach().clone(), whole_numbers(1, 4, 5, 5, seed=3)
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    kept = gradient.clone()
    torch.autograd.grad(graph(x), x, gradient)
    assert torch.equal(gradient, kept)
    assert torch.equal(x, before)


def listening(convolution: nn.Conv2d) -> nn.Conv2d:
    convolution.register_forward_hook(lambda module, args, output: output + 1)
    return convolution


class Own(nn.Conv2d):
    """A user's subclass of a convolution."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    "convolution",
    [
        listening(nn.Conv2d(3, 3, 3)),
        Own(3, 3, 3),
        nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(3, 3, 3, padding="same"),
        nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 3, 3)),
        nn.ConvTranspose2d(3, 3, 3),
    ],
    ids=["hooked", "own", "reflecting", "same", "weight_norm", "transposed"],
)
def test_what_is_not_plainly_a_convolution_runs_as_it_is(convolution: nn.Module) -> None:
    module = nn.Sequential(convolution, nn.ReLU())
    graph = fused(module)
    assert runs(graph) == []
    x = whole_numbers(1, 3, 6, 7)
    torch.testing.assert_close(graph(x), isolate(module, (32, 32))(x))


def test_a_hook_of_later_is_heard() -> None:
    graph = fused(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()))
    inner = next(m for m in graph.modules() if isinstance(m, nn.Conv2d))
    heard: list[Tensor] = []
    with inner.register_forward_hook(lambda module, args, output: heard.append(output)):
        graph(torch.ones(1, 3, 4, 4))
    assert len(heard) == 1


def test_other_types_modes_and_sizes_run_as_written() -> None:
    module = exact(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3)))
    graph, x = fused(module), whole_numbers(2, 3, 8, 8)
    run: Any = next(m for m in graph.modules() if isinstance(m, Convolutions))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert graph(x).dtype == torch.bfloat16
    assert torch.equal(copy.deepcopy(graph).double()(x.double()), module.double()(x.double()))
    module.float()
    _, tangent = torch.func.jvp(graph, (x,), (torch.ones_like(x),))
    _, wanted = torch.func.jvp(module, (x,), (torch.ones_like(x),))
    assert torch.equal(tangent, wanted)
    assert not run.kernels
    assert torch.equal(graph(x), module(x))
    assert bool(run.kernels) == FAST
    assert torch.equal(copy.deepcopy(graph)(x), module(x))  # after it has run, too
    for wrong in (torch.ones(1, 3, 2, 2), torch.ones(1, 5, 8, 8), torch.ones(1, 3, 4, 4)):
        with pytest.raises(RuntimeError) as given:
            graph(wrong)
        with pytest.raises(RuntimeError) as said:
            module(wrong)
        assert str(given.value) == str(said.value)


def test_gradients_of_gradients() -> None:
    module = exact(nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 4, 3, 2)))

    def second(of: Callable[[Tensor], Tensor]) -> Tensor:
        x = whole_numbers(1, 3, 12, 12).requires_grad_(True)
        (slope,) = torch.autograd.grad(of(x).square().sum(), x, create_graph=True)
        (found,) = torch.autograd.grad(slope.square().sum(), x)
        return found

    wanted = second(module)
    assert bool(wanted.any())
    assert torch.equal(second(fused(module)), wanted)


NETWORKS = [
    ("efficientnet_lite0", "pretrained", "blocks.4", (65, 72)),
    ("efficientnet_lite0", "pretrained", "blocks.6", (96, 64)),
    ("alexnet", "random", "features.10", (96, 99)),
    ("vgg16", "random", "features.22", (48, 50)),
    ("resnet50", "random", "layer3", (64, 72)),
    ("convnext_tiny", "random", "features.3", (64, 72)),
    ("vit_b_16", "random", "encoder.layers.encoder_layer_1", (224, 224)),
    ("timm/mobilenetv3_small_050", "random", "blocks.4", (64, 72)),
]


@pytest.mark.parametrize(("model", "weights", "layer", "size"), NETWORKS)
def test_a_network_is_what_its_authors_wrote(
    model: str, weights: str, layer: str, size: tuple[int, int]
) -> None:
    phi: Any = iw.representation(model, layer, weights)
    module = copy.deepcopy(load_network(model, weights).module)
    written = Hooked(module, phi.layer)
    off = []
    for seed in range(3):
        x = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(seed))
        (features, slope), (wanted, wanted_slope) = both(phi.cache_key, x), both(written, x)
        assert (features - wanted).norm() <= 1e-5 * wanted.norm()
        off.append(float((slope - wanted_slope).norm() / wanted_slope.norm()))
    assert wanted_slope.any()
    assert sorted(off)[1] <= 1e-5  # a ReLU whose input rounds to either side of 0 may spoil one


def test_the_module_itself_is_not_changed() -> None:
    module = small().eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    own = cut(module, "relu_2")
    assert runs(own.cache_key) == [1, 1, 1] if FAST else True
    own(torch.rand(1, 3, 24, 28))
    assert [name for name, _ in module.named_children()] == [
        "conv1", "bn1", "relu", "conv2", "bn2", "conv3", "head"
    ]  # fmt: skip
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())


@pytest.mark.skipif(not FAST, reason="this torch has no oneDNN")
def test_a_run_writes_each_result_and_each_gradient_once() -> None:
    graph = fused(filled(nn.Sequential(nn.Conv2d(8, 16, 1), nn.ReLU6(), nn.Conv2d(16, 8, 1))))
    x = torch.ones(1, 8, 16, 16).contiguous(memory_format=torch.channels_last)
    _, gradient = both(graph, x)
    with Counter() as cost:
        torch.autograd.grad(graph(x.requires_grad_(True)), x, gradient)
    assert cost.names["mkldnn._convolution_pointwise"] == 4
    assert cost.flops == 4 * 2 * 256 * 8 * 16
    maps = 4 * 256 * (16 + 8 + 16 + 16 + 8)  # y, features; gradients: by y, masked, by x
    assert cost.bytes == maps


@pytest.mark.skipif(not FAST, reason="this torch has no oneDNN")
def test_cuts_share_the_weights_that_were_laid_out() -> None:
    module = exact(nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 1)))
    one, other = fused(module), fused(module)
    made = []
    for graph in (one, other):
        graph(torch.ones(1, 4, 8, 8))
        run: Any = next(m for m in graph.modules() if isinstance(m, Convolutions))
        made += [kernel.laid_out for kernels in run.kernels.values() for kernel in kernels]
    assert made[0] is made[2]
    assert made[1] is made[3]
