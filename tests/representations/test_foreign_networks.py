"""Tests of unusual networks: windowed attention, unknown operators, strides, own errors."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import invwidgets as iw
from invwidgets.errors import RepresentationError
from invwidgets.models.zoo import load_network
from invwidgets.representations.network import NetworkRepresentation

HALF: dict[str, Any] = {"mean": (0.5,) * 3, "std": (0.5,) * 3}


def own(module: nn.Module, layer: str | None = None, size: int = 32) -> iw.Representation:
    return iw.representation(module, layer, size=(size, size), **HALF)


@torch.library.custom_op("invwidgets_tests::doubled", mutates_args=())
def doubled(x: Tensor) -> Tensor:
    return 2 * x


doubled.register_autograd(lambda ctx, gradient: 2 * gradient)


class Foreign(nn.Module):
    """An operator without a rule between two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, 2, 1)
        self.second = nn.Conv2d(8, 8, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(doubled(self.first(x)))
        return y


class Attending(nn.Module):
    """Patches, attention over all of them, then a convolution with padding."""

    def __init__(self, whole: bool) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mix = nn.Conv2d(8, 8, 3, padding=1)
        self.whole = whole

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x)
        tokens = x.flatten(2).transpose(1, 2)
        if self.whole:
            tokens = self.attention(tokens, tokens, tokens)[0]
        else:
            weights = (tokens @ tokens.transpose(1, 2)).softmax(-1)
            tokens = weights @ tokens
        y: Tensor = self.mix(tokens.transpose(1, 2).reshape(x.shape))
        return y


class Windowed(nn.Module):
    """Attention within 2x2 windows, made by views with special strides."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.inner = nn.Linear(8, 8)
        self.mix = nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).permute(0, 2, 3, 1)
        n, h, w, c = x.shape
        x = x.view(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5).contiguous()
        x = self.inner(x.view(-1, 4, c))  # (N · windows, …): not one feature an image
        weights = (x @ x.transpose(1, 2)).softmax(-1)
        x = (weights @ x).view(n, h // 2, w // 2, 2, 2, c).permute(0, 1, 3, 2, 4, 5)
        y: Tensor = self.mix(x.reshape(n, h, w, c).permute(0, 3, 1, 2))
        return y


class Thinned(nn.Module):
    """A network that leaves out rows and columns by a slice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, 2, 1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(self.first(x)[:, :, ::4, ::2])
        return y


