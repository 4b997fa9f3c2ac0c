"""Keeps of a run what its result needs, and puts the result together.

>>> recorder = Recorder(job)
>>> for step in job.run():
...     recorder.add(step)
>>> recorder.result().relative_error
"""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch import Tensor

from .. import __version__
from ..energy.objectives import objective_of
from ..errors import BadSettingError
from .engine import Step, raw_images
from .metrics import (
    WHOLE,
    outside_variance,
    pairwise_distance,
    psnr,
    relative_error,
    ssim,
    to_floats,
    yardstick_of,
)
from .result import Reconstruction
from .run import Job

_FRAME_SIDE = 160  # pixels of an animation's pictures
_FRAME_SEEDS = 9
_CHUNK = 8  # images whose features are taken at once, where no gradient is needed


class Recorder:
    """Keeps of a run what its result needs: curves, knob changes, frames, the last step."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.last: Step | None = None
        self._energies: dict[str, list[Tensor]] = {}
        self._changes: list[tuple[int, str, Any]] = []
        self._reverted: list[tuple[int, Tensor]] = []
        self._frames: list[Tensor] = []
        self._frame_steps: list[int] = []
        self._wanted = _frame_steps(job.settings.frames, job.settings.steps)

    def add(self, step: Step) -> None:
        """Take note of a step."""
        for name, energy in step.energies.items():
            curve = self._energies.setdefault(name, [])
            curve.extend(torch.full_like(energy, torch.nan) for _ in range(step.index - len(curve)))
            curve.append(energy)
        self._changes.extend((step.index, name, value) for name, value in step.changes)
        self._reverted.append((step.index, step.reverted))
        if step.index in self._wanted:
            self._keep_frame(step)
        self.last = step

    def curves(self) -> dict[str, Tensor]:
        """The energies so far, (steps, S) by term; may be asked from another thread."""
        terms = [(name, list(curve)) for name, curve in list(self._energies.items())]
        return {name: torch.stack(curve).cpu() for name, curve in terms if curve}

    @property
    def changes(self) -> tuple[tuple[int, str, Any], ...]:
        """The knobs' changes so far, as (step, name, value)."""
        return tuple(self._changes)

    def result(self, stopped: bool = False) -> Reconstruction:
        """Measure the last images, in float32, and put everything together."""
        job, step = self.job, self.last
        if step is None:
            raise BadSettingError("no step was run: there is no result")
        raw = raw_images(step.iterate, job.size, step.mean_color)
        images = raw.clamp(0, 1)
        features = _features(job, images)
        errors = raw_errors = outside = None
        objective = objective_of(job.settings.objective)
        if objective.measures_error:
            errors = to_floats(relative_error(features, job.target, job.selection))
            raw_errors = to_floats(relative_error(_features(job, raw), job.target, job.selection))
        yardstick = yardstick_of(job)
        field = None
        if job.selection.region is not None:
            box = job.representation.receptive_field(job.selection.region, job.size)
            covers = box.covers(job.size)
            field = {"box": list(box.clipped), "covers_image": covers}
            outside = None if covers else outside_variance(images, box.clipped)
        chosen = job.selection.of(features).flatten(1)
        wanted = job.selection.of(job.target) if objective.needs_photo else job.target
        norm = float(torch.linalg.vector_norm(wanted))
        if step.index not in self._frame_steps and job.settings.frames:
            self._keep_frame(step)
        return Reconstruction(
            images=images.contiguous().cpu(),
            photo=job.photo,
            photo_name=job.photo_name,
            model=job.representation.name,
            weights=job.representation.weights,
            layer=job.representation.layer,
            selection={
                "region": job.selection.region,
                "channels": job.selection.channels,
                "shown": job.selection.describe(),
            },
            settings=job.settings,
            relative_error=errors,
            raw_relative_error=raw_errors,
            psnr=None if yardstick is None else psnr(images, yardstick),
            ssim=None if yardstick is None else ssim(images, yardstick),
            scored_on=WHOLE if yardstick is None else yardstick.words,
            diversity={
                "pixels": pairwise_distance(images.flatten(1)),
                "features": pairwise_distance(chosen, norm),
            },
            energies=self.curves(),
            seconds=step.seconds,
            steps=step.index + 1,
            stopped=stopped,
            resolved=job.resolved,
            versions=_versions(),
            digest=job.representation.digest,
            knob_changes=tuple(self._changes),
            reverted=tuple(
                (index, job.settings.seeds[int(i)])
                for index, mask in self._reverted
                for i in mask.nonzero().flatten()
            ),
            frames=torch.stack(self._frames) if self._frames else torch.zeros(0, dtype=torch.uint8),
            frame_steps=tuple(self._frame_steps),
            receptive_field=field,
            outside_variance=outside,
            handcrafted=job.representation.handcrafted,
        )

    def _keep_frame(self, step: Step) -> None:
        images = step.images[:_FRAME_SEEDS]
        scale = min(1.0, _FRAME_SIDE / max(images.shape[-2:]))
        side = [max(1, round(s * scale)) for s in images.shape[-2:]]
        small = torch.nn.functional.interpolate(images, side, mode="bilinear", antialias=True)
        self._frames.append(small.mul(255).round().clamp(0, 255).to(torch.uint8).cpu())
        self._frame_steps.append(step.index)


def _features(job: Job, images: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([job.representation(chunk) for chunk in images.split(_CHUNK)])


def _frame_steps(frames: int, steps: int) -> set[int]:
    """Which steps to keep pictures of: more of them early, where more happens."""
    if frames < 2:
        return {0} if frames else set()
    return {round((steps - 1) * (i / (frames - 1)) ** 2) for i in range(frames)}


def _versions() -> dict[str, str]:
    return {
        "invwidgets": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
