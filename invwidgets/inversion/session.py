"""One run in the background: start, pause, resume, stop, step, and knobs that act while it runs.

    >>> with Session() as session:
    ...     future = session.start("coffee", layer="blocks.2", seeds=2)
    ...     session.set_knobs(tv_weight=0.1)        # acts on the next step
    ...     result = future.result()

Widgets and scripts use the same session, so that a panel and a script provably do the same run.
All torch work is done on one thread of the session's own, which is there only while there is work:
a paused or finished session has none. ``concurrent.futures.ThreadPoolExecutor`` is not it, because
a program that ends would wait for its run. ``on_progress`` is called on that thread, in the order
of events and under no lock, so that it may call what it likes, on whatever thread; who has an event
loop passes the call on to it. What it raises is logged; the run goes on.
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
from .options import RunOptions
from .progress import Progress, State
from .result import KnobChange, Reconstruction
from .task import Owner, Task

LISTENER_SECONDS = 2.0  # how long closing waits for a report under way: it may be waiting for us
_log = logging.getLogger(__name__)


class Session:
    """The one owner of a run in the background.

    >>> with Session() as session:
    ...     result = session.start("coffee", layer="blocks.2", seeds=2).result()

    Parameters
    ----------
    on_progress : callable, optional
        Told where the run stands, as a ``Progress``, on the session's thread. It must not wait for
        a future of this session: it is what the future waits for.

    Attributes
    ----------
    state : str
        One of idle, preparing, running, paused, finished, stopped, failed.
    result : Reconstruction or None
        The last run's.
    error : str
        Why it failed, in words.
    frame_seconds : float
        The least time between two pictures that ``on_progress`` is given; a moved knob's picture
        comes at once.
    """

    def __init__(self, on_progress: Callable[[Progress], Any] | None = None) -> None:
        self.state: State = "idle"
        self.result: Reconstruction | None = None
        self.error = ""
        self.frame_seconds = 0.5
        self.on_progress = on_progress
        self._lock = threading.RLock()
        self._owner = Owner(self._lock, self._tell, self._is_latest, self._picture_pause)
        self._task: Task | None = None  # the latest wish; older ones give way
        self._number = 0
        self._closed = self._telling = False
        self._calls: deque[tuple[Task, Callable[[], None]]] = deque()
        self._thread: threading.Thread | None = None

    def start(
        self,
        photo: PhotoSource | None = None,
        model: str | nn.Module | Representation = DEFAULT_MODEL,
        layer: str | None = None,
        *,
        paused: bool = False,
        **options: Unpack[RunOptions],
    ) -> Future[Reconstruction]:
        """Begin a run; one under way gives way to it.

        >>> future = session.start("coffee", layer="blocks.2", seeds=2)
        >>> future.result(timeout=60).relative_error

        Parameters
        ----------
        photo, model, layer, **options
            As ``invert`` takes them.
        paused : bool
            Rest before the first step.

        Returns
        -------
        concurrent.futures.Future
            Of the ``Reconstruction``. It holds the error of a run that failed, also where the
            arguments are wrong, and of one stopped before its first step; it is cancelled where a
            newer run takes its place or the session is closed. Cancelling it ends the run. In an
            event loop, ``await asyncio.wrap_future(future)``.

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
        """Rest after the step under way."""
        with self._lock:
            if self._task is not None:
                self._task.paused = True

    def resume(self) -> None:
        """Go on."""
        with self._lock:
            if self._task is not None:
                self._task.paused, self._task.single_steps = False, 0
                self._wake(self._task)

    def step(self) -> None:
        """Do one more step, and rest."""
        with self._lock:
            if self._task is not None:
                self._task.paused = True
                self._task.single_steps += 1
                self._wake(self._task)

    def stop(self) -> None:
        """End the run between two micro-batches; what was reached becomes the result."""
        with self._lock:
            if self._task is not None and self.busy:
                self._task.stopping = True
                self._wake(self._task)

    def set_knobs(self, **values: Any) -> None:
        """Move knobs of the run: they act from its next step, or take up a finished run again.

        >>> session.set_knobs(tv_weight=0.1, jitter=4)

        Taken up again, it has a new ``future``.

        Raises
        ------
        UnknownNameError
            For what is no knob.
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
        """Of the latest run."""
        return None if self._task is None else self._task.future

    @property
    def number(self) -> int:
        """Which run's reports are of now: a ``Progress`` of another number is of one that gave way.

        >>> session.number == progress.number
        True
        """
        return self._number

    @property
    def busy(self) -> bool:
        """Whether a run is under way, or its result still being measured."""
        return self._task is not None and not self._task.future.done()

    @property
    def steps_done(self) -> int:
        """How many steps the latest run has taken."""
        run = None if self._task is None else self._task.run
        return 0 if run is None else run.done

    def curves(self) -> tuple[dict[str, Tensor], tuple[KnobChange, ...]]:
        """The energies so far, (steps, S) by term, and the knobs' changes (step, name, value)."""
        run = None if self._task is None else self._task.run
        return ({}, ()) if run is None else (run.energies(), run.changes())

    def forget(self) -> None:
        """Let go of the finished run: a knob moved from now on does not take it up again."""
        with self._lock:
            before = self._supersede(None)
            self._number += 1  # what is still told of it is of no run of now
            self.state = "idle"
        _cancel(before)

    def close(self, wait: bool = True) -> None:
        """End the run and the thread; keep no tensor but ``result``. Closing twice is fine."""
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

    # ---- what a task asks of its session, on the session's thread

    def _is_latest(self, task: Task) -> bool:
        return task is self._task

    def _picture_pause(self) -> float:
        return math.inf if self.on_progress is None else self.frame_seconds

    def _tell(self, task: Task, progress: Progress) -> None:
        """Take over where a task stands, under the lock, then say so, outside it."""
        with self._lock:
            if task is not self._task:
                return  # nobody waits for a run that has given way
            self.state, self.error = progress.state, progress.error
            self.result = progress.result or self.result
            on_progress, self._telling = self.on_progress, True
        try:
            if on_progress is not None:
                on_progress(progress)
        except BaseException:  # SystemExit ends no program from this thread, and no run
            _log.exception("a session's on_progress failed; the run goes on")
        finally:
            self._telling = False

    # ---- the session's thread: it is there only while there are calls to make

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._calls:
                    self._thread = None
                    return
                task, call = self._calls.popleft()
            try:
                call()
            except BaseException as error:  # whatever it is, who waits for the run is told
                task.fail(error)
            del task, call  # nothing of the last call is kept while the next is awaited

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
        """Put another wish in the place of the latest, which is handed back to be cancelled."""
        before, self._task = self._task, task
        if before is not None:
            self._submit(before, before.close)
        return before

    def _notice(self, future: Future[Reconstruction]) -> None:
        """A future that is cancelled ends its run, also one that rests."""
        if future.cancelled():
            future.set_running_or_notify_cancel()  # tells ``concurrent.futures.wait``
            with self._lock:
                if self._task is not None and self._task.future is future:
                    self._wake(self._task)

    def _check_open(self) -> None:
        if self._closed:
            raise BadSettingError("the session is closed: make a new one")


def _cancel(task: Task | None) -> None:
    """Under no lock: who waits is told here. A run that has its result keeps it."""
    if task is not None:
        task.future.cancel()
