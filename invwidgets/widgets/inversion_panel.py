"""The panel: a photo, a layer and a handful of knobs; images that sharpen from noise.

>>> panel = InversionPanel("coffee", layer="blocks.2")
>>> panel                                  # in a notebook cell
>>> task = panel.start()                   # or press Start
>>> result = await task                    # in a later cell
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import Any

import ipywidgets as w

from ..errors import InvwidgetsError
from ..inversion.progress import BUSY, Progress
from ..inversion.result import Reconstruction
from .closing import close_all
from .history import Pin
from .keepsake import Keepsake
from .loop import Loop
from .panel_controls import PanelControls
from .panel_look import PanelLook
from .panel_options import KNOBS, LOOKS, OPTIONS, PRESET, RESTARTS, PanelOptions, run_arguments
from .panel_options import shown_name as name_of
from .panel_run import PanelRun
from .panel_views import PanelViews
from .parts import classed
from .run_controls import in_words


class InversionPanel(w.VBox, PanelOptions):
    """Every option is a typed trait, see ``PanelOptions``: set it, observe it, or move its control.

    Parts: ``photos``, ``model_menu``, ``layer_slider``, ``region_picker``, ``channel_selector``,
    ``knobs``, ``more``, ``controls``, ``gallery``, ``curves``, ``history``, ``take_away``.
    ``result`` is the last run's; ``state`` as a session's. Unknown keywords are refused.
    """

    def __init__(self, photo: Any = "coffee", **options: Any) -> None:
        self._dirty: set[str] = set()
        self._scheduled = self._settling = self._recalling = self._closing = False
        self._wants_run: str = ""  # "start" or "step" while a look is awaited
        self._photo_name = ""
        self.result: Reconstruction | None = None
        self.loop = loop = Loop()
        loop.failed = self._complain
        self._run = PanelRun(loop, self._told)
        self.session = self._run.session
        self.keepsake = Keepsake()
        asked = PanelControls(
            loop,
            self._set,
            self._photo_chosen,
            self.reset,
            self._complain,
            lambda: self._looks.ask_responses(),
        )
        self.photos, self.model_menu = asked.photos, asked.model_menu
        self.layer_slider, self.region_picker = asked.layer_slider, asked.region_picker
        self.channel_selector, self.knobs = asked.channel_selector, asked.knobs
        self.more = asked.more
        views = PanelViews(loop, self._act, self._recall, self._draw_curves)
        self.controls, self.gallery, self.curves = views.controls, views.gallery, views.curves
        self.history, self.take_away, self.tabs = views.history, views.take_away, views.tabs
        self._asked, self._views = asked, views
        self._looks = PanelLook(
            loop, self, asked, self.controls.say, self._have_looked, self._look_failed
        )
        super().__init__([classed(w.HBox([asked, views]), "iw-columns")])
        classed(self, "iw-panel")
        try:
            self.take({"photo": photo, **options})
            self.observe(self._trait_changed, list(OPTIONS))
            self._dirty = set(OPTIONS)
            self._settle()
        except BaseException:
            self.close()
            raise

    @property
    def state(self) -> str:
        return self.session.state

    def start(self) -> asyncio.Task[Reconstruction]:
        """Begin a run from noise; the task gives its result, also where it is stopped early.

        Cancelling the task does not stop the run. Raises ``BadSettingError`` without a loop.
        """
        task = self._run.task()
        self._settle()
        self._begin("start")
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
            self._begin("step")

    def stop(self) -> None:
        self._wants_run = ""
        self.session.stop()

    def reset(self, *names: str) -> None:
        """Give knobs back to the preset, all of them by default."""
        self.moved -= set(names or PRESET)
        self._follow_preset()
        self._dirty |= set(names or PRESET)
        self._schedule()

    def close(self) -> None:
        """Stop, and close every widget, thread and tensor of the panel; twice is fine."""
        if self._closing:
            return
        self._closing = True
        self.loop.closed = True
        self._looks.close()
        self._run.close()
        self.keepsake.close()
        close_all(self)
        self.unobserve_all()
        self.result = None
        self.history.pins.clear()

    def _ipython_display_(self, **_: Any) -> None:
        self.keepsake.display(self)

    # ---- from the controls to the traits

    def _set(self, name: str, value: Any) -> None:
        try:
            setattr(self, name, value)
        except Exception as error:
            self._complain(str(error))

    def _photo_chosen(self, source: Any, name: str) -> None:
        self._photo_name = name
        self.photo = source

    def _act(self, action: str) -> None:
        if action != "start" or self.loop.loop is not None:
            getattr(self, action)()

    # ---- from the traits to the run

    def _trait_changed(self, change: Any) -> None:
        name = change["name"]
        if not self.quiet:
            self._dirty.add(name)
            if name in PRESET:
                self.moved.add(name)
        self._schedule()

    def _schedule(self) -> None:
        """Settle once for all changes of this turn of the loop."""
        if not self._scheduled and not self._settling:
            self._scheduled = True
            self.loop.call(self._settle)

    def _settle(self) -> None:
        """Bring views and run in step with what has changed."""
        self._scheduled = False
        dirty, self._dirty = self._dirty, set()
        if self._closing or not dirty:
            return
        self._settling = True
        try:
            self._asked.show(self.values, self.moved)
            if "theme" in dirty:
                self.gallery.theme = self.theme
            runs = self.session.state in (*BUSY, "finished") or bool(self._wants_run)
            if dirty & set(LOOKS):
                self._looks.ask(dirty)
            elif dirty & {"region", "channels", "seeds", "objective", "preset", "steps"}:
                if dirty & {"region", "objective"}:
                    with self.quietly():
                        self.region_picker.region = self.region
                self._follow_preset()
                if "channels" in dirty:
                    self.channel_selector.stand(self.channels)
                if not runs:
                    self._lay_out()
            if dirty & set(RESTARTS) and runs:
                self._begin(self._wants_run or "start")
            elif dirty & set(KNOBS) and runs and not self._looks.looking:
                self.session.set_knobs(**self.knobs_for(dirty & set(KNOBS)))
        except InvwidgetsError as error:
            self._complain(str(error))
        finally:
            self._settling = False

    def _have_looked(self) -> None:
        self.controls.complain("")
        self.photos.show(self.photo, self._name)
        self._follow_preset()
        recalling, self._recalling = self._recalling, False
        if self._wants_run:
            self._begin(self._wants_run)
        elif recalling:
            self.controls.say("Brought back. Start does it again with these settings.")
        elif self.session.state not in BUSY:
            self._lay_out()
            self.controls.say("Ready. Press Start: images will sharpen from noise.")

    def _look_failed(self, words: str) -> None:
        self._wants_run = ""
        self._complain(words)
        self.controls.say("Choose something else; what was there is kept.")
        self._run.refuse(words)

    def _begin(self, how: str) -> None:
        """Start a run once the network has been looked at; the latest wish wins."""
        if self._looks.looking or self._looks.looked is None:
            self._wants_run = how
            if not self._looks.looking:  # the last look failed: look again
                self._looks.ask(set(LOOKS))
            return
        self._wants_run = ""
        self.controls.complain("")
        try:
            arguments = run_arguments(self, self._looks.looked.representation)
        except InvwidgetsError as error:
            self._complain(str(error))
            self._run.refuse(str(error))
            return
        self._lay_out()
        self.session.start(paused=how == "step", **arguments)
        if how == "step":
            self.session.step()

    def _follow_preset(self) -> None:
        if self._looks.looked is not None:
            self.follow_preset(self._looks.looked.representation)
            self._asked.show(self.values, self.moved)

    # ---- from the run to the views

    def _told(self, news: list[Progress]) -> None:
        if self._closing:
            return
        last = news[-1]
        self._views.show_news(news)
        self.session.frame_seconds = self.gallery.pause
        self._draw_curves()
        for progress in news:
            if progress.result is not None:
                self._ended(progress.result)
        if last.state == "failed":
            self._complain(last.error)
            self._run.refuse(last.error)
        elif last.state == "stopped" and not last.step:
            self._run.refuse("stopped before the first step: there is no result")
        self.controls.say(in_words(last, self.layer, self._name, last.result))

    def _ended(self, result: Reconstruction) -> None:
        if result.photo_name:  # an upload's is its file's name, which the session does not know
            result = replace(result, photo_name=self._name)
        self.result = result
        self._views.show_result(result, self._photo_code)
        self.history.pin(Pin(result, self.values, frozenset(self.moved)))
        self._draw_curves(now=True)
        self.keepsake.keep(result)
        self._run.give(result)

    def _recall(self, pin: Pin) -> None:
        """Bring a finished run back: its settings and its images."""
        self.session.stop()
        self.session.forget()
        changed = {n: v for n, v in pin.settings.items() if getattr(self, n) is not v}
        self.moved = set(pin.moved)
        with self.quietly():
            for name, value in changed.items():
                setattr(self, name, value)
        self.result = pin.result
        self._asked.show(self.values, self.moved)
        self._recalling = True
        self._looks.ask({*changed, "region", "channels"})
        self.controls.show_state("idle")
        self._views.bring_back(pin.result, self._photo_code)

    def _lay_out(self) -> None:
        if self._looks.looked is not None:
            self._views.lay_out(self._looks.looked, self._name, self)

    def _draw_curves(self, now: bool = False) -> None:
        self._views.show_curves(self.session, self.seeds, now)

    @property
    def _name(self) -> str:
        return name_of(self.photo, self._photo_name)

    @property
    def _photo_code(self) -> str:
        """Python that names the photo; where the file of an upload is, its owner has to say."""
        if isinstance(self.photo, str | os.PathLike):
            return repr(os.fspath(self.photo))
        return repr(f"{self._name}.png") if isinstance(self.photo, bytes) else "photo"

    def _complain(self, words: str) -> None:
        self.controls.complain(words)
