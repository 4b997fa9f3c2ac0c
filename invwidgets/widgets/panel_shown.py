"""From a panel's run to its views: the run under way, its result, or one brought back.

>>> shown = PanelShown(options, models, session, views, status)
>>> shown.show_progress(reports)
>>> shown.result                            # of the last run
>>> shown.restore(views.history.entries[0])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..inversion.progress import Progress
from ..inversion.result import Reconstruction
from ..inversion.session import Session
from .history import HistoryEntry
from .panel_asked import RunAsked, asked_now
from .panel_classes import ask_classes
from .panel_model import PanelModel
from .panel_options import PanelOptions
from .panel_status import PanelStatus
from .panel_views import PanelViews


class PanelShown:
    """``result`` is the last run's, ``entry`` the finished run whose images are to be seen, if any
    is; ``moved_on``: what stands there is of another question than the run's."""

    def __init__(
        self,
        options: PanelOptions,
        models: PanelModel,
        session: Session,
        views: PanelViews,
        status: PanelStatus,
    ) -> None:
        self._options, self._models, self._session = options, models, session
        self._views, self._status = views, status
        self.result: Reconstruction | None = None
        self.entry: HistoryEntry | None = None
        self.moved_on = False
        self._asked, self._network = self._asked_now(), models.loaded  # what the run was asked with

    # ---- before a run

    def begin(self) -> None:
        """A run begins, with what is asked for now: the photo, and empty places for its images."""
        self._lay_out()
        self.moved_on, self._asked, self._network = False, self._asked_now(), self._models.loaded
        self._views.controls.show_state("preparing")

    def rest(self) -> None:
        """Nothing runs, and what stands there is of another question: begin with empty places."""
        kept, self.moved_on = self.entry is not None, True
        self._status.drop_brought_back()
        self._views.controls.show_state("idle")
        self._lay_out()
        self._say_ready(kept)

    def keep_still(self) -> None:
        """Have the saved notebook show what is to be seen before the first run."""
        self._views.snapshot.keep_sheet(lambda: self._views.gallery.drawn().sheet)

    def show_theme(self) -> None:
        self._views.gallery.theme = self._options.theme

    # ---- a run, and its end

    def show_progress(self, reports: Sequence[Progress]) -> None:
        """What a run has reported since last time."""
        last = reports[-1]
        if not self.moved_on:
            self._views.show_progress(reports)
            self._session.frame_seconds = self._views.gallery.pause
            self.draw_curves()
        for progress in reports:
            if progress.result is not None:
                self._show_result(progress.result)
        if last.state == "failed":
            self._status.show_error(last.error)
        if self.moved_on:
            if last.result is not None:
                self._say_ready(True)
        elif not self._models.loading:  # what is loaded now is another matter
            self._status.show_progress(last, self._asked.overridden_words)

    def show_knobs(self) -> None:
        """Knobs act on the run: what is said of its images follows."""
        self._views.say_of(self._models.loaded, self._options)
        self._asked = self._asked.with_knobs(self._asked_now())

    def go_on(self) -> None:
        """A finished run is taken up: what was found of its images no longer holds."""
        self._views.classes.rows, self.entry = [], None

    def _show_result(self, result: Reconstruction) -> None:
        self.result, asked = result, self._asked
        entry = HistoryEntry(result, asked.settings, asked.overridden)
        self._views.history.add(entry)
        if not self.moved_on:
            self.entry = entry
            self._views.show_result(result, asked.photo, asked.upload, asked.overridden_words)
            self.draw_curves(now=True)
            self._views.snapshot.keep(result)
        if self._network is not None:
            ask_classes(
                self._models.loader,
                self._network.representation,
                result,
                lambda rows: self.take_classes(entry, rows),
            )

    def take_classes(self, entry: HistoryEntry, rows: tuple[Any, ...]) -> None:
        """What the network says of a run's images; shown where they are still shown."""
        known = replace(entry, classes=rows)
        self._views.history.replace(entry, known)
        if self.entry is entry and self.result is entry.result:
            self.entry = known
            self._views.show_classes(rows, entry.result)

    def draw_curves(self, now: bool = False) -> None:
        """The energies, at once or when it is time for a picture."""
        result = None if self.entry is None else self.entry.result
        self._views.show_curves(self._session, self._options.seeds, result, now)

    # ---- a run of before

    def restore(self, entry: HistoryEntry) -> None:
        """Bring a finished run back: its settings and its images."""
        self._session.stop()
        self._session.forget()
        options, settings = self._options, entry.settings
        changed = {n: v for n, v in settings.items() if getattr(options, n) is not v}
        self._status.bring_back(self._views.history.number(entry))
        with options.quietly():
            options.overridden = entry.overridden
            for name, value in changed.items():
                setattr(options, name, value)
            options.photo_name = entry.result.photo_name
        self.result, self.entry = entry.result, entry
        self._status.ask_no_more()
        self._models.ask({*changed, "region", "channels"})
        self._views.controls.show_state("idle")
        height, width = entry.result.images.shape[-2:]
        asked = asked_now(options, (height, width))
        self._views.restore(entry.result, asked.photo, asked.upload, asked.overridden_words)
        self._views.show_classes(entry.classes, entry.result)
        self.draw_curves(now=True)

    def close(self) -> None:
        """Let go of every tensor."""
        self.result = self.entry = self._network = None
        self._views.history.entries.clear()

    def _lay_out(self) -> None:
        self.entry = None  # what is still to be said of it is not said of what comes
        if self._models.loaded is not None:
            self._views.lay_out(self._models.loaded, self._options.photo_title, self._options)

    def _say_ready(self, kept: bool) -> None:
        if self._models.loaded is not None and not self._models.loading:
            self._status.ready(kept)

    def _asked_now(self) -> RunAsked:
        loaded = self._models.loaded
        return asked_now(self._options, None if loaded is None else loaded.size)
