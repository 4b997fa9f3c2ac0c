"""The panel: a photo, a layer and a handful of knobs; images that sharpen from noise.

>>> panel = InversionPanel("coffee", layer="blocks.2")
>>> panel                                  # in a notebook cell
>>> task = panel.start()                   # or press Start
>>> result = await task                    # in a later cell
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets as w

from ..errors import BadSettingError, InvwidgetsError
from ..figures.gallery import caption
from ..images import to_uint8
from ..inversion.frame import Frame
from ..inversion.progress import BUSY, Progress
from ..inversion.reconstruction import Reconstruction
from ..inversion.session import Session
from ..representations.registry import representations
from .channel_selector import ChannelSelector
from .closing import close_all
from .curves_view import CurvesView
from .history import History, Pin
from .keepsake import Keepsake
from .layer_slider import LayerSlider
from .live_gallery import LiveGallery
from .lookup import Look, Lookup, look, responses
from .loop import Loop
from .more_settings import MoreSettings
from .panel_options import (
    KNOBS,
    LOOKS,
    OPTIONS,
    PRESET,
    RESTARTS,
    PanelOptions,
    preset_values,
    run_arguments,
    shown_name,
)
from .parts import classed, heading
from .photo_chooser import PhotoChooser
from .prior_knobs import PriorKnobs
from .region_picker import RegionPicker
from .run_controls import RunControls
from .take_away import TakeAway


class InversionPanel(w.VBox, PanelOptions):
    """Every option is a typed trait, see ``PanelOptions``: set it, observe it, or move its control.

    Parts: ``photos``, ``model_menu``, ``layer_slider``, ``region_picker``, ``channel_selector``,
    ``knobs``, ``more``, ``controls``, ``gallery``, ``curves``, ``history``, ``take_away``.
    ``result`` is the last run's; ``state`` as a session's. Unknown keywords are refused.
    """

    def __init__(self, photo: Any = "coffee", **options: Any) -> None:
        self._moved: set[str] = set()
        self._dirty: set[str] = set()
        self._presetting = self._scheduled = self._settling = False
        self._wants_run: str = ""  # "start" or "step" while a look is awaited
        self._looked: Look | None = None
        self._looking = self._recalling = False
        self._photo_name = ""
        self._news: deque[Progress] = deque()
        self._news_lock = threading.Lock()
        self._waiters: list[asyncio.Future[Reconstruction]] = []
        self._closing = False
        self.result: Reconstruction | None = None
        self.loop = Loop()
        self.lookup = Lookup(self.loop)
        self.session = Session(self._heard)
        self._build()
        super().__init__([self._columns])
        classed(self, "iw-panel")
        try:
            self._moved |= self.take({"photo": photo, **options})
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
        if self.loop.loop is None:
            raise BadSettingError("a panel runs in a notebook; in a script use iw.Session")
        self._settle()
        waiter: asyncio.Future[Reconstruction] = self.loop.loop.create_future()
        waiter.add_done_callback(_retrieve)
        self._waiters.append(waiter)
        self._begin("start")
        task = self.loop.loop.create_task(_shielded(waiter))
        task.add_done_callback(_retrieve)
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
        self._moved -= set(names or PRESET)
        self._follow_preset()
        self._dirty |= set(names or PRESET)
        self._schedule()

    def close(self) -> None:
        """Stop, and close every widget, thread and tensor of the panel; twice is fine."""
        if self._closing:
            return
        self._closing = True
        self.loop.closed = True
        self.lookup.close()
        self.session.close()
        for waiter in self._waiters:
            _cancel(waiter)
        self._waiters.clear()
        self.keepsake.close()
        close_all(self)
        self.unobserve_all()
        self._looked = None
        self.result = None
        self.history.pins.clear()
        self._news.clear()

    def _ipython_display_(self, **_: Any) -> None:
        self.keepsake.display(self)

    # ---- building

    def _build(self) -> None:
        loop = self.loop
        self.photos = PhotoChooser(loop, self._photo_chosen, self._complain)
        self.model_menu = w.Dropdown(options=list(representations()), description="Model")
        self.model_menu.observe(loop.handler(self._model_chosen), "value")
        self.layer_slider = LayerSlider(loop, lambda name: self._set("layer", name))
        self.region_picker = RegionPicker(loop)
        self.region_picker.observe(self._region_chosen, "region")
        self.channel_selector = ChannelSelector(
            loop, lambda spec: self._set("channels", spec), self._ask_responses
        )
        self.knobs = PriorKnobs(loop, self._set, self.reset, lambda name: self._set("preset", name))
        self.more = MoreSettings(loop, self._set)
        self.controls = RunControls(loop, self._act)
        self.gallery = LiveGallery(loop)
        self.curves = CurvesView()
        self.history = History(loop, self._recall)
        self.take_away = TakeAway(loop)
        self.keepsake = Keepsake()
        self.folds = w.Accordion([self.channel_selector, self.more], titles=["Channels", "More"])
        self.tabs = w.Tab(
            [self.history, self.curves, self.take_away], titles=["History", "Curves", "Take away"]
        )
        self.tabs.observe(loop.handler(self._draw_curves), "selected_index")
        prior = classed(w.VBox([heading("Data and prior"), self.knobs]), "iw-section")
        model = classed(w.VBox([self.model_menu, self.layer_slider]), "iw-section")
        left = [self.photos, model, self.region_picker, prior, self.folds]
        controls = classed(w.VBox(left), "iw-controls")
        views = classed(w.VBox([self.controls, self.gallery, self.tabs]), "iw-views")
        self._columns = classed(w.HBox([controls, views]), "iw-columns")

    # ---- from the controls to the traits

    def _set(self, name: str, value: Any) -> None:
        try:
            setattr(self, name, value)
        except Exception as error:
            self._complain(str(error))

    def _photo_chosen(self, source: Any, name: str) -> None:
        self._photo_name = name
        self.photo = source

    def _model_chosen(self) -> None:
        if self.model_menu.value is not None and self.model_menu.value != self.model:
            self._set("model", self.model_menu.value)

    def _region_chosen(self, change: Any) -> None:
        self.region = change["new"]

    def _act(self, action: str) -> None:
        if action == "start":
            if self.loop.loop is not None:
                self.start()
        else:
            getattr(self, action)()

    # ---- from the traits to the run

    def _trait_changed(self, change: Any) -> None:
        name = change["name"]
        if not self._presetting and name in PRESET:
            self._moved.add(name)
        if not self._presetting:
            self._dirty.add(name)
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
            self._show_options()
            if dirty & {"theme"}:
                self.gallery.theme = self.theme
            runs = self.session.state in (*BUSY, "finished") or self._wants_run
            anew = bool(dirty & set(RESTARTS)) and bool(runs)
            if dirty & set(LOOKS):
                self._look(dirty)
            elif dirty & {"region", "channels", "seeds", "objective", "preset", "steps"}:
                if dirty & {"region", "objective"}:
                    self.region_picker.region = self.region
                self._follow_preset()
                if "channels" in dirty:
                    self.channel_selector.stand(self.channels)
                if not runs:
                    self._lay_out()
            if anew:
                self._begin(self._wants_run or "start")
            elif dirty & set(KNOBS) and runs and not self._looking:
                self.session.set_knobs(**{name: getattr(self, name) for name in dirty & set(KNOBS)})
        except InvwidgetsError as error:
            self._complain(str(error))
        finally:
            self._settling = False

    def _look(self, dirty: set[str]) -> None:
        self._looking = True
        photo, model, layer = self.photo, self.model, self.layer
        weights, size = self.weights, self.size
        fallback = "model" in dirty and self._looked is not None
        if self._looked is None:
            self.controls.say("Loading the network …")
        elif dirty & {"model", "weights"}:
            self.controls.say(f"Loading {model if isinstance(model, str) else 'the network'} …")
        self.lookup.ask(
            "look",
            lambda: look(photo, model, layer, weights, size, fallback),
            self._have_looked,
            self._look_failed,
        )

    def _have_looked(self, looked: Look) -> None:
        self._looking = False
        before, self._looked = self._looked, looked
        self.controls.complain("")
        self.layer_slider.fill(looked.layers, looked.layer)
        with self._quietly():
            self.layer = looked.layer
        self.photos.show(self.photo, self._name)
        info = looked.representation.layer_info(looked.size)
        self.region_picker.show_photo(looked.photo)
        kept = self.region_picker.region
        self.region_picker.show_layer(looked.representation, looked.size)
        if kept is None and self.region is not None:
            self._set_region()
        same = before is not None and before.layer == looked.layer
        if before is None:
            self.channel_selector.stand(self.channels)
        elif not same and not isinstance(self.channels, str):
            with self._quietly():
                self.channels = None
            self.channel_selector.stand(None)
        self.channel_selector.show_layer(info.shape[0])
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
        self._looking = False
        self._wants_run = ""
        self._complain(words)
        self.controls.say("Choose something else above; what was there is kept.")
        self._resolve(None, words)

    def _set_region(self) -> None:
        try:
            self.region_picker.region = self.region
        except InvwidgetsError as error:
            self._complain(str(error))

    def _begin(self, how: str) -> None:
        """Start a run once the network has been looked at; the latest wish wins."""
        if self._looking or self._looked is None:
            self._wants_run = how
            if not self._looking:  # the last look failed: look again
                self._look(set(LOOKS))
            return
        self._wants_run = ""
        self.controls.complain("")
        try:
            arguments = run_arguments(self, self._looked.representation, self._moved)
        except InvwidgetsError as error:
            self._complain(str(error))
            self._resolve(None, str(error))
            return
        self._lay_out()
        self.session.start(paused=how == "step", **arguments)
        if how == "step":
            self.session.step()

    def _follow_preset(self) -> None:
        """Knobs that have not been moved stand where the preset has them for this layer."""
        if self._looked is None:
            return
        with self._quietly():
            for name, value in preset_values(
                self, self._looked.representation, self._moved
            ).items():
                setattr(self, name, value)
        self._show_options()

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Traits set inside neither restart a run nor count as moved."""
        before, self._presetting = self._presetting, True
        try:
            yield
        finally:
            self._presetting = before

    # ---- from the run to the views

    def _heard(self, progress: Progress) -> None:
        """On the session's thread: pass the news on, one call for many of them."""
        with self._news_lock:
            self._news.append(progress)
            first = len(self._news) == 1
        if first:
            self.loop.call(self._tell_news)

    def _tell_news(self) -> None:
        with self._news_lock:
            news = list(self._news)
            self._news.clear()
        if not news or self._closing:
            return
        latest = news[-1].run
        news = [progress for progress in news if progress.run == latest]
        self.controls.show_state(news[-1].state)
        self.controls.show_progress(news[-1])
        frame = next((p.frame for p in reversed(news) if p.frame is not None), None)
        if frame is not None:
            self.gallery.show(frame)
            self.session.frame_seconds = self.gallery.pause
        self._draw_curves()
        for progress in news:
            if progress.result is not None:
                self._ended(progress)
        if news[-1].state == "failed":
            self._complain(news[-1].error)
            self._resolve(None, news[-1].error)
        elif news[-1].state == "stopped" and not news[-1].step:
            self._resolve(None, "stopped before the first step: there is no result")
        self.controls.say(self._words(news[-1], frame))

    def _ended(self, progress: Progress) -> None:
        result = progress.result
        assert result is not None
        self.result = result
        self._show_result(result)
        settings = {name: getattr(self, name) for name in OPTIONS}
        self.history.pin(Pin(result, settings, frozenset(self._moved)))
        self._draw_curves(now=True)
        self.keepsake.keep(result)
        self._resolve(result, "")

    def _show_result(self, result: Reconstruction) -> None:
        frame = Frame(result.steps - 1, to_uint8(result.images), result.relative_error, None, None)
        captions = [caption(result, index) for index in range(len(result.seeds))]
        self.gallery.show(frame, captions)
        self.take_away.theme = self.history.theme = self.gallery.colors
        given = isinstance(self.photo, str)
        self.take_away.offer(result, repr(self.photo) if given else "photo")

    def _resolve(self, result: Reconstruction | None, words: str) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if waiter.done():
                continue
            if result is not None:
                waiter.set_result(result)
            else:
                waiter.set_exception(InvwidgetsError(words))

    def _recall(self, pin: Pin) -> None:
        """Bring a finished run back: its settings and its images."""
        self.session.stop()
        self.session.forget()
        changed = {n: v for n, v in pin.settings.items() if getattr(self, n) is not v}
        self._moved = set(pin.moved)
        with self._quietly():
            for name, value in changed.items():
                setattr(self, name, value)
        self.result = pin.result
        self._show_options()
        self._recalling = True
        self.region_picker.region = self.region
        self._look(set(changed))
        result = pin.result
        photo = None if result.photo is None else to_uint8(result.photo)
        self.gallery.show_photo(photo, result.photo_name, result.seeds, _field(result))
        self._show_result(result)

    def _draw_curves(self, now: bool = False) -> None:
        if self.tabs.selected_index != 1:
            return
        energies, changes = self.session.curves()
        seeds = range(self.seeds)
        self.curves.show(energies, seeds, changes, self.gallery.colors, now)

    def _ask_responses(self) -> None:
        looked, photo, region = self._looked, self.photo, self.region
        if looked is not None:
            self.lookup.ask(
                "responses",
                lambda: responses(looked, photo, region),
                self.channel_selector.show_responses,
                self._complain,
            )

    def _lay_out(self) -> None:
        """The photo and empty places for the seeds, before there are pictures."""
        if self._looked is None:
            return
        field = None
        if self.region is not None and self.objective != "maximise":
            box = self._looked.representation.receptive_field(self.region, self._looked.size)
            field = None if box.covers(self._looked.size) else box.clipped
        photo = None if self.objective == "maximise" else self._looked.photo
        self.gallery.show_photo(photo, self._name, range(self.seeds), field)

    @property
    def _name(self) -> str:
        return shown_name(self.photo, self._photo_name)

    def _show_options(self) -> None:
        values = {name: getattr(self, name) for name in OPTIONS}
        self.knobs.show(values, self._moved)
        self.more.show(values)
        if isinstance(self.model, str):
            if self.model not in self.model_menu.options:
                self.model_menu.options = (*self.model_menu.options, self.model)
            self.model_menu.value = self.model
        else:
            self.model_menu.value = None

    def _complain(self, words: str) -> None:
        self.controls.complain(words)

    def _words(self, progress: Progress, frame: Frame | None) -> str:
        name, layer = self._name, self.layer
        if progress.state == "preparing":
            return f"Preparing {layer} …"
        if progress.state == "running":
            return f"Searching for images that {layer} cannot tell from {name} …"
        if progress.state == "paused":
            return f"Resting after step {progress.step}. Resume or Step goes on."
        if progress.state == "stopped" and not progress.step:
            return "Stopped before the first step. Press Start to begin."
        if progress.state in ("finished", "stopped") and self.result is not None:
            kind = "Done" if progress.state == "finished" else "Stopped"
            if self.result.relative_error is None:
                return f"{kind}. Move a knob, or start again."
            best = 100 * min(self.result.relative_error)
            return (
                f"{kind}: {layer} sees {best:.1f} % difference between the best image and {name}."
            )
        return {"failed": "That did not work; everything else still does."}.get(progress.state, "")


async def _shielded(waiter: asyncio.Future[Reconstruction]) -> Reconstruction:
    return await asyncio.shield(waiter)


def _retrieve(future: asyncio.Future[Any]) -> None:
    """An error that nobody awaits is shown in the panel; asyncio need not print it too."""
    if not future.cancelled():
        future.exception()


def _cancel(waiter: asyncio.Future[Any]) -> None:
    if not waiter.get_loop().is_closed():
        waiter.cancel()


def _field(result: Reconstruction) -> tuple[int, int, int, int] | None:
    field = result.receptive_field
    return None if field is None or field["covers_image"] else tuple(field["box"])
