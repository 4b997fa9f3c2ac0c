"""The waits of tests, which fail after half a minute in which nothing changes or computes."""

from __future__ import annotations

import contextlib
import inspect
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import psutil

QUIET = 30.0  # seconds


class Patience:
    """The end of a wait, with a message that names the goal and the state.

    ``state`` describes what may change. Half a minute of a busy machine's time may be little, so
    the wait goes on while ``worked``, in seconds of processor time, grows: for a minute at most.
    ``quiet`` is another time, for what ends by itself after a while.
    """

    def __init__(
        self,
        wanted: Callable[[], str],
        state: Callable[[], str] = str,
        worked: Callable[[], float] = time.process_time,
        quiet: float | None = None,
    ) -> None:
        self._wanted, self._state, self._worked = wanted, state, worked
        self._quiet = QUIET if quiet is None else quiet
        self._recent: deque[tuple[float, float]] = deque()
        self._reset()

    def check(self) -> None:
        """Fail if nothing has happened for too long; call it between two checks."""
        now = time.monotonic()
        if self._state() != self._seen:
            self._reset()
        if self._recent and now - self._recent[-1][0] < 0.1:
            return
        worked = self._worked()
        self._recent.append((now, worked))
        while now - self._recent[0][0] > 2:
            self._recent.popleft()
        idle = worked - self._recent[0][1] < 0.2 or worked - self._from > 2 * self._quiet
        quiet = now - self._since > self._quiet and idle
        assert not quiet, f"waited for {self._wanted()}; {self._seen}"

    def _reset(self) -> None:
        self._seen, self._since = self._state(), time.monotonic()
        self._from = self._worked()


def worked_below() -> float:
    """The CPU seconds of this process and its descendants."""
    total = time.process_time()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            total += sum(process.cpu_times()[:2])
    return total


def wait_until(condition: Callable[[], Any], wanted: str = "", quiet: float | None = None) -> Any:
    """The value of a condition once it holds, in this process or one below it."""
    patience = Patience(lambda: wanted or source(condition), worked=worked_below, quiet=quiet)
    while not (found := condition()):
        patience.check()
        time.sleep(0.02)
    return found


def source(condition: Callable[[], Any]) -> str:
    """The line of code that waits."""
    try:
        return inspect.getsource(condition).strip()
    except OSError:
        return repr(condition)
