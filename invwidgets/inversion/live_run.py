"""A search under way: its steps one by one, what is recorded of them, and how it goes on.

>>> run = LiveRun(1, responsive(prepare("coffee")), dict, lambda: False)
>>> while run.advance() is not None:
...     print(run.done, "of", run.total, run.step_seconds)
>>> result = run.recorder.result()
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from .engine import Knobs, Step
from .frame import take_frame
from .progress import Progress, State
from .recorder import Recorder
from .result import Reconstruction
from .run import Job
from .settings import InversionSettings, Phase

WARM_STEPS = 60  # how far a finished run goes on when a knob is moved
_PATIENCE = 0.2  # seconds a micro-batch may take, so that Stop is heard


class LiveRun:
    """The session's run number ``number``; one thread steps it, records it and reports it.

    ``total`` is how many steps it is to take, ``seconds`` how long those taken took.
    """

    def __init__(self, number: int, job: Job, knobs: Knobs, cancelled: Callable[[], bool]) -> None:
        self.number, self.job = number, job
        self.recorder = Recorder(job)
        self.total = job.settings.steps
        self.seconds = self.step_seconds = 0.0
        self._further: Phase | None = None
        self._steps = job.run(knobs, cancelled, self._next_phase)

    @property
    def done(self) -> int:
        """How many steps have been taken."""
        last = self.recorder.last
        return 0 if last is None else last.index + 1

    def advance(self) -> Step | None:
        """The next step, timed and recorded; None where there is none."""
        began = time.perf_counter()
        step = next(self._steps, None)
        if step is not None:
            self.step_seconds = time.perf_counter() - began
            self.seconds += self.step_seconds
            self.recorder.add(step)
        return step

    def extend(self) -> None:
        """Let a run that has come to its end take some more steps, warm."""
        settings = self.job.settings
        phase = warm_phase(settings)
        self.job = self.recorder.job = replace(self.job, settings=settings.extended(phase))
        self._further = phase
        self.total += phase.steps

    def progress(
        self, state: State, picture: bool = False, result: Reconstruction | None = None
    ) -> Progress:
        """Where the run stands, with a picture of the last step if one is wanted."""
        last = self.recorder.last
        frame = take_frame(self.job, last) if picture and last is not None else None
        return Progress(
            self.number, state, self.done, self.total, self.seconds, frame, result, job=self.job
        )

    def close(self) -> None:
        """Let go of what the search holds."""
        self._steps.close()  # type: ignore[attr-defined]

    def _next_phase(self) -> Phase | None:
        phase, self._further = self._further, None
        return phase


def warm_phase(settings: InversionSettings) -> Phase:
    """The steps a finished run goes on for: as its last phase, at a third of that one's rate."""
    last = settings.phases[-1]
    rate = last.rate if last.rate_end is None else max(last.rate / 3, last.rate_end)
    return replace(last, steps=WARM_STEPS, rate=rate, restart=True)


def responsive(job: Job) -> Job:
    """Micro-batches short enough for Stop to be heard between them, by timing one seed."""
    many = job.settings.micro_batch or len(job.settings.seeds)
    if many == 1:
        return job
    image = torch.rand(1, 3, *job.size).to(job.representation.mean_color.device)
    with job.cpu_threads(), torch.no_grad():
        forward = min(_seconds(job, image) for _ in range(2))  # a busy machine seems slow at times
    most = min(many, max(1, int(_PATIENCE / (3 * forward + 1e-6))))
    many = math.ceil(many / math.ceil(many / most))  # of equal size
    return replace(
        job,
        settings=job.settings.replace(micro_batch=many),
        resolved={**job.resolved, "micro_batch": many},
    )


def _seconds(job: Job, image: Tensor) -> float:
    began = time.perf_counter()
    job.representation(image)
    return time.perf_counter() - began
