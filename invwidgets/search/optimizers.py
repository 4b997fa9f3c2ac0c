"""The optimizers (update rules) of a search: built-in ones, those of torch.optim, and custom ones.

    >>> invert("coffee", layer="blocks.2", optimizer=TorchOptimizer(torch.optim.SGD, momentum=0.9),
    ...        phases=[Phase(100, lr=2e4)])

An optimizer takes parameters and gradients (S, …) and learning rates (S,), and changes the
parameters in place. Its state is kept per seed, so seeds do not influence each other. A custom one:

    >>> class SignDescent(Optimizer):
    ...     def update(self, parameters, gradient, rates):
    ...         parameters.sub_(gradient.sign() * per_seed(rates, gradient))
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

from ..errors import CustomPartError, shown
from ..representations.receptive_fields.tracer import Box
from ..swappable import Part, SavedPart, call_part, chosen, in_full
from .colors import color_basis, mixed
from .pyramid import pyramid, upsample
from .starts import cvpr2015_energy


class Optimizer(Part):
    """The base class of optimizers: an update rule and its state of each seed.

    >>> class SignDescent(Optimizer):
    ...     def update(self, parameters, gradient, rates):
    ...         parameters.sub_(gradient.sign() * rates[:, None, None, None])
    >>> invert("coffee", layer="blocks.2", optimizer=SignDescent(), phases=[Phase(100, 2.0)])

    A derived class must define ``update``, which changes the parameters in place. Each run copies
    the object and calls ``start`` on the copy, so one object can serve many runs. Create the state
    in ``start``, not in ``__init__``.

    Attributes
    ----------
    side_by_side : bool
        Whether copies of it may update parts of the seeds in parallel, each on its own thread.
    needs_pixels : bool
        Whether it works only on images (S, C, H, W), not on other parameters.
    """

    kind = "optimizer"
    remedy = "has update(self, parameters, gradient, rates)"

    side_by_side: bool = False
    """Whether copies of it may update parts of the seeds in parallel, each on its own thread."""
    needs_pixels: bool = False
    """Whether it works only on images (S, C, H, W), not on other parameters."""
    _memory: tuple[Tensor, ...] = ()

    def for_run(self, image_energy: float | None, seen: Box | None) -> Optimizer:
        """A copy for one run, given the run's σ² and the pixels that a region sees (or None)."""
        return copy.copy(self)

    def start(self, parameters: Tensor, steps: int) -> None:
        """Create the state for parameters (S, …), in a run of about ``steps`` steps."""

    @abstractmethod
    def update(self, parameters: Tensor, gradient: Tensor, rates: Tensor) -> None:
        """Do one step, in place."""

    def remember(self, *tensors: Tensor) -> None:
        """Register the state tensors (S, …) that ``forget`` sets to zero."""
        self._memory = tensors

    def forget(self, seeds: Tensor | None = None) -> None:
        """Reset the state of all seeds, or of those where ``seeds`` (S,) is True."""
        for tensor in self._memory:
            if seeds is None:
                tensor.zero_()
            else:
                tensor.masked_fill_(per_seed(seeds, tensor), 0)


def per_seed(values: Tensor, like: Tensor) -> Tensor:
    """Values (S,) reshaped so that they multiply tensors (S, …) seed by seed."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015); its learning rates are in 0-255 units per step."""

    name = "adam"
    side_by_side = True

    def __init__(self, betas: tuple[float, float] = (0.9, 0.999)) -> None:
        self.betas = betas

    def start(self, parameters: Tensor, steps: int) -> None:
        self._first, self._second = torch.zeros_like(parameters), torch.zeros_like(parameters)
        self._count = torch.zeros(len(parameters), device=parameters.device)
        self.remember(self._first, self._second, self._count)

    def update(self, parameters: Tensor, gradient: Tensor, rates: Tensor) -> None:
        step = torch.zeros_like(parameters)
        self.add_step(step, gradient)
        parameters.addcmul_(step, per_seed(rates, step))

    def add_step(self, step: Tensor, gradient: Tensor, lr: float = 1.0) -> None:
        """Add Adam's step at one learning rate, in place; torch's fused kernel saves time."""
        adam(
            [*step], [*gradient], [*self._first], [*self._second], [], [*self._count],
            fused=True, amsgrad=False, beta1=self.betas[0], beta2=self.betas[1], lr=lr,
            weight_decay=0.0, maximize=False,
            eps=1e-14,  # far below any gradient; gradients of a normalized energy are tiny
        )  # fmt: skip


FINEST, COARSER = 0.5, 1.3  # the finest level's factor of the rate, and the ratio per coarser level


