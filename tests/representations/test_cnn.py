"""Tests of cut networks: features as a hook sees them, and nothing computed after the layer."""

from __future__ import annotations

import copy
import gc
import weakref

import pytest
import torch
from torch import Tensor, fx, nn

from invwidgets.errors import RepresentationError, SelectionError, UnknownNameError
from invwidgets.models.zoo import load_network
from invwidgets.representations.network import Hooked, NetworkRepresentation, check_region
from invwidgets.representations.registry import representation
from tests.small_networks import (
    HALF,
    SIZE,
    Counting,
    Forked,
    Untraceable,
    cut,
    filled,
    hooked,
    phi,
    picture,
    small,
)

IMAGE = picture()[None]
NORMAL = (IMAGE - 0.5) / 0.5


@pytest.mark.parametrize(
    ("layer", "path", "call"),
    [
        ("conv1", "conv1", 0), ("bn1", "bn1", 0), ("relu", "relu", 0), ("conv2", "conv2", 0),
        ("bn2", "bn2", 0), ("relu_1", "relu", 1), ("conv3", "conv3", 0), ("relu_2", "relu", 2),
        ("head.0", "head.0", 0), ("head.1", "head.1", 0), ("head.2", "head.2", 0),
    ],
)  # fmt: skip
def test_equals_what_a_hook_sees(layer: str, path: str, call: int) -> None:
    """In-place activations after a layer must not show in it, nor before it."""
    module = small().eval()
    own = cut(module, layer)
    expected = hooked(module, path, NORMAL, call)
    torch.testing.assert_close(own(IMAGE), expected, rtol=1e-4, atol=1e-5)
    twice = own(IMAGE)
    torch.testing.assert_close(own(IMAGE), twice, rtol=0, atol=0)


@pytest.mark.parametrize("layer", ["conv1", "bn1", "relu", "relu_1", "conv3", "head.2"])
def test_hooks_give_the_same_as_the_rewritten_graph(layer: str) -> None:
    module = small().eval()
    rewritten = cut(module, layer).cache_key
    assert isinstance(rewritten, fx.GraphModule)
    slow = Hooked(copy.deepcopy(module), layer)
    with torch.no_grad():
        torch.testing.assert_close(
            rewritten(NORMAL.clone()), slow(NORMAL.clone()), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("layer", ["bn1", "conv2", "relu_1"])
def test_the_image_given_is_not_changed_and_gradients_reach_it(layer: str) -> None:
    image = IMAGE.clone().requires_grad_(True)
    features = phi(layer)(image)
    (gradient,) = torch.autograd.grad(features.square().sum(), image)
    assert bool(gradient.any())
    assert torch.equal(image.detach(), IMAGE)


def test_gradient_is_that_of_the_network() -> None:
    module = small().double().eval()
    own = cut(module, "relu_1")
    image = IMAGE.double().requires_grad_(True)
    (given,) = torch.autograd.grad(own.double()(image).sum(), image)
    found: list[Tensor] = []
    handle = module.relu.register_forward_hook(lambda m, a, output: found.append(output.clone()))
    module((image - 0.5) / 0.5)
    handle.remove()
    (expected,) = torch.autograd.grad(found[1].sum(), image)
    torch.testing.assert_close(given, expected)


# --- nothing more than needed -------------------------------------------------------------------


def test_nothing_after_the_layer_and_no_branch_beside_it_is_computed() -> None:
    module = filled(Forked()).eval()
    main = cut(module, "main")
    kept = [m for m in main.cache_key.modules() if isinstance(m, nn.Conv2d)]
    assert [m.weight.shape[1:] for m in kept] == [(3, 3, 3), (4, 3, 3)]  # stem and main
    Counting.calls = 0
    main(IMAGE)
    assert Counting.calls == 0
    side = cut(module, "side")
    whole = cut(module, "tail")
    Counting.calls = 0
    side(IMAGE)
    assert Counting.calls in (0, 1)  # 0 where tracing looked through the module
    torch.testing.assert_close(main(IMAGE), hooked(module, "main", NORMAL))
    torch.testing.assert_close(whole(IMAGE), hooked(module, "tail", NORMAL))


def test_hooks_stop_the_network_at_the_layer() -> None:
    class Bomb(nn.Module):
        armed = False

        def forward(self, x: Tensor) -> Tensor:
            if self.armed and bool(x.isfinite().all()):
                raise AssertionError("computed what comes after the layer")
            return x + 0

    module = nn.Sequential(Untraceable(), Bomb())
    own = cut(filled(module), "0.conv2")
    assert isinstance(own.cache_key, Hooked)
    Bomb.armed = True
    own(IMAGE)
    with pytest.raises(AssertionError):
        module(NORMAL.clone())


# --- networks that cannot be traced -------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "path", "call", "goes"),
    [
        ("conv1", "conv1", 0, fx.GraphModule),  # what cannot be traced comes later
        ("relu", "relu", 0, fx.GraphModule),
        ("conv2", "conv2", 0, Hooked),
        ("relu_1", "relu", 1, Hooked),
    ],
)
def test_an_untraceable_module_goes_by_hooks(layer: str, path: str, call: int, goes: type) -> None:
    module = filled(Untraceable()).eval()
    own = cut(module, layer)
    assert isinstance(own.cache_key, goes)
    torch.testing.assert_close(own(IMAGE), hooked(module, path, NORMAL, call))
    assert not any(m._forward_hooks for m in own.modules())
    image = IMAGE.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(own(image).sum(), image)
    assert bool(gradient.any())


def test_a_hook_is_closed_when_the_network_fails() -> None:
    own = cut(filled(Untraceable()), "relu_1")
    with pytest.raises(RuntimeError):
        own.cache_key(torch.zeros(1, 5, 8, 8))
    assert not any(m._forward_hooks for m in own.modules())


