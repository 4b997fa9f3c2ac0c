"""The update rules, one state a seed: seeds never touch.

Each takes iterates and gradients (S, 3, H, W) and rates (S,), and changes the iterates in place.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.adam import adam

from ..errors import unknown_name
from .settings import OPTIMIZERS
from .starts import cvpr2015_energy


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
                tensor.masked_fill_(seeds.reshape(-1, *[1] * (tensor.ndim - 1)), 0)


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015): rates are 0-255 units a step, whatever the energy's scale."""

    def __init__(self, z: Tensor, momentum: float = 0.9, decay: float = 0.999) -> None:
        self.momentum, self.decay = momentum, decay
        self.first, self.second = torch.zeros_like(z), torch.zeros_like(z)
        self.count = torch.zeros(len(z), device=z.device)
        self.memory = (self.first, self.second, self.count)

    def update(self, z: Tensor, gradient: Tensor, rates: Tensor) -> None:
        step = torch.zeros_like(z)
        self.add_step(step, gradient)
        z.addcmul_(step, _per_seed(rates))

    def add_step(self, step: Tensor, gradient: Tensor) -> None:
        """Add Adam's step at a rate of one, in place; torch's kernel goes over memory once."""
        adam(
            [*step], [*gradient], [*self.first], [*self.second], [], [*self.count], fused=True,
            amsgrad=False, beta1=self.momentum, beta2=self.decay, lr=1.0, weight_decay=0.0,
            eps=1e-14,  # far below any gradient: a pixel's share of a normalised energy is tiny
            maximize=False,
        )  # fmt: skip


class MultiscaleAdam(Optimizer):
    """Adam on an image pyramid: each step is the sum of Adam's steps at six resolutions.

    The gradient is averaged down level by level, Adam runs at each level, and its steps are laid
    over each other bilinearly. Broad areas, whose gradient is faint in every single pixel, move as
    fast as edges do: the search finds colours and shading early that plain Adam finds late. The
    second moment forgets in twenty steps at most, not a thousand: curvature changes under the
    search. Both moments forget sooner in a run of fewer steps than 200, ``horizon``: what a short
    run remembers for ten steps drives it past where it is going. ``benchmarks/quality.py`` compares
    it with torch's Adam.
    """

    def __init__(self, z: Tensor, horizon: int = 200, levels: int = 6) -> None:
        momentum = min(0.9, max(0.6, 1 - 20 / horizon))
        decay = min(0.95, max(0.6, 1 - 16 / horizon))
        self.levels = [Adam(level, momentum, decay) for level in _pyramid(z, levels)]
        self.memory = tuple(tensor for level in self.levels for tensor in level.memory)
        self.steps = [torch.zeros_like(level.first) for level in self.levels]

    def update(self, z: Tensor, gradient: Tensor, rates: Tensor) -> None:
        gradients = _pyramid(gradient, len(self.levels))
        self.steps[-1].zero_()
        for k in range(len(self.levels) - 1, -1, -1):
            if k + 1 < len(self.levels):
                _upsample(self.steps[k + 1], self.steps[k])
            self.levels[k].add_step(self.steps[k], gradients[k])
        z.addcmul_(self.steps[0], _per_seed(rates))


def _pyramid(z: Tensor, levels: int) -> list[Tensor]:
    """z and its halves, quarters …, no smaller than a pixel."""
    pyramid = [z]
    while len(pyramid) < levels and max(pyramid[-1].shape[-2:]) > 1:
        pyramid.append(_halved(pyramid[-1]))
    return pyramid


def _halved(z: Tensor) -> Tensor:
    """The means of 2x2 pixels; at an odd side's end, of what is there."""
    if z.shape[-2] % 2 or z.shape[-1] % 2:
        return F.avg_pool2d(z, 2, ceil_mode=True)
    rows = z[..., ::2, :] + z[..., 1::2, :]  # a fifth of the pooling operator's time
    return (rows[..., ::2] + rows[..., 1::2]).mul_(0.25)


def _upsample(coarse: Tensor, out: Tensor) -> None:
    """Bilinearly to the size of ``out``, into it."""
    height, width = out.shape[-2:]
    if (2 * coarse.shape[-2], 2 * coarse.shape[-1]) != (height, width):
        size = (height, width)
        out.copy_(F.interpolate(coarse, size=size, mode="bilinear", align_corners=False))
        return
    tall = coarse.new_empty(*coarse.shape[:-2], height, coarse.shape[-1])
    _double(coarse, tall, -2)
    _double(tall, out, -1)


def _double(z: Tensor, out: Tensor, dim: int) -> None:
    """Twice as long along ``dim``, linearly: ¾ of the nearer pixel and ¼ of the next."""
    length = z.shape[dim]
    pairs = out.unflatten(dim, (length, 2))
    even, odd = pairs.select(dim, 0), pairs.select(dim, 1)
    along = dim + z.ndim
    all_but_last, all_but_first = z.narrow(dim, 0, length - 1), z.narrow(dim, 1, length - 1)
    torch.lerp(all_but_first, all_but_last, 0.25, out=even.narrow(along, 1, length - 1))
    torch.lerp(all_but_last, all_but_first, 0.25, out=odd.narrow(along, 0, length - 1))
    even.select(along, 0).copy_(z.select(dim, 0))
    odd.select(along, length - 1).copy_(z.select(dim, length - 1))


class Momentum(Optimizer):
    """CVPR15's descent: momentum 0.9, a step is rate · σ² · ∇E (section 3, "optimisation").

    ``energy`` is σ², by default that paper's by the number of pixels.
    """

    def __init__(self, z: Tensor, energy: float | None = None) -> None:
        self.velocity = torch.zeros_like(z)
        self.memory = (self.velocity,)
        self.energy = energy or cvpr2015_energy(z[0].numel())

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


def make_optimizer(
    name: str, z: Tensor, horizon: int = 200, energy: float | None = None
) -> Optimizer:
    """An update rule by its name, for iterates like ``z`` and about ``horizon`` steps.

    ``energy`` is what the rule ``momentum`` takes as σ².
    """
    rules: dict[str, Callable[[Tensor], Optimizer]] = {
        "multiscale-adam": lambda z: MultiscaleAdam(z, horizon),
        "adam": Adam,
        "momentum": lambda z: Momentum(z, energy),
        "adagrad-momentum": AdagradMomentum,
    }
    if name not in rules:
        raise unknown_name("optimiser", name, OPTIMIZERS)
    return rules[name](z)


def _per_seed(values: Tensor) -> Tensor:
    return values[:, None, None, None]
