"""Calls made one after the other, in the background.

>>> worker = Worker("invwidgets-session")
>>> worker.submit(print, "soon")
>>> worker.join()
True
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

_log = logging.getLogger(__name__)


class Worker:
    """One thread, there only while there are calls to make: an idle one keeps no program alive.

    No lock of the worker is held during a call. A call that raises is logged, and the next is made.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._calls: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._thread: threading.Thread | None = None
        self._busy = False

    def submit(self, call: Callable[..., Any], *args: Any) -> None:
        with self._lock:
            self._calls.append((call, args))
            if not self._busy:
                self._busy = True
                self._thread = threading.Thread(target=self._work, name=self._name)
                self._thread.start()

    def clear(self) -> None:
        """Drop the calls that have not begun."""
        with self._lock:
            self._calls.clear()

    @property
    def here(self) -> bool:
        """Whether this is the worker's own thread."""
        return threading.current_thread() is self._thread

    def join(self, timeout: float | None = None) -> bool:
        """Wait until all calls are made and the thread has ended; whether that is so."""
        with self._lock:
            thread = self._thread
        if thread is None:
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._calls:
                    self._busy = False
                    return
                call, args = self._calls.popleft()
            try:
                call(*args)
            except Exception:
                _log.exception("a call in the background failed")
            del call, args  # nothing of the last call is kept while the next is awaited
