"""The panel: a photo, a layer and a handful of knobs; images that sharpen from noise.

>>> panel = InversionPanel("coffee", layer="blocks.2")
>>> panel                                  # in a notebook cell
>>> task = panel.start()                   # or press Start
>>> result = await task                    # in a later cell
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets as w

from ..inversion.progress import Progress
from ..inversion.result import Reconstruction
from .closing import close_all
from .history import HistoryEntry
from .loop import Loop
from .panel_changes import PanelChanges
from .panel_controls import PanelControls
from .panel_model import PanelModel
from .panel_options import KNOBS, PRESET, PanelOptions
from .panel_run import PanelRun
from .panel_search import PanelSearch
from .panel_shown import PanelShown
from .panel_stages import PanelStages
from .panel_status import PanelStatus
from .panel_views import PanelViews
from .parts import classed
from .tiles import HandleNames


class InversionPanel(w.VBox, PanelOptions):
    """Every option is a typed trait, see ``PanelOptions``: set it, observe it, link it, or move its
    control.

    >>> panel = iw.InversionPanel("coffee")
    >>> traitlets.link((panel, "layer"), (other, "layer"))

    Parts: ``photos``, ``model_menu``, ``layer_slider``, ``region_picker``, ``channel_selector``,
    ``knobs``, ``advanced``, ``controls``, ``gallery``, ``classes``, ``curves``, ``history``,
    ``export``. ``result`` is the last run's; ``state`` as a session's. Unknown keywords are
    refused.
    """

    def __init__(self, photo: Any = "coffee", **options: Any) -> None:
        self._closing = False
        self.loop = loop = Loop()
        self._run = run = PanelRun(loop, self._on_progress)
        self.session = run.session
        self._asked = asked = PanelControls(loop, self)
        self.photos, self.model_menu = asked.photos, asked.model_menu
        self.layer_slider, self.region_picker = asked.layer_slider, asked.region_picker
        self.channel_selector, self.knobs = asked.channel_selector, asked.knobs
        self.advanced = asked.advanced
        views = PanelViews(loop)
        self.controls, self.gallery, self.curves = views.controls, views.gallery, views.curves
        self.classes, self.history = views.classes, views.history
        self.export, self.tabs, self.snapshot = views.export, views.tabs, views.snapshot
        self._models = models = PanelModel(
            loop, self, asked, self.controls.say, self._have_loaded, self._load_failed
        )
        self._stages = PanelStages(loop, self, models, asked)
        self.stages = self._stages.pictures
        self._status = status = PanelStatus(self, models, self.controls)
        loop.failed = status.show_error
        self._shown = shown = PanelShown(self, models, run.session, views, status)
        self._search = PanelSearch(self, models, run, shown, status)
        self._changes = PanelChanges(loop, self, models, self._search, shown)
        columns = classed(w.HBox([views, asked.side]), "iw-columns")  # as the Tab key goes
        super().__init__([asked.top, asked.layer_slider, columns, HandleNames()])
        classed(self, "iw-panel")
        self._connect()
        try:
            self.take({"photo": photo, **options})
            self._changes.watch()
        except BaseException:
            self.close()
            raise

    @property
    def state(self) -> str:
        return self.session.state

    @property
    def result(self) -> Reconstruction | None:
        """The last run's, or that of the run brought back."""
        return self._shown.result

    @property
    def loading(self) -> bool:
        """Whether a network is being loaded."""
        return self._models.loading

    @property
    def inputs(self) -> PanelControls:
        """The controls of what is asked for."""
        return self._asked

    def start(self) -> asyncio.Task[Reconstruction]:
        """Begin a run; the task gives its result, also where it is stopped early.

        Cancelling the task does not stop the run. Raises ``BadSettingError`` without a loop, and
        once the panel is closed.
        """
        task = self._run.task()
        self._changes.settle()
        self._search.begin("start")
        return task

    def pause(self) -> None:
        self.session.pause()

    def resume(self) -> None:
        self.session.resume()

    def step(self) -> None:
        """Do one step and rest; begins a run where none is under way."""
        if self.session.state in ("running", "paused"):
            self.session.step()
        else:
            self._search.begin("step")

    def stop(self) -> None:
        self._search.stop()

    def reset(self, *names: str) -> None:
        """Give knobs back to the preset, all of them by default."""
        self.overridden = self.overridden - set(names or PRESET)

    def restore(self, entry: HistoryEntry) -> None:
        """Bring a finished run back: its settings and its images."""
        self._changes.forget()
        self._search.give_way()
        self._shown.restore(entry)

    def take_classes(self, entry: HistoryEntry, rows: tuple[Any, ...]) -> None:
        """What the network says of a run's images; shown where they are still shown."""
        self._shown.take_classes(entry, rows)

    def show_stages(self) -> None:
        """Make every stage's own small reconstruction, in turn; asked again meanwhile, stop."""
        self._stages.toggle()

    def close(self) -> None:
        """Stop, and close every widget, thread and tensor of the panel; twice is fine."""
        if self._closing:
            return
        self._closing = True
        self.loop.closed = True
        self._models.close()
        self._run.close()
        self.stages.close()
        self.snapshot.close()
        close_all(self, self._asked.knobs.others, self._asked.region_picker.exact)
        self.unobserve_all()
        self._shown.close()

    @property
    def by_hand(self) -> bool:
        """Whether a trait that changes now does so because it is asked for."""
        return super().by_hand and not self.knobs.follows

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Traits set inside neither restart a run nor count as overridden."""
        with super().quietly(), self.knobs.following():
            yield

    def _ipython_display_(self, **_: Any) -> None:
        self.snapshot.display(self)

    # ---- who is asked, and who is told

    def _connect(self) -> None:
        """What each button does; all else is a link of traits."""
        controls, loop = self.controls, self.loop
        pressed: dict[w.Button, Callable[[], Any]] = {
            controls.start: lambda: self.start() if loop.loop is not None else None,
            controls.pause: self._pause_or_resume,
            controls.step: self.step,
            controls.stop: self.stop,
            controls.remedy: self._use_random_weights,
            controls.keep: self._status.ask_no_more,
            controls.back: lambda: self.reset(*KNOBS),
            self.history.bring: self._restore_chosen,
        }
        for button, act in pressed.items():
            button.on_click(loop.handler(act))
        draw_curves = loop.handler(lambda: self._shown.draw_curves(now=True))
        self.tabs.observe(draw_curves, "selected_index")
        self.photos.observe(lambda change: self._status.show_error(change["new"]), "error")

    def _pause_or_resume(self) -> None:
        if self.state == "paused":
            self.resume()
        elif not self._search.just_replaced_paused or self.controls.bar.value:
            self.pause()  # else "Resume" was read, of a run that has just given way: go on

    def _restore_chosen(self) -> None:
        if len(self.history.chosen) == 1:
            self.restore(self.history.chosen[0])

    def _use_random_weights(self) -> None:
        self._status.show_error("")
        self._changes.use_random_weights()

    def _have_loaded(self) -> None:
        self._stages.have_loaded()
        self._search.have_loaded()

    def _load_failed(self, words: str) -> None:
        self._search.load_failed(words)

    def _on_progress(self, reports: list[Progress]) -> None:
        if not self._closing:
            self.stages.rest(reports[-1].state in ("preparing", "running"))
            self._search.have_heard(reports[-1])
            self._shown.show_progress(reports)
