"""The widgets of a panel: controls linked to options, pictures, and texts.

``PanelView.render`` updates all of them to a state; no other code writes to these widgets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as w
import traitlets as t

from ...energy.objectives import objective_of
from ...errors import BadSettingError
from ...figures.gallery import caption, gallery_of, seed_caption
from ...figures.sheet import Sheet
from ...images import to_uint8
from ...inversion.convergence import converged
from ...inversion.judging import another_network
from ...inversion.progress import kept_frame, last_frame
from ...inversion.result import Reconstruction
from ...representations.classes import has_class_names
from ..base.loading import LoadedModel
from ..base.loop import Loop
from ..base.parts import Line, Trouble, classed, close_all, note
from ..controls.advanced import AdvancedSettings
from ..controls.beside_menu import BesideMenu
from ..controls.channel_selector import ChannelSelector
from ..controls.layer_slider import LayerSlider
from ..controls.photo_chooser import PhotoChooser
from ..controls.prior_knobs import PriorKnobs
from ..controls.region_picker import RegionPicker
from ..controls.setting import Setting
from ..views.class_table import ClassTable
from ..views.curves import CurvesView
from ..views.export import Export
from ..views.history import History
from ..views.live_gallery import LiveGallery
from ..views.patches import PatchesView
from ..views.playback import Playback
from ..views.run_controls import RunControls
from ..views.snapshot import Snapshot
from .options import (
    PanelOptions,
    Values,
    differs,
    matches_photo,
    photo_code,
    title,
    upload_of,
)
from .settings import settings_text
from .state import HistoryEntry, PanelState
from .words import (
    caption_note,
    column_title,
    cut_in_words,
    goals,
    models,
    moved_knobs,
    pictures_named,
    sentences,
)

_CURVES = 1  # the index of their tab
_LEGEND = (
    "error: how far the features are from the photo's, 0 % means equal · dB (PSNR) and SSIM: "
    "similarity of the pixels, a higher value is closer to the photo"
)


class Inputs:
    """The controls of the options: photo, model, layer, region, channels, prior and others.

    ``top`` has photo, model and goal, and ``side`` the controls next to the pictures. Each control
    has a typed ``value``, which is linked to the option with the same name.
    """

    def __init__(self, loop: Loop, options: PanelOptions) -> None:
        self.photos = PhotoChooser(loop)
        self.model_menu = w.Dropdown(options=models(), description="Model")
        self.model = Setting(loop, "model", self.model_menu, "The network or descriptor to invert")
        goal = w.Dropdown(options=goals(), description="Goal")
        self.goal = Setting(loop, "objective", goal, "What the search looks for")
        self.goal_note = note()
        seeds = w.IntSlider(4, min=1, max=64, description="Seeds", continuous_update=False)
        tip = "The number of random starts; each ends in a different image"
        self.seeds = Setting(loop, "seeds", seeds, tip)
        crop = w.FloatSlider(0.5, min=0, max=1, step=0.02, description="Crop", readout=False)
        self.crop = Setting(loop, "crop", crop, "")
        self.layer_slider = LayerSlider(loop=loop)
        self.every = w.Button(
            description="Show every stage", tooltip="Make a small reconstruction of each stage"
        )
        below = self.layer_slider.below
        below.children = (*below.children, self.every)
        self.region_picker = RegionPicker(loop=loop)
        self.channel_selector = ChannelSelector(loop=loop)
        self.knobs = PriorKnobs(None, loop=loop)

        def reset(name: str) -> None:
            options.overridden = options.overridden - {name}

        self.advanced = AdvancedSettings(loop, reset)
        more = classed(
            w.VBox([self.seeds, self.knobs.others, self.advanced, self.region_picker.exact]),
            "iw-section",
        )
        self.fold = w.Accordion([more], titles=["Advanced"], selected_index=None)
        menus = classed(w.HBox([self.model, self.goal]), "iw-menus")
        menus = classed(w.VBox([menus, self.goal_note]), "iw-asked")
        self.top = classed(w.HBox([self.photos, menus]), "iw-top")
        where = classed(w.VBox([self.region_picker, self.crop]), "iw-section", "iw-where")
        how = classed(
            w.VBox([self.knobs, self.channel_selector, self.fold]), "iw-section", "iw-how"
        )
        self.side = classed(w.VBox([where, how]), "iw-controls")
        self._link(options)

    def _link(self, options: PanelOptions) -> None:
        """Link each control to its option."""
        settings = {
            "model": self.model,
            "objective": self.goal,
            "seeds": self.seeds,
            "crop": self.crop,
            **self.knobs.knobs,
            **self.advanced.settings,
        }
        for name, setting in settings.items():
            t.link((options, name), (setting, "value"))
        t.link((options, "photo_name"), (self.photos, "name"))
        t.link((options, "layer"), (self.layer_slider, "value"))
        t.link((options, "region"), (self.region_picker, "value"))
        t.link((options, "channels"), (self.channel_selector, "value"))
        t.link((options, "overridden"), (self.knobs, "overridden"))
        # not by a link, which would compare arrays; an array has no thumbnail

        def show(_: Any) -> None:
            given = options.photo
            self.photos.value = given if isinstance(given, str | bytes) else ""

        def choose(_: Any) -> None:
            if self.photos.value:
                options.photo = self.photos.value

        options.observe(show, "photo")
        self.photos.observe(choose, "value")
        show(None)

    def show_goal(self, options: Values) -> None:
        """Show the controls that a goal needs, for a photo or for one channel."""
        objective = objective_of(options["objective"])
        self.goal_note.value = objective.about
        self.knobs.show_goal(matches_photo(objective))
        self.photos.layout.display = None if objective.needs_photo else "none"
        self.channel_selector.show_unit(objective.needs_unit)

    def show_model(self, loaded: LoadedModel, needs_photo: bool) -> None:
        """Show the layers and the photo of a network."""
        info = loaded.representation.layer_info(loaded.size)
        name = loaded.representation.name
        self.layer_slider.show_layers(loaded.layers, loaded.layer, loaded.size, name)
        self.region_picker.show_photo(loaded.photo if needs_photo else None)
        self.region_picker.show_layer(loaded.representation, loaded.size)
        self.channel_selector.show_layer(info.shape[0], loaded.channel_names)
        shown = loaded.cut > 0.02 and needs_photo
        self.crop.rename(*cut_in_words(loaded.cut, loaded.size))
        self.crop.layout.display = None if shown else "none"


class PanelView:
    """All widgets of a panel: ``inputs``, and ``outputs`` with buttons, pictures and tabs.

    ``curves`` returns the energies of the run and the changes of its knobs, as of a session.
    """

    def __init__(
        self, loop: Loop, options: PanelOptions, curves: Callable[[], tuple[Any, Any]]
    ) -> None:
        self._options, self._energies = options, curves
        self._shown = PanelState()
        self._second: PanelState | None = None  # the state of a second column
        self._offered: Any = None  # the result whose files are offered
        self.inputs = Inputs(loop, options)
        self.controls = RunControls()
        self.beside = BesideMenu(loop, models())
        t.link((options, "beside"), (self.beside, "value"))
        self.controls.run.children = (*self.controls.run.children, self.beside)
        self._loop = loop
        self.snapshot = Snapshot(loop)
        self.pictures = Pictures(loop, options)
        self.pictures.keep = self.snapshot.keep
        self.gallery, self.classes = self.pictures.gallery, self.pictures.classes
        self.patches, self.playback = self.pictures.patches, self.pictures.playback
        self.other: Pictures | None = None
        self.curves = CurvesView()
        self.history = History(loop)
        t.dlink((options, "theme"), (self.history.pair, "theme"))
        self.export = Export(loop)
        self.which = w.ToggleButtons(options=[("left", 0), ("right", 1)])
        self.which.description = "Curves and files of"
        self.which.observe(loop.handler(self._show_chosen), "value")
        self.which_row = classed(w.HBox([self.which]), "iw-which")
        self.tabs = w.Tab(
            [self.history, self.curves, self.export], titles=["History", "Curves", "Export"]
        )
        self.tabs.observe(loop.handler(lambda: self.draw_curves(now=True)), "selected_index")
        self.columns = classed(w.HBox([self.pictures.box]), "iw-pair")
        self.outputs = classed(
            w.VBox([self.controls, self.columns, self.which_row, self.tabs]), "iw-views"
        )
        self.show_second(None)

    def render(self, state: PanelState) -> None:
        """Update every widget to a state."""
        before, self._shown = self._shown, state
        if not state.options:
            return
        with self._options.quietly():
            self._render_options(state, before)
        if state.features is not None and state.features is not before.features:
            self.inputs.channel_selector.features = state.features  # may select other channels
        if (state.stages, state.stages_busy) != (before.stages, before.stages_busy):
            self._render_stages(state)
        self._render_controls()
        self.pictures.render(state, before)
        stages = [stage.short_name for stage in self.inputs.layer_slider.stages]
        options = state.options
        self.beside.show(stages, options["layer"], options["model"], options["weights"])
        self.history.show(state.history)
        self._render_chosen(state, before, 0)

    def show_second(self, curves: Callable[[], tuple[Any, Any]] | None) -> None:
        """Show a second column, whose run has these ``curves``, or remove it."""
        if self.other is not None:
            self.other.close()
            self.snapshot.drop(1)
        self._second, self.other, self._other_energies = None, None, curves
        if curves is not None:
            self.other = Pictures(self._loop, self._options, alone=True)
            self.other.keep = lambda draw: self.snapshot.keep(draw, 1)
            self._second = PanelState()
        both = [self.pictures.box, *([] if self.other is None else [self.other.box])]
        self.columns.children = tuple(both)
        self.which.value = 0
        self.which_row.layout.display = None if self.other is not None else "none"
        self.pictures.head.layout.display = self.which_row.layout.display
        self._name_columns()

    def render_second(self, state: PanelState) -> None:
        """Update the second column to its state."""
        if self.other is None or self._second is None or not state.options:
            return
        before, self._second = self._second, state
        self.other.render(state, before)
        self._render_controls()
        self._render_chosen(state, before, 1)

    def _name_columns(self) -> None:
        """Write the name of each column above it, and into the choice of columns."""
        if self.other is None or self._second is None:
            return
        names = [column_title(state) for state in (self._shown, self._second)]
        self.pictures.head.value, self.other.head.value = names
        self._show_labels([f"left: {names[0]}", f"right: {names[1]}"])

    def _show_labels(self, labels: list[str]) -> None:
        options = [(label, place) for place, label in enumerate(labels)]
        if tuple(self.which.options) != tuple(options):
            chosen = self.which.value
            self.which.options = options
            self.which.value = chosen

    def _render_chosen(self, state: PanelState, before: PanelState, column: int) -> None:
        """Show curves and files of the chosen column."""
        self._name_columns()
        if self.which.value != column:
            return
        entry = state.entry
        if entry is not None and entry.result is not self._offered:
            self._offer(state, entry)
            self.draw_curves(now=True)
        elif entry is None and state.frame is not None and state.frame is not before.frame:
            self.draw_curves()

    def _show_chosen(self) -> None:
        """Show curves and files of a newly chosen column."""
        state = self._chosen
        if state.entry is not None:
            self._offer(state, state.entry)
        else:
            self._offered = None
            self.export.offer(None)
        self.draw_curves(now=True)

    @property
    def _chosen(self) -> PanelState:
        return self._second if self._second is not None and self.which.value else self._shown

    def _offer(self, state: PanelState, entry: HistoryEntry) -> None:
        """Offer the files of a finished run."""
        result = self._offered = entry.result
        self.export.theme = self.gallery.colors
        height, width = result.images.shape[-2:]
        self.export.offer(
            result, photo_code(entry.settings, (height, width)), upload_of(entry.settings),
            moved_knobs(entry.settings, entry.overridden),
            None if state.loaded is None else state.loaded.representation,
        )  # fmt: skip

    def draw_curves(self, now: bool = False) -> None:
        """Draw the energies of the run, or of a restored result, in their tab."""
        state = self._chosen
        if self.tabs.selected_index != _CURVES or not state.options:
            return
        seeds: Sequence[int] = range(state.options["seeds"])
        second = self._other_energies if state is self._second else None
        energies, changes = (second or self._energies)() if state.shown == "run" else ({}, ())
        if not energies and state.entry is not None:
            result = state.entry.result
            energies, changes, seeds = result.energies, result.knob_changes, result.seeds
        self.curves.show(energies, seeds, changes, self.gallery.figure_theme, now)

    def close(self) -> None:
        """Free all tensors."""
        self._shown, self._second, self._offered = PanelState(), None, None
        self.pictures.forget()
        if self.other is not None:
            self.other.forget()
        self.history.entries = ()

    def _render_options(self, state: PanelState, before: PanelState) -> None:
        inputs, options, loaded = self.inputs, state.options, state.loaded
        objective = objective_of(options["objective"])
        goal_changed = not before.options or options["objective"] != before.options["objective"]
        if goal_changed:
            inputs.show_goal(options)
        if loaded is not None and (goal_changed or loaded is not before.loaded):
            inputs.show_model(loaded, objective.needs_photo)
        elif before.options and options["region"] != before.options["region"]:
            inputs.channel_selector.refresh()
        self._options.overridden = state.overridden
        knobs = inputs.knobs
        defaults = {name: value for name, value in state.preset.items() if name in knobs.knobs}
        if defaults != knobs.defaults:
            knobs.follow(defaults)
        for name, value in options.items():
            if differs(getattr(self._options, name), value):
                setattr(self._options, name, value)
        if loaded is not None and loaded is not before.loaded:
            inputs.advanced.show_size(loaded.size)
        if options is not before.options or state.overridden != before.overridden:
            self.offer_settings()
        for name, setting in inputs.advanced.settings.items():
            setting.overridden = name in state.overridden

    def offer_settings(self) -> None:
        """Set the text for *Copy settings*, or the reason why there is none."""
        state = self._shown
        if not state.options:
            return
        try:
            beside = self._options.beside
            text, refused = settings_text(state.options, state.overridden, beside), ""
        except BadSettingError as error:
            text, refused = "", str(error)
        with self.export.hold_sync():
            self.export.settings, self.export.refused = text, refused

    def _render_stages(self, state: PanelState) -> None:
        """Show the stages' pictures, and the button that makes or stops them."""
        slider, done = self.inputs.layer_slider, state.stages
        count = f"{len(done)} of {len(slider.stages)}"
        every = self.inputs.every
        every.description = f"Stop ({count})" if state.stages_busy else "Show every stage"
        slider.pictures = dict(done)

    def _render_controls(self) -> None:
        """Show the first column's texts, and the buttons, which act on both runs."""
        state = self._shown
        controls, said, run = self.controls, sentences(state), state.run
        far = state.entry is not None and not converged(state.entry.result)
        if state.shown == "run" and run is not None:
            controls.show_run(state.phase, said.start, run.step, run.steps, run.seconds_left, far)
        else:
            controls.show_run(state.phase, said.start)
        other = None if self._second is None else self._second.run
        if other is not None and other.busy and not (run is not None and run.busy):
            controls.enable(other.state, said.start)
        controls.say(said.status, said.more)
        controls.trouble.show(said.error, said.remedy)
        controls.question = said.question


