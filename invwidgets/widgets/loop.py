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
import contextvars
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from ..errors import BadSettingError, InvwidgetsError

_log = logging.getLogger(__name__)


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
            self.failed(str(error))
        except Exception as error:
            self.failed(f"{type(error).__name__}: {error}")
            raise
