"""The search algorithm as a generator of steps, without threads, files or printing.

    >>> for step in run(representation, target, Selection(), settings):
    ...     if step.seconds > 10:
    ...         break                      # leaving the loop stops the search

It minimizes  C · data(Φ(x)) + λ_α R_α(x) + λ_V R_{V^β}(x)  over images x (CVPR15, equation 1;
IJCV16, equation 1) for all seeds at once. Energies are summed over seeds, never averaged, and all
state is kept per seed, so seeds do not influence each other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..energy.binding import bind
from ..energy.evaluation import Evaluation
from ..energy.objectives import objective_of
from ..energy.priors import AlphaNorm, Prior, TotalVariation
from ..energy.waking import waking_of
from ..representations.base import Representation
from ..representations.receptive_fields.tracer import Box
from ..search.optimizers import OPTIMIZERS, Optimizer, per_seed, start_optimizer, updated
from ..search.parametrizations import Pixels, image_of, parameters_of, parametrization
from ..search.side_by_side import SideBySide
from ..search.starts import jitter_generators
from ..selection import Selection
from ..swappable import chosen
from ..torch_state import own_state
from .canvas import (
    bound_canvas,
    center_of,
    free_gradient,
    pad,
    random_shifts,
    raw_images,
    start_canvas,
)
from .knobs import KNOBS, checked_knobs
from .phase import Phase
from .settings import InversionSettings
from .window import Window

_FAR = 1e9  # 0-255 units; an iterate beyond this has diverged, and its energies may be NaN
Knobs = Callable[[], Mapping[str, Any]]
NextPhase = Callable[[], "Phase | None"]


@dataclass(frozen=True)
class Step:
    """One step of a search, an update of all seeds; callbacks receive it.

    >>> invert("coffee", layer="blocks.2", callback=lambda step: step.seconds > 10)  # time limit

    Attributes
    ----------
    index : int
        The number of the step, from 0.
    iterate : torch.Tensor
        The engine's canvas after the update, (S, C, H + jitter, W + jitter) in 0-255 units relative
        to ``center``, valid until the next step.
    energies : dict of str to torch.Tensor
        The energies (S,) by term: ``"data"``, ``"alpha"``, ``"tv"`` and custom priors, unweighted,
        and their weighted sum ``"total"``, all of the iterate before the update.
    seconds : float
        The time since the search began.
    reverted : torch.Tensor
        (S,), True where a seed diverged and was reset to its best image.
    changes : tuple of (str, value)
        The knobs that were changed since the last step.
    size : (int, int)
        (height, width) of the images.
    center : torch.Tensor
        (C,) in [0, 1], the color of an iterate of zeros.
    """

    index: int
    iterate: Tensor
    energies: dict[str, Tensor]
    seconds: float
    reverted: Tensor
    changes: tuple[tuple[str, Any], ...]
    size: tuple[int, int]
    center: Tensor

    @property
    def images(self) -> Tensor:
        """The images (S, C, H, W), clipped to [0, 1], as a new copy at each call."""
        return raw_images(self.iterate, self.size, self.center).clamp_(0, 1)


def run(
    representation: Representation,
    target: Tensor,
    selection: Selection,
    settings: InversionSettings,
    knobs: Knobs | None = None,
    *,
    size: tuple[int, int] | None = None,
    origin: Tensor | None = None,
    window: Window | None = None,
    workers: ThreadPoolExecutor | None = None,
    cancelled: Callable[[], bool] | None = None,
    next_phase: NextPhase | None = None,
) -> Iterator[Step]:
    """Run a search as a generator that yields every step.

    >>> for step in run(representation, target, Selection(), settings):
    ...     print(step.index, step.energies["total"])

    Parameters
    ----------
    representation, target, selection
        Φ, Φ₀ (1, …) and M. For an objective that needs no photo, the target is its reference.
    settings : InversionSettings
        Resolved settings: device, threads, precision and micro-batch are used as given.
    knobs : callable, optional
        Called once per step; returns a dict of changed knobs, any of ``KNOBS``, which act from the
        next step on. Another return value raises an error. A jitter of None means the jitter of the
        phases. For a jitter larger than the canvas's margin, the canvas is padded with its border
        and the optimizer starts with an empty state.
    size : (int, int), optional
        (height, width) of the images, by default the representation's.
    origin : torch.Tensor, optional
        (C, H, W) in [0, 1], the image from which the start ``photo`` begins.
    window : Window, optional
        The part of the images to compute; all of it by default.
    workers : concurrent.futures.ThreadPoolExecutor, optional
        Threads that run micro-batches in parallel; by default they run one after the other.
    cancelled : callable, optional
        Called before each micro-batch; a true return value ends the search at once.
    next_phase : callable, optional
        Called after the last phase; returns a further phase, or None to end the search.

    Yields
    ------
    Step
        After each update.

    References
    ----------
    CVPR15, equation 1; IJCV16, equation 1.
    """
    search = _search(
        representation, target, selection, settings, knobs, size or representation.size, origin,
        window, workers, cancelled, next_phase,
    )  # fmt: skip
    try:
        while True:
            with own_state():  # it must be closed before the caller gets the step
                step = next(search, None)
            if step is None:
                return
            yield step
    finally:
        search.close()


def _search(
    representation: Representation,
    target: Tensor,
    selection: Selection,
    settings: InversionSettings,
    knobs: Knobs | None,
    size: tuple[int, int],
    origin: Tensor | None,
    window: Window | None,
    workers: ThreadPoolExecutor | None,
    cancelled: Callable[[], bool] | None,
    next_phase: NextPhase | None,
) -> Generator[Step, None, None]:
    center = center_of(representation, settings)
    basis = parametrization(settings.parametrization)
    evaluate = Evaluation(
        representation,
        bind(settings.objective, target, selection, None if window is None else window.selection),
        center,
        size,
        None if window is None else window.box,
        settings.micro_batch,
        cancelled,
        workers,
    )

    def begin(parameters: Tensor) -> Optimizer:
        steps, energy = settings.phases[0].steps, settings.image_energy
        seen = _seen(representation, selection, size, margin)

        def start(part: Tensor) -> Optimizer:
            return start_optimizer(settings.optimizer, part, steps, energy, seen)

        rule: Optimizer = chosen(settings.optimizer, OPTIMIZERS, Optimizer)
        if workers is None or not rule.side_by_side:
            return start(parameters)
        return SideBySide(start, parameters.split(settings.micro_batch or len(z)), workers)

    may_sleep = objective_of(settings.objective).wakes_units
    margin = settings.jitter
    z = start_canvas(representation, settings, size, origin, center)
    parameters = parameters_of(basis, z)
    optimizer = begin(parameters)
    generators = jitter_generators(settings.seeds)
    values: dict[str, Any] = {name: getattr(settings, name) for name in KNOBS} | {"jitter": None}
    rate_factors = torch.ones(len(z), device=z.device)
    gradient = torch.empty_like(z)
    best, best_energy = parameters.clone(), torch.full((len(z),), torch.inf, device=z.device)
    began = time.perf_counter()
    for index, (phase, phase_step) in enumerate(_steps(settings.phases, next_phase)):
        changes = _read(knobs, values)
        if changes:
            best_energy.fill_(torch.inf)  # energies with other weights cannot be compared
        if phase.restart and phase_step == 0:
            optimizer.forget()
        jitter = phase.jitter_at(phase_step) if values["jitter"] is None else values["jitter"]
        if jitter > margin:
            room = jitter - margin + (jitter - margin) % 2  # even, to keep the middle
            z, margin = pad(z, room), margin + room
            best = parameters_of(basis, pad(image_of(basis, best), room))
            parameters, gradient = parameters_of(basis, z), torch.empty_like(z)
            optimizer = begin(parameters)
        shifts = random_shifts(generators, jitter, margin)
        bf16 = settings.precision == "bfloat16" and phase.bf16_at(phase_step)
        priors = _priors(settings, values, index)
        energies = evaluate(z, gradient, priors, values["data_weight"], shifts, bf16)
        if energies is None:
            return
        asks = may_sleep and (z.device.type == "cpu" or not index)  # to ask a GPU is to wait for it
        if asks and bool((energies["data"] == 0).any()):
            may_sleep = False
            seen = None if window is None else window.selection
            if waking := waking_of(representation, selection, size, seen):
                evaluate = replace(evaluate, representation=waking)
                energies = evaluate(z, gradient, priors, values["data_weight"], shifts, bf16)
                if energies is None:
                    return
        if selection.channels is not None:  # needed only if some channels are left out
            free_gradient(gradient, z, values["bound"], center)
        step_gradient = basis.pull_back(parameters, gradient)
        total = energies["total"]
        diverged = ~(torch.isfinite(total) & torch.isfinite(step_gradient.flatten(1).sum(1)))
        if z.device.type != "cpu" or bool(diverged.any()):  # reading it would stall a GPU
            mask = per_seed(diverged, parameters)
            torch.where(mask, best, parameters, out=parameters)
            step_gradient.masked_fill_(mask, 0)
            rate_factors = torch.where(diverged, 0.3 * rate_factors, rate_factors)
            optimizer.forget(diverged)
        better = total < best_energy  # always false for NaN
        best_energy = torch.where(better, total, best_energy)
        best.lerp_(parameters, per_seed(better.to(z), parameters))  # weight 0 or 1
        rates = rate_factors * phase.rate_at(phase_step)
        updated(optimizer, parameters, step_gradient, rates)
        z = image_of(basis, parameters)
        left = ~(torch.linalg.vector_norm(z, torch.inf, dim=(1, 2, 3)) <= _FAR)  # also true for NaN
        if z.device.type != "cpu" or bool(left.any()):
            torch.where(per_seed(left, parameters), best, parameters, out=parameters)
            rate_factors = torch.where(left, 0.3 * rate_factors, rate_factors)
            optimizer.forget(left)
            z, diverged = image_of(basis, parameters), diverged | left
        bound_canvas(z, values["bound"], center)
        if not isinstance(basis, Pixels):
            parameters.copy_(parameters_of(basis, z))
        seconds = time.perf_counter() - began
        yield Step(index, z, energies, seconds, diverged, changes, size, center)


def _seen(
    representation: Representation, selection: Selection, size: tuple[int, int], margin: int
) -> Box | None:
    """The part of the canvas that a region sees under any shift; None for the whole map."""
    if selection.region is None:
        return None
    top, left, bottom, right = representation.receptive_field(selection.region, size).clipped
    return Box(top, left, bottom + margin, right + margin)


def _priors(
    settings: InversionSettings, values: Mapping[str, Any], step: int
) -> list[tuple[Prior, float]]:
    """All priors with their weights at a step."""
    tv_weight = values["tv_weight"] * settings.tv_factor(step)
    alpha = AlphaNorm(values["alpha"], settings.alpha_kind)
    own = [(prior, prior.weight) for prior in settings.priors if isinstance(prior, Prior)]
    tv = TotalVariation(values["beta"], settings.tv_chroma)
    return [(alpha, values["alpha_weight"]), (tv, tv_weight), *own]


def _steps(phases: tuple[Phase, ...], next_phase: NextPhase | None) -> Iterator[tuple[Phase, int]]:
    for phase in phases:
        for step in range(phase.steps):
            yield phase, step
    while next_phase is not None and (further := next_phase()) is not None:
        for step in range(further.steps):
            yield further, step


def _read(knobs: Knobs | None, values: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Call ``knobs``, enter the changed ones into ``values``, and return them."""
    moved = {} if knobs is None else checked_knobs(knobs())
    changes = tuple((name, value) for name, value in moved.items() if values[name] != value)
    values.update(changes)
    return changes