class Moody(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.left(x) if x.mean() < 0.9 else self.right(x)
        return y


def test_a_layer_that_is_not_reached_says_so() -> None:
    own = cut(filled(Moody()), "left")
    with pytest.raises(RepresentationError, match="left was not called"):
        own(torch.full((1, 3, *SIZE), 1.0) * 2)


# --- your module comes back as it was -----------------------------------------------------------


def test_the_users_module_is_left_alone() -> None:
    module = small().train()
    module.conv1.weight.requires_grad_(False)
    calls: list[str] = []
    module.conv2.register_forward_hook(lambda m, a, o: calls.append("hook"))
    state = {k: v.clone() for k, v in module.state_dict().items()}
    flags = [p.requires_grad for p in module.parameters()]
    modes = [m.training for m in module.modules()]
    strides = [p.stride() for p in module.parameters()]
    own = phi("conv3", module)
    image = IMAGE.clone().requires_grad_(True)
    own(image).sum().backward()
    own.layers()
    own.receptive_field()
    assert all(torch.equal(v, state[k]) for k, v in module.state_dict().items())
    assert [p.requires_grad for p in module.parameters()] == flags
    assert [m.training for m in module.modules()] == modes
    assert [p.stride() for p in module.parameters()] == strides
    assert all(p.grad is None for p in module.parameters())
    assert len(module.conv2._forward_hooks) == 1
    assert not module.conv1._forward_hooks
    module.train()
    module(NORMAL.clone()).sum().backward()  # and it can still be trained
    assert module.conv2.weight.grad is not None


def test_frozen_and_in_eval_mode() -> None:
    own = phi("head.2", small().train())
    assert not any(m.training for m in own.modules())
    assert not any(p.requires_grad for p in own.parameters())
    first = own(IMAGE)
    assert torch.equal(own(torch.cat([IMAGE, IMAGE * 0.3]))[:1].round(decimals=3),
                       first.round(decimals=3))  # fmt: skip


def test_training_the_module_later_does_not_change_the_representation() -> None:
    module = small()
    own = phi("conv2", module)
    before = own(IMAGE).clone()
    with torch.no_grad():
        module.conv1.weight.add_(1.0)
    module.conv1.weight.grad = None
    torch.testing.assert_close(own(IMAGE), before)


def test_two_cuts_of_one_network_do_not_disturb_each_other() -> None:
    module = small().eval()
    one = cut(module, "relu_1")
    before = one(IMAGE)
    for layer in ("bn1", "conv3", "head.2", "relu"):
        one.at(layer)(IMAGE)
    assert torch.equal(one(IMAGE), before)
    assert one.at("conv3").at("relu_1").cache_key is one.cache_key


# --- names, regions, sizes ----------------------------------------------------------------------


def test_an_unknown_layer_offers_the_closest_and_names_what_is_there() -> None:
    with pytest.raises(UnknownNameError) as caught:
        phi("conv9")
    message = str(caught.value)
    assert "no layer 'conv9' in Small" in message
    assert "'conv" in message.split("did you mean")[1]
    assert "conv1" in message.split("its layers are")[1]
    with pytest.raises(UnknownNameError, match=r"its layers are conv_stem … classifier"):
        representation("efficientnet_lite0", "conv9", "random")


def test_regions_are_checked() -> None:
    info = phi("conv2").layer_info()
    check_region((0, 12, 0, 14), info)
    for region in ((0, 13, 0, 1), (3, 3, 0, 1), (-1, 2, 0, 1)):
        with pytest.raises(SelectionError, match="region"):
            check_region(region, info)


@pytest.mark.parametrize("size", [(24, 28), (31, 17), (64, 40)])
def test_any_size(size: tuple[int, int]) -> None:
    own = phi("conv3")
    assert tuple(own(torch.rand(2, 3, *size)).shape[1:]) == own.layer_info(size).shape


def test_the_default_of_a_classifier_is_a_map_a_third_of_the_way_down() -> None:
    assert representation(small(), mean=HALF, std=HALF, size=SIZE).layer == "conv2"


def test_a_representation_is_handed_back() -> None:
    own = phi()
    assert representation(own) is own
    assert representation(own, "conv1").layer == "conv1"
    assert "layer='conv1'" in repr(representation(own, "conv1"))


def test_a_network_of_timm() -> None:
    own = representation("timm/test_resnet", "layer2", "random")
    network = load_network("timm/test_resnet", "random")
    image = picture(own.size)[None]
    normal = image * own.scale + own.shift
    expected = hooked(network.module, "layer2", normal)
    torch.testing.assert_close(own(image), expected, rtol=1e-3, atol=1e-4)
    assert own.weights == "random weights"


def test_a_cut_can_be_collected() -> None:
    own = NetworkRepresentation(load_network("squeezenet1_1", "random"), "features.0")
    alive = weakref.ref(own)
    del own
    gc.collect()
    assert alive() is None


def test_on_another_device_is_a_copy_that_leaves_the_shared_one_alone() -> None:
    phi = representation("squeezenet1_1", "features.3.squeeze", "random")
    assert phi.on(torch.device("cpu")) is phi
    moved = phi.on(torch.device("meta"))
    assert moved.mean_color.device.type == "meta"
    assert {p.device.type for p in moved.parameters()} == {"meta"}
    assert {p.device.type for p in phi.parameters()} == {"cpu"}
    assert phi(torch.rand(1, 3, 64, 64)).shape == (1, 16, 15, 15)
    assert moved.layer_info((64, 64)) == phi.layer_info((64, 64))
