"""Tests of messages for modules that cannot be run, each of which must fit its cause."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import invwidgets as iw
from invwidgets.errors import RepresentationError
from invwidgets.models.refusals import check_module, words_of_failures

HALF: dict[str, Any] = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
REMEDIES = {
    "size": "size=(HEIGHT, WIDTH)",
    "arguments": "give forward_kwargs=",
    "channels": "mean and std have 3 numbers",
    "clips": "takes clips",
    "sequences": "takes sequences",
    "ids": "ids of tokens",
    "dict": "such as a dict",
    "flatten": "put nn.Flatten() before it",
    "dtype": "dtype=x.dtype",
    "device": "device=x.device",
    "inference": "under torch.no_grad()",
    "training": "self.train()",
    "unknown": "also fails without this package",
    "torchscript": "the Python module from which torch.jit made it",
    "quantized": "the original float network",
    "meta": "load its weights",
}


class Doing(nn.Module):
    """A convolution, followed by a function of its features."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.function = function

    def forward(self, images: Tensor) -> Any:
        return self.function(self.first(images))


class Embedding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(10, 4)

    def forward(self, ids: Tensor) -> Tensor:
        y: Tensor = self.words(ids)
        return y


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)

    def forward(self, images: Tensor, mask: Tensor, *, scale: float, bias: float = 0.0) -> Tensor:
        y: Tensor = self.first(images) * mask * scale + bias
        return y


class Batch(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.how = how

    def forward(self, batch: Any) -> Tensor:
        y: Tensor = self.first(batch["image"] if self.how == "item" else batch.image)
        return y


class Generator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)

    def forward(self) -> Tensor:
        y: Tensor = self.first(torch.zeros(1, 3, 8, 8))
        return y


