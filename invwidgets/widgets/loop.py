"""Whose thread a handler runs on: always the loop the panel was built on.

Jupyter may run a widget's callback on any of several threads, by kernel and frontend; only the
loop writes widgets. It does so in the context of the cell that built the panel: ipykernel 7.4 sends
a widget's next event to the subshell of whatever message the context names, and one that is gone
by then would leave the widget dead.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

from ..errors import InvwidgetsError


class Loop:
    """The event loop that was running at construction; without one, calls are made at once.

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
        self._alone = threading.RLock()  # without a loop, handlers take turns

    def call(self, handler: Callable[..., Any], *args: Any) -> None:
        """Run a handler on the loop, soon; at once if this is its thread and no handler waits."""
        if self.closed:
            return
        if self.loop is None or not self.loop.is_running():
            with self._alone:
                handler(*args)
        else:
            self.loop.call_soon_threadsafe(self._guarded, handler, *args, context=self._context)

    def handler(self, handler: Callable[[], Any]) -> Callable[..., None]:
        """A callback for ``observe`` or ``on_click``: the event is dropped, the state is read late.

        A handler that reads the widget when it runs, not what the event said, cannot send an old
        value back into a slider that has moved on.
        """

        def marshalled(*_: Any) -> None:
            self.call(handler)

        return marshalled

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
