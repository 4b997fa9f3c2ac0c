"""From what a panel asks for to its run: begun once the network is there, and moved by knobs.

>>> search = PanelSearch(options, models, run, shown, status)
>>> search.begin("start")                  # anew; at once, or when it has been loaded
>>> search.set_knobs({"tv_weight"})        # they have changed, and act on what runs
"""

from __future__ import annotations

import math
import time

from ..errors import InvwidgetsError
from ..inversion.progress import BUSY, Progress
from ..representations.descriptors.named import layer_in_words
from .panel_model import PanelModel
from .panel_options import LOADS, PanelOptions, run_arguments
from .panel_run import PanelRun
from .panel_shown import PanelShown
from .panel_status import PanelStatus

_MOMENT = 1.0  # seconds in which a press is still of the button as it was before


class PanelSearch:
    """``have_loaded`` and ``load_failed`` are to be called when ``models`` has answered."""

    def __init__(
        self,
        options: PanelOptions,
        models: PanelModel,
        run: PanelRun,
        shown: PanelShown,
        status: PanelStatus,
    ) -> None:
        self._options, self._models, self._run = options, models, run
        self._shown, self._status = shown, status
        self._wanted = ""  # "start" or "step" while a network is loaded
        self._stopping = False  # a stop was asked for, and has not been heard of
        self._replaced = -math.inf  # when a run last began in the place of one that was paused

    @property
    def runs(self) -> bool:
        """Whether a change of the options is one of a run: under way, finished, or awaited."""
        goes_on = self._run.session.state in (*BUSY, "finished") and not self._stopping
        return goes_on or bool(self._wanted)

    @property
    def just_replaced_paused(self) -> bool:
        """Whether the run began a moment ago, in the place of one that was paused."""
        return time.monotonic() - self._replaced < _MOMENT

    def begin(self, how: str) -> None:
        """Begin a run that is asked for, all of it ("start") or one step ("step")."""
        self._status.asked_for()
        self._begin(how)

    def begin_again(self, changed: set[str]) -> None:
        """Begin anew, because of these options."""
        self._status.begun_again(changed)
        self._begin(self._wanted or "start")

    def stop(self) -> None:
        self._stopping = self._run.session.state in BUSY
        if self._wanted and not self._stopping:
            self._run.set_exception("stopped before the first step: there is no result")
        self._wanted = ""
        self._run.session.stop()

    def give_way(self) -> None:
        """The run that is awaited gives way to one brought back."""
        self._wanted = ""
        self._run.set_exception("the run gave way to one that was brought back")

    def have_heard(self, last: Progress) -> None:
        """Of the run's latest report: one that was to stop may have."""
        if last.state not in BUSY:
            self._stopping = False

    def set_knobs(self, knobs: set[str]) -> None:
        """Let knobs act on the run; one that has finished goes on from its images."""
        session = self._run.session
        if self._status.brings_back:
            self._status.not_yet_shown(knobs)
        elif self._models.loading:
            return
        elif self.runs and not self._shown.moved_on:
            if session.state == "finished" or self._status.continues:
                self._shown.go_on()
                self._status.go_on(knobs)
            self._shown.show_knobs()
            session.set_knobs(**self._options.knobs_for(knobs))
        elif not self.runs and self._shown.entry is not None:
            self._status.not_yet_shown(knobs)

    def load(self, dirty: set[str]) -> None:
        """Load the network and the photo as the options have them; ``dirty`` has changed."""
        self._status.drop_brought_back()
        self._models.ask(dirty)
        self._status.ask_to_keep(dirty)

    def have_loaded(self) -> None:
        """The network is there: begin what was waiting for it."""
        self._status.show_error("")
        self._options.photo_name = self._options.photo_title
        self._models.follow_preset()
        brought = self._status.brought_back()
        if self._wanted:
            self._begin(self._wanted)
        elif brought:
            self._status.say(brought)
        elif self._stopping or self._run.session.state not in BUSY:
            self._shown.rest()
            self._shown.keep_still()

    def load_failed(self, words: str) -> None:
        """There is no such network: what was there stays."""
        self._wanted = ""
        self._status.drop_brought_back()
        models, options = self._models, self._options
        if models.loaded is not None and models.refused is not models.model:
            self._status.ask_no_more()
            with options.quietly():  # the menu says what is shown
                options.model = models.model
        self._status.show_refused(words)
        self._run.set_exception(words)
        knobs = set(options.overridden_knobs)
        if knobs and self._run.session.state in BUSY:
            self.set_knobs(knobs)  # moved meanwhile: the run under way goes on with them

    def _begin(self, how: str) -> None:
        """Start a run once the network has been loaded; the latest wish wins."""
        options, models = self._options, self._models
        if models.loading or models.loaded is None:
            self._wanted = how
            if not models.loading:  # it failed last time: try again
                models.ask(set(LOADS))
            return
        self._wanted = ""
        self._status.show_error("")
        phi = models.loaded.representation
        try:
            arguments = run_arguments(options, phi)
            replaced = self._run.session.state == "paused"
            self._shown.begin()
        except InvwidgetsError as error:
            self._status.asked_for()
            self._status.show_error(str(error))
            self._run.set_exception(str(error))
            return
        self._stopping = False
        self._replaced = time.monotonic() if replaced else -math.inf
        self._status.begin(layer_in_words(phi.name, options.layer), options.photo_title)
        self._run.start(arguments, options.photo_title, one_step=how == "step")
