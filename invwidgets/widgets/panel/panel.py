"""The inversion panel: a photo, a layer and some knobs; its images sharpen from noise.

>>> panel = InversionPanel("coffee", layer="blocks.2")
>>> panel                                  # in a notebook cell
>>> task = panel.start()                   # or press Start
>>> result = await task                    # in a later cell
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ipywidgets as w
import traitlets as t

from ...errors import BadSettingError, InvwidgetsError
from ...inversion.result import Reconstruction
from ..base.loop import Loop
from ..base.parts import classed, close_all
from ..base.tiles import HandleNames
from ..views.stage_pictures import StagePictures
from .effects import PanelEffects
from .options import NOT_OF_A_RUN, OPTIONS, PRESET, PanelOptions, stage_arguments, stage_key
from .second import Second, followed
from .settings import read_settings, settings_of
from .state import (
    Button,
    Changed,
    Deleted,
    Event,
    Failed,
    FeaturesWanted,
    HistoryEntry,
    Kept,
    PanelState,
    Pressed,
    Restored,
    Scrubbed,
    StagesMade,
)
from .update import update
from .view import Inputs, PanelView


class InversionPanel(w.VBox, PanelOptions):
    """A panel for a notebook that inverts a layer and shows the images while the search runs.

    >>> panel = iw.InversionPanel("coffee", layer="blocks.2", seeds=4)
    >>> panel                                    # the last line of a cell shows it
    >>> panel.tv_weight = 0.02                   # or move the knob
    >>> panel.observe(lambda change: print(change["new"]), "layer")

    Parameters
    ----------
    photo : str, path, array or PIL image
        The photo: the name of a bundled one, a file, or pixels.
    **options
        The first values of options, by the names of the traits below.

    Raises
    ------
    UnknownNameError
        For a keyword that is not an option.
    BadSettingError
        For a value that the option does not accept.

    Notes
    -----
    Each option is a trait that can be set, observed and linked: ``photo``, ``model``, ``weights``,
    ``layer``, ``region``, ``channels``, ``objective``, ``seeds``, ``steps``, ``size``, ``crop``,
    ``preset``, ``optimizer``, ``device``, ``precision``, ``tv_weight``, ``alpha_weight``,
    ``data_weight``, ``beta``, ``bound``, ``jitter``, ``theme`` and ``beside``. ``overridden`` has
    the names of the options that no longer follow the preset.

    ``result`` is the ``Reconstruction`` of the last run, and ``state`` is one of idle, running,
    paused, stopped, finished and failed. The methods ``start``, ``pause``, ``step`` and ``stop``
    are those of the buttons. You can show a part of the panel in another cell: ``photos``,
    ``model_menu``, ``layer_slider``, ``region_picker``, ``channel_selector``, ``knobs``,
    ``advanced``, ``controls``, ``gallery``, ``patches``, ``classes``, ``curves``, ``history``,
    ``export``.
    """

    def __init__(self, photo: Any = "coffee", **options: Any) -> None:
        self._closing = self._sending = False
        self._panel_state = PanelState()
        self._events: deque[Event] = deque()
        self._dirty: set[str] = set()  # the options set since the last event
        self.loop = loop = Loop()
        self._effects = effects = PanelEffects(loop, self._dispatch)
        self.session = effects.session
        self.view = view = PanelView(loop, self, effects.session.curves)
        inputs = view.inputs
        self.photos, self.model_menu = inputs.photos, inputs.model_menu
        self.layer_slider, self.region_picker = inputs.layer_slider, inputs.region_picker
        self.channel_selector, self.knobs = inputs.channel_selector, inputs.knobs
        self.advanced = inputs.advanced
        self.controls, self.gallery, self.curves = view.controls, view.gallery, view.curves
        self.patches = view.patches
        self.classes, self.history, self.playback = view.classes, view.history, view.playback
        self.export, self.tabs, self.snapshot = view.export, view.tabs, view.snapshot
        self.stages = StagePictures(loop)
        self.second: Second | None = None
        loop.failed = lambda words: self._dispatch(Failed(words))
        columns = classed(w.HBox([view.outputs, inputs.side]), "iw-columns")  # in Tab order
        super().__init__([inputs.top, inputs.layer_slider, columns, HandleNames()])
        classed(self, "iw-panel")
        self._connect()
        try:
            self.take({"photo": photo, **options})
            self.observe(self._option_set, [*OPTIONS, "overridden", "photo_name"])
            self.observe(lambda _: loop.now(self._set_beside), "beside")
            self._set_beside()
            self._dirty = set(OPTIONS) - {*NOT_OF_A_RUN}
            self._dispatch()
        except BaseException:
            self.close()
            raise

    @classmethod
    def from_settings(cls, settings: str | Mapping[str, Any], **options: Any) -> InversionPanel:
        """A panel with the settings of another one: the JSON that *Copy settings* gives, or a dict.

        >>> again = iw.InversionPanel.from_settings(panel.settings)
        >>> again = iw.InversionPanel.from_settings(text, seeds=1)

        Parameters
        ----------
        settings
            The JSON text, or the dict in it.
        **options
            Options that replace the settings. An uploaded photo is not part of the settings, so
            give it here: ``photo=…``.

        Raises
        ------
        BadSettingError
            If these are not settings, a value is not accepted, or a photo of your own is missing.
        UnknownNameError
            For a name that is not an option of the panel.
        """
        values = read_settings(settings)
        name = values.pop("photo_name", "")
        values |= options
        if values.get("photo") is None:
            raise BadSettingError(
                f"these settings were made with a photo of your own, {name!r}, which they do not "
                "hold: give it as photo=…"
            )
        try:
            panel = cls(**values)
        except t.TraitError as error:
            raise BadSettingError(f"the panel does not take these settings: {error}") from None
        if name and not isinstance(panel.photo, str):
            panel.photo_name = name
        return panel

    @property
    def settings(self) -> dict[str, Any]:
        """The settings as plain values for ``json.dumps``, which ``from_settings`` accepts.

        Of the options that follow the preset, it has the overridden ones. A photo that is neither
        bundled nor a file is left out, and its name is noted. Raises ``BadSettingError`` for other
        objects, such as a network of your own.
        """
        return settings_of(self.values, self.overridden, self.beside)

    @property
    def state(self) -> str:
        return self.session.state

    @property
    def result(self) -> Reconstruction | None:
        """The result of the last run, or of the restored one."""
        result: Reconstruction | None = self._panel_state.result
        return result

    @property
    def loading(self) -> bool:
        """Whether a network is being loaded."""
        return self._panel_state.loading

    @property
    def now(self) -> PanelState:
        """The complete state of the panel as one frozen value."""
        return self._panel_state

    @property
    def inputs(self) -> Inputs:
        """The controls of the options."""
        return self.view.inputs

    def start(self) -> asyncio.Task[Reconstruction]:
        """Start a run; the task returns its result, also if the run is stopped early.

        Canceling the task does not stop the run. Raises ``BadSettingError`` without an event loop,
        or if the panel is closed.
        """
        task = self.snapshot.after(self._effects.task())
        self._dispatch(Pressed("start"))
        return task

    def pause(self) -> None:
        self._press("pause")

    def resume(self) -> None:
        self._press("resume")

    def step(self) -> None:
        """Do one step and pause; starts a run if none is in progress."""
        self._press("step")

    def stop(self) -> None:
        self._press("stop")

    def reset(self, *names: str) -> None:
        """Reset knobs to the preset; by default all of them."""
        self.overridden = self.overridden - set(names or PRESET)

    def restore(self, entry: HistoryEntry) -> None:
        """Show a finished run again, with its settings and its images."""
        self._dirty.clear()  # pending changes are dropped
        self.beside = None  # a restored run has no second column
        self.loop.now(self._dispatch, Restored(entry))

    def show_stages(self) -> None:
        """Make a small reconstruction of every stage, or stop making them."""
        loaded = self._panel_state.loaded
        if self.stages.busy:
            self.stages.stop()
        elif loaded is not None:
            options = self._panel_state.options
            arguments = stage_arguments(options, loaded)
            self.stages.run(self._stage_names, stage_key(options), arguments)

    def close(self) -> None:
        """Stop the run, and close all widgets and threads; closing twice is allowed."""
        if self._closing:
            return
        self._closing = self.loop.closed = True
        self._effects.close()
        if self.second is not None:
            self.second.close()
        self.stages.close()
        self.snapshot.close()
        close_all(self, self.knobs.others, self.region_picker.exact)
        self.unobserve_all()
        self.view.close()
        self._panel_state = PanelState()
        self._events.clear()

    @property
    def by_hand(self) -> bool:
        """Whether a change of a trait comes from the user or the user's code."""
        return super().by_hand and not self.knobs.follows

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Set traits inside the block without a new run and without overriding the preset."""
        with super().quietly(), self.knobs.following():
            yield

    def _ipython_display_(self, **_: Any) -> None:
        self.snapshot.display(self)

    # ---- events in, effects and widgets out

    def _dispatch(self, *events: Event) -> None:
        """Handle events in order; option changes come first, events of effects next."""
        self._events += events
        if self._sending or self._closing:
            return
        self._sending, before = True, self._panel_state
        try:
            while self._events or self._dirty:
                while self._events or self._dirty:
                    self._answer(self._next_event())
                self.view.render(self._panel_state)
                self.session.frame_seconds = self.gallery.pause
                self._keep_stages(before)
        finally:
            self._sending = False

    def _next_event(self) -> Event:
        if not self._dirty:
            return self._events.popleft()
        names, self._dirty = frozenset(self._dirty - {"overridden"}), set()
        return Changed(names, self.values, self.overridden)

    def _answer(self, event: Event) -> None:
        before = self._panel_state
        self._panel_state, effects = update(before, event)
        for effect in effects:
            try:
                self._effects.carry_out(effect)
            except InvwidgetsError as error:
                self._events.append(Failed(str(error)))
        if self.second is not None:
            self.second.follow(self._panel_state)
            self.second.send(*followed(event, effects, before, self.second.now))

    def _set_beside(self) -> None:
        """Open or close the second column, and start its run if the first has one."""
        if self._closing or self.beside == (None if self.second is None else self.second.beside):
            return
        if self.second is not None:
            self.second.close()
            self.second = None
        view = self.view
        if self.beside is None:
            view.show_second(None)
        else:
            self.second = second = Second(
                self.loop, self.beside, self._render_second,
                lambda entry: self._dispatch(Kept(entry)), self._dispatch,
            )  # fmt: skip
            view.show_second(second.session.curves)
            assert view.other is not None
            view.other.playback.scrubbed = lambda place: second.send(Scrubbed(place))
            assert view.other.says is not None
            view.other.says[1].remedy.on_click(self.loop.handler(self._use_random_beside))
            state = self._panel_state
            second.follow(state)
            if state.goes_on:
                second.send(Pressed("start"), *([Pressed("pause")] * (state.phase == "paused")))
        view.offer_settings()

    def _use_random_beside(self) -> None:
        if self.beside is not None:
            self.beside = {**self.beside, "weights": "random"}

    def _render_second(self, state: PanelState) -> None:
        self.view.render_second(state)
        if self.second is not None and self.view.other is not None:
            self.second.session.frame_seconds = self.view.other.gallery.pause
            self._rest_stages()

    def _rest_stages(self) -> None:
        """Pause the stages' pictures during a run."""
        phases = {self._panel_state.phase, "" if self.second is None else self.second.now.phase}
        self.stages.rest(bool(phases & {"preparing", "running"}))

    def _keep_stages(self, before: PanelState) -> None:
        """Update the stages' pictures to the photo and network, and pause them during a run."""
        state = self._panel_state
        if state.loaded is not None and state.loaded is not before.loaded:
            key = stage_key(state.options)
            if key != self.stages.key:
                self.stages.show(self._stage_names, key)
        self._rest_stages()

    @property
    def _stage_names(self) -> list[str]:
        return [stage.short_name for stage in self.layer_slider.stages]

    def _option_set(self, change: Any) -> None:
        name = change["name"]
        if not self.by_hand or name in NOT_OF_A_RUN:
            if name == "overridden" and not self.quiet:
                self._note(name)
            return
        if name == "photo" and not isinstance(self.photo, str):
            self.photo_name = ""  # the old name is that of another photo
        if name in PRESET:
            self.overridden = self.overridden | {name}
        self._note(name)

    def _note(self, name: str) -> None:
        """Collect the options that are set in this turn of the loop into one event."""
        if not self._dirty and not self._closing:
            self._dirty.add(name)
            self.loop.call(self._dispatch)
        self._dirty.add(name)

    def _press(self, button: Button) -> None:
        self.loop.now(self._dispatch, Pressed(button))

    def _connect(self) -> None:
        """Connect each button to its action."""
        controls, loop = self.controls, self.loop
        pressed: dict[w.Button, Callable[[], Any]] = {
            controls.start: lambda: self._press("start"),
            controls.pause: lambda: self._press("toggle"),
            controls.step: self.step,
            controls.stop: self.stop,
            controls.remedy: lambda: self._press("remedy"),
            controls.more: lambda: self._press("more"),
            controls.keep: lambda: self._press("keep"),
            controls.back: lambda: self._press("back"),
            self.history.bring: self._restore_chosen,
            self.inputs.every: self.show_stages,
        }
        for button, act in pressed.items():
            button.on_click(loop.handler(act))
        self.playback.scrubbed = lambda place: self._dispatch(Scrubbed(place))
        self.history.deleted = lambda place: self._dispatch(Deleted(place))
        self.photos.observe(lambda change: self._dispatch(Failed(change["new"])), "error")
        self.channel_selector.observe(loop.handler(self._want_features), "wants_features")
        self.stages.observe(lambda change: loop.failed(change["new"]), "error")
        self.stages.observe(
            lambda _: self._dispatch(StagesMade(self.stages.done, self.stages.busy)),
            ["done", "busy"],
        )

    def _want_features(self) -> None:
        if self.channel_selector.wants_features:
            self._dispatch(FeaturesWanted())

    def _restore_chosen(self) -> None:
        if len(self.history.chosen) == 1:
            self.restore(self.history.chosen[0])
