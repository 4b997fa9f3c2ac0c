"""The plain PyTorch loop that the papers describe, with which this package is compared.

It uses full precision, NCHW layout, the network's layers as its authors wrote them, torch's Adam on
the pixels, a total-variation prior and no schedule. With ``frozen`` the parameters get no
gradients, which makes it faster than most such loops.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from invwidgets.models.zoo import load_network
from invwidgets.representations.kernels import Convolutions
from invwidgets.representations.network import Hooked


class PlainNetwork(nn.Module):
    """A network of the zoo with a hook at a layer, without fused layers or another layout.

    Unless ``frozen``, its parameters get gradients, and it runs to its end, as in most such loops.
    """

    def __init__(self, model: str, layer: str, frozen: bool = True, weights: str = "pretrained"):
        super().__init__()
        self.frozen = frozen
        network = load_network(model, weights)
        self.mean = torch.tensor(network.mean)[:, None, None]
        self.std = torch.tensor(network.std)[:, None, None]
        module = copy.deepcopy(network.module)  # the zoo's own is shared and stays as it is
        self.body = Hooked(module, layer).to(memory_format=torch.contiguous_format)
        for parameter in self.body.parameters():
            parameter.requires_grad_(not frozen)

    def forward(self, images: Tensor) -> Tensor:
        normal = (images - self.mean) / self.std
        if self.frozen:
            features: Tensor = self.body(normal)
            return features
        found: list[Tensor] = []
        layer = self.body.module.get_submodule(self.body.path)
        handle = layer.register_forward_hook(lambda _, __, output: found.append(output.clone()))
        try:
            self.body.module(normal)
        finally:
            handle.remove()
        return found[0]


@contextmanager
def layer_by_layer() -> Iterator[None]:
    """Make this package run torch's convolutions and ReLUs one by one inside the block."""
    fused = Convolutions.forward
    Convolutions.forward = Convolutions.as_written  # type: ignore[method-assign]
    try:
        yield
    finally:
        Convolutions.forward = fused  # type: ignore[method-assign]


def plain_adam(
    network: nn.Module,
    photo: Tensor,
    seeds: int = 4,
    steps: int = 150,
    lr: float = 0.05,
    tv: float = 0.003,
    each: Callable[[], None] = lambda: None,
) -> tuple[Tensor, float]:
    """Run the loop, and return images (S, 3, H, W) in [0, 1] and the seconds it took.

    ``tv`` is the weight of the same R_{V²} as in this package: the mean squared difference divided
    by (255 · 6.5 / 80)². ``each`` is called after every step.
    """
    with torch.no_grad():
        target = network(photo[None])
        norm = target.square().sum()
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(seeds, *photo.shape, generator=generator)
    images = (0.5 + 0.02 * noise).requires_grad_(True)
    optimizer = torch.optim.Adam([images], lr=lr)
    scale = (255 * 6.5 / 80) ** 2 / (photo.shape[-1] * photo.shape[-2])
    began = time.perf_counter()
    for _ in range(steps):
        optimizer.zero_grad()
        data = (network(images) - target).square().sum() / norm
        across = images[..., :, 1:] - images[..., :, :-1]
        down = images[..., 1:, :] - images[..., :-1, :]
        prior = (across.square().sum() + down.square().sum()) * scale
        (data + tv * prior).backward()
        optimizer.step()
        each()
    return images.detach().clamp(0, 1), time.perf_counter() - began
