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
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Unpack

from torch import Tensor, nn

from ..errors import BadSettingError
from ..images import PhotoSource
from ..models.zoo import DEFAULT_MODEL
from ..representations.base import Representation
from .knobs import checked_knobs
from .options import RunOptions, lists_options
from .progress import Progress, State
from .result import KnobChange, Reconstruction
from .task import Owner, Task

LISTENER_SECONDS = 2.0  # how long close() waits for a running on_progress, which may be blocked
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
        self._owner = Owner(self._lock, self._tell, self._is_latest, self._picture_pause)
        self._task: Task | None = None  # the latest run; older ones are replaced
        self._number = 0
        self._closed = self._telling = False
        self._calls: deque[tuple[Task, Callable[[], None]]] = deque()
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
            task = Task(self._number, arguments, self._owner)
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

    def _is_latest(self, task: Task) -> bool:
        return task is self._task

    def _picture_pause(self) -> float:
        return math.inf if self.on_progress is None else self.frame_seconds

    def _tell(self, task: Task, progress: Progress) -> None:
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

    def _submit(self, task: Task, call: Callable[[], None]) -> None:
        self._calls.append((task, call))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="invwidgets-session")
            self._thread.start()

    def _wake(self, task: Task) -> None:
        if task.resting:
            task.resting = False
            self._submit(task, task.drive)

    def _supersede(self, task: Task | None) -> Task | None:
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


def _cancel(task: Task | None) -> None:
    """Cancel the future of a replaced run, unless it has its result; must hold no lock."""
    if task is not None:
        task.future.cancel()