class MultiscaleAdam(Optimizer):
    """Adam on an image pyramid: each step is the sum of Adam's steps at six resolutions.

    The gradient is averaged down level by level, and Adam runs at each level. The steps are
    upsampled bilinearly and added; the factor of each level is 1.3 times that of the next finer
    one, because photos vary most at low frequencies. Large areas, whose gradient is small in every
    single pixel, therefore change faster than edges, and the search finds colors and shading early
    that plain Adam finds late. It moves along ``decorrelated`` colors, so that a change of
    brightness is one coordinate, not three; for images without three channels ``True`` is refused.
    The second moment averages over at most twenty steps, not a thousand, because the curvature
    changes during the search. In a run of fewer than 200 steps both moments average over fewer
    steps, because momentum over ten steps would overshoot. ``benchmarks/quality.py`` compares it
    with torch's Adam.

    ``seen`` are the pixels that a region sees. If the margin around them is narrower than a pixel
    of the coarsest level, that level would carry color into the margin. The coarser levels then
    cover only ``seen``, and only the finest covers the margin.
    """

    name = "multiscale-adam"
    side_by_side = True
    needs_pixels = True
    level_rule = Adam

    def __init__(
        self, levels: int = 6, decorrelated: bool | None = None, seen: Box | None = None
    ) -> None:
        self.levels, self.decorrelated, self.seen = levels, decorrelated, seen

    def for_run(self, image_energy: float | None, seen: Box | None) -> MultiscaleAdam:
        rule = copy.copy(self)
        rule.seen = seen if self.seen is None else self.seen
        return rule

    def start(self, parameters: Tensor, steps: int) -> None:
        self._box = self._apart(parameters.shape[-2], parameters.shape[-1])
        pyramid = self._pyramid(parameters)
        self._adams = [self.level_rule(self.betas(steps)) for _ in pyramid]
        for rule, level in zip(self._adams, pyramid, strict=True):
            rule.start(level, steps)
        self._steps = [torch.zeros_like(level) for level in pyramid]

    @staticmethod
    def betas(steps: int) -> tuple[float, float]:
        """The betas of Adam in a run of about ``steps`` steps."""
        return min(0.9, max(0.6, 1 - 20 / steps)), min(0.95, max(0.6, 1 - 16 / steps))

    def update(self, parameters: Tensor, gradient: Tensor, rates: Tensor) -> None:
        basis = color_basis(gradient) if self._mixes(gradient) else None
        if basis is not None:
            gradient = mixed(basis, gradient)
        gradients = self._pyramid(gradient)
        self._steps[-1].zero_()
        for k in range(len(self._adams) - 1, -1, -1):
            if k + 1 < len(self._adams):
                upsample(self._steps[k + 1], self._steps[k] if k else self._room())
            self._adams[k].add_step(self._steps[k], gradients[k], FINEST * COARSER**k)
        if basis is None:
            parameters.addcmul_(self._steps[0], per_seed(rates, gradient))
        else:  # mixing and adding at once needs only one pass over memory
            back = basis.T * per_seed(rates, basis[None])
            parameters.view(*parameters.shape[:2], -1).baddbmm_(
                back.to(parameters), self._steps[0].flatten(2)
            )

    def _mixes(self, gradient: Tensor) -> bool:
        return self.decorrelated is not False and gradient.shape[1] == 3

    def forget(self, seeds: Tensor | None = None) -> None:
        for rule in self._adams:
            rule.forget(seeds)

    def _apart(self, height: int, width: int) -> Box | None:
        """The pixels that a region sees, if the coarser levels must stay within them; else None."""
        if self.seen is None or not (self.seen.height and self.seen.width):
            return None
        top, left, bottom, right = self.seen
        margins = [m for m in (top, left, height - bottom, width - right) if m > 0]
        return self.seen if margins and max(margins) < 2 ** (self.levels - 1) else None

    def _pyramid(self, z: Tensor) -> list[Tensor]:
        """z and the coarser levels, of the whole image or of the pixels that a region sees."""
        return [z, *pyramid(self._within(z), self.levels)[1:]]

    def _room(self) -> Tensor:
        """The tensor for the coarser levels' steps at full size, zero where they do not reach."""
        if self._box is not None:
            self._steps[0].zero_()
        return self._within(self._steps[0])

    def _within(self, z: Tensor) -> Tensor:
        return z if self._box is None else self._box.of(z)


class Momentum(Optimizer):
    """Gradient descent of CVPR15 with momentum 0.9 and steps rate · σ² · ∇E (section 3).

    ``energy`` is σ², by default the paper's value scaled to the number of pixels.
    """

    name = "momentum"
    side_by_side = True

    def __init__(self, energy: float | None = None) -> None:
        self.energy = energy

    def for_run(self, image_energy: float | None, seen: Box | None) -> Momentum:
        rule = copy.copy(self)
        rule.energy = image_energy if self.energy is None else self.energy
        return rule

    def start(self, parameters: Tensor, steps: int) -> None:
        self._velocity = torch.zeros_like(parameters)
        self._scale = self.energy or cvpr2015_energy(parameters[0].numel())
        self.remember(self._velocity)

    def update(self, parameters: Tensor, gradient: Tensor, rates: Tensor) -> None:
        step = gradient * per_seed(rates * self._scale, gradient)
        self._velocity.mul_(0.9).sub_(step)
        parameters.add_(self._velocity)


