"""Where each seed starts: one generator a seed, so that seed k is the same in any company."""

from __future__ import annotations

import torch
from torch import Tensor

from .presets import CVPR2015_ENERGY

_SHIFTS = 0x5EED  # keeps the jitter's numbers apart from the start's


def start_images(
    kind: str, seeds: tuple[int, ...], shape: tuple[int, int, int], photo: Tensor | None
) -> Tensor:
    """The first iterates (S, *shape) in 0-255 units, for a shape of (colours, height, width).

    ``noise`` is faint grey noise around the mean colour; ``cvpr2015`` Gaussian noise of the norm
    that paper's code gives it; ``ijcv2016`` uniform noise whose 95 % quantile is 80/√3;
    ``photo`` the photo's own iterate.
    """
    if kind == "photo":
        assert photo is not None
        return photo.repeat(len(seeds), 1, 1, 1)
    return torch.stack([_noise(kind, _generator(seed, 0), shape) for seed in seeds])


def jitter_generators(seeds: tuple[int, ...]) -> list[torch.Generator]:
    """One source of shifts a seed."""
    return [_generator(seed, _SHIFTS) for seed in seeds]


def _generator(seed: int, stream: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed * 2 + (1 if stream else 0))


def _noise(kind: str, generator: torch.Generator, shape: tuple[int, int, int]) -> Tensor:
    if kind == "ijcv2016":
        noise = torch.rand(shape, generator=generator) * 2 - 1
        return noise * (80 / 3**0.5 / 0.95)
    noise = torch.randn(shape, generator=generator)
    if kind == "cvpr2015":
        norm = (CVPR2015_ENERGY / 3 * noise.numel()) ** 0.5
        scaled: Tensor = noise * (norm / torch.linalg.vector_norm(noise))
        return scaled
    return noise * 4
