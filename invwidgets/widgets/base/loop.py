"""The event loop of a panel, which runs the callbacks of its widgets, and threads for slow work.

A handler is a function that is called for an event of a widget. Jupyter may call it on any of
several threads, depending on kernel and frontend. Here all handlers run on the event loop that was
running when the panel was built, so that only this loop writes to widgets. They run in the context
of the cell that built the panel, because ipykernel 7.4 sends the next event of a widget to the
subshell of the message in the context. If this subshell has ended, the widget stops responding.

Without an event loop, one thread at a time runs handlers. If another thread is running them, a new
handler is put in a queue for that thread, and the caller does not wait. No lock is held while a
handler runs, because a handler that waits for another thread would never end if that thread
waited for the lock.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ...errors import BadSettingError, InvwidgetsError

_log = logging.getLogger(__name__)


T = TypeVar("T")
_AT_WORK: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
_LAST = 20.0  # the most seconds to wait for a thread when the process ends
_Work = tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Exception], Any]]


class Awaited(Generic[T]):
    """A value that is set later, for any number of tasks that wait for it.

    >>> awaited = Awaited()
    >>> task = awaited.task(loop)               # cancelling it has no effect on others
    >>> awaited.set_result(3)
    >>> await task
    3
    """

    def __init__(self) -> None:
        self._futures: list[asyncio.Future[T]] = []

    def task(self, loop: asyncio.AbstractEventLoop) -> asyncio.Task[T]:
        """A new task that returns the value once it is set."""
        future: asyncio.Future[T] = loop.create_future()
        self._futures.append(future)
        task = loop.create_task(_shielded(future))
        for one in (future, task):
            one.add_done_callback(retrieve)
        return task

    def set_result(self, value: T) -> None:
        for future in self._taken():
            future.set_result(value)

    def set_exception(self, error: Exception) -> None:
        for future in self._taken():
            future.set_exception(error)

    def take_over(self, other: Awaited[T]) -> None:
        """Let the tasks that wait for another value wait for this one."""
        self._futures += other._taken()

    def cancel(self) -> None:
        """Cancel all waiting tasks."""
        for future in self._taken():
            if not future.get_loop().is_closed():
                future.cancel()

    def _taken(self) -> list[asyncio.Future[T]]:
        futures, self._futures = self._futures, []
        return [future for future in futures if not future.done()]


async def _shielded(future: asyncio.Future[T]) -> T:
    return await asyncio.shield(future)


def retrieve(future: asyncio.Future[Any]) -> None:
    """Read a future's error, so that asyncio does not print it; the panel shows it already."""
    if not future.cancelled():
        future.exception()


@atexit.register
def _let_end() -> None:
    """Wait for running threads at exit, because a thread inside torch would abort the process."""
    for thread in list(_AT_WORK):
        thread.join(_LAST)


def error_words(error: BaseException) -> str:
    """The message of an error; the error's type comes first if it is not one of this package."""
    return str(error) if isinstance(error, InvwidgetsError) else f"{type(error).__name__}: {error}"


class Loop:
    """The event loop that runs a panel's handlers: the one running at construction.

    Without an event loop, a handler runs at once on the caller's thread. If another thread is
    running handlers, it runs there afterwards. ``failed`` is called with the message of a handler's
    error, which would not be shown otherwise.
    """

    def __init__(self) -> None:
        self.closed = False
        self.failed: Callable[[str], Any] = lambda words: None
        self._context = contextvars.copy_context()
        try:
            self.loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self.loop = None
        self._lock = threading.Lock()  # guards the fields below; never held while a handler runs
        self._running: int | None = None  # the thread that runs handlers if there is no event loop
        self._waiting: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._lanes: dict[str, deque[_Work]] = {}

    def needed(self, what: str, instead: str) -> asyncio.AbstractEventLoop:
        """Return the event loop, or raise an error if a task could not run on it.

        Raises ``BadSettingError`` without an event loop and after closing. ``what`` is the name of
        the widget in the message, and ``instead`` the class or function that scripts can use.
        """
        if self.closed:
            raise BadSettingError(f"this {what} is closed: make a new one")
        if self.loop is None:
            raise BadSettingError(f"a {what} runs in a notebook; in a script use {instead}")
        return self.loop

    def call(self, handler: Callable[..., Any], *args: Any) -> None:
        """Run a handler on the event loop soon, from any thread, without waiting for it.

        If no event loop is running, it runs at once, or in the thread that is running handlers.
        """
        if self.closed:
            return
        if self.loop is not None and self.loop.is_running():
            self.loop.call_soon_threadsafe(self._guarded, handler, *args, context=self._context)
        else:
            self._take_turns(handler, args)

    def now(self, handler: Callable[..., Any], *args: Any) -> None:
        """Run a handler at once if this is the event loop's thread; otherwise use ``call``."""
        try:
            here = asyncio.get_running_loop() is self.loop
        except RuntimeError:
            here = False
        if here and not self.closed:
            handler(*args)
        else:
            self.call(handler, *args)

    def background(
        self,
        work: Callable[[], T],
        then: Callable[[T], Any],
        failed: Callable[[Exception], Any] | None = None,
        lane: str = "load",
    ) -> None:
        """Run ``work`` on a thread, and then call ``then`` with its result on the event loop.

        If ``work`` raises an error, ``failed`` is called with it; by default its message is shown.
        All work of one ``lane`` runs in order, one at a time. After closing, work that has not
        begun is dropped, and neither function is called.
        """
        heard = failed or (lambda error: self.failed(error_words(error)))
        with self._lock:
            begun = lane in self._lanes
            self._lanes.setdefault(lane, deque()).append((work, then, heard))
        if not begun:
            name = f"invwidgets-{lane}"
            thread = threading.Thread(target=self._run_lane, args=(lane,), daemon=True, name=name)
            _AT_WORK.add(thread)
            thread.start()

    def _run_lane(self, lane: str) -> None:
        while True:
            with self._lock:
                if self.closed or not self._lanes[lane]:
                    del self._lanes[lane]
                    return
                work, then, failed = self._lanes[lane].popleft()
            try:
                value = work()
            except Exception as error:
                self.call(failed, error)
            else:
                self.call(then, value)
                del value
            del work, then, failed  # so that this thread keeps no reference to them

    def handler(self, handler: Callable[[], Any]) -> Callable[..., None]:
        """A callback for ``observe`` or ``on_click`` that ignores the event and calls a handler.

        The handler reads the widget's value when it runs. The value in the event may be out of date
        by then, and could reset a slider that has moved since.
        """

        def marshalled(*_: Any) -> None:
            self.call(handler)

        return marshalled

    def _take_turns(self, handler: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Run a handler and then the queue; add it to the queue if another thread runs handlers."""
        here = threading.get_ident()
        with self._lock:
            if self._running not in (None, here):
                self._waiting.append((handler, args))
                return
            nested, self._running = self._running == here, here
        try:
            handler(*args)
        finally:
            if not nested:
                self._run_waiting()

    def _run_waiting(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running = None
                    return
                handler, args = self._waiting.popleft()
            try:
                self._guarded(handler, *args)
            except Exception:  # shown already, and not caused by the handler of this call
                _log.exception("a handler failed")
            except BaseException:  # an interrupt: the next call runs the queue
                with self._lock:
                    self._running = None
                raise

    def _guarded(self, handler: Callable[..., Any], *args: Any) -> None:
        if self.closed:
            return
        try:
            handler(*args)
        except InvwidgetsError as error:
            self.failed(error_words(error))
        except Exception as error:
            self.failed(error_words(error))
            raise
