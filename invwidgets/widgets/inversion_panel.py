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
from dataclasses import replace
from typing import Any

import ipywidgets as w

from ..errors import InvwidgetsError
from ..inversion.progress import BUSY, Progress
from ..inversion.result import Reconstruction
from ..representations.descriptors.named import layer_in_words
from . import panel_sentences as sentences
from .closing import close_all
from .history import HistoryEntry
from .loop import Loop
from .panel_classes import ask_classes
from .panel_controls import PanelControls
from .panel_model import PanelModel
from .panel_options import (
    CENTRE,
    KNOBS,
    LOADS,
    OPTIONS,
    PRESET,
    RESTARTS,
    PanelOptions,
    matches_photo,
    overridden_in_words,
    photo_code,
    run_arguments,
    shown_name,
    stage_arguments,
    stage_key,
    upload_name,
)
from .panel_run import PanelRun
from .panel_views import PanelViews
from .parts import classed
from .prior_knobs import in_words as knobs_in_words
from .snapshot import Snapshot
from .stage_pictures import StagePictures
from .tiles import HandleNames

_REMEDY = "Use random weights"
_NOT_SEEN = {*RESTARTS} - {"photo", "model", "layer", "objective"}  # in what a status says anyway


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
        self._dirty: set[str] = set()
        self._scheduled = self._settling = self._restoring = self._closing = False
        self._wants_run: str = ""  # "start" or "step" while a network is loaded
        self._refused: Any = None  # the model that could not be had
        self._random_for: Any = None  # the model that random weights were taken for by the button
        self._of_run = ("", "")  # the layer and the photo of the run under way
        self._continued = ""  # what is said while a moved knob takes up a finished run
        self._again = ""  # why a run gave way to the one under way
        self._brought = ""  # which run was brought back
        self._entry: HistoryEntry | None = None
        self.result: Reconstruction | None = None
        self.loop = loop = Loop()
        loop.failed = self._show_error
        self._run = PanelRun(loop, self._on_progress)
        self.session = self._run.session
        self.snapshot = Snapshot()
        self._asked = asked = PanelControls(loop, self)
        self.photos, self.model_menu = asked.photos, asked.model_menu
        self.layer_slider, self.region_picker = asked.layer_slider, asked.region_picker
        self.channel_selector, self.knobs = asked.channel_selector, asked.knobs
        self.advanced = asked.advanced
        self._views = views = PanelViews(loop)
        self.controls, self.gallery, self.curves = views.controls, views.gallery, views.curves
        self.classes, self.history = views.classes, views.history
        self.export, self.tabs = views.export, views.tabs
        self._models = PanelModel(
            loop, self, asked, self.controls.say, self._have_loaded, self._load_failed
        )
        self.stages = StagePictures(loop)
        columns = classed(w.HBox([views, asked.side]), "iw-columns")  # as the Tab key goes
        super().__init__([asked.top, asked.layer_slider, columns, HandleNames()])
        classed(self, "iw-panel")
        self._connect()
        try:
            self.take({"photo": photo, **options})
            self.observe(self._trait_changed, list(OPTIONS))
            self.observe(self._on_overridden, "overridden")
            self._dirty = set(OPTIONS)
            self._settle()
        except BaseException:
            self.close()
            raise

    @property
    def state(self) -> str:
        return self.session.state

    @property
    def loading(self) -> bool:
        """Whether a network is being loaded."""
        return self._models.loading

    @property
    def inputs(self) -> PanelControls:
        """The controls of what is asked for."""
        return self._asked

    def start(self) -> asyncio.Task[Reconstruction]:
        """Begin a run from noise; the task gives its result, also where it is stopped early.

        Cancelling the task does not stop the run. Raises ``BadSettingError`` without a loop.
        """
        task = self._run.task()
        self._settle()
        self._again = ""
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
            self._again = ""
            self._begin("step")

    def stop(self) -> None:
        self._wants_run = ""
        self.session.stop()

    def reset(self, *names: str) -> None:
        """Give knobs back to the preset, all of them by default."""
        self.overridden = self.overridden - set(names or PRESET)

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
        self.result = self._entry = None
        self.history.entries.clear()

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Traits set inside neither restart a run nor count as overridden."""
        with super().quietly(), self.knobs.following():
            yield

    def _ipython_display_(self, **_: Any) -> None:
        self.snapshot.display(self)

    def show_stages(self) -> None:
        """Make every stage's own small reconstruction, in turn; asked again meanwhile, stop."""
        if self.stages.busy:
            self.stages.stop()
        elif self._models.loaded is not None:
            names = [stage.short_name for stage in self.layer_slider.stages]
            arguments = stage_arguments(self, self._models.loaded.representation)
            self.stages.run(names, stage_key(self), arguments)

    def _stages_came(self, _: Any) -> None:
        busy, done = self.stages.busy, self.stages.done
        count = f"{len(done)} of {len(self.layer_slider.stages)}"
        self._asked.every.description = f"Stop ({count})" if busy else "Show every stage"
        self.layer_slider.pictures = done

    # ---- from the controls to the traits

    def _connect(self) -> None:
        """What each button does; all else is a link of traits."""
        controls, loop = self.controls, self.loop
        pressed: dict[w.Button, Callable[[], Any]] = {
            controls.start: lambda: self.start() if loop.loop is not None else None,
            controls.pause: lambda: self.resume() if self.state == "paused" else self.pause(),
            controls.step: self.step,
            controls.stop: self.stop,
            controls.remedy: self._use_random_weights,
            self._asked.every: self.show_stages,
            controls.keep: self._ask_no_more,
            controls.back: lambda: self.reset(*KNOBS),
            self.history.bring: self._restore_chosen,
        }
        for button, act in pressed.items():
            button.on_click(loop.handler(act))
        self.tabs.observe(loop.handler(lambda: self._draw_curves(now=True)), "selected_index")
        self.photos.observe(lambda change: self._show_error(change["new"]), "error")
        self.stages.observe(lambda change: self._show_error(change["new"]), "error")
        self.stages.observe(self._stages_came, ["done", "busy"])

    def _use_random_weights(self) -> None:
        self._show_error("")
        with self.hold_trait_notifications():
            self.model, self.weights = self._refused, "random"
        self._random_for = self._refused

    def _ask_no_more(self) -> None:
        self.controls.question = ""

    # ---- from the traits to the run

    def _trait_changed(self, change: Any) -> None:
        name = change["name"]
        if not self.quiet and not self.knobs.follows:
            self._dirty.add(name)
            asked_for = self._random_for is not None and self.model != self._random_for
            if name == "model" and asked_for:  # another one has its own again
                self._random_for = None
                self.weights = "pretrained"
            if name in PRESET:
                self.overridden = self.overridden | {name}
        self._schedule()

    def _on_overridden(self, change: Any) -> None:
        back = change["old"] - change["new"]
        if back and not self.quiet:
            self._follow_preset()
            self._dirty |= back
            self._schedule()
        if not self.overridden_knobs:
            self._ask_no_more()

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
            if "theme" in dirty:
                self.gallery.theme = self.theme
            if "photo" in dirty and "crop" not in dirty and self.crop != CENTRE:
                with self.quietly():  # a cut chosen for another photo
                    self.crop = CENTRE
            runs = self.session.state in (*BUSY, "finished") or bool(self._wants_run)
            if dirty & set(LOADS):
                self._models.ask(dirty)
                self._ask_to_keep(dirty)
            elif dirty & {"region", "channels", "seeds", "objective", "preset", "steps"}:
                self._follow_preset()
                if "region" in dirty:
                    self.channel_selector.refresh()
                if "objective" in dirty and self._models.loaded is not None:
                    self._asked.show_model(self._models.loaded, self.asked.needs_photo)
                if not runs:
                    self._rest()
            if dirty & set(RESTARTS) and runs:
                if again := dirty & _NOT_SEEN:
                    self._again = sentences.begun_again(again)
                self._begin(self._wants_run or "start")
            elif dirty & set(KNOBS) and not self._models.loading:
                if runs:
                    self._move_knobs(dirty & set(KNOBS))
                elif self.session.state == "stopped" and self._entry is not None:
                    self.controls.say(sentences.not_yet_shown(self._in_words(dirty & set(KNOBS))))
        except InvwidgetsError as error:
            self._show_error(str(error))
        finally:
            self._settling = False

    def _move_knobs(self, names: set[str]) -> None:
        """Let knobs act on the run; one that has finished goes on from its images."""
        if self.session.state == "finished" or self._continued:
            self._continued = sentences.continued(self._in_words(names))
            self.classes.rows, self._entry = [], None  # of the images as they were
            self.controls.say(self._continued)
        self._views.say_of(self._models.loaded, self)
        self.session.set_knobs(**self.knobs_for(names))

    def _in_words(self, names: set[str]) -> str:
        values = {name: getattr(self, name) for name in KNOBS if name in names}
        return knobs_in_words(values, matches_photo(self.asked))

    def _ask_to_keep(self, dirty: set[str]) -> None:
        """Knobs that were moved for another photo, model or layer: do they stay?"""
        other = dirty & {"photo", "model", "layer"}
        if (
            self.overridden_knobs
            and other
            and self._models.loaded is not None
            and not self._restoring
        ):
            self.controls.question = sentences.keep_question(overridden_in_words(self), other)

    def _have_loaded(self) -> None:
        self._show_error("")
        self.photo_name = self._name
        self._follow_preset()
        self._keep_stages()
        restoring, self._restoring = self._restoring, False
        if self._wants_run:
            self._begin(self._wants_run)
        elif restoring:
            self.controls.say(self._brought)
        elif self.session.state not in BUSY:
            self._rest()
            self.snapshot.keep_sheet(lambda: self.gallery.drawn().sheet)

    def _keep_stages(self) -> None:
        """Of another photo or network, show only what was made of it before."""
        key = stage_key(self)
        if key != self.stages.key:
            self.stages.show([stage.short_name for stage in self.layer_slider.stages], key)

    def _load_failed(self, words: str) -> None:
        self._wants_run = ""
        random = self.weights == "pretrained" and "weights='random'" in words
        self._refused, here = self.model, self._models.model
        if self._models.loaded is not None and self._refused is not here:
            self._ask_no_more()
            with self.quietly():  # the menu says what is shown
                self.model = here
        self._show_error(sentences.refused(words), _REMEDY if random else "")
        self.controls.say(sentences.kept_instead(here))
        self._run.set_exception(words)

    def _begin(self, how: str) -> None:
        """Start a run once the network has been loaded; the latest wish wins."""
        if self._models.loading or self._models.loaded is None:
            self._wants_run = how
            if not self._models.loading:  # it failed last time: try again
                self._models.ask(set(LOADS))
            return
        self._wants_run = ""
        self._show_error("")
        try:
            arguments = run_arguments(self, self._models.loaded.representation)
        except InvwidgetsError as error:
            self._show_error(str(error))
            self._run.set_exception(str(error))
            return
        self._lay_out()
        name = self._models.loaded.representation.name
        self._of_run = (layer_in_words(name, self.layer), self._name)
        self._continued = ""
        self.session.start(paused=how == "step", **arguments)
        if how == "step":
            self.session.step()

    def _follow_preset(self) -> None:
        loaded = self._models.loaded
        if loaded is None:
            return
        values = self.preset_values(loaded.representation)
        with self.quietly():
            self.knobs.follow({name: values[name] for name in self.knobs.knobs})
            for name in set(PRESET) - self.overridden - set(self.knobs.knobs):
                setattr(self, name, values[name])

    # ---- from the run to the views

    def _on_progress(self, reports: list[Progress]) -> None:
        if self._closing:
            return
        last = reports[-1]
        self.stages.rest(last.state in ("preparing", "running"))
        self._views.show_progress(reports)
        self.session.frame_seconds = self.gallery.pause
        self._draw_curves()
        for progress in reports:
            if progress.result is not None:
                self._ended(progress.result)
        if last.state == "failed":
            self._show_error(last.error)
            self._run.set_exception(last.error)
        elif last.state == "stopped" and not last.step:
            self._run.set_exception("stopped before the first step: there is no result")
        if not self._models.loading:  # what is loaded now is another matter
            self.controls.say(self._status(last))

    def _status(self, last: Progress) -> str:
        """Where the run stands, with what must be said of its weights and knobs."""
        if self._continued and last.state in ("preparing", "running"):
            return self._continued
        if last.result is not None:
            self._continued = self._again = ""
        said = overridden_in_words(self)
        words = sentences.standing(last, self._of_run, self.result, self._caveats, said)
        return f"{self._again}{words}" if last.state in ("preparing", "running") else words

    def _ended(self, result: Reconstruction) -> None:
        if result.photo_name:  # an upload's is its file's name, which the session does not know
            result = replace(result, photo_name=self._of_run[1])
        self.result = result
        self._views.show_result(result, self._photo_code, self._upload, overridden_in_words(self))
        self._entry = entry = HistoryEntry(result, self.values, self.overridden)
        self.history.add(entry)
        self._draw_curves(now=True)
        self.snapshot.keep(result)
        self._run.set_result(result)
        if self._models.loaded is not None and not self._closing:
            ask_classes(self._models, result, lambda rows: self.take_classes(entry, rows))

    def take_classes(self, entry: HistoryEntry, rows: tuple[Any, ...]) -> None:
        """What the network says of a run's images; shown where they are still shown."""
        known = replace(entry, classes=rows)
        self.history.replace(entry, known)
        if self._entry is entry and self.result is entry.result:
            self._entry = known
            self.classes.rows = list(rows)

    def _restore_chosen(self) -> None:
        if len(self.history.chosen) == 1:
            self.restore(self.history.chosen[0])

    def restore(self, entry: HistoryEntry) -> None:
        """Bring a finished run back: its settings and its images."""
        self.session.stop()
        self.session.forget()
        changed = {n: v for n, v in entry.settings.items() if getattr(self, n) is not v}
        self._restoring = True
        with self.quietly():
            self.overridden = entry.overridden
            for name, value in changed.items():
                setattr(self, name, value)
        self.result, self._entry = entry.result, entry
        self._ask_no_more()
        self._models.ask({*changed, "region", "channels"})
        self.controls.show_state("idle")
        self._views.restore(entry.result, self._photo_code, self._upload, overridden_in_words(self))
        self.classes.rows = list(entry.classes)
        self._brought = sentences.brought_back(self.history.number(entry))
        self._draw_curves(now=True)

    def _rest(self) -> None:
        """Nothing runs, and what stands there is of another question: begin with empty places."""
        shown = self._entry is not None
        self.controls.show_state("idle")
        self._lay_out()
        if self._models.loaded is not None and not self._models.loading:
            self.controls.say(sentences.ready(self._caveats, shown))

    def _lay_out(self) -> None:
        self._entry = None  # what is still to be said of it is not said of what comes
        if self._models.loaded is not None:
            self._views.lay_out(self._models.loaded, self._name, self)

    def _draw_curves(self, now: bool = False) -> None:
        shown = None if self._entry is None else self._entry.result
        self._views.show_curves(self.session, self.seeds, shown, now)

    @property
    def _name(self) -> str:
        return shown_name(self.photo, self.photo_name)

    @property
    def _caveats(self) -> str:
        """What must be said of the weights and the knobs."""
        loaded = self._models.loaded
        random = loaded is not None and loaded.representation.weights == "random weights"
        return sentences.caveats(random, overridden_in_words(self))

    @property
    def _photo_code(self) -> str:
        loaded = self._models.loaded
        return photo_code(self, self._name, loaded.size if loaded is not None else None)

    @property
    def _upload(self) -> tuple[str, bytes] | None:
        """An uploaded photo as a file."""
        given = self.photo
        return (upload_name(self._name), given) if isinstance(given, bytes) else None

    def _show_error(self, words: str, remedy: str = "") -> None:
        self.controls.show_error(words, remedy)
