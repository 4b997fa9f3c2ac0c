"""The state of a sweep's panel, its changes by events, and the runs of the sweep on threads.

>>> state, effects = update(SweepState(phase="ready"), "start")
>>> state.phase, effects
('running', ('begin',))
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from ...errors import InvwidgetsError, own_words
from ...figures.sweep_grid import Cell, cell_of
from ...sweeps.executors import Control
from ...sweeps.sweep import Status, Sweep, SweepProgress
from ..base.loop import Awaited, Loop

Button = Literal["start", "pause", "resume", "toggle", "stop"]


@dataclass(frozen=True)
class SweepState:
    """The state of a sweep's panel.

    ``status`` lists the jobs in the store, and ``progress`` describes the current run. ``trouble``
    is ``"unread"`` if the store could not be read and ``"broken"`` if a run ended early; ``error``
    is the message.
    """

    phase: Literal["reading", "ready", "running", "paused", "stopping"] = "reading"
    status: Status | None = None
    progress: SweepProgress | None = None
    trouble: Literal["", "unread", "broken"] = ""
    error: str = ""

    @property
    def busy(self) -> bool:
        """Whether a run has begun and not ended. A paused run is busy."""
        return self.phase in ("running", "paused", "stopping")


@dataclass(frozen=True)
class Read:
    """An event: the store was read, or reading failed with an error."""

    status: Status | None
    error: str = ""


@dataclass(frozen=True)
class Ended:
    """An event: a run has ended, with the store's new status or with an error."""

    status: Status | None
    error: str = ""


@dataclass(frozen=True)
class Failed:
    """An event: something else failed, such as opening a job."""

    error: str


Event = Button | SweepProgress | Read | Ended | Failed
Effect = Literal["begin", "pause", "resume", "stop"]


def update(state: SweepState, event: Event) -> tuple[SweepState, tuple[Effect, ...]]:
    """Return the next state and the effects to carry out."""
    match event:
        case "start" if not state.busy:
            begun = replace(state, phase="running", progress=None, trouble="", error="")
            return begun, ("begin",)
        case "toggle":
            return update(state, "resume" if state.phase == "paused" else "pause")
        case "pause" if state.phase == "running":
            return replace(state, phase="paused"), ("pause",)
        case "resume" if state.phase == "paused":
            return replace(state, phase="running"), ("resume",)
        case "stop" if state.busy:
            return replace(state, phase="stopping"), ("stop",)
        case SweepProgress() if state.busy:
            return replace(state, progress=event), ()
        case Read(status, error) if state.phase == "reading":  # during a run, its reports are newer
            return _rest(state, status, "unread", error), ()
        case Ended(status, error):
            return _rest(state, status, "broken", error), ()
        case Failed(error):
            return replace(state, error=error), ()
    return state, ()


def _rest(
    state: SweepState, status: Status | None, trouble: Literal["unread", "broken"], error: str
) -> SweepState:
    failed = status is None
    return replace(
        state, phase="ready", status=status or state.status, progress=None,
        trouble=trouble if failed else "", error=error,
    )  # fmt: skip


class SweepRun:
    """The store of a sweep and its current run, both used on background threads.

    ``send`` is called with their events on the event loop. ``options`` are keywords of
    ``Sweep.run``: ``workers`` and ``scheduler``.
    """

    def __init__(
        self, loop: Loop, sweep: Sweep, send: Callable[[Event], None], options: dict[str, Any]
    ) -> None:
        self._loop, self._sweep, self._send, self._options = loop, sweep, send, options
        self._control = Control()
        self._awaited: Awaited[Status] = Awaited()
        self._keys: list[str] = []
        self._cells: dict[str, Cell] = {}

    @property
    def has_cells(self) -> bool:
        """Whether at least one job has a picture or has failed."""
        return bool(self._cells)

    def cells(self, places: Iterable[int]) -> dict[int, Cell]:
        """The cells of the jobs at ``places``, by place; a job without a result has none."""
        keys, cells = self._keys, self._cells
        return {p: cells[keys[p]] for p in places if keys and keys[p] in cells}

    def task(self) -> asyncio.Task[Status]:
        """A task that ends with the run. Cancelling the task does not stop the run.

        Raises ``BadSettingError`` without an event loop and after the panel is closed.
        """
        return self._awaited.task(self._loop.needed("panel", "Sweep.run"))

    def read(self) -> None:
        """Read the status and the pictures of the store, on a thread."""
        self._loop.background(
            self._survey,
            lambda status: self._end(Read(status)),
            lambda error: self._end(Read(None, _words(error))),
            "store",
        )

    def carry_out(self, effect: Effect) -> None:
        """Begin a run, or pause, resume or stop the current one."""
        if effect == "begin":
            control = self._control = Control()
            self._loop.background(
                lambda: self._sweep.run(on_progress=self._take, control=control, **self._options),
                lambda status: self._end(Ended(status)),
                lambda error: self._end(Ended(None, _words(error))),
                "sweep",
            )
        else:
            getattr(self._control, effect)()

    def close(self) -> None:
        """Stop the run and cancel the tasks that wait for it."""
        self._control.stop()
        self._awaited.cancel()
        self._cells.clear()

    def _end(self, event: Read | Ended) -> None:
        for key in event.status.failed if event.status is not None else ():
            self._cells[key] = Cell(None, "failed")
        self._send(event)
        if isinstance(event, Ended):
            if event.status is None:
                self._awaited.set_exception(InvwidgetsError(event.error))
            else:
                self._awaited.set_result(event.status)

    # ---- methods that run on background threads

    def _survey(self) -> Status:
        self._keys = keys = self._sweep.keys
        found, _ = self._sweep.store.survey(keys)
        for key, body in found.items():
            self._cells[key] = cell_of(self._sweep.store, body)
        return self._sweep.status()

    def _take(self, progress: SweepProgress) -> None:
        if progress.outcome is None:
            self._keys = self._sweep.keys
        elif progress.outcome["state"] == "stored":
            key = progress.outcome["key"]
            self._cells[key] = cell_of(self._sweep.store, self._sweep.store.record(key))
        self._loop.call(self._send, progress)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, InvwidgetsError) else own_words(error)
