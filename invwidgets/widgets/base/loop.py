"""Whose thread a handler runs on: always the loop the panel was built on.

Jupyter may run a widget's callback on any of several threads, by kernel and frontend; only the
loop writes widgets. It does so in the context of the cell that built the panel: ipykernel 7.4 sends
a widget's next event to the subshell of whatever message the context names, and one that is gone
by then would leave the widget dead.

Without a loop handlers take turns, and nobody waits for one: who comes while another thread is at
it leaves its handler there, to be run next. A lock held during a handler would wait for ever where
the handler waits for the thread that wants it.
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
_LAST = 20.0  # seconds in which a thread may come to its end when the process ends
_Work = tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Exception], Any]]


class Awaited(Generic[T]):
    """A value to come, for all who await it.

    >>> awaited = Awaited()
    >>> task = awaited.task(loop)               # cancelling it stops nothing
    >>> awaited.set_result(3)
    >>> await task
    3
    """

    def __init__(self) -> None:
        self._futures: list[asyncio.Future[T]] = []

    def task(self, loop: asyncio.AbstractEventLoop) -> asyncio.Task[T]:
        """A task that ends with the value."""
        future: asyncio.Future[T] = loop.create_future()
        self._futures.append(future)
        task = loop.create_task(_shielded(future))
        for one in (future, task):
            one.add_done_callback(_retrieve)
        return task

    def set_result(self, value: T) -> None:
        for future in self._taken():
            future.set_result(value)

    def set_exception(self, error: Exception) -> None:
        for future in self._taken():
            future.set_exception(error)

    def take_over(self, other: Awaited[T]) -> None:
        """Let those who await the other's value await this one."""
        self._futures += other._taken()

    def cancel(self) -> None:
        """Cancel the tasks; nothing comes."""
        for future in self._taken():
            if not future.get_loop().is_closed():
                future.cancel()

    def _taken(self) -> list[asyncio.Future[T]]:
        futures, self._futures = self._futures, []
        return [future for future in futures if not future.done()]


async def _shielded(future: asyncio.Future[T]) -> T:
    return await asyncio.shield(future)


def _retrieve(future: asyncio.Future[Any]) -> None:
    """An error that nobody awaits is shown in the panel; asyncio need not print it too."""
    if not future.cancelled():
        future.exception()


@atexit.register
def _let_end() -> None:
    """Wait for the threads at work: one that is in torch when Python ends aborts the process."""
    for thread in list(_AT_WORK):
        thread.join(_LAST)


def error_words(error: BaseException) -> str:
    """An error in words: one of our own speaks for itself."""
    return str(error) if isinstance(error, InvwidgetsError) else f"{type(error).__name__}: {error}"


class Loop:
    """The event loop that was running at construction; without one, calls are made at once, on the
    caller's thread or, while another's handlers run, on that one.

    ``failed`` is told, in words, of a handler's error: nobody else would see it.
    """

    def __init__(self) -> None:
        self.closed = False
        self.failed: Callable[[str], Any] = lambda words: None
        self._context = contextvars.copy_context()
        try:
            self.loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self.loop = None
        self._lock = threading.Lock()  # of the two below; never held during a handler
        self._running: int | None = None  # the thread that runs handlers, without a loop
        self._waiting: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._lanes: dict[str, deque[_Work]] = {}

    def needed(self, what: str, instead: str) -> asyncio.AbstractEventLoop:
        """The loop, for ``what`` is to be awaited.

        Raises ``BadSettingError`` without a loop, naming what a script uses ``instead``, and once
        it is closed: nothing would end what is awaited.
        """
        if self.closed:
            raise BadSettingError(f"this {what} is closed: make a new one")
        if self.loop is None:
            raise BadSettingError(f"a {what} runs in a notebook; in a script use {instead}")
        return self.loop

    def call(self, handler: Callable[..., Any], *args: Any) -> None:
        """Run a handler on the loop, soon; at once if this is its thread and no handler waits."""
        if self.closed:
            return
        if self.loop is not None and self.loop.is_running():
            self.loop.call_soon_threadsafe(self._guarded, handler, *args, context=self._context)
        else:
            self._take_turns(handler, args)

    def now(self, handler: Callable[..., Any], *args: Any) -> None:
        """Run a handler at once where this is the loop's own thread, else as ``call`` does."""
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
        """Do ``work`` on a thread, and on the loop ``then`` with what came of it.

        A lane does one thing after the other. ``failed`` is given the error; by default it is
        shown. Once the loop is closed, what has not begun is dropped, and nothing is heard.
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
            del work, then, failed  # nothing is kept while the lane rests

    def handler(self, handler: Callable[[], Any]) -> Callable[..., None]:
        """A callback for ``observe`` or ``on_click``: the event is dropped, the state is read late.

        A handler that reads the widget when it runs, not what the event said, cannot send an old
        value back into a slider that has moved on.
        """

        def marshalled(*_: Any) -> None:
            self.call(handler)

        return marshalled

    def _take_turns(self, handler: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Run a handler now, then those that came meanwhile; leave it to whoever is at it."""
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
            except Exception:  # told already; it is not the error of who happened to be here
                _log.exception("a handler failed")
            except BaseException:  # an interrupt: the rest is for whoever comes next
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
