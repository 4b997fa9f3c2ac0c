"""The search itself: a generator of steps that knows nothing of who watches.

    >>> for step in run(representation, target, Selection(), settings):
    ...     if step.seconds > 10:
    ...         break                      # to stop is to cease iterating

min over x of  C · data(Φ(x)) + λ_α R_α(x) + λ_V R_{V^β}(x)   (CVPR15, equation 1; IJCV16,
equation 1), for all seeds at once. Energies are summed over seeds, never averaged, and every
state is kept by seed, so that seeds never touch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .. import priors
from ..images import luminance
from ..objectives import make_objective
from ..representations.base import Representation
from ..selection import Selection
from .evaluation import Evaluation
from .optimizers import make_optimizer
from .settings import InversionSettings, Phase
from .starts import jitter_generators, start_images
from .window import Window

KNOBS = ("data_weight", "alpha_weight", "tv_weight", "alpha", "beta", "bound", "jitter")
_FAR = 1e6  # 0-255 units: where an iterate that left the numbers is put
Knobs = Callable[[], Mapping[str, Any]]
More = Callable[[], "Phase | None"]


@dataclass(frozen=True)
class Step:
    """One update of all seeds.

    ``energies`` holds (S,) by term ("data", "alpha", "tv"; unweighted, of the iterate before the
    update) and "total"; ``reverted`` (S,) is True where a seed diverged and went back to its best
    image; ``changes`` are the knobs that moved since the last step. ``iterate`` is the engine's own
    canvas, (S, 3, H + jitter, W + jitter), valid until the next step.
    """

    index: int
    iterate: Tensor
    energies: dict[str, Tensor]
    seconds: float
    reverted: Tensor
    changes: tuple[tuple[str, Any], ...]
    size: tuple[int, int]
    mean_color: Tensor

    @property
    def images(self) -> Tensor:
        """The pictures (S, 3, H, W) in [0, 1], clipped: a copy made when it is asked for."""
        return raw_images(self.iterate, self.size, self.mean_color).clamp_(0, 1)


def raw_images(iterate: Tensor, size: tuple[int, int], mean_color: Tensor) -> Tensor:
    """The iterate's middle as images, not clipped: z / 255 + mean colour."""
    top, left = ((c - s) // 2 for c, s in zip(iterate.shape[-2:], size, strict=True))
    centre = iterate[..., top : top + size[0], left : left + size[1]]
    return centre / 255 + mean_color[:, None, None]


def to_iterate(images: Tensor, mean_color: Tensor) -> Tensor:
    """Images in [0, 1] as iterates, 255 · (x − mean colour)."""
    return 255 * (images - mean_color[:, None, None])


def run(
    representation: Representation,
    target: Tensor,
    selection: Selection,
    settings: InversionSettings,
    knobs: Knobs | None = None,
    *,
    size: tuple[int, int] | None = None,
    photo: Tensor | None = None,
    window: Window | None = None,
    workers: ThreadPoolExecutor | None = None,
    cancelled: Callable[[], bool] | None = None,
    more: More | None = None,
) -> Iterator[Step]:
    """Search, yielding every step.

    Parameters
    ----------
    representation, target, selection: Φ, Φ₀ (1, …) and M. With the objective ``maximise`` the
        target is the response to normalise by, a tensor of one number.
    settings: already resolved (device, threads, precision and micro-batch are taken as they are).
    knobs: read once a step; may set any of ``KNOBS`` from its next step on. A jitter of None is
        the phases' own; one larger than the canvas has room for lets it grow by its border, and
        the optimiser begin afresh.
    size: (height, width) of the images, the representation's own by default.
    photo: (3, H, W), where the start ``photo`` begins.
    window: what of the images to compute; all of it by default.
    workers: threads that take micro-batches side by side; one after the other by default.
    cancelled: asked before each micro-batch; a true answer ends the search at once.
    more: asked after the last phase for a further one; None ends the search.
    """
    size = size or representation.size
    mean = representation.mean_color
    canvas = (size[0] + settings.jitter, size[1] + settings.jitter)
    origin = None
    if photo is not None:
        origin = to_iterate(_grown(photo.to(mean)[None], settings.jitter), mean)
    if origin is not None and representation.color_blind:
        origin = luminance(origin)[:, :1]
    colors = 1 if representation.color_blind else 3
    shape, energy = (colors, *canvas), settings.image_energy
    z = start_images(settings.start, settings.seeds, shape, origin, energy).to(mean.device)
    computed = selection if window is None else window.selection
    objective = make_objective(settings.objective, target, selection, computed)
    evaluate = Evaluation(representation, objective, settings, size, window, cancelled, workers)
    horizon = settings.phases[0].steps
    optimizer = make_optimizer(settings.optimizer, z, horizon, settings.image_energy)
    generators = jitter_generators(settings.seeds)
    values: dict[str, Any] = {name: getattr(settings, name) for name in KNOBS} | {"jitter": None}
    margin = settings.jitter
    rate_factors = torch.ones(len(z), device=z.device)
    gradient = torch.empty_like(z)
    best, best_energy = z.clone(), torch.full((len(z),), torch.inf, device=z.device)
    began = time.perf_counter()
    for index, (phase, within) in enumerate(_steps(settings.phases, more)):
        changes = _read(knobs, values)
        if changes:
            best_energy.fill_(torch.inf)  # energies of other weights do not compare
        if phase.restart and within == 0:
            optimizer.forget()
        jitter = phase.jitter if values["jitter"] is None else values["jitter"]
        if jitter > margin:
            room = jitter - margin + (jitter - margin) % 2  # even: the middle stays where it is
            z, best, margin = _grown(z, room), _grown(best, room), margin + room
            gradient = torch.empty_like(z)
            optimizer = make_optimizer(settings.optimizer, z, horizon, settings.image_energy)
        shifts = _shifts(generators, jitter, margin)
        weights = values | {"tv_weight": values["tv_weight"] * settings.tv_factor(index)}
        half = settings.precision == "bfloat16" and phase.half_at(within)
        energies = evaluate(z, gradient, weights, shifts, half)
        if energies is None:
            return
        total = energies["total"]
        broken = ~(torch.isfinite(total) & torch.isfinite(gradient.sum((1, 2, 3))))
        if z.device.type != "cpu" or bool(broken.any()):  # to ask a GPU is to wait for it
            mask = broken[:, None, None, None]
            torch.where(mask, best, z, out=z)
            gradient.masked_fill_(mask, 0)
            rate_factors = torch.where(broken, 0.3 * rate_factors, rate_factors)
            optimizer.forget(broken)
        better = total < best_energy  # never true of NaN
        best_energy = torch.where(better, total, best_energy)
        best.lerp_(z, better.to(z)[:, None, None, None])  # a weight of 0 or 1: a copy or none
        optimizer.update(z, gradient, rate_factors * phase.rate_at(within))
        _bound(z, values["bound"], mean)
        torch.nan_to_num_(z, 0.0, _FAR, -_FAR)  # the next step takes such a seed back
        seconds = time.perf_counter() - began
        yield Step(index, z, energies, seconds, broken, changes, size, mean)


def _steps(phases: tuple[Phase, ...], more: More | None) -> Iterator[tuple[Phase, int]]:
    for phase in phases:
        for within in range(phase.steps):
            yield phase, within
    while more is not None and (further := more()) is not None:
        for within in range(further.steps):
            yield further, within


def _read(knobs: Knobs | None, values: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Take over the knobs that moved; say which."""
    moved = [] if knobs is None else list(knobs().items())
    changes = tuple((name, value) for name, value in moved if values[name] != value)
    values.update(changes)
    return changes


def _shifts(generators: list[torch.Generator], jitter: int, margin: int) -> Tensor:
    """Each seed's own shift (S, 2) of its crop; in the middle of the canvas without jitter."""
    middle = (margin - jitter) // 2
    if not jitter:
        return torch.full((len(generators), 2), margin // 2)
    return middle + torch.stack(
        [torch.randint(0, jitter + 1, (2,), generator=g) for g in generators]
    )


def _bound(z: Tensor, limit: float | str | None, mean: Tensor) -> None:
    if limit == "picture":
        low = to_iterate(torch.zeros(3, 1, 1, device=mean.device), mean)[: z.shape[1]]
        torch.maximum(z, low, out=z)
        torch.minimum(z, low + 255, out=z)
    elif limit is not None:
        priors.bound(z, float(limit))


def _grown(images: Tensor, margin: int) -> Tensor:
    """Images (S, 3, H, W) continued by their border, to (S, 3, H + margin, W + margin)."""
    before = margin // 2
    pads = (before, margin - before, before, margin - before)
    return torch.nn.functional.pad(images, pads, mode="replicate")