class Pictures:
    """The pictures of a run in ``box``: the photo, each seed's image, and the texts about them.

    ``alone`` adds the status and the error of this run. ``keep`` is called with a function that
    draws the pictures that a notebook keeps: empty places first, then those of each finished run.
    """

    def __init__(self, loop: Loop, options: PanelOptions, alone: bool = False) -> None:
        self._key: tuple[Any, ...] = ()  # the data that determine the gallery's layout
        self._result: Any = None
        self.keep: Callable[[Callable[[], Sheet]], Any] = lambda draw: None
        self.head = Line(name="iw-column-head")
        self.says = (Line(name="iw-status"), Trouble()) if alone else None
        self.legend = None if alone else note(_LEGEND)
        self.gallery = LiveGallery(loop)
        self.patches = PatchesView()
        self.playback = Playback(loop)
        self.facts = classed(note(), "iw-facts")
        self.classes = ClassTable()
        t.dlink((self.gallery, "boxes"), (self.classes, "boxes"))
        self._theme = t.dlink((options, "theme"), (self.gallery, "theme"))
        own = [] if self.says is None else [classed(w.VBox(self.says), "iw-column-says")]
        meaning = [] if self.legend is None else [self.legend]
        below = [self.patches, self.playback, self.facts, *meaning, self.classes]
        self.box = classed(w.VBox([self.head, self.gallery, *own, *below]), "iw-column")

    def render(self, state: PanelState, before: PanelState) -> None:
        """Update every picture to a state."""
        said = sentences(state)
        run = state.run if state.shown == "run" else None
        step = f" Step {run.step} of {run.steps}." if run is not None and run.busy else ""
        if self.says is not None:
            status, trouble = self.says
            status.value = said.status + step
            trouble.show(said.error, said.remedy)
        if state.excited is not before.excited:
            patches = None if state.excited is None else state.excited.patches
            self.patches.show(patches or (), said.patches)
        self._render_pictures(state, before)

    def forget(self) -> None:
        """Free all tensors."""
        self._key, self._result = (), None

    def close(self) -> None:
        """Close every widget, and remove the link to the panel's options."""
        self._theme.unlink()
        self.forget()
        close_all(self.box)

    def _render_pictures(self, state: PanelState, before: PanelState) -> None:
        entry = state.entry
        result = None if entry is None else entry.result
        if state.shown == "restored" and entry is not None:
            self._lay_out_result(state)
            network = None if state.loading else state.loaded
            self.gallery.fields = None if network is None else network.fields
        elif state.shown == "run" and state.run is not None:
            request = state.run.request
            self._lay_out(state.run.number, request.options, request.overridden, request.loaded)
        elif state.loaded is not None:
            self._lay_out(0, state.options, state.overridden, state.loaded)
        if result is not None and entry is not None and result is not self._result:
            self._show_result(entry)
            if state.shown == "run":
                self.keep(lambda: gallery_of(result, scale=1.0).sheet)
            filmed = result.frames.ndim == 5 and result.frames.shape[1] == len(result.seeds)
            self.playback.show(result.frame_steps if filmed else (), None)
        elif result is not None and state.playback != before.playback:
            self._show_step(result, state.playback)
        elif state.frame is not None and state.frame is not before.frame:
            self.gallery.show(state.frame)
        if result is None and self._result is not None:
            self.playback.show((), None)
        self._result = result
        rows = [] if entry is None else list(entry.classes)
        if rows != self.classes.rows:
            if result is not None:
                self.classes.set_trait("judge", another_network(result.model))
            self.classes.rows = rows

    def _lay_out(
        self, number: int, options: Values, overridden: frozenset[str], loaded: LoadedModel
    ) -> None:
        """Show the photo and empty places for the seeds, before there are images."""
        objective, phi = objective_of(options["objective"]), loaded.representation
        self.facts.value = self.gallery.weights = caption_note(phi.note, options, overridden)
        names = ("seeds", "region", "objective")
        key = (number, loaded, *(options[name] for name in names))
        if key == self._key:
            return
        self._key = key
        field, region = None, options["region"]
        if region is not None and not objective.needs_unit and not loaded.region_error(region):
            box = phi.receptive_field(region, loaded.size)
            field = None if box.covers(loaded.size) else box.clipped
        photo = loaded.photo if objective.needs_photo else None
        seeds = range(options["seeds"])
        name = title(options)
        self.gallery.show_photo(photo, name, seeds, field, phi.handcrafted, loaded.fields)
        known = has_class_names(phi)
        self.classes.awaited = pictures_named(seeds, photo is not None, name) if known else []
        self._show_legend(objective.measures_error)
        if not number:
            self.keep(self.gallery.still)

    def _lay_out_result(self, state: PanelState) -> None:
        """Show the photo of a result and places for its images."""
        entry = state.entry
        if entry is None or self._key == (key := ("restored", id(entry.result))):
            return
        self._key, self._result, result = key, None, entry.result
        photo = None if result.photo is None else to_uint8(result.photo)
        self.gallery.show_photo(
            photo, result.photo_name, result.seeds, result.field_box, result.handcrafted
        )
        self.classes.awaited = [row[0] for row in entry.classes]
        self._show_legend(result.objective.measures_error)

    def _show_legend(self, shown: bool) -> None:
        if self.legend is not None:
            self.legend.layout.display = None if shown else "none"

    def _show_step(self, result: Reconstruction, place: int | None) -> None:
        """Show a stored frame of a finished run, or its end."""
        self.playback.show(result.frame_steps, place)
        if place is None:
            self.gallery.show(last_frame(result), _captions(result))
            return
        frame = kept_frame(result, place)
        step = f"step {frame.index + 1}"
        self.gallery.show(frame, [seed_caption(seed, step) for seed in result.seeds])

    def _show_result(self, entry: HistoryEntry) -> None:
        """Show the end of a run with its measured captions."""
        result = entry.result
        said = caption_note(result.note, entry.settings, entry.overridden)
        self.facts.value = self.gallery.weights = said
        self.gallery.show(last_frame(result), _captions(result))


def _captions(result: Reconstruction) -> list[tuple[str, str]]:
    """The captions below the images of a finished run."""
    return [caption(result, index) for index in range(len(result.seeds))]
