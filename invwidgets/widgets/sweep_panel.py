"""A sweep that fills as one watches: pictures over two of its axes, each opened by a press.

>>> panel = SweepPanel(iw.Sweep(photos, layers=layers, store="sweep"))
>>> panel                                  # in a notebook cell
>>> status = await panel.start()           # or press Start
>>> SweepPanel("sweep")                    # later: what the store has
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any

import ipywidgets as w
from traitlets import TraitError

from ..errors import BadSettingError, InvwidgetsError, own_words
from ..figures.sweep_grid import Cell, cell_of
from ..sweeps.estimate import in_words
from ..sweeps.executors import Control
from ..sweeps.grid import words_of
from ..sweeps.plane import plane_of
from ..sweeps.sweep import Progress, Status, Sweep
from .closing import close_all
from .loop import Loop
from .opened_run import opened_run
from .parts import Line, button, classed
from .snapshot import Snapshot
from .sweep_view import SweepView

_PAUSE = 0.5  # seconds between two pictures of the grid, at least
_REASONS = 8  # failures that are listed in words


class SweepPanel(w.VBox):
    """A sweep as a grid of pictures that fills, with its progress, what failed, and any two axes.

    >>> panel = SweepPanel(sweep)
    >>> status = await panel.start()

    A press on a picture opens its run in an ``InversionPanel`` below the grid. ``status`` is what
    the store has, ``opened`` the panel of the job that was pressed.

    Parameters
    ----------
    sweep
        A ``Sweep`` with a store, or the store of one that was run, as its folder or URL.
    workers, scheduler
        As ``Sweep.run`` takes them.
    rows, columns
        The axes shown down and across; they can be chosen in the panel too.

    Raises
    ------
    InvwidgetsError
        For a store that has no sweep, or an axis that the sweep does not have.
    """

    _closing = True  # until it is made: one that is refused has nothing to close

    def __init__(
        self,
        sweep: Sweep | str | os.PathLike[str],
        *,
        workers: int | None = 1,
        scheduler: Any = None,
        rows: str | None = None,
        columns: str | None = None,
    ) -> None:
        self.sweep = sweep if isinstance(sweep, Sweep) else Sweep.reopen(sweep)
        _ = self.sweep.store  # one that cannot be used is said here
        plane = plane_of(self.sweep.grid, (), rows, columns)
        self._options = {"workers": workers, "scheduler": scheduler}
        self._control: Control | None = None
        self._has_begun = False  # what is read of the store at first is old news then
        self._waiters: list[asyncio.Future[Status]] = []
        self._cells: dict[str, Cell] = {}
        self._fresh = threading.Event()
        self._keys: list[str] = []
        self._closing = False
        self.status: Status | None = None
        self.opened: w.Widget | None = None
        self.loop = loop = Loop()
        loop.failed = self._show_error
        self.start_button = button(
            "Start", "Do what is missing", loop.handler(self._press), "primary"
        )
        self.pause_button = button(
            "Pause", "Finish what is under way, then rest", loop.handler(self._rest)
        )
        self.stop_button = button(
            "Stop", "Finish what is under way, and stop", loop.handler(self.stop)
        )
        self.retry_button = button(
            "Try again", "Do the failed ones again", loop.handler(self._press)
        )
        self.bar = w.IntProgress(value=0, min=0, max=max(1, len(self.sweep)))
        self.figures = Line()
        self.line = Line("Reading the store …", "iw-status")
        self.error = Line(name="iw-error")
        self.failures = Line(name="iw-note")
        self.view = SweepView(loop)
        self.snapshot = Snapshot()
        axes = list(self.sweep.grid.axes())
        self.rows_menu = _menu("Down", axes, plane.rows)
        self.columns_menu = _menu("Across", axes, plane.columns)
        self.held_menus = {axis: self._held_menu(axis) for axis in axes}
        self.holder = classed(w.VBox(), "iw-opened")
        for menu in (self.rows_menu, self.columns_menu):
            menu.observe(loop.handler(self._axes_chosen), "value")
        self.view.observe(loop.handler(self._pressed), "enlarged")
        buttons = classed(
            w.HBox([self.start_button, self.pause_button, self.stop_button, self.retry_button]),
            "iw-buttons",
        )
        progress = classed(w.HBox([self.bar, self.figures]), "iw-progress")
        menus = [self.rows_menu, self.columns_menu, *self.held_menus.values()]
        chosen = classed(w.HBox(menus if axes else []), "iw-axes")
        shown = [buttons, self.error, self.line, progress, self.failures, chosen, self.view]
        super().__init__([classed(w.VBox(shown), "iw-section"), self.holder])
        classed(self, "iw-panel")
        self._show_error("")
        self._show_buttons("reading")
        self._axes_chosen()
        self._in_thread(self._read, self._have_read)

    # ---- what a script does as well

    def start(self) -> asyncio.Task[Status]:
        """Do what the store has not; the task gives how it ended.

        Raises ``BadSettingError`` without a loop.
        """
        if self.loop.loop is None:
            raise BadSettingError("a panel runs in a notebook; in a script use Sweep.run")
        waiter: asyncio.Future[Status] = self.loop.loop.create_future()
        self._waiters.append(waiter)
        task = self.loop.loop.create_task(_awaited(waiter))
        task.add_done_callback(lambda t: t.cancelled() or t.exception())
        self._begin()
        return task

    def pause(self) -> None:
        if self._control is not None:
            self._control.pause()
            self._show_buttons("paused")
            self.line.value = "Paused. What was under way is finished; Resume goes on."

    def resume(self) -> None:
        if self._control is not None:
            self._control.resume()
            self._show_buttons("running")

    def stop(self) -> None:
        if self._control is not None:
            self._control.stop()
            self.line.value = "Stopping: what is under way is finished and stored …"

    def open_job(self, place: int) -> w.Widget:
        """Open a job, by its place among the sweep's points, in an inversion panel below the grid.

        Raises ``InvwidgetsError`` for a job that is not stored.
        """
        panel = opened_run(self.sweep, place)
        self._close_opened()
        self.opened = panel
        self.holder.children = [panel]
        return panel

    def close(self) -> None:
        """Stop, and close every widget; twice is fine."""
        if self._closing:
            return
        self._closing = self.loop.closed = True
        if self._control is not None:
            self._control.stop()
        for waiter in self._waiters:
            if not waiter.done() and not waiter.get_loop().is_closed():
                waiter.cancel()
        self._close_opened()
        self.snapshot.close()
        close_all(self)
        self._cells.clear()

    # ---- the run

    def _press(self) -> None:
        if self.loop.loop is not None:
            self._begin()

    def _rest(self) -> None:
        if self._control is not None and self._control.paused:
            self.resume()
        else:
            self.pause()

    def _begin(self) -> None:
        if self._control is not None:
            return
        self._control, self._has_begun = Control(), True
        self._show_error("")
        self._show_buttons("running")
        self.line.value = "Getting ready …"
        control = self._control
        self._in_thread(
            lambda: self.sweep.run(on_progress=self._on_progress, control=control, **self._options),
            self._ended,
        )

    def _on_progress(self, progress: Progress) -> None:
        """On the run's thread."""
        if progress.outcome is None:
            self._keys = self.sweep.keys
        elif progress.outcome["state"] == "stored":
            key = progress.outcome["key"]
            self._cells[key] = cell_of(self.sweep.store, self.sweep.store.record(key))
        self.loop.call(self._show_progress, progress)

    def _show_progress(self, progress: Progress) -> None:
        self.bar.max = max(1, progress.total)
        self.bar.value = progress.stored + progress.failed
        words = [f"{progress.stored} of {progress.total} stored"]
        if progress.failed:
            words.append(f"{progress.failed} failed")
        if progress.seconds is not None and progress.todo:
            words.append(f"about {in_words(progress.seconds)} left")
        self.figures.value = " · ".join(words)
        if self._control is not None and not self._control.paused and not self._control.stopped:
            self.line.value = f"Running: {progress.todo} jobs to do."
        if progress.notes and progress.outcome is None:
            self.failures.value = "; ".join(progress.notes)
        self._draw_soon()

    def _ended(self, status: Status | None, words: str) -> None:
        self._control = None
        if status is None:
            self._show_error(words)
            self.line.value = "That ended early; what is stored stays. Start goes on."
            self._show_buttons("ended")
        else:
            self._show_status(status)
        for waiter in self._waiters:
            if waiter.done():
                continue
            if status is None:
                waiter.set_exception(InvwidgetsError(words))
            else:
                waiter.set_result(status)
        self._waiters = []
        self._draw()
        self._keep()

    def _keep(self) -> None:
        """A still of the grid, in the saved notebook."""
        if self._cells:
            self.snapshot.keep_view(self.view)

    def _ipython_display_(self, **_: Any) -> None:
        self.snapshot.display(self)

    # ---- the store

    def _read(self) -> Status:
        """On a thread of its own: what is there, with its pictures."""
        self._keys = keys = self.sweep.keys
        found, _ = self.sweep.store.survey(keys)
        for key, body in found.items():
            self._cells[key] = cell_of(self.sweep.store, body)
        return self.sweep.status()

    def _have_read(self, status: Status | None, words: str) -> None:
        if self._has_begun:  # a run says more, also when it has ended
            return
        if status is None:
            self._show_error(words)
            self.line.value = "The sweep cannot be read."
            self._show_buttons("ended")
            return
        self._show_status(status)
        self._draw()
        self._keep()

    def _show_status(self, status: Status) -> None:
        self.status = status
        self.bar.max, self.bar.value = max(1, status.total), len(status.stored)
        self.figures.value = f"{len(status.stored)} of {status.total} stored"
        if status.complete:
            self.line.value = "All jobs are stored. Press a picture to open its run."
        elif status.failed and not status.missing and not status.damaged:
            self.line.value = f"{status.describe()}. Try again does the failed ones again."
        elif status.stored:
            self.line.value = f"{status.describe()}. Start goes on."
        else:
            self.line.value = f"{status.total} jobs. Press Start: the grid fills as they finish."
        reasons = [*status.failed.values(), *status.damaged.values()]
        shown = list(dict.fromkeys(reasons))
        more = f" … and {len(shown) - _REASONS} more" if len(shown) > _REASONS else ""
        self.failures.value = "; ".join(shown[:_REASONS]) + more
        for key in status.failed:
            self._cells[key] = Cell(None, "failed")
        self._show_buttons("ended" if status.stored else "ready", failed=bool(status.failed))

    # ---- the view

    def _axes_chosen(self) -> None:
        rows, columns = self.rows_menu.value, self.columns_menu.value
        if rows and rows == columns:  # each axis has one place
            others = [axis for axis in self.held_menus if axis != rows]
            self.rows_menu.value = others[0] if others else ""
            return
        for axis, menu in self.held_menus.items():
            menu.layout.display = "none" if axis in (rows, columns) else None
        self._draw()

    def _draw_soon(self) -> None:
        """At most one picture each half a second; the last always."""
        if self.loop.loop is None or not self.loop.loop.is_running():
            self._draw()
        elif not self._fresh.is_set():
            self._fresh.set()
            self.loop.loop.call_later(max(_PAUSE, self.view.pause), self.loop.call, self._draw)

    def _draw(self) -> None:
        self._fresh.clear()
        held = {axis: menu.value for axis, menu in self.held_menus.items()
                if axis not in (self.rows_menu.value, self.columns_menu.value)}  # fmt: skip
        sweep = self.sweep
        plane = plane_of(
            sweep.grid, sweep.points, self.rows_menu.value, self.columns_menu.value, held
        )
        known = {place: self._keys[place] for place in plane.places.values() if self._keys}
        self.view.show(plane, {p: self._cells[k] for p, k in known.items() if k in self._cells})

    def _pressed(self) -> None:
        place = self.view.enlarged
        if place < 0:
            return
        self.view.enlarged = -1
        try:
            self.open_job(place)
        except (InvwidgetsError, TraitError) as error:
            self._show_error(str(error))

    def _held_menu(self, axis: str) -> w.Dropdown:
        values = self.sweep.grid.axes()[axis]
        menu = w.Dropdown(
            options=[(words_of(axis, value), value) for value in values], description=axis
        )
        menu.observe(self.loop.handler(self._draw), "value")
        return menu

    def _show_buttons(self, state: str, failed: bool = False) -> None:
        busy = state in ("running", "paused")
        done = self.status is not None and self.status.complete
        self.start_button.disabled = busy or state == "reading" or done
        self.start_button.description = "Go on" if state == "ended" and not done else "Start"
        self.pause_button.disabled = not busy
        self.pause_button.description = "Resume" if state == "paused" else "Pause"
        self.stop_button.disabled = not busy
        self.retry_button.layout.display = None if failed and not busy else "none"

    def _show_error(self, words: str) -> None:
        self.error.value = words
        self.error.layout.display = None if words else "none"

    def _close_opened(self) -> None:
        opened, self.opened = self.opened, None
        if opened is not None:
            self.holder.children = []
            opened.close()

    def _in_thread(self, work: Callable[[], Any], then: Callable[[Any, str], None]) -> None:
        """Work on a thread, and hear of it on the loop: the value, or None and why."""

        def run() -> None:
            try:
                value, words = work(), ""
            except InvwidgetsError as error:
                value, words = None, str(error)
            except Exception as error:
                value, words = None, own_words(error)
            self.loop.call(then, value, words)

        threading.Thread(target=run, daemon=True, name="invwidgets-sweep").start()


def _menu(words: str, axes: list[str], value: str) -> w.Dropdown:
    choices = [("–", ""), *((axis, axis) for axis in axes)]
    return w.Dropdown(options=choices, value=value, description=words)


async def _awaited(waiter: asyncio.Future[Status]) -> Status:
    return await asyncio.shield(waiter)