class Positions(nn.Module):
    """The position embeddings of a ViT, for one number of patches only."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 8, 8)
        self.positions = nn.Parameter(torch.zeros(1, 49, 8))

    def forward(self, images: Tensor) -> Tensor:
        return self.patch(images).flatten(2).transpose(1, 2) + self.positions  # type: ignore[no-any-return]


def raising(error: Exception) -> nn.Module:
    def boom(_: Tensor) -> None:
        raise error

    return Doing(boom)


def vector(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), *layers)


def training_when_called() -> nn.Module:
    module = vector(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(4))
    return Doing(lambda features: module[1:].train()(features))


FAILING: dict[str, tuple[Callable[[], nn.Module], str, str]] = {
    "one channel": (lambda: nn.Sequential(nn.Conv2d(1, 4, 3)), "channels", "images with 1 ch"),
    "four channels": (lambda: nn.Sequential(nn.Conv2d(4, 4, 3)), "channels", "images with 4 ch"),
    "norm of seven": (lambda: nn.Sequential(nn.BatchNorm2d(7)), "channels", "images with 7 ch"),
    "clips": (lambda: nn.Sequential(nn.Conv3d(3, 4, 3)), "clips", "(N, 3, frames, H, W)"),
    "clips of one": (lambda: nn.Sequential(nn.Conv3d(1, 4, 3)), "clips", "[:, :, None]"),
    "pooled clips": (lambda: nn.Sequential(nn.MaxPool3d(3), nn.Conv2d(1, 1, 1)), "clips", "(N, 3,"),
    "sound": (lambda: nn.Sequential(nn.Conv1d(3, 4, 3)), "sequences", "layer 0 (Conv1d)"),
    "recurrent": (lambda: nn.Sequential(nn.LSTM(3, 4)), "sequences", "layer 0 (LSTM)"),
    "words": (Embedding, "ids", "layer words (Embedding)"),
    "items": (lambda: Batch("item"), "dict", "IndexError"),
    "attribute": (lambda: Batch("attribute"), "dict", "'image'"),
    "too small": (lambda: vector(nn.Conv2d(4, 4, 40)), "size", "a larger one"),
    "pooled away": (lambda: vector(nn.MaxPool2d(40)), "size", "a larger one"),
    "padded": (lambda: vector(nn.ReflectionPad2d(40)), "size", "a larger one"),
    "head": (lambda: vector(nn.Flatten(), nn.Linear(7, 2)), "size", "layer 2 (Linear)"),
    "positions": (Positions, "size", "multiples of its stride"),
    "viewed": (lambda: Doing(lambda f: f.view(-1, 7)), "size", "'[-1, 7]'"),
    "not flat": (lambda: nn.Sequential(nn.Linear(3072, 5)), "flatten", "0 takes vectors"),
    "double": (lambda: Doing(lambda f: f[0, 0] @ torch.zeros(30, 2, dtype=torch.float64)),
               "dtype", "run in float32"),
    "elsewhere": (lambda: Doing(lambda f: f + torch.zeros(1, device="meta")[None]),
                  "device", "register_buffer"),
    "inference": (lambda: raising(RuntimeError("Inference tensors cannot be saved for backward.")),
                  "inference", "no gradient"),
    "training": (training_when_called, "training", "Expected more than 1 value"),
    "own error": (lambda: raising(KeyError("boom inside")), "unknown", "KeyError: 'boom inside'"),
    "asserted": (lambda: raising(AssertionError()), "unknown", "torch.rand(1, 3, 32, 32)"),
}  # fmt: skip


def only(told: str, remedy: str) -> None:
    """Check that the message has this remedy and no other."""
    found = {name for name, words in REMEDIES.items() if words in told}
    assert found == {remedy}, told


@pytest.mark.parametrize("name", FAILING)
def test_a_pass_that_fails_is_quoted_with_the_remedy_for_its_cause(name: str) -> None:
    make, remedy, words = FAILING[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(RepresentationError) as caught:
            iw.representation(make(), size=(32, 32), **HALF)
    only(str(caught.value), remedy)
    assert words in str(caught.value)


def test_the_layer_that_fails_is_named_though_others_failed_and_were_caught() -> None:
    class Trying(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wrong = nn.Sequential(nn.Conv2d(5, 4, 3))
            self.first = nn.Conv2d(3, 4, 3)
            self.second = nn.Conv2d(5, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            try:
                self.wrong(x)
            except RuntimeError:
                x = self.first(x)
            y: Tensor = self.second(x)
            return y

    with pytest.raises(RepresentationError, match=r"in layer second \(Conv2d\), RuntimeError"):
        iw.representation(Trying(), size=(32, 32), **HALF)


def test_hooks_are_gone_after_a_failure() -> None:
    module = vector(nn.Conv2d(4, 4, 40))
    with pytest.raises(RepresentationError), words_of_failures(module, (32, 32)):
        module(torch.rand(1, 3, 32, 32))
    with words_of_failures(module, (64, 64)):
        module(torch.rand(1, 3, 64, 64))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())


# --- before any pass ----------------------------------------------------------------------------


def quantized() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates what users still have
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(3600, 2))
        dynamic: nn.Module = torch.ao.quantization.quantize_dynamic(network, {nn.Linear})
    return dynamic


def scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(nn.Sequential(nn.Conv2d(3, 4, 3)), torch.rand(1, 3, 8, 8))  # type: ignore[no-any-return]


def with_a_quantized_buffer() -> nn.Module:
    module = nn.Sequential(nn.Conv2d(3, 4, 3))
    codes = torch.quantize_per_tensor(torch.rand(3), 0.1, 0, torch.quint8)
    module.register_buffer("codes", codes)
    return module


REFUSED: dict[str, tuple[Callable[[], nn.Module], str, str]] = {
    "traced": (scripted, "torchscript", "is TorchScript"),
    "a traced part": (lambda: nn.Sequential(scripted()), "torchscript", "Sequential is TorchScri"),
    "quantized": (quantized, "quantized", "no gradient"),
    "codes": (with_a_quantized_buffer, "quantized", "no gradient"),
    "meta": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3, device="meta")), "meta", "0.weight is on"),
    "arguments": (Masked, "arguments", "needs mask and scale besides images"),
    "no image": (Generator, "no image", "takes no image"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_never_run_is_refused_before_a_pass(name: str) -> None:
    make, remedy, words = REFUSED[name]
    with pytest.raises(RepresentationError) as caught:
        check_module(make())
    if remedy in REMEDIES:
        only(str(caught.value), remedy)
    assert words in str(caught.value)


def test_modules_that_run_are_not_refused() -> None:
    class Many(nn.Module):
        def forward(self, *images: Tensor, flag: bool = False, **more: Any) -> Tensor:
            return images[0]

    for module in (Many(), nn.Sequential(nn.Conv2d(3, 4, 3)), nn.DataParallel(nn.Conv2d(3, 4, 3))):
        check_module(module)


def test_a_network_that_makes_clips_of_its_images_runs() -> None:
    class Filming(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.film = nn.Conv3d(3, 4, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.film(x[:, :, None].expand(-1, -1, 4, -1, -1)).mean(2)
            return y

    phi = iw.representation(nn.Sequential(Filming(), nn.ReLU()), size=(16, 16), **HALF)
    assert phi.layer_info().shape == (4, 16, 16)
