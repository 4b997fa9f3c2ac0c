"""Small networks for fast tests, each with one property that cutting must handle."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from invwidgets.models.zoo import Network
from invwidgets.representations.base import Representation
from invwidgets.representations.network import NetworkRepresentation
from invwidgets.representations.registry import representation

HALF = (0.5, 0.5, 0.5)
SIZE = (24, 28)


class Small(nn.Module):
    """A network with in-place ReLUs, of which one is called three times, and a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 5, stride=2, padding=2)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.conv3 = nn.Conv2d(8, 12, 3, stride=2)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 5))

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)) + x)
        x = self.relu(self.conv3(x))
        y: Tensor = self.head(x)
        return y


class Forked(nn.Module):
    """A network with a side branch that is part of the output but not of the main line."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.side = Counting(nn.Conv2d(4, 4, 1))
        self.main = nn.Conv2d(4, 4, 3, padding=1)
        self.tail = Counting(nn.Conv2d(8, 4, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        side = self.side(x)
        main = self.main(x)
        y: Tensor = self.tail(torch.cat([side, main], 1))
        return y


class Counting(nn.Module):
    """A network that counts its calls in all copies."""

    calls = 0

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        if not isinstance(x, torch.fx.Proxy):
            type(self).calls += 1
        y: Tensor = self.inner(x)
        return y


class Untraceable(nn.Module):
    """A network that reads its data, so it cannot be traced symbolically."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv1(x))
        if x.mean() > 1e6:
            x = x * 2
        y: Tensor = self.relu(self.conv2(x))
        return y


def filled(module: nn.Module, seed: int = 0) -> nn.Module:
    """A network with random weights and running statistics, including BatchNorm's."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if not tensor.is_floating_point():
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith("running_var") or ("bn" in name and name.endswith("weight")):
                tensor.copy_(0.5 + noise.abs())
            else:
                fan = tensor[0].numel() if tensor.ndim > 1 else 4
                tensor.copy_(noise / fan**0.5)
    return module


def small(seed: int = 0) -> nn.Module:
    return filled(Small(), seed)


def phi(layer: str | None = "relu_1", module: nn.Module | None = None) -> Representation:
    """A small representation for 24 × 28 pixels, cut at ``layer``."""
    module = small() if module is None else module
    return representation(module, layer, mean=HALF, std=HALF, size=SIZE)


def network(module: nn.Module, size: tuple[int, int] = SIZE) -> Network:
    return Network("own", module.eval(), HALF, HALF, size, "as given")


def cut(module: nn.Module, layer: str, size: tuple[int, int] = SIZE) -> NetworkRepresentation:
    return NetworkRepresentation(network(module, size), layer)


def hooked(module: nn.Module, layer: str, image: Tensor, call: int = 0) -> Tensor:
    """The output of a layer at its ``call``-th call, copied immediately."""
    found: list[Tensor] = []

    def keep(_: nn.Module, __: Any, output: Tensor) -> None:
        found.append(output.detach().clone())

    handle = module.get_submodule(layer).register_forward_hook(keep)
    try:
        with torch.no_grad():
            module(image.clone())
    finally:
        handle.remove()
    return found[call]


def picture(size: tuple[int, int] = SIZE, seed: int = 0) -> Tensor:
    """A smooth random photo (3, H, W) in [0, 1]."""
    noise = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(noise, size, mode="bicubic")[0].clamp(0, 1)
