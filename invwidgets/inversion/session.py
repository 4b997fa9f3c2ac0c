"""The session: a run in the background that can be paused, stepped, stopped and changed.

    >>> with Session() as session:
    ...     future = session.start("coffee", layer="blocks.2", seeds=2)
    ...     session.set_knobs(tv_weight=0.1)        # acts on the next step
    ...     result = future.result()

Widgets and scripts use the same session, so a panel and a script do exactly the same run.

All torch work is done on one thread of the session, which exists only while there is work; a paused
or finished session has none. It is not a ``concurrent.futures.ThreadPoolExecutor``, because a
program that ends would wait for the run. ``on_progress`` is called on this thread, in the order of
events and without a lock, so it may call any method of the session. A program with an event loop
should forward the call to the loop. Errors that it raises are logged, and the run continues.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import replace
from typing import Any, Unpack

from torch import Tensor, nn

from ..errors import BadSettingError, InvwidgetsError
from ..images import PhotoSource
from ..models.zoo import DEFAULT_MODEL
from ..representations.base import Representation
from .engine import Step
from .knobs import checked_knobs
from .options import RunOptions, lists_options
from .phase import Phase
from .prepare import prepare
from .progress import Frame, Progress, State, frame_of
from .result import KnobChange, Reconstruction
from .run import Run
from .settings import InversionSettings

WARM_STEPS = 60  # the steps of a finished run that is continued with a changed knob
LISTENER_SECONDS = 2.0  # how long close() waits for a running on_progress, which may be blocked
_ECHO_SECONDS = 0.2  # between two reports without a picture
_PICTURE_SHARE = 0.1  # the largest part of the time that pictures and their scores may take
_log = logging.getLogger(__name__)


class Session:
    """A controller of runs in the background: start, pause, resume, step, stop, change knobs.

    >>> with Session() as session:
    ...     result = session.start("coffee", layer="blocks.2", seeds=2).result()

    Parameters
    ----------
    on_progress : callable, optional
        Called with a ``Progress`` on the session's thread. It must not wait for a future of this
        session, because the future waits for it.

    Attributes
    ----------
    state : str
        One of idle, preparing, running, paused, finished, stopped, failed.
    result : Reconstruction or None
        The result of the last run.
    error : str
        The message of the error if the run failed.
    frame_seconds : float
        The minimum time between two pictures for ``on_progress``. After a changed knob, the next
        picture comes at once.
    """

    def __init__(self, on_progress: Callable[[Progress], Any] | None = None) -> None:
        self.state: State = "idle"
        self.result: Reconstruction | None = None
        self.error = ""
        self.frame_seconds = 0.5
        self.on_progress = on_progress
        self._lock = threading.RLock()
        self._task: _Task | None = None  # the latest run; older ones are replaced
        self._number = 0
        self._closed = self._telling = False
        self._calls: deque[tuple[_Task, Callable[[], None]]] = deque()
        self._thread: threading.Thread | None = None

    @lists_options
    def start(
        self,
        photo: PhotoSource | None = None,
        model: str | nn.Module | Representation = DEFAULT_MODEL,
        layer: str | None = None,
        *,
        paused: bool = False,
        **options: Unpack[RunOptions],
    ) -> Future[Reconstruction]:
        """Start a run; it replaces a run that is in progress.

        >>> future = session.start("coffee", layer="blocks.2", seeds=2)
        >>> future.result(timeout=60).relative_error

        Parameters
        ----------
        <source>
        paused : bool
            Whether to pause before the first step.
        <options>

        Returns
        -------
        concurrent.futures.Future
            The future ``Reconstruction``. It has an error if the run fails, if the arguments are
            wrong, or if it is stopped before its first step. It is canceled if a newer run replaces
            the run or the session is closed. Canceling it ends the run. In an event loop, use
            ``await asyncio.wrap_future(future)``.

        Raises
        ------
        BadSettingError
            If the session is closed.
        """
        with self._lock:
            self._check_open()
            self._number += 1
            arguments = {"photo": photo, "model": model, "layer": layer, **options}
            task = _Task(self._number, arguments, self)
            task.future.add_done_callback(self._notice)
            task.paused = paused
            before = self._supersede(task)
            self.state, self.error, self.result = "preparing", "", None
            self._submit(task, task.begin)
        _cancel(before)
        return task.future

    def pause(self) -> None:
        """Pause after the current step."""
        with self._lock:
            if self._task is not None:
                self._task.paused = True

    def resume(self) -> None:
        """Continue a paused run."""
        with self._lock:
            if self._task is not None:
                self._task.paused, self._task.single_steps = False, 0
                self._wake(self._task)

    def step(self) -> None:
        """Do one more step, and pause."""
        with self._lock:
            if self._task is not None:
                self._task.paused = True
                self._task.single_steps += 1
                self._wake(self._task)

    def stop(self) -> None:
        """Stop the run after the current micro-batch; the current images become the result."""
        with self._lock:
            if self._task is not None and self.busy:
                self._task.stopping = True
                self._wake(self._task)

    def set_knobs(self, **values: Any) -> None:
        """Change knobs of the run, from its next step on; a finished run is continued with them.

        >>> session.set_knobs(tv_weight=0.1, jitter=4)

        A continued run has a new ``future``.

        Raises
        ------
        UnknownNameError
            For a name that is not a knob.
        BadSettingError
            For a bad value, or if the session is closed.
        """
        values = checked_knobs(values)
        with self._lock:
            self._check_open()
            task = self._task
            if task is None:
                return
            task.knobs = {**task.knobs, **values}
            if task.ended:
                task.ended = task.stopping = False
                task.future = Future()
                task.future.add_done_callback(self._notice)
                self._submit(task, task.extend)

    @property
    def future(self) -> Future[Reconstruction] | None:
        """The future of the latest run."""
        return None if self._task is None else self._task.future

    @property
    def number(self) -> int:
        """The number of the current run; a ``Progress`` with another number is of a replaced run.

        >>> session.number == progress.number
        True
        """
        return self._number

    @property
    def busy(self) -> bool:
        """Whether a run is in progress or its result is being measured."""
        return self._task is not None and not self._task.future.done()

    @property
    def steps_done(self) -> int:
        """The number of steps that the latest run has done."""
        run = None if self._task is None else self._task.run
        return 0 if run is None else run.done

    def curves(self) -> tuple[dict[str, Tensor], tuple[KnobChange, ...]]:
        """The energies so far, (steps, S) by term, and the knob changes (step, name, value)."""
        run = None if self._task is None else self._task.run
        return ({}, ()) if run is None else (run.energies(), run.changes())

    def forget(self) -> None:
        """Discard the finished run, so that a changed knob no longer continues it."""
        with self._lock:
            before = self._supersede(None)
            self._number += 1  # late reports of the old run are then ignored
            self.state = "idle"
        _cancel(before)

    def close(self, wait: bool = True) -> None:
        """End the run and the thread, and keep only ``result``; closing twice is allowed."""
        with self._lock:
            self._closed, self.on_progress = True, None
            if self.busy:
                self.state = "stopped"
            before = self._supersede(None)
            thread = self._thread
        _cancel(before)
        if wait and thread is not None and thread is not threading.current_thread():
            thread.join(LISTENER_SECONDS)
            while thread.is_alive() and not self._telling:
                thread.join(LISTENER_SECONDS)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- methods for the task, called on the session's thread

    def _picture_pause(self) -> float:
        return math.inf if self.on_progress is None else self.frame_seconds

    def _tell(self, task: _Task, progress: Progress) -> None:
        """Take over the state of a task, under the lock, and report it outside the lock."""
        with self._lock:
            if task is not self._task:
                return  # nobody waits for a replaced run
            self.state, self.error = progress.state, progress.error
            self.result = progress.result or self.result
            on_progress, self._telling = self.on_progress, True
        try:
            if on_progress is not None:
                on_progress(progress)
        except BaseException:  # on this thread not even SystemExit should end the run
            _log.exception("a session's on_progress failed; the run goes on")
        finally:
            self._telling = False

    # ---- the session's thread, which exists only while there are calls to make

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._calls:
                    self._thread = None
                    return
                task, call = self._calls.popleft()
            try:
                call()
            except BaseException as error:  # the future must get any error
                task.fail(error)
            del task, call  # frees their memory while the thread waits for the next call

    def _submit(self, task: _Task, call: Callable[[], None]) -> None:
        self._calls.append((task, call))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="invwidgets-session")
            self._thread.start()

    def _wake(self, task: _Task) -> None:
        if task.resting:
            task.resting = False
            self._submit(task, task.drive)

    def _supersede(self, task: _Task | None) -> _Task | None:
        """Replace the latest run by another one, and return the old one to be canceled."""
        before, self._task = self._task, task
        if before is not None:
            self._submit(before, before.close)
        return before

    def _notice(self, future: Future[Reconstruction]) -> None:
        """End the run of a canceled future, also if it is paused."""
        if future.cancelled():
            future.set_running_or_notify_cancel()  # tells ``concurrent.futures.wait``
            with self._lock:
                if self._task is not None and self._task.future is future:
                    self._wake(self._task)

    def _check_open(self) -> None:
        if self._closed:
            raise BadSettingError("the session is closed: create a new one")


class _Task:
    """A run of a session, with the ``future`` of its result.

    It is driven on the session's thread. Its other attributes control it, under the session's lock.
    ``resting`` is True while it is paused and no thread works on it. ``ended`` is True after its
    last step, when it can be continued with a new future.
    """

    def __init__(self, number: int, arguments: Mapping[str, Any], session: Session) -> None:
        self.number = number
        self.future: Future[Reconstruction] = Future()
        self.paused = self.stopping = self.resting = self.ended = False
        self.single_steps = 0
        self.knobs: Mapping[str, Any] = {}
        self.run: Run | None = None
        self._arguments, self._session = arguments, session
        self._state: State = "idle"
        self._steps: Iterator[Step] = iter(())
        self._last_picture = self._last_echo = self._picture_seconds = 0.0
        self._frame: Frame | None = None

    def begin(self) -> None:
        """Prepare the run, and drive it."""
        if not self._must_end():
            self._session._tell(self, Progress(self.number, "preparing"))
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
        self._session._tell(self, Progress(self.number, "failed", error=words))
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
            with self._session._lock:
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
            pause = max(self._session._picture_pause(), self._picture_seconds / _PICTURE_SHARE)
            due = soon - self._last_picture >= pause
            if due or run.done == 1 or step.changes:
                self._report(run, self._state, picture=True)
            elif now - self._last_echo >= _ECHO_SECONDS:
                self._report(run, self._state)
        return not self._must_end()

    def _measure(self, run: Run) -> None:
        with self._session._lock:
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
        if picture and run.last is not None and math.isfinite(self._session._picture_pause()):
            self._last_picture = self._last_echo
            if self._frame is None or self._frame.index != run.last.index:
                self._frame = frame_of(run, run.last)
                self._picture_seconds = time.perf_counter() - self._last_echo
            frame = self._frame
        steps, seconds = run.searched.steps, run.seconds
        progress = Progress(self.number, state, run.done, steps, seconds, frame, result, run=run)
        self._session._tell(self, progress)

    def _ends(self) -> bool:
        return self.stopping or self.future.cancelled() or self._must_end()

    def _must_end(self) -> bool:
        """Whether the run must end, because it was replaced or the program ends."""
        return self._session._task is not self or not threading.main_thread().is_alive()


def _warm_phase(settings: InversionSettings) -> Phase:
    """The phase that continues a finished run, at a third of its last phase's learning rate."""
    last = settings.phases[-1]
    lr = last.lr if last.lr_end is None else max(last.lr / 3, last.lr_end)
    jitter = last.jitter if last.jitter_end is None else last.jitter_end
    return replace(last, steps=WARM_STEPS, lr=lr, jitter=jitter, jitter_end=None, restart=True)


def _cancel(task: _Task | None) -> None:
    """Cancel the future of a replaced run, unless it has its result; must hold no lock."""
    if task is not None:
        task.future.cancel()
