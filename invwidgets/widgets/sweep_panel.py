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
from typing import Any

import ipywidgets as w
from traitlets import TraitError

from ..errors import InvwidgetsError
from ..sweeps.sweep import Progress, Status, Sweep
from .closing import close_all
from .loop import Loop
from .opened_run import opened_run
from .parts import classed
from .snapshot import Snapshot
from .sweep_axes import SweepAxes
from .sweep_controls import SweepControls
from .sweep_run import SweepRun
from .sweep_view import SweepView

_PAUSE = 0.5  # seconds between two pictures of the grid, at least


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
        self.loop = loop = Loop()
        self._axes = axes = SweepAxes(loop, self.sweep, rows, columns, self._draw)
        self._closing = False
        self._fresh = threading.Event()
        self.status: Status | None = None
        self.opened: w.Widget | None = None
        self._run = run = SweepRun(loop, self.sweep, workers, scheduler)
        run.on_progress, run.on_end = self._show_progress, self._ended
        self._controls = controls = SweepControls(
            len(self.sweep),
            begin=loop.handler(self._press),
            rest=loop.handler(self._rest),
            stop=loop.handler(self.stop),
        )
        loop.failed = controls.show_error
        self.start_button, self.pause_button = controls.start, controls.pause
        self.stop_button, self.retry_button = controls.stop, controls.retry
        self.bar, self.figures, self.line = controls.bar, controls.figures, controls.line
        self.error, self.failures = controls.error, controls.failures
        self.rows_menu, self.columns_menu = axes.rows_menu, axes.columns_menu
        self.held_menus = axes.held_menus
        self.view = SweepView(loop)
        self.snapshot = Snapshot()
        self.holder = classed(w.VBox(), "iw-opened")
        self.view.observe(loop.handler(self._pressed), "enlarged")
        shown = classed(w.VBox([*controls.rows, axes.box, self.view]), "iw-section")
        super().__init__([shown, self.holder])
        classed(self, "iw-panel")
        self._draw()
        run.read(self._have_read)

    # ---- what a script does as well

    def start(self) -> asyncio.Task[Status]:
        """Do what the store has not; the task gives how it ended.

        Raises ``BadSettingError`` without a loop.
        """
        task = self._run.task()
        self._begin()
        return task

    def pause(self) -> None:
        if self._run.busy and not self._run.stopping:
            self._run.pause()
            self._controls.show_pause()

    def resume(self) -> None:
        if self._run.paused:
            self._run.resume()
            self._controls.show_resume()

    def stop(self) -> None:
        if self._run.busy:
            self._run.stop()
            self._controls.show_stop()

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
        self._run.close()
        self._close_opened()
        self.snapshot.close()
        close_all(self)

    # ---- what the buttons do

    def _press(self) -> None:
        if self.loop.loop is not None:
            self._begin()

    def _rest(self) -> None:
        if self._run.paused:
            self.resume()
        else:
            self.pause()

    def _begin(self) -> None:
        if not self._run.busy:
            self._controls.show_begin()
            self._run.begin()

    def _pressed(self) -> None:
        place = self.view.enlarged
        if place < 0:
            return
        self.view.enlarged = -1
        try:
            self.open_job(place)
        except (InvwidgetsError, TraitError) as error:
            self._controls.show_error(str(error))

    def _close_opened(self) -> None:
        opened, self.opened = self.opened, None
        if opened is not None:
            self.holder.children = []
            opened.close()

    # ---- what is shown of the store and the run

    def _have_read(self, status: Status | None, words: str) -> None:
        if status is None:
            self._controls.show_unread(words)
        else:
            self._show_status(status)
            self._draw()
            self._keep()

    def _show_progress(self, progress: Progress) -> None:
        self._controls.show_progress(progress, self._run.works)
        self._draw_soon()

    def _ended(self, status: Status | None, words: str) -> None:
        if status is None:
            self._controls.show_broken(words)
        else:
            self._show_status(status)
        self._draw()
        self._keep()

    def _show_status(self, status: Status) -> None:
        self.status = status
        self._controls.show_status(status)

    def _draw_soon(self) -> None:
        """At most one picture each half a second; the last always."""
        if self.loop.loop is None or not self.loop.loop.is_running():
            self._draw()
        elif not self._fresh.is_set():
            self._fresh.set()
            self.loop.loop.call_later(max(_PAUSE, self.view.pause), self.loop.call, self._draw)

    def _draw(self) -> None:
        self._fresh.clear()
        plane = self._axes.plane
        self.view.show(plane, self._run.cells(plane.places.values()))

    def _keep(self) -> None:
        """A still of the grid, in the saved notebook."""
        if self._run.has_cells:
            self.snapshot.keep_view(self.view)

    def _ipython_display_(self, **_: Any) -> None:
        self.snapshot.display(self)
