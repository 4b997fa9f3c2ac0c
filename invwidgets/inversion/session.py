"""One run in the background: start, pause, resume, stop, step, and knobs that act while it runs.

    >>> with Session() as session:
    ...     session.start("coffee", layer="blocks.2", seeds=2)
    ...     session.set_knobs(tv_weight=0.1)        # acts on the next step
    ...     result = session.wait()

Widgets and scripts use the same session, so that a panel and a script provably do the same run.
All torch work is done by the session's own single thread. A listener is called on that thread: who
has an event loop passes the call on to it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from ..errors import BadSettingError, InvwidgetsError, unknown_name
from .engine import KNOBS, Step
from .frame import Frame, take_frame
from .job import Job, prepare
from .reconstruction import Reconstruction
from .recorder import Recorder
from .resources import cpu_threads
from .settings import InversionSettings, Phase

State = Literal["idle", "preparing", "running", "paused", "finished", "stopped", "failed"]
BUSY = ("preparing", "running", "paused")

WARM_STEPS = 60  # how far a finished run goes on when a knob is moved
_ECHO_SECONDS = 0.2  # between two reports without a picture
_PATIENCE = 0.2  # seconds a micro-batch may take, so that Stop is heard


@dataclass(frozen=True)
class Progress:
    """Where a run stands: what a listener is told.

    ``run`` counts the runs of the session; ``step`` steps are done of ``steps``, in ``seconds`` of
    search. ``frame`` is there when a new picture is due, ``result`` once the run has been measured,
    ``error`` in words if it failed. ``job`` is there from the moment the run is made ready.
    """

    run: int
    state: State
    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    frame: Frame | None = None
    result: Reconstruction | None = None
    error: str = ""
    job: Job | None = None


@dataclass
class _Run:
    """A search under way; touched by the session's thread only."""

    number: int
    job: Job
    steps: Iterator[Step]
    recorder: Recorder
    total: int
    further: Phase | None = None
    seconds: float = 0.0

    def more(self) -> Phase | None:
        phase, self.further = self.further, None
        return phase


