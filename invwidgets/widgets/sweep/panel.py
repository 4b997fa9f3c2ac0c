"""A panel that runs a sweep and shows its results in a grid of two axes, as they finish.

>>> panel = SweepPanel(iw.Sweep(photos, layers=layers, store="sweep"))
>>> panel                                  # in a notebook cell
>>> status = await panel.start()           # or press Start
>>> SweepPanel("sweep")                    # later: the results in the store
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import ipywidgets as w
from traitlets import TraitError

from ...errors import BadSettingError, InvwidgetsError, shown
from ...sweeps.models import cut
from ...sweeps.sweep import Status, Sweep
from ..base.loop import Loop
from ..base.parts import classed, close_all
from ..panel.options import OPTIONS
from ..panel.panel import InversionPanel
from ..panel.state import HistoryEntry
from ..views.export import SweepExport
from ..views.snapshot import Snapshot
from .controls import SweepControls
from .run import Button, Ended, Event, Failed, Read, SweepRun, SweepState, update
from .view import SweepAxes, SweepView

_PAUSE = 0.5  # the least number of seconds between two drawings of the grid


class SweepPanel(w.VBox):
    """A panel for a notebook that runs a sweep and shows its results as a grid of two axes.

    >>> sweep = iw.Sweep("coffee", layers=["blocks.2", "blocks.4"], store="results")
    >>> panel = iw.SweepPanel(sweep)
    >>> status = await panel.start()

    A press on a picture opens its run in an ``InversionPanel`` below the grid; ``opened`` is this
    panel. ``status`` lists the stored, failed and missing jobs. ``export`` downloads a page of all
    stored results.

    Parameters
    ----------
    sweep : Sweep, str or path
        A ``Sweep`` with a store, or the store of one that was run, as its folder or URL.
    workers : int, optional
        How many processes run jobs at once.
    scheduler : optional
        The address of a Dask scheduler or a Dask client, which then runs the jobs.
    rows, columns : str, optional
        The axes shown down and across; they can be chosen in the panel too.

    Raises
    ------
    InvwidgetsError
        For a store that has no sweep, or an axis that the sweep does not have.
    """

    _closing = True  # until the constructor ends, there is nothing to close

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
        _ = self.sweep.store  # raises an error if it cannot be used
        self.loop = loop = Loop()
        self._axes = axes = SweepAxes(loop, self.sweep, rows, columns, self._draw)
        self._closing = self._drawing = False
        self._sweep_state = SweepState()
        self.opened: w.Widget | None = None
        options = {"workers": workers, "scheduler": scheduler}
        self._run = SweepRun(loop, self.sweep, self._dispatch, options)
        self._controls = controls = SweepControls(len(self.sweep), self._presses)
        loop.failed = lambda words: self._dispatch(Failed(words))
        self.start_button, self.pause_button = controls.start, controls.pause
        self.stop_button, self.retry_button = controls.stop, controls.retry
        self.bar, self.figures, self.line = controls.bar, controls.figures, controls.line
        self.error, self.failures = controls.error, controls.failures
        self.rows_menu, self.columns_menu = axes.rows_menu, axes.columns_menu
        self.held_menus = axes.held_menus
        self.view, self.export = SweepView(loop), SweepExport(loop, self.sweep)
        self.snapshot = Snapshot(self.loop)
        self.holder = classed(w.VBox(), "iw-opened")
        self.view.observe(loop.handler(self._pressed), "enlarged")
        seen = classed(w.VBox([*controls.rows, axes.box, self.view, self.export]), "iw-section")
        super().__init__([seen, self.holder])
        classed(self, "iw-panel")
        controls.render(self._sweep_state)
        self._draw()
        self._run.read()

    @property
    def status(self) -> Status | None:
        """The stored, failed and missing jobs; None until the store has been read."""
        return self._sweep_state.status

    @property
    def now(self) -> SweepState:
        """The whole state of the panel, as a frozen value."""
        return self._sweep_state

    def start(self) -> asyncio.Task[Status]:
        """Run the jobs that are not stored; the task returns the status at the end.

        Raises ``BadSettingError`` without an event loop and after ``close``.
        """
        task = self.snapshot.after(self._run.task())
        self._dispatch("start")
        return task

    def pause(self) -> None:
        """Pause the run after the jobs that have begun."""
        self.loop.now(self._dispatch, "pause")

    def resume(self) -> None:
        """Continue a paused run."""
        self.loop.now(self._dispatch, "resume")

    def stop(self) -> None:
        """Stop the run after the jobs that have begun."""
        self.loop.now(self._dispatch, "stop")

    def open_job(self, place: int) -> w.Widget:
        """Open a job in an inversion panel below the grid, and return the panel.

        ``place`` is the index of the job in ``sweep.points``. Raises ``InvwidgetsError`` for a job
        that is not stored.
        """
        panel = opened_run(self.sweep, place)
        self._close_opened()
        self.opened = panel
        self.holder.children = [panel]
        return panel

    def close(self) -> None:
        """Stop the run and close all widgets. A second call has no effect."""
        if self._closing:
            return
        self._closing = self.loop.closed = True
        self._run.close()
        self._close_opened()
        self.snapshot.close()
        close_all(self)

    def _dispatch(self, event: Event) -> None:
        """Change the state for an event, carry out the effects, and show the new state."""
        self._sweep_state, effects = update(self._sweep_state, event)
        for effect in effects:
            self._run.carry_out(effect)
        self._controls.render(self._sweep_state)
        self._offer()
        if isinstance(event, Read | Ended):
            self._draw()
            if self._run.has_cells:  # a picture for the saved notebook
                self.snapshot.keep(self.view.still)
        elif not isinstance(event, str | Failed):
            self._draw_soon()

    def _offer(self) -> None:
        """Offer a page of the stored results, except during a run."""
        status, busy = self._sweep_state.status, self._sweep_state.busy
        stored = 0 if status is None or busy else len(status.stored)
        self.export.offer_stored(stored, len(self.sweep))

    def _presses(self, button: Button) -> Any:
        return self.loop.handler(lambda: self._dispatch(button))

    def _pressed(self) -> None:
        place = self.view.enlarged
        if place < 0:
            return
        self.view.enlarged = -1
        try:
            self.open_job(place)
        except (InvwidgetsError, TraitError) as error:
            self._dispatch(Failed(str(error)))

    def _close_opened(self) -> None:
        opened, self.opened = self.opened, None
        if opened is not None:
            self.holder.children = []
            opened.close()

    def _draw_soon(self) -> None:
        """Draw the grid after 0.5 to 1 seconds, once for all progress reports until then."""
        if self.loop.loop is None or not self.loop.loop.is_running():
            self._draw()
        elif not self._drawing:
            self._drawing = True
            self.loop.loop.call_later(max(_PAUSE, self.view.pause), self.loop.call, self._draw)

    def _draw(self) -> None:
        self._drawing = False
        plane = self._axes.plane
        self.view.show(plane, self._run.cells(plane.places.values()))

    def _ipython_display_(self, **_: Any) -> None:
        self.snapshot.display(self)


def opened_run(sweep: Sweep, place: int) -> InversionPanel:
    """A panel that shows the result of a job and has its settings.

    ``place`` is the index of the job in ``sweep.points``. Raises ``InvwidgetsError`` for a job that
    is not stored, whose file is damaged, or that has target features instead of a photo.
    """
    result = sweep.result(place)
    job = sweep.store.record(sweep.keys[place])["job"]
    if result.target is not None:
        raise BadSettingError(
            f"job {place} searched for the target {shown(result.photo_name)}, and a panel searches "
            f"for photos only: look at sweep.result({place}).gallery()"
        )
    changed = {n: v for n, v in sweep.points[place].settings if n in OPTIONS}
    model, weights = job["model"], job["weights"]
    options: dict[str, Any] = {
        "model": cut(model, weights, job["layer"]) if ":" in model else model,
        "weights": weights,
        "layer": job["layer"],
        "region": _tuple(job["region"]),
        "channels": _tuple(job["channels"]),
        "objective": result.settings.objective,
        "seeds": len(result.seeds),
        "steps": result.settings.steps,
        "size": result.settings.size,
        "precision": result.settings.precision,
        **changed,
    }
    panel = InversionPanel(job["photo"] or "coffee", **options)
    panel.restore(HistoryEntry(result, panel.values, panel.overridden))
    return panel


def _tuple(values: list[int] | None) -> tuple[int, ...] | None:
    return None if values is None else tuple(values)
