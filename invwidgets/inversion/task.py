"""One run of a session on the session's thread: prepare, step, pause, measure.

>>> task = Task(1, {"photo": "coffee"}, owner)       # owner: the session's callbacks for a task
>>> task.begin()
>>> task.future.result()
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InvwidgetsError
from .engine import Step
from .phase import Phase
from .prepare import prepare
from .progress import Frame, Progress, State, frame_of
from .result import Reconstruction
from .run import Run
from .settings import InversionSettings

WARM_STEPS = 60  # the steps of a finished run that is continued with a changed knob
_ECHO_SECONDS = 0.2  # between two reports without a picture
_PICTURE_SHARE = 0.1  # the largest part of the time that pictures and their scores may take


@dataclass(frozen=True)
class Owner:
    """The interface of a session to its tasks.

    ``lock`` guards the attributes that control a task; ``tell`` takes over the task's state and
    reports it; ``is_latest`` says whether no newer run was started; ``picture_pause`` gives the
    minimum seconds between pictures, infinite if nobody needs them.
    """

    lock: AbstractContextManager[Any]
    tell: Callable[[Task, Progress], None]
    is_latest: Callable[[Task], bool]
    picture_pause: Callable[[], float]


class Task:
    """A run of a session, with the ``future`` of its result.

    The other attributes control it, under the owner's lock. ``resting`` is True while it is paused
    and no thread works on it; ``ended`` is True after its last step, when it can be continued with
    a new future.
    """

    def __init__(self, number: int, arguments: Mapping[str, Any], owner: Owner) -> None:
        self.number = number
        self.future: Future[Reconstruction] = Future()
        self.paused = self.stopping = self.resting = self.ended = False
        self.single_steps = 0
        self.knobs: Mapping[str, Any] = {}
        self.run: Run | None = None
        self._arguments, self._owner = arguments, owner
        self._state: State = "idle"
        self._steps: Iterator[Step] = iter(())
        self._last_picture = self._last_echo = self._picture_seconds = 0.0
        self._frame: Frame | None = None

    def begin(self) -> None:
        """Prepare the run, and drive it."""
        if not self._must_end():
            self._owner.tell(self, Progress(self.number, "preparing"))
            run = prepare(**self._arguments)
            self._steps = run.steps(lambda: self.knobs, self._ends)
            self.run = run
            self.drive()

    def extend(self) -> None:
        """Continue a finished run for some steps with the current knobs."""
        if self.run is not None and not self.future.done():
            self.run.extend(_warm_phase(self.run.searched))
            self.drive()

    def drive(self) -> None:
        """Step until the run ends, pauses, is stopped or is replaced; measure it at the end."""
        run = self.run
        if run is not None and not self._must_end():
            with run.cpu_threads():
                if self._search(run):
                    self._measure(run)

    def fail(self, error: BaseException, future: Future[Reconstruction] | None = None) -> None:
        """Report an error, and set it as the exception of the future."""
        if self.run is not None:
            error = self.run.in_words(error)
        if isinstance(error, InvwidgetsError):
            words, error = (
                str(error),
                error.with_traceback(None),
            )
        else:
            words = f"{type(error).__name__}: {error}"
        self.ended = False
        self.close()
        self._owner.tell(self, Progress(self.number, "failed", error=words))
        with suppress(InvalidStateError):  # cancelled meanwhile
            (future or self.future).set_exception(error)

    def close(self) -> None:
        """Free the memory of the search."""
        if self.run is not None:
            self._steps.close()  # type: ignore[attr-defined]
        self._frame = None

    def _search(self, run: Run) -> bool:
        """Step until the run is over (True), or is paused or replaced (False)."""
        while run.done < run.searched.steps and not self._ends():
            with self._owner.lock:
                single = self.paused and self.single_steps > 0
                self.single_steps -= single
                self.resting = rests = self.paused and not single
            if rests:
                self._report(run, "paused", picture=True)
                return False
            if self._state != "running" and not (single and self._state == "paused"):
                self._report(run, "running")
            before = run.seconds
            step = next(self._steps, None)
            if step is None:
                break
            now = time.perf_counter()
            soon = now + (run.seconds - before) / 2  # rounds to the nearest step
            pause = max(self._owner.picture_pause(), self._picture_seconds / _PICTURE_SHARE)
            due = soon - self._last_picture >= pause
            if due or run.done == 1 or step.changes:
                self._report(run, self._state, picture=True)
            elif now - self._last_echo >= _ECHO_SECONDS:
                self._report(run, self._state)
        return not self._must_end()

    def _measure(self, run: Run) -> None:
        with self._owner.lock:
            future, self.ended = self.future, run.done == run.searched.steps
        state: State = "finished" if self.ended else "stopped"
        try:
            self._report(run, state, picture=True)
            if run.done and not future.cancelled():
                result = run.result(stopped=state == "stopped")
                self._report(run, state, result=result)
                with suppress(InvalidStateError):
                    future.set_result(result)
            else:
                words = "stopped before its first step, so there is no result"
                with suppress(InvalidStateError):
                    future.set_exception(InvwidgetsError(words))
            if state == "stopped":
                self.close()
        except Exception as error:
            self.fail(error, future)

    def _report(
        self, run: Run, state: State, picture: bool = False, result: Reconstruction | None = None
    ) -> None:
        self._state, self._last_echo = state, time.perf_counter()
        frame = None
        if picture and run.last is not None and math.isfinite(self._owner.picture_pause()):
            self._last_picture = self._last_echo
            if self._frame is None or self._frame.index != run.last.index:
                self._frame = frame_of(run, run.last)
                self._picture_seconds = time.perf_counter() - self._last_echo
            frame = self._frame
        steps, seconds = run.searched.steps, run.seconds
        progress = Progress(self.number, state, run.done, steps, seconds, frame, result, run=run)
        self._owner.tell(self, progress)

    def _ends(self) -> bool:
        return self.stopping or self.future.cancelled() or self._must_end()

    def _must_end(self) -> bool:
        """Whether the run must end, because it was replaced or the program ends."""
        return not self._owner.is_latest(self) or not threading.main_thread().is_alive()


def _warm_phase(settings: InversionSettings) -> Phase:
    """The phase that continues a finished run, at a third of its last phase's learning rate."""
    last = settings.phases[-1]
    lr = last.lr if last.lr_end is None else max(last.lr / 3, last.lr_end)
    jitter = last.jitter if last.jitter_end is None else last.jitter_end
    return replace(last, steps=WARM_STEPS, lr=lr, jitter=jitter, jitter_end=None, restart=True)