class Picky(nn.Module):
    """A network for images of 48 pixels only."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 4, 4)
        self.head = nn.Linear(4 * 12 * 12, 5)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.first(x).flatten(1))
        return y


class Failing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        self.first(x)
        raise KeyError("boom inside")


def test_after_an_unknown_operator_the_whole_image_is_assumed_and_said() -> None:
    phi = own(Foreign())
    first, second = phi.layers()
    assert not first.assumed
    assert second.assumed
    assert second.is_global
    field = phi.receptive_field((0, 1, 0, 1))
    assert field.assumed
    assert field.covers((32, 32))
    result = iw.invert("coffee", phi, seeds=1, steps=5, size=32)
    assert result.relative_error is not None
    assert result.relative_error[0] < 1


def test_the_shell_says_that_it_is_unknown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from invwidgets.cli import main
    from invwidgets.representations import registry

    phi = own(Foreign())
    monkeypatch.setattr(registry, "representation", lambda *_, **__: phi)
    assert main(["layers", "foreign"]) == 0
    assert "unknown, the whole image assumed" in capsys.readouterr().out


@pytest.mark.parametrize("whole", [True, False], ids=["one operator", "by hand"])
def test_a_padded_convolution_after_attention_sees_the_whole_image(whole: bool) -> None:
    phi = own(Attending(whole), "mix")
    info = phi.layer_info()
    assert info.is_global
    assert not info.assumed
    assert info.stride == (4.0, 4.0)
    assert phi.receptive_field((0, 1, 0, 1)).covers((32, 32))


def test_windows_of_attention_have_the_fields_of_their_windows() -> None:
    phi = own(Windowed(), "mix")
    info = phi.layer_info()
    assert info.shape == (8, 8, 8)
    assert not info.assumed
    assert phi.receptive_field((0, 1, 0, 1)).clipped == (0, 0, 8, 8)
    assert phi.receptive_field((3, 4, 5, 6)).clipped == (8, 16, 16, 24)
    assert [layer.name for layer in phi.layers()] == ["patches", "mix"]


def test_swin_can_be_looked_at_and_inverted() -> None:
    phi = iw.representation("timm/swin_tiny_patch4_window7_224", "layers.1", "random")
    info = phi.layer_info()
    assert info.shape == (192, 28, 28)
    assert info.stride == (8.0, 8.0)
    result = iw.invert("coffee", phi, seeds=1, steps=2)
    assert result.relative_error is not None


def test_a_strided_slice_is_in_the_stride() -> None:
    phi = own(Thinned(), "second", size=64)
    info = phi.layer_info()
    assert info.stride == (8.0, 4.0)
    assert phi.receptive_field((2, 3, 3, 4)).unclipped == (7, 7, 26, 18)
    assert phi.receptive_field((0, 1, 0, 1)).unclipped == (-9, -5, 10, 6)


def test_a_network_of_one_size_is_given_that_size() -> None:
    result = iw.invert("coffee", Picky(), size=48, seeds=1, steps=2, **HALF)
    assert result.images.shape == (1, 3, 48, 48)


def test_a_network_that_fails_is_quoted() -> None:
    with pytest.raises(RepresentationError, match=r"KeyError: 'boom inside'"):
        iw.invert("coffee", Failing(), seeds=1, steps=2, **HALF)


def test_many_threads_on_one_network_see_what_one_sees() -> None:
    sizes, layers = [(64, 64), (80, 96), (96, 64)], ["features.2", "features.5"]
    expected: dict[tuple[Any, Any], Any] = {}

    def look(network: Any, size: tuple[int, int], layer: str) -> Any:
        phi = NetworkRepresentation(network, layer)
        names = [(la.name, la.shape) for la in phi.layers(size)]
        photo = iw.read_photo("coffee", size)
        return names, phi.receptive_field((1, 3, 1, 3), size).clipped, phi.target(photo)

    alone = load_network("squeezenet1_1", "random")
    for size in sizes:
        for layer in layers:
            expected[size, layer] = look(alone, size, layer)
    shared = fresh(alone)
    found: dict[int, Any] = {}
    gate = threading.Barrier(12)

    def work(index: int) -> None:
        size, layer = sizes[index % 3], layers[index % 2]
        gate.wait()
        try:
            found[index] = look(shared, size, layer)
        except BaseException as error:
            found[index] = error

    threads = [threading.Thread(target=work, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in range(12):
        wanted = expected[sizes[index % 3], layers[index % 2]]
        got = found[index]
        assert not isinstance(got, BaseException), got
        assert got[:2] == wanted[:2]
        assert torch.equal(got[2], wanted[2])
    module = shared.module
    assert not any(m._forward_hooks for m in module.modules()), "the shared network has no hook"


def fresh(network: Any) -> Any:
    """The same network as a new object, which no cache knows."""
    import copy
    from dataclasses import replace

    return replace(network, module=copy.deepcopy(network.module))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: nn.functional.normalize(x, dim=1),
        nn.functional.hardswish,
        lambda x: x / x.norm(dim=1, keepdim=True),
    ],
    ids=["normalize", "hardswish", "norm"],
)
def test_operators_on_each_place_keep_its_field(function: Any) -> None:
    class Acting(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = function(x)
            return y

    phi = own(nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), Acting()))
    assert not phi.layer_info().assumed
    assert phi.receptive_field((4, 5, 4, 5)).clipped == (7, 7, 10, 10)


def test_a_pooled_head_sees_all_for_certain() -> None:
    head = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    info = own(head.to(memory_format=torch.channels_last)).layers()[-1]
    assert (info.is_global, info.assumed) == (True, False)
