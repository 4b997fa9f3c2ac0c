"""A panel's run: the session, its reports on the loop, and the tasks that wait for a result.

>>> run = PanelRun(loop, on_progress=lambda reports: print(reports[-1].state))
>>> task = run.task()
>>> run.start({"photo": "coffee", "layer": "blocks.2"}, "coffee")
>>> result = await task
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..errors import InvwidgetsError
from ..inversion.progress import Progress
from ..inversion.result import Reconstruction
from ..inversion.session import Session
from .loop import Loop


class PanelRun:
    """``on_progress`` is called on the loop with the reports of the latest run, many at once; where
    the run ends, so do the tasks."""

    def __init__(self, loop: Loop, on_progress: Callable[[list[Progress]], None]) -> None:
        self._loop, self._on_progress = loop, on_progress
        self._reports: deque[Progress] = deque()
        self._lock = threading.Lock()
        self._waiters: list[asyncio.Future[Reconstruction]] = []
        self._photo = ""
        self.session = Session(self._queue)

    def task(self) -> asyncio.Task[Reconstruction]:
        """A task that ends with the next result; cancelling it does not stop the run.

        Raises ``BadSettingError`` without a loop, or once the panel is closed.
        """
        loop = self._loop.needed("panel", "iw.Session")
        waiter: asyncio.Future[Reconstruction] = loop.create_future()
        waiter.add_done_callback(_retrieve)
        self._waiters.append(waiter)
        task = loop.create_task(_shielded(waiter))
        task.add_done_callback(_retrieve)
        return task

    def start(self, arguments: Mapping[str, Any], photo: str, one_step: bool = False) -> None:
        """Search anew, all of it or one step; results call their photo by the name ``photo``."""
        self._photo = photo
        self.session.start(paused=one_step, **arguments)
        if one_step:
            self.session.step()

    def set_exception(self, words: str) -> None:
        """Let every task end with an error that says why there is no result."""
        for waiter in self._taken():
            waiter.set_exception(InvwidgetsError(words))

    def close(self) -> None:
        """End the session and its thread; the tasks are cancelled."""
        self.session.close()
        for waiter in self._taken():
            if not waiter.get_loop().is_closed():
                waiter.cancel()
        self._reports.clear()

    def _taken(self) -> list[asyncio.Future[Reconstruction]]:
        waiters, self._waiters = self._waiters, []
        return [waiter for waiter in waiters if not waiter.done()]

    def _queue(self, progress: Progress) -> None:
        """On the session's thread: pass the report on, one call for many of them."""
        with self._lock:
            self._reports.append(progress)
            first = len(self._reports) == 1
        if first:
            self._loop.call(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            reports = list(self._reports)
            self._reports.clear()
        latest = self.session.number  # one that gave way meanwhile has nothing more to say
        if reports := [self._named(report) for report in reports if report.number == latest]:
            self._end_tasks(reports)  # they go on after this turn of the loop
            self._on_progress(reports)

    def _named(self, report: Progress) -> Progress:
        """An upload's photo has the name of its file, which the session does not know."""
        result = report.result
        if result is None or not result.photo_name:
            return report
        return replace(report, result=replace(result, photo_name=self._photo))

    def _end_tasks(self, reports: list[Progress]) -> None:
        for report in reports:
            if report.result is not None:
                for waiter in self._taken():
                    waiter.set_result(report.result)
        last = reports[-1]
        if last.state == "failed":
            self.set_exception(last.error)
        elif last.state == "stopped" and not last.step:
            self.set_exception("stopped before the first step: there is no result")


async def _shielded(waiter: asyncio.Future[Reconstruction]) -> Reconstruction:
    return await asyncio.shield(waiter)


def _retrieve(future: asyncio.Future[Any]) -> None:
    """An error that nobody awaits is shown in the panel; asyncio need not print it too."""
    if not future.cancelled():
        future.exception()