class Session:
    """The one owner of a run in the background.

    ``state`` is one of idle, preparing, running, paused, finished, stopped, failed; ``result`` the
    last run's result; ``error`` why it failed, in words. ``frame_seconds`` is the least time
    between two pictures that a listener is given; a moved knob's picture comes at once.
    """

    def __init__(self, listener: Callable[[Progress], Any] | None = None) -> None:
        self.state: State = "idle"
        self.result: Reconstruction | None = None
        self.error = ""
        self.frame_seconds = 0.5
        self._listener = listener
        self._executor = ThreadPoolExecutor(1, "invwidgets-session")
        self._changed = threading.Condition(threading.RLock())
        self._number = 0  # of the latest wish; older ones give way
        self._measuring = False
        self._closed = self._paused = self._stopping = self._extending = False
        self._single_steps = 0
        self._knobs: Mapping[str, Any] = {}
        self._run: _Run | None = None
        self._last_frame = self._last_echo = 0.0

    def start(self, *args: Any, paused: bool = False, **options: Any) -> int:
        """Begin a run, given as ``invert``'s arguments; a run under way gives way to it.

        Returns the run's number. What is wrong with the arguments is found in the background: the
        state becomes ``failed`` and ``error`` says why.
        """
        with self._changed:
            self._check_open()
            self._number += 1
            self._knobs = {}
            self._paused, self._stopping, self._extending = paused, False, False
            self._single_steps = 0
            self.error, self.result = "", None
            self._measuring = True
            self.state = "preparing"
            self._executor.submit(self._begin, self._number, args, options)
            self._changed.notify_all()
            return self._number

    def pause(self) -> None:
        """Rest after the step under way."""
        with self._changed:
            self._paused = True

    def resume(self) -> None:
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    def step(self) -> None:
        """Do one more step, and rest."""
        with self._changed:
            self._paused = True
            self._single_steps += 1
            self._changed.notify_all()

    def stop(self) -> None:
        """End the run between two micro-batches; what was reached becomes the result."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def set_knobs(self, **values: Any) -> None:
        """Move knobs of the run: they act from its next step, or take up a finished run again.

        Raises ``UnknownNameError`` for what is no knob, ``BadSettingError`` for a bad value.
        """
        for name in values:
            if name not in KNOBS:
                raise unknown_name("knob", name, KNOBS)
        InversionSettings(**values)
        with self._changed:
            self._check_open()
            self._knobs = {**self._knobs, **values}
            if self.state == "finished" and not self._extending:
                self._extending = True
                self._executor.submit(self._extend, self._number)

    def wait(self, timeout: float | None = None) -> Reconstruction:
        """Wait until the run has ended and been measured; its result.

        Raises ``InvwidgetsError`` if it failed, or has no result, and ``TimeoutError``.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: not self.busy or self._closed, timeout):
                raise TimeoutError(f"the run is still {self.state} after {timeout} seconds")
            if self.result is None:
                raise InvwidgetsError(self.error or "no step was run: there is no result")
            return self.result

    @property
    def busy(self) -> bool:
        """Whether a run is under way, or its result still being measured."""
        return self.state in BUSY or self._measuring or self._extending

    def curves(self) -> tuple[dict[str, Tensor], tuple[tuple[int, str, Any], ...]]:
        """The energies so far, (steps, S) by term, and the knobs' changes (step, name, value)."""
        run = self._run
        return ({}, ()) if run is None else (run.recorder.curves(), run.recorder.changes)

    def forget(self) -> None:
        """Let go of the finished run: a knob moved from now on does not take it up again."""
        with self._changed:
            self._number += 1
            self._measuring = self._extending = False
            self.state = "idle"
            self._executor.submit(self._forget)
            self._changed.notify_all()

    def close(self, wait: bool = True) -> None:
        """End the run and the thread; keep no tensor but ``result``. Closing twice is fine."""
        with self._changed:
            self._closed = True
            self._listener = None
            self._changed.notify_all()
        self._executor.shutdown(wait=wait, cancel_futures=True)
        if wait:
            self._forget()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- below, all but _check_open and _cancelled runs on the session's own thread

    def _begin(self, number: int, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        if self._cancelled(number) and not self._stopping:
            return
        self._forget()
        self._tell(number, Progress(number, "preparing"))
        try:
            job = prepare(*args, **options)
            if options.get("micro_batch") is None:
                job = _responsive(job)
        except Exception as error:
            self._fail(number, error)
            return
        run = _Run(number, job, iter(()), Recorder(job), job.settings.steps)
        run.steps = job.run(
            lambda: self._knobs, lambda: self._cancelled(number), lambda: run.more()
        )
        self._run = run
        self._drive(run)

    def _extend(self, number: int) -> None:
        """Take up a finished run again, warm: some more steps with the knobs as they are now."""
        run = self._run
        if run is None or run.number != number or self._cancelled(number):
            return
        self._extending = False
        settings = run.job.settings
        phase = warm_phase(settings)
        run.job = replace(run.job, settings=settings.extended(phase))
        run.recorder.job = run.job
        run.further, run.total = phase, run.total + phase.steps
        self._drive(run)

    def _drive(self, run: _Run) -> None:
        """Step until the end, the stop or a newer wish; then measure."""
        try:
            with cpu_threads(run.job.settings.threads):
                ended = self._steps(run)
                if self._closed or run.number != self._number:
                    return
                state: State = "finished" if ended else "stopped"
                last = run.recorder.last
                self._measuring = True
                self._report(run, last, state, frame=True)
                if last is not None:
                    result = run.recorder.result(stopped=not ended)
                    self._report(run, last, state, result=result)
        except Exception as error:
            self._fail(run.number, run.job.explain(error))
        finally:
            with self._changed:
                if run.number == self._number:
                    self._measuring = False
                self._changed.notify_all()
            if self.state != "finished" or self._closed:
                run.steps.close()  # type: ignore[attr-defined]

    def _steps(self, run: _Run) -> bool:
        """Whether the run came to its end."""
        last = run.recorder.last
        done = 0 if last is None else last.index + 1
        self._report(run, last, "running")
        while done < run.total:
            single = self._rest(run)
            if self._cancelled(run.number):
                return False
            began = time.perf_counter()
            step = next(run.steps, None)
            if step is None:
                return False
            now = time.perf_counter()
            run.seconds += now - began
            soon = now + (now - began) / 2  # nearer than after another step
            done = step.index + 1
            run.recorder.add(step)
            due = soon - self._last_frame >= self.frame_seconds
            if due or single or done == 1 or step.changes:
                self._report(run, step, self.state, frame=True)
            elif now - self._last_echo >= _ECHO_SECONDS:
                self._report(run, step, self.state)
        return True

    def _rest(self, run: _Run) -> bool:
        """Wait while paused; whether the next step is a single one."""
        with self._changed:
            if not self._paused:
                return False
            if self._single_steps == 0:
                self._report(run, run.recorder.last, "paused", frame=True)
                self._changed.wait_for(
                    lambda: not self._paused or self._single_steps or self._cancelled(run.number)
                )
            if self._single_steps:
                self._single_steps -= 1
                return True
        if not self._cancelled(run.number):
            self._report(run, run.recorder.last, "running")
        return False

    def _report(
        self,
        run: _Run,
        step: Step | None,
        state: State,
        frame: bool = False,
        result: Reconstruction | None = None,
    ) -> None:
        now = time.perf_counter()
        self._last_echo = now
        picture = None
        if frame and step is not None and self._listener is not None:
            picture = take_frame(run.job, step)
            self._last_frame = now
        done = 0 if step is None else step.index + 1
        self._tell(
            run.number,
            Progress(run.number, state, done, run.total, run.seconds, picture, result, job=run.job),
        )

    def _fail(self, number: int, error: Exception) -> None:
        words = (
            str(error) if isinstance(error, InvwidgetsError) else f"{type(error).__name__}: {error}"
        )
        self._tell(number, Progress(number, "failed", error=words))
        with self._changed:
            if number == self._number:
                self._measuring = False
            self._changed.notify_all()

    def _tell(self, number: int, progress: Progress) -> None:
        with self._changed:
            if self._closed or number != self._number:
                return  # nobody waits for a run that has given way
            self.state = progress.state
            self.error = progress.error
            self.result = progress.result or self.result
            self._changed.notify_all()
            listener = self._listener
        if listener is not None:
            listener(progress)

    def _cancelled(self, number: int) -> bool:
        return self._closed or self._stopping or number != self._number

    def _forget(self) -> None:
        if self._run is not None:
            self._run.steps.close()  # type: ignore[attr-defined]
            self._run = None

    def _check_open(self) -> None:
        if self._closed:
            raise BadSettingError("the session is closed: make a new one")


def warm_phase(settings: InversionSettings) -> Phase:
    """The steps a finished run goes on for: as its last phase, at a third of that one's rate."""
    last = settings.phases[-1]
    rate = last.rate if last.rate_end is None else max(last.rate / 3, last.rate_end)
    return replace(last, steps=WARM_STEPS, rate=rate, restart=True)


def _seconds(job: Job, image: Tensor) -> float:
    began = time.perf_counter()
    job.representation(image)
    return time.perf_counter() - began


def _responsive(job: Job) -> Job:
    """Micro-batches short enough for Stop to be heard between them, by timing one seed."""
    many = job.settings.micro_batch or len(job.settings.seeds)
    if many == 1:
        return job
    image = torch.rand(1, 3, *job.size).to(job.representation.mean_color.device)
    with cpu_threads(job.settings.threads), torch.no_grad():
        forward = min(_seconds(job, image) for _ in range(2))  # a busy machine seems slow at times
    most = min(many, max(1, int(_PATIENCE / (3 * forward + 1e-6))))
    many = math.ceil(many / math.ceil(many / most))  # of equal size
    return replace(
        job,
        settings=job.settings.replace(micro_batch=many),
        resolved={**job.resolved, "micro_batch": many},
    )
