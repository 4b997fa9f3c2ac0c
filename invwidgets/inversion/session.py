"""One run in the background: start, pause, resume, stop, step, and knobs that act while it runs.

    >>> with Session() as session:
    ...     session.start("coffee", layer="blocks.2", seeds=2)
    ...     session.set_knobs(tv_weight=0.1)        # acts on the next step
    ...     result = session.wait()

Widgets and scripts use the same session, so that a panel and a script provably do the same run.
All torch work is done by the session's own single thread. A listener is called on that thread, in
the order of events and under no lock, so that it may call what it likes, on whatever thread; who
has an event loop passes the call on to it. What a listener raises is logged; the run goes on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Unpack

from torch import Tensor, nn

from ..errors import BadSettingError, InvwidgetsError, unknown_name
from ..images import PhotoSource
from ..models.zoo import DEFAULT_MODEL
from ..representations.base import Representation
from .engine import KNOBS
from .live_run import LiveRun, responsive
from .progress import BUSY, Progress, State
from .result import Reconstruction
from .run import RunOptions, prepare
from .settings import InversionSettings, Phase
from .worker import Worker

_ECHO_SECONDS = 0.2  # between two reports without a picture
_LISTENER_SECONDS = 2.0  # how long closing waits for a report under way: it may be waiting for us
_log = logging.getLogger(__name__)


class Session:
    """The one owner of a run in the background.

    ``state`` is one of idle, preparing, running, paused, finished, stopped, failed; ``result`` the
    last run's result; ``error`` why it failed, in words. ``listener`` is told where the run stands,
    None where nobody is; ``frame_seconds`` is the least time between two pictures it is given; a
    moved knob's picture comes at once.
    """

    def __init__(self, listener: Callable[[Progress], Any] | None = None) -> None:
        self.state: State = "idle"
        self.result: Reconstruction | None = None
        self.error = ""
        self.frame_seconds = 0.5
        self.listener = listener
        self._worker = Worker("invwidgets-session")
        self._changed = threading.Condition(threading.RLock())
        self._number = 0  # of the latest wish; older ones give way
        self._measuring = False
        self._closed = self._paused = self._stopping = self._extending = self._telling = False
        self._single_steps = 0
        self._knobs: Mapping[str, Any] = {}
        self._run: LiveRun | None = None
        self._last_frame = self._last_echo = 0.0

    def start(
        self,
        photo: PhotoSource | None = None,
        model: str | nn.Module | Representation = DEFAULT_MODEL,
        layer: str | None = None,
        *,
        paused: bool = False,
        **options: Unpack[RunOptions],
    ) -> int:
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
            arguments = {"photo": photo, "model": model, "layer": layer, **options}
            self._worker.submit(self._begin, self._number, arguments)
            self._changed.notify_all()
            return self._number

    def pause(self) -> None:
        """Rest after the step under way."""
        with self._changed:
            self._paused = True

    def resume(self) -> None:
        with self._changed:
            self._paused, self._single_steps = False, 0
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
            self._stopping = self.busy
            self._changed.notify_all()

    def set_knobs(self, **values: Any) -> None:
        """Move knobs of the run: they act from its next step, or take up a finished run again.

        Raises ``UnknownNameError`` for what is no knob, ``BadSettingError`` for a bad value.
        """
        for name in values:
            if name not in KNOBS:
                raise unknown_name("knob", name, KNOBS)
        plain = {name: value for name, value in values.items() if name != "jitter"}
        InversionSettings(**plain, phases=(Phase(1, 0.0, jitter=values.get("jitter") or 0),))
        with self._changed:
            self._check_open()
            self._knobs = {**self._knobs, **values}
            if self.state == "finished" and not self._extending:
                self._extending, self._stopping = True, False
                self._worker.submit(self._extend, self._number)

    def wait(self, timeout: float | None = None) -> Reconstruction:
        """Wait until the run has ended and been measured; its result.

        Raises ``InvwidgetsError`` if it failed, or has no result, and ``TimeoutError``.
        """
        if self._worker.here and self.busy:
            raise BadSettingError(
                "wait, called by the listener, would wait for itself: call it on another thread"
            )
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

    @property
    def steps_done(self) -> int:
        """How many steps the latest run has taken."""
        run = self._run
        return 0 if run is None else run.done

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
            self._worker.submit(self._forget)
            self._changed.notify_all()

    def close(self, wait: bool = True) -> None:
        """End the run and the thread; keep no tensor but ``result``. Closing twice is fine."""
        with self._changed:
            if not self._closed:
                self._closed, self.listener = True, None
                if self.state in BUSY:
                    self.state = "stopped"
                self._worker.clear()
                self._worker.submit(self._forget)
                self._changed.notify_all()
        if wait and not self._worker.here:
            while not self._worker.join(_LISTENER_SECONDS) and not self._telling:
                pass

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- below, all but _check_open and _cancelled runs on the session's own thread

    def _begin(self, number: int, arguments: dict[str, Any]) -> None:
        if self._closed or number != self._number:
            return
        self._forget()
        self._tell(number, Progress(number, "preparing"))
        try:
            job = prepare(**arguments)
            if arguments.get("micro_batch") is None:
                job = responsive(job)
            run = LiveRun(number, job, lambda: self._knobs, lambda: self._cancelled(number))
        except Exception as error:
            self._fail(number, error)
            return
        self._run = run
        self._drive(run)

    def _extend(self, number: int) -> None:
        """Take up a finished run again, warm: some more steps with the knobs as they are now."""
        with self._changed:
            run = self._run
            if number == self._number:
                self._extending = False
            self._changed.notify_all()
            if run is None or run.number != number or self._cancelled(number):
                return
            self._measuring = True  # busy until it has said that it runs
        try:
            run.extend()
        except Exception as error:
            self._fail(number, error)
            return
        self._drive(run)

    def _drive(self, run: LiveRun) -> None:
        """Step until the end, the stop or a newer wish; then measure."""
        try:
            with run.job.cpu_threads():
                ended = self._steps(run)
                with self._changed:
                    if self._closed or run.number != self._number:
                        return
                    self._measuring = True
                state: State = "finished" if ended else "stopped"
                self._report(run, state, picture=True)
                if run.done:
                    result = run.recorder.result(stopped=not ended)
                    self._report(run, state, result=result)
        except Exception as error:
            self._fail(run.number, run.job.explain(error))
        finally:
            with self._changed:
                if run.number == self._number:
                    self._measuring = False
                self._changed.notify_all()
                over = self.state != "finished" or self._closed
            if over:
                run.close()

    def _steps(self, run: LiveRun) -> bool:
        """Whether the run came to its end."""
        self._report(run, "running")
        while run.done < run.total:
            single = self._rest(run)
            if self._cancelled(run.number):
                return False
            step = run.advance()
            if step is None:
                return False
            now = time.perf_counter()
            soon = now + run.step_seconds / 2  # nearer than after another step
            due = soon - self._last_frame >= self.frame_seconds
            if due or single or run.done == 1 or step.changes:
                self._report(run, self.state, picture=True)
            elif now - self._last_echo >= _ECHO_SECONDS:
                self._report(run, self.state)
        return True

    def _rest(self, run: LiveRun) -> bool:
        """Wait while paused; whether the next step is a single one."""
        with self._changed:
            if not self._paused:
                return False
            single = self._single_steps > 0
        if not single:
            self._report(run, "paused", picture=True)
            with self._changed:
                while self._paused and not self._single_steps and not self._cancelled(run.number):
                    self._changed.wait(_ECHO_SECONDS)  # awake now and then: the program may end
        with self._changed:
            ours = not self._cancelled(run.number)  # else the step is the next run's to take
            if ours and self._single_steps:
                self._single_steps -= 1
                return True
        if ours:
            self._report(run, "running")
        return False

    def _report(
        self,
        run: LiveRun,
        state: State,
        picture: bool = False,
        result: Reconstruction | None = None,
    ) -> None:
        self._last_echo = time.perf_counter()
        picture = picture and run.done > 0 and self.listener is not None
        if picture:
            self._last_frame = self._last_echo
        self._tell(run.number, run.progress(state, picture, result))

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
        """Take over where the run stands, under the lock, then tell the listener, outside it."""
        with self._changed:
            if self._closed or number != self._number:
                return  # nobody waits for a run that has given way
            self.state = progress.state
            self.error = progress.error
            self.result = progress.result or self.result
            listener, self._telling = self.listener, True
            self._changed.notify_all()
        try:
            if listener is not None:
                listener(progress)
        except Exception:
            _log.exception("a session's listener failed; the run goes on")
        finally:
            self._telling = False

    def _cancelled(self, number: int) -> bool:
        ending = not threading.main_thread().is_alive()  # of the program: nobody can stop us later
        return self._closed or self._stopping or number != self._number or ending

    def _forget(self) -> None:
        if self._run is not None:
            self._run.close()
            self._run = None

    def _check_open(self) -> None:
        if self._closed:
            raise BadSettingError("the session is closed: make a new one")
