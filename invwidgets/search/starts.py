"""The start images of a search, with one random generator per seed.

Seed k therefore gives the same image alone or among others.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..errors import BadSettingError

_START, _SHIFTS = 0, 1  # the streams of a seed, one for the start and one for the jitter
_SEEDED = 2**32  # torch's CPU generator uses only the last 32 bits of its seed
_WORDS = slice(3, 3 + 624)  # the part of its state that belongs to the Mersenne Twister


def start_images(
    kind: str,
    seeds: tuple[int, ...],
    shape: tuple[int, int, int],
    origin: Tensor | None,
    energy: float | None = None,
) -> Tensor:
    """The start iterates (S, *shape) in 0-255 units, for a shape (channels, height, width).

    ``noise`` is faint noise around the center. ``cvpr2015`` is Gaussian noise with the squared norm
    ``energy``, by default the paper's. ``ijcv2016`` is uniform noise around zero with a 95 %
    quantile of 80/√3. ``photo`` is ``origin``, the iterate of an image.

    Raises ``BadSettingError`` if the start ``photo`` has no ``origin``.
    """
    if kind != "photo":
        return torch.stack(
            [_noise(kind, seed_generator(seed, _START), shape, energy) for seed in seeds]
        )
    if origin is None:
        raise BadSettingError(f"start {kind!r} needs an image to start from: give origin=")
    return origin.repeat(len(seeds), 1, 1, 1)


def jitter_generators(seeds: tuple[int, ...]) -> list[torch.Generator]:
    """A random generator of shifts for each seed."""
    return [seed_generator(seed, _SHIFTS) for seed in seeds]


def seed_generator(seed: int, stream: int) -> torch.Generator:
    """The random generator of a seed and a stream; all are different, also for large seeds."""
    number = seed * 2 + stream
    generator = torch.Generator().manual_seed(number % _SEEDED)
    if number >= _SEEDED:  # numpy's Mersenne Twister uses all bits; torch continues from its state
        state = generator.get_state()
        words = np.random.MT19937([seed, stream]).state["state"]["key"]
        state.view(torch.int64)[_WORDS] = torch.from_numpy(words.astype(np.int64))
        generator.set_state(state)
    return generator


def cvpr2015_energy(numbers: int) -> float:
    """σ² of CVPR15, scaled from its images (227×227 pixels, 3 colors) to so many numbers."""
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
