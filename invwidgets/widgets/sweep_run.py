"""A sweep panel's run and its store: read and worked on by threads, heard of on the loop.

>>> run = SweepRun(loop, sweep, workers=2)
>>> run.on_progress, run.on_end = show_progress, show_end
>>> run.read(show_end)                      # what the store has, with its pictures
>>> task = run.task()
>>> run.begin()
>>> status = await task
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import InvwidgetsError, own_words
from ..figures.sweep_grid import Cell, cell_of
from ..sweeps.executors import Control
from ..sweeps.sweep import Progress, Status, Sweep
from .loop import Loop


class SweepRun:
    """On the loop, ``on_progress`` is told how the sweep stands, ``on_end`` its status, or None and
    why there is none.

    ``workers`` and ``scheduler`` are as ``Sweep.run`` takes them.
    """

    def __init__(
        self, loop: Loop, sweep: Sweep, workers: int | None = 1, scheduler: Any = None
    ) -> None:
        self._loop, self._sweep = loop, sweep
        self._options = {"workers": workers, "scheduler": scheduler}
        self.on_progress: Callable[[Progress], None] = lambda progress: None
        self.on_end: Callable[[Status | None, str], None] = lambda status, words: None
        self._control: Control | None = None
        self._has_begun = False
        self._waiters: list[asyncio.Future[Status]] = []
        self._keys: list[str] = []
        self._cells: dict[str, Cell] = {}

    # ---- what is there

    def read(self, then: Callable[[Status | None, str], None]) -> None:
        """Read the store, and tell ``then``; not once a run has begun, which says more."""

        def have_read(status: Status | None, words: str) -> None:
            if not self._has_begun:
                self._note_failures(status)
                then(status, words)

        self._in_thread(self._read, have_read)

    @property
    def has_cells(self) -> bool:
        """Whether there is anything to show."""
        return bool(self._cells)

    def cells(self, places: Iterable[int]) -> dict[int, Cell]:
        """What there is to show, by the place of its job, of those at ``places``."""
        keys, cells = self._keys, self._cells
        return {p: cells[keys[p]] for p in places if keys and keys[p] in cells}

    # ---- the run

    @property
    def busy(self) -> bool:
        """Whether a run is under way, at rest or not."""
        return self._control is not None

    @property
    def paused(self) -> bool:
        return self._control is not None and self._control.paused

    @property
    def stopping(self) -> bool:
        """Whether a run is under way that is to stop."""
        return self._control is not None and self._control.stopped

    @property
    def works(self) -> bool:
        """Whether a run is under way that neither rests nor is to stop."""
        control = self._control
        return control is not None and not control.paused and not control.stopped

    def task(self) -> asyncio.Task[Status]:
        """A task that ends with the run; cancelling it does not stop that.

        Raises ``BadSettingError`` without a loop, or once the panel is closed.
        """
        loop = self._loop.needed("panel", "Sweep.run")
        waiter: asyncio.Future[Status] = loop.create_future()
        self._waiters.append(waiter)
        task = loop.create_task(_awaited(waiter))
        task.add_done_callback(lambda t: t.cancelled() or t.exception())
        return task

    def begin(self) -> None:
        """Do what the store has not."""
        control = Control()
        self._control, self._has_begun = control, True
        self._in_thread(
            lambda: self._sweep.run(on_progress=self._take, control=control, **self._options),
            self._ended,
        )

    def pause(self) -> None:
        if self._control is not None:
            self._control.pause()

    def resume(self) -> None:
        if self._control is not None:
            self._control.resume()

    def stop(self) -> None:
        if self._control is not None:
            self._control.stop()

    def close(self) -> None:
        """Stop; the tasks are cancelled."""
        self.stop()
        for waiter in self._waiters:
            if not waiter.done() and not waiter.get_loop().is_closed():
                waiter.cancel()
        self._cells.clear()

    # ---- on threads

    def _read(self) -> Status:
        self._keys = keys = self._sweep.keys
        found, _ = self._sweep.store.survey(keys)
        for key, body in found.items():
            self._cells[key] = cell_of(self._sweep.store, body)
        return self._sweep.status()

    def _take(self, progress: Progress) -> None:
        if progress.outcome is None:
            self._keys = self._sweep.keys
        elif progress.outcome["state"] == "stored":
            key = progress.outcome["key"]
            self._cells[key] = cell_of(self._sweep.store, self._sweep.store.record(key))
        self._loop.call(self.on_progress, progress)

    def _in_thread(self, work: Callable[[], Any], then: Callable[[Any, str], None]) -> None:
        """Work on a thread, and hear of it on the loop: the value, or None and why."""

        def run() -> None:
            try:
                value, words = work(), ""
            except InvwidgetsError as error:
                value, words = None, str(error)
            except Exception as error:
                value, words = None, own_words(error)
            self._loop.call(then, value, words)

        threading.Thread(target=run, daemon=True, name="invwidgets-sweep").start()

    # ---- its end, on the loop

    def _ended(self, status: Status | None, words: str) -> None:
        self._control = None
        self._note_failures(status)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if waiter.done():
                continue
            if status is None:
                waiter.set_exception(InvwidgetsError(words))
            else:
                waiter.set_result(status)
        self.on_end(status, words)

    def _note_failures(self, status: Status | None) -> None:
        for key in status.failed if status is not None else ():
            self._cells[key] = Cell(None, "failed")


async def _awaited(waiter: asyncio.Future[Status]) -> Status:
    return await asyncio.shield(waiter)