class AdagradMomentum(Optimizer):
    """Gradient descent of IJCV16: G ← 0.9 G + g², m ← 0.9 m − g / (1/r + √G), z ← z + m (3.4)."""

    name = "adagrad-momentum"
    side_by_side = True

    def start(self, parameters: Tensor, steps: int) -> None:
        self._squares, self._velocity = torch.zeros_like(parameters), torch.zeros_like(parameters)
        self._pixels = parameters.shape[-2] * parameters.shape[-1]
        self.remember(self._squares, self._velocity)

    def update(self, parameters: Tensor, gradient: Tensor, rates: Tensor) -> None:
        self._squares.mul_(0.9).addcmul_(gradient, gradient)
        slowest = 1 / per_seed(rates * self._pixels, gradient)
        denominator = self._squares.sqrt().add_(slowest)
        self._velocity.mul_(0.9).addcdiv_(gradient, denominator, value=-1)
        parameters.add_(self._velocity)


class TorchOptimizer(Optimizer):
    """An optimizer of ``torch.optim``, with one copy per seed and the phases' learning rate.

    >>> rule = TorchOptimizer(torch.optim.SGD, momentum=0.9)
    >>> invert("coffee", layer="blocks.2", optimizer=rule, phases=[Phase(100, 2e4)])

    On an accelerator each step synchronizes once, because torch's optimizers need their learning
    rate as a number. L-BFGS must do one step per gradient, without a line search, as
    ``TorchOptimizer(torch.optim.LBFGS, max_iter=1)``, because the engine evaluates once per step.

    Parameters
    ----------
    rule : type
        A class of ``torch.optim``.
    **options
        Its options, except ``lr``.

    References
    ----------
    The documentation of ``torch.optim``.
    """

    name = "torch"

    def __init__(self, rule: Callable[..., torch.optim.Optimizer], **options: Any) -> None:
        self.rule, self.options = rule, options

    def __repr__(self) -> str:
        options = "".join(f", {name}={in_full(value)}" for name, value in self.options.items())
        return f"TorchOptimizer({self.rule.__module__}.{self.rule.__qualname__}{options})"

    def start(self, parameters: Tensor, steps: int) -> None:
        self._seeds = [torch.nn.Parameter(seed) for seed in parameters]  # they share its memory
        self._rules = [self._new(seed) for seed in self._seeds]
        self._forgotten = torch.zeros(len(parameters), dtype=torch.bool, device=parameters.device)

    def update(self, parameters: Tensor, gradient: Tensor, rates: Tensor) -> None:
        loss = torch.zeros(())  # each optimizer calls for it once; the gradient is already set
        host_rates, forgotten = torch.stack([rates, self._forgotten.to(rates)]).tolist()
        self._forgotten = torch.zeros_like(self._forgotten)
        for place, (seed, slope) in enumerate(zip(self._seeds, gradient, strict=True)):
            if forgotten[place]:
                self._rules[place] = self._new(seed)
            seed.grad = slope
            for group in self._rules[place].param_groups:
                group["lr"] = host_rates[place]
            self._rules[place].step(lambda: loss)  # type: ignore[arg-type, return-value]

    def forget(self, seeds: Tensor | None = None) -> None:
        """Reset the state at the next update, which reads from the device which seeds to reset."""
        everyone = torch.ones_like(self._forgotten)
        self._forgotten = everyone if seeds is None else self._forgotten | seeds

    def _new(self, seed: Tensor) -> torch.optim.Optimizer:
        return self.rule([seed], lr=1.0, **self.options)


OPTIMIZERS: Mapping[str, type[Optimizer]] = {
    kind.name: kind for kind in (MultiscaleAdam, Adam, Momentum, AdagradMomentum)
}


def start_optimizer(
    optimizer: str | Optimizer | SavedPart,
    parameters: Tensor,
    steps: int = 200,
    energy: float | None = None,
    seen: Box | None = None,
) -> Optimizer:
    """A copy of an optimizer, started for parameters (S, …) and about ``steps`` steps.

    ``energy`` is σ² of CVPR15 and ``seen`` the pixels that a region sees; see
    ``Optimizer.for_run``.

    Raises ``UnknownNameError``, ``BadSettingError`` or ``CustomPartError``.
    """
    rule: Optimizer = chosen(optimizer, OPTIMIZERS, Optimizer).for_run(energy, seen)
    call_part(rule, "start", lambda: rule.start(parameters, steps))
    return rule


def updated(rule: Optimizer, parameters: Tensor, gradient: Tensor, rates: Tensor) -> None:
    """Do one step of an optimizer, and check that it changes the parameters in place.

    Raises ``CustomPartError``.
    """
    shape, place = parameters.shape, parameters.data_ptr()
    moved = call_part(rule, "update", lambda: rule.update(parameters, gradient, rates))
    if moved is not None or parameters.shape != shape or parameters.data_ptr() != place:
        raise CustomPartError(
            f"optimizer {shown(rule)} does not work in place: update must change the tensor it is "
            "given (parameters.sub_(…)) and return nothing"
        )
