"""Where each seed starts: one generator a seed, so that seed k is the same in any company."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..errors import BadSettingError

_START, _SHIFTS = 0, 1  # the streams of a seed: the jitter's numbers are not the start's
_SEEDED = 2**32  # torch's CPU generator takes the last 32 bits of what it is seeded with
_WORDS = slice(3, 3 + 624)  # of its state, the Mersenne Twister's


def start_images(
    kind: str,
    seeds: tuple[int, ...],
    shape: tuple[int, int, int],
    origin: Tensor | None,
    energy: float | None = None,
) -> Tensor:
    """The first iterates (S, *shape) in 0-255 units, for a shape of (colors, height, width).

    ``noise`` is faint noise around the center; ``cvpr2015`` Gaussian noise of the squared
    norm ``energy``, that paper's by default; ``ijcv2016`` uniform noise on both sides of zero whose
    95 % quantile is 80/√3;
    ``photo`` ``origin`` itself, an image's iterate.

    Raises ``BadSettingError`` where such an ``origin`` is missing.
    """
    if kind != "photo":
        return torch.stack(
            [_noise(kind, seed_generator(seed, _START), shape, energy) for seed in seeds]
        )
    if origin is None:
        raise BadSettingError(f"start {kind!r} begins at an image: give its origin")
    return origin.repeat(len(seeds), 1, 1, 1)


def jitter_generators(seeds: tuple[int, ...]) -> list[torch.Generator]:
    """One source of shifts a seed."""
    return [seed_generator(seed, _SHIFTS) for seed in seeds]


def seed_generator(seed: int, stream: int) -> torch.Generator:
    """A seed's source of numbers, another one for each seed and stream, however large the seed."""
    number = seed * 2 + stream
    generator = torch.Generator().manual_seed(number % _SEEDED)
    if number >= _SEEDED:  # numpy's Mersenne Twister is begun by all bits, torch's goes on from it
        state = generator.get_state()
        words = np.random.MT19937([seed, stream]).state["state"]["key"]
        state.view(torch.int64)[_WORDS] = torch.from_numpy(words.astype(np.int64))
        generator.set_state(state)
    return generator


def cvpr2015_energy(numbers: int) -> float:
    """σ² of CVPR15 for images of so many numbers; its own is for 227×227 pixels of 3 colors."""
    return float(27098.12**2 / (227**2 * 3) * numbers)


def _noise(
    kind: str, generator: torch.Generator, shape: tuple[int, int, int], energy: float | None
) -> Tensor:
    if kind == "ijcv2016":
        noise = torch.rand(shape, generator=generator) * 2 - 1
        return noise * (80 / 3**0.5 / float(np.quantile(noise.numpy(), 0.95)))
    noise = torch.randn(shape, generator=generator)
    if kind == "cvpr2015":
        norm = (energy or cvpr2015_energy(noise.numel())) ** 0.5
        scaled: Tensor = noise * (norm / torch.linalg.vector_norm(noise))
        return scaled
    return noise * 4
