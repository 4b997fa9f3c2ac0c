"""The plain PyTorch loop that the papers' text describes: the other side of our comparisons.

Full-precision, NCHW, the network's layers as its authors wrote them, torch's own Adam on the
pixels, a total-variation prior, no schedule. ``frozen`` leaves the parameters' gradients out,
which is kinder to it than what most write.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn

from invwidgets.models import frozen_copy, load_network
from invwidgets.representations.cnn import _Hooked


class PlainNetwork(nn.Module):
    """The network of the zoo up to a layer by a hook, neither folded nor laid out anew."""

    def __init__(self, model: str, layer: str, frozen: bool = True, weights: str = "pretrained"):
        super().__init__()
        network = load_network(model, weights)
        self.mean = torch.tensor(network.mean)[:, None, None]
        self.std = torch.tensor(network.std)[:, None, None]
        module = frozen_copy(network.module)  # the zoo's own is shared and stays as it is
        self.body = _Hooked(module, layer).to(memory_format=torch.contiguous_format)
        for parameter in self.body.parameters():
            parameter.requires_grad_(not frozen)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.body((images - self.mean) / self.std)
        return features


def plain_adam(
    network: nn.Module,
    photo: Tensor,
    seeds: int = 4,
    steps: int = 150,
    rate: float = 0.05,
    tv: float = 0.003,
) -> tuple[Tensor, float]:
    """The loop: images (S, 3, H, W) in [0, 1] and the seconds it took.

    ``tv`` weighs the same R_{V²} as ours, the mean squared difference by (255 · 6.5 / 80)².
    """
    with torch.no_grad():
        target = network(photo[None])
        norm = target.square().sum()
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(seeds, *photo.shape, generator=generator)
    images = (0.5 + 0.02 * noise).requires_grad_(True)
    optimizer = torch.optim.Adam([images], lr=rate)
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
    return images.detach().clamp(0, 1), time.perf_counter() - began
