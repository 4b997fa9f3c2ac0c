"""The update rules, one state a seed: seeds never touch.

Each takes iterates and gradients (S, 3, H, W) and rates (S,), and changes the iterates in place.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import unknown_name
from .presets import CVPR2015_ENERGY
from .settings import OPTIMIZERS


class Optimizer:
    """An update rule and what it remembers of each seed."""

    memory: tuple[Tensor, ...]  # tensors (S, …), zeroed where a seed forgets

    @abstractmethod
    def update(self, z: Tensor, gradient: Tensor, rates: Tensor) -> None:
        """One step, in place."""

    def forget(self, seeds: Tensor | None = None) -> None:
        """Forget the momentum of all seeds, or of those where ``seeds`` (S,) is True."""
        for tensor in self.memory:
            if seeds is None:
                tensor.zero_()
            else:
                tensor[seeds] = 0


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015): rates are 0-255 units a step, whatever the energy's scale."""

    def __init__(self, z: Tensor, decay: float = 0.999) -> None:
        self.decay = decay
        self.first, self.second = torch.zeros_like(z), torch.zeros_like(z)
        self.count = torch.zeros(len(z), device=z.device)
        self.memory = (self.first, self.second, self.count)

    def update(self, z: Tensor, gradient: Tensor, rates: Tensor) -> None:
        self.count += 1
        self.first.lerp_(gradient, 0.1)
        self.second.mul_(self.decay).addcmul_(gradient, gradient, value=1 - self.decay)
        correction = (1 - self.decay**self.count).sqrt()
        size = rates * correction / (1 - 0.9**self.count)
        # ε far below any gradient: the energies are normalised, a pixel's share of them is tiny
        denominator = self.second.sqrt().add_(1e-14)
        z.addcdiv_(self.first * -_per_seed(size), denominator)


class MultiscaleAdam(Optimizer):
    """Adam on an image pyramid: each step is the sum of Adam's steps at six resolutions.

    The gradient is averaged down level by level, Adam runs at each level, and its steps are laid
    over each other bilinearly. Broad areas, whose gradient is faint in every single pixel, move as
    fast as edges do: the search finds colours and shading early that plain Adam finds late. The
    second moment forgets in twenty steps, not a thousand: curvature changes under the search.
    ``benchmarks/quality.py`` compares the two.
    """

    def __init__(self, z: Tensor, levels: int = 6, decay: float = 0.95) -> None:
        self.levels = [Adam(level, decay) for level in _pyramid(z, levels)]
        self.memory = tuple(tensor for level in self.levels for tensor in level.memory)

    def update(self, z: Tensor, gradient: Tensor, rates: Tensor) -> None:
        coarse: Tensor | None = None
        gradients = _pyramid(gradient, len(self.levels))
        for level, down in zip(reversed(self.levels), reversed(gradients), strict=True):
            step = torch.zeros_like(down) if coarse is None else _upsample(coarse, down)
            level.update(step, down, rates)
            coarse = step
        assert coarse is not None
        z.add_(coarse)


def _pyramid(z: Tensor, levels: int) -> list[Tensor]:
    """z and its halves, quarters …, no smaller than a pixel."""
    pyramid = [z]
    while len(pyramid) < levels and max(pyramid[-1].shape[-2:]) > 1:
        pyramid.append(F.avg_pool2d(pyramid[-1], 2, ceil_mode=True))
    return pyramid


def _upsample(coarse: Tensor, like: Tensor) -> Tensor:
    size = like.shape[-2:]
    return F.interpolate(coarse, size=size, mode="bilinear", align_corners=False)


class Momentum(Optimizer):
    """CVPR15's descent: momentum 0.9, a step is rate · σ² · ∇E (section 3, "optimisation")."""

    def __init__(self, z: Tensor) -> None:
        self.velocity = torch.zeros_like(z)
        self.memory = (self.velocity,)
        self.energy = CVPR2015_ENERGY / 3 * z[0].numel()

    def update(self, z: Tensor, gradient: Tensor, rates: Tensor) -> None:
        self.velocity.mul_(0.9).sub_(gradient * _per_seed(rates * self.energy))
        z.add_(self.velocity)


class AdagradMomentum(Optimizer):
    """IJCV16's descent (section 3.4): G ← 0.9 G + g², m ← 0.9 m − g / (1/r + √G), z ← z + m."""

    def __init__(self, z: Tensor) -> None:
        self.squares, self.velocity = torch.zeros_like(z), torch.zeros_like(z)
        self.memory = (self.squares, self.velocity)
        self.pixels = z.shape[-2] * z.shape[-1]

    def update(self, z: Tensor, gradient: Tensor, rates: Tensor) -> None:
        self.squares.mul_(0.9).addcmul_(gradient, gradient)
        denominator = self.squares.sqrt().add_(1 / _per_seed(rates * self.pixels))
        self.velocity.mul_(0.9).addcdiv_(gradient, denominator, value=-1)
        z.add_(self.velocity)


def make_optimizer(name: str, z: Tensor) -> Optimizer:
    """An update rule by its name, for iterates like ``z``."""
    rules: dict[str, Callable[[Tensor], Optimizer]] = {
        "multiscale-adam": MultiscaleAdam,
        "adam": Adam,
        "momentum": Momentum,
        "adagrad-momentum": AdagradMomentum,
    }
    if name not in rules:
        raise unknown_name("optimiser", name, OPTIMIZERS)
    return rules[name](z)


def _per_seed(values: Tensor) -> Tensor:
    return values[:, None, None, None]
