"""A run: the class that does a search step by step, records it, and measures its result.

>>> run = prepare("coffee", layer="blocks.2", seeds=2)
>>> for step in run.steps():
...     print(step.index, step.energies["data"])
>>> run.result().relative_error

``invert`` does a run in one call, a session does it in the background; both use this class.
"""

from __future__ import annotations

import math
import platform
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from .. import __version__
from ..arguments import is_flag
from ..energy.objectives import Objective, objective_of
from ..errors import BadSettingError, CustomPartError, NotEnoughMemoryError, shown
from ..representations.base import Representation
from ..selection import Selection
from ..torch_state import own_state
from . import engine
from .canvas import raw_images
from .engine import Knobs, Step
from .hardware.memory import num_workers
from .hardware.threads import cpu_threads, set_own_threads
from .metrics import Reference, measure, reference_of
from .phase import Phase
from .result import KnobChange, Reconstruction, no_frames
from .settings import InversionSettings
from .window import Window

_FRAME_SIDE = 160  # pixels of an animation's pictures
_FRAME_SEEDS = 9


@dataclass
class _Record:
    """The record of the steps so far that the result needs."""

    wanted: set[int]  # the steps of which pictures are kept
    settings: InversionSettings  # with the phases that the search was extended by
    next_phase: Phase | None = None
    last: Step | None = None
    seconds: float = 0.0
    energies: dict[str, list[Tensor]] = field(default_factory=dict)
    changes: list[KnobChange] = field(default_factory=list)
    reverted: list[tuple[int, Tensor]] = field(default_factory=list)
    frames: list[Tensor] = field(default_factory=list)
    frame_steps: list[int] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Run:
    """A prepared run: everything is checked, resolved and loaded, and the search can begin.

    >>> run = prepare("coffee", layer="blocks.2", seeds=2)
    >>> for step in run.steps():
    ...     print(step.index, step.energies["data"])
    >>> run.result().save("coffee.safetensors")

    Only one thread may step a run; another one may read ``energies`` and ``changes``.

    Attributes
    ----------
    representation : Representation
        Φ, on the run's device.
    photo : torch.Tensor or None
        (C, H, W) in [0, 1]; None if the objective needs none or a target was given.
    photo_name : str
        Its name in figures; "the target" if features were given.
    target : torch.Tensor
        Φ₀, (1, C, h, w) or (1, D), or the objective's reference.
    selection : Selection
        The mask M.
    window : Window or None
        The part of the images that is computed; None for all.
    settings : InversionSettings
        The settings, without ``"auto"``. A run is frozen; only the record of its search changes.
    """

    representation: Representation
    photo: Tensor | None
    photo_name: str
    target: Tensor
    selection: Selection
    window: Window | None
    settings: InversionSettings
    _records: list[_Record] = field(default_factory=list, init=False, repr=False)  # the latest one

    @property
    def _record(self) -> _Record:
        if not self._records:
            self._begin()
        return self._records[0]

    def _begin(self) -> _Record:
        """Begin a new record for a search."""
        wanted = _frame_steps(self.settings.frames, self.settings.steps)
        self._records[:] = [_Record(wanted, self.settings)]
        return self._records[0]

    @property
    def objective(self) -> Objective:
        return objective_of(self.settings.objective)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the images."""
        return self.settings.size or self.representation.size

    @cached_property
    def reference(self) -> Reference | None:
        """The reference for PSNR and SSIM."""
        return reference_of(self.representation, self.photo, self.selection, self.size)

    @property
    def _target_given(self) -> bool:
        return self.photo is None and self.objective.needs_photo

    @property
    def workers(self) -> int:
        """The number of micro-batches that run in parallel."""
        chosen = self.settings
        return _workers(self.representation, len(chosen.seeds), chosen.micro_batch, chosen.threads)

    @property
    def threads_per_batch(self) -> int | None:
        """The CPU threads of one micro-batch; None leaves torch's number unchanged."""
        chosen = self.settings
        return threads_of_a_batch(
            self.representation, len(chosen.seeds), chosen.micro_batch, chosen.threads
        )

    def cpu_threads(self) -> AbstractContextManager[int]:
        """A context in which torch uses the CPU threads of one micro-batch."""
        return cpu_threads(self.threads_per_batch)

    # ---- the search

    def steps(
        self,
        knobs: Knobs | None = None,
        cancelled: Callable[[], bool] | None = None,
        origin: Tensor | None = None,
    ) -> Iterator[Step]:
        """Search from the start, and yield each step after it is recorded.

        ``knobs`` and ``cancelled`` are those of the engine. ``origin`` (C, H, W) in [0, 1] is the
        image from which the start ``photo`` begins, by default the photo. Call it within
        ``cpu_threads()``. To stop, leave the loop; ``result`` then measures the steps so far.
        """
        record = self._begin()
        with ExitStack() as stack:
            pool = None
            if self.workers > 1:
                threads = (self.threads_per_batch or 1,)
                pool = stack.enter_context(
                    ThreadPoolExecutor(self.workers, "invwidgets-seeds", set_own_threads, threads)
                )
                gate = threading.Barrier(self.workers)  # all start before the first step
                list(pool.map(lambda _: gate.wait(), range(self.workers)))
            search = engine.run(
                self.representation,
                self.target,
                self.selection,
                self.settings,
                knobs,
                size=self.size,
                origin=self.photo if origin is None else origin,
                window=self.window,
                workers=pool,
                cancelled=cancelled,
                next_phase=self._take_phase,
            )
            began = time.perf_counter()
            for step in search:
                record.seconds += time.perf_counter() - began
                self._add(step)
                yield step
                began = time.perf_counter()

    def extend(self, phase: Phase) -> None:
        """Add a phase to a finished search, which continues when it is iterated further."""
        record = self._record
        record.settings, record.next_phase = record.settings.extended(phase), phase

    def finish(
        self, callback: Callable[[Step], Any] | None = None, knobs: Knobs | None = None
    ) -> Reconstruction:
        """Search to the end, and return the measured result.

        ``callback`` is called with every step. True stops the run, None or False continues it, and
        any other value raises a ``BadSettingError``. After an interrupt from the keyboard, the
        result has the images of the last step, and ``stopped`` is True.
        """
        stopped = False
        try:
            with self.cpu_threads():
                for step in self.steps(knobs):
                    if callback is not None and _stops(callback(step)):
                        stopped = step.index + 1 < self.searched.steps
                        break
        except KeyboardInterrupt:
            if self.last is None:
                raise
            stopped = True
        except torch.OutOfMemoryError as error:
            raise self.in_words(error) from None
        return self.result(stopped)

    def in_words(self, error: BaseException) -> BaseException:
        """The error, with a remedy added if memory ran out."""
        if not isinstance(error, torch.OutOfMemoryError):
            return error
        micro_batch = self.settings.micro_batch or len(self.settings.seeds)
        return NotEnoughMemoryError(
            f"{self.settings.device} ran out of memory with {micro_batch} seeds in a batch "
            f"({str(error).splitlines()[0]}); give micro_batch={max(1, micro_batch // 2)}, fewer "
            "seeds or a smaller size"
        )

    # ---- what was recorded

    @property
    def last(self) -> Step | None:
        """The latest step."""
        return self._record.last

    @property
    def done(self) -> int:
        """The number of steps so far."""
        return 0 if self.last is None else self.last.index + 1

    @property
    def searched(self) -> InversionSettings:
        """The settings, including the phases that were added to the search."""
        return self._record.settings

    @property
    def seconds(self) -> float:
        """The duration of the steps, without the time between them."""
        return self._record.seconds

    def energies(self) -> dict[str, Tensor]:
        """The energies so far, (steps, S) by term."""
        terms = [(name, list(curve)) for name, curve in list(self._record.energies.items())]
        return {name: torch.stack(curve).cpu() for name, curve in terms if curve}

    def changes(self) -> tuple[KnobChange, ...]:
        """The knob changes so far."""
        return tuple(self._record.changes)

    @own_state()
    def result(self, stopped: bool = False) -> Reconstruction:
        """Measure the last images, and return the result.

        Raises ``BadSettingError`` if no step was done.
        """
        record, step, phi = self._record, self.last, self.representation
        if step is None:
            raise BadSettingError("no step was run, so there is no result")
        raw = raw_images(step.iterate, self.size, step.center)
        if not bool(raw.isfinite().all()):  # the search leaves none behind
            raise CustomPartError(
                "the images of the last step contain NaN or infinite values, which a callback or "
                "another reader wrote into step.iterate: change a copy, step.iterate.clone()"
            )
        scores = measure(phi, self.objective, self.target, self.selection, self.reference, raw)
        field = None
        if self.selection.region is not None:
            field = phi.receptive_field(self.selection.region, self.size)
        if step.index not in record.frame_steps and self.settings.frames:
            self._keep_frame(step)
        return Reconstruction(
            images=raw.clamp(0, 1).contiguous().cpu(),
            photo=self.photo,
            photo_name=self.photo_name,
            model=phi.name,
            weights=phi.weights,
            layer=phi.layer,
            selection=self.selection,
            settings=record.settings,
            **scores._asdict(),
            energies=self.energies(),
            seconds=record.seconds,
            steps=step.index + 1,
            stopped=stopped,
            versions={
                "invwidgets": __version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
            digest=phi.digest,
            knob_changes=self.changes(),
            reverted=self._reverted(),
            frames=torch.stack(record.frames) if record.frames else no_frames(),
            frame_steps=tuple(record.frame_steps),
            receptive_field=field,
            handcrafted=phi.handcrafted,
            feature_note="; ".join(phi.notes),
            target=self.target.cpu() if self._target_given else None,
        )

    # ----

    def _take_phase(self) -> Phase | None:
        record = self._record
        phase, record.next_phase = record.next_phase, None
        return phase

    def _add(self, step: Step) -> None:
        record = self._record
        for name, energy in step.energies.items():
            curve = record.energies.setdefault(name, [])
            curve.extend(torch.full_like(energy, torch.nan) for _ in range(step.index - len(curve)))
            curve.append(energy)
        record.changes.extend((step.index, name, value) for name, value in step.changes)
        record.reverted.append((step.index, step.reverted))
        if step.index in record.wanted:
            self._keep_frame(step)
        record.last = step

    def _reverted(self) -> tuple[tuple[int, int], ...]:
        """The (step, seed) pairs of all resets to a best image, read from the device at once."""
        steps = [index for index, _ in self._record.reverted]
        masks = torch.stack([mask for _, mask in self._record.reverted]).cpu()
        seeds = self.settings.seeds
        return tuple((steps[row], seeds[place]) for row, place in masks.nonzero().tolist())

    def _keep_frame(self, step: Step) -> None:
        images = step.images[:_FRAME_SEEDS]
        scale = min(1.0, _FRAME_SIDE / max(images.shape[-2:]))
        side = [max(1, round(s * scale)) for s in images.shape[-2:]]
        small = torch.nn.functional.interpolate(images, side, mode="bilinear", antialias=True)
        self._record.frames.append(small.mul(255).round().clamp(0, 255).to(torch.uint8).cpu())
        self._record.frame_steps.append(step.index)


def _workers(phi: Representation, seeds: int, micro_batch: int | None, threads: int | None) -> int:
    """The number of micro-batches that run in parallel."""
    return num_workers(phi, math.ceil(seeds / (micro_batch or 1)), threads or 1)


def threads_of_a_batch(
    phi: Representation, seeds: int, micro_batch: int | None, threads: int | None
) -> int | None:
    """The CPU threads of one micro-batch; None leaves torch's number unchanged."""
    if threads is None:
        return None
    return max(1, threads // _workers(phi, seeds, micro_batch, threads))


def _stops(answer: Any) -> bool:
    """Whether the value that a callback returned ends the search."""
    if answer is None:
        return False
    if is_flag(answer) and not getattr(answer, "ndim", 0):
        return bool(answer)
    raise BadSettingError(
        f"callback returned {shown(answer)}: return True to stop the run, or None or False to "
        "continue"
    )


def _frame_steps(frames: int, steps: int) -> set[int]:
    """The steps whose pictures are kept; more of them are early, when images change faster."""
    if frames < 2:
        return {0} if frames else set()
    return {round((steps - 1) * (i / (frames - 1)) ** 2) for i in range(frames)}
