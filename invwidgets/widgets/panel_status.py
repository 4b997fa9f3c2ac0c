"""What a panel says, by what came before: where its run stands, what went wrong, what it asks.

>>> status = PanelStatus(options, models, controls)
>>> status.begin("blocks.2", "coffee")
>>> status.show_progress(progress)          # "Searching for images that blocks.2 cannot tell …"
"""

from __future__ import annotations

from typing import Any

from ..inversion.progress import Progress
from . import panel_sentences as sentences
from .panel_model import PanelModel
from .panel_options import KNOBS, RESTARTS, PanelOptions, matches_photo, overridden_in_words
from .prior_knobs import in_words as knobs_in_words
from .run_controls import RunControls

_REMEDY = "Use random weights"
_NOT_SEEN = {*RESTARTS} - {"photo", "model", "layer", "objective"}  # in what a status says anyway
_MOVING = ("preparing", "running")


class PanelStatus:
    """Says it in ``controls``: in the line of words, the error's, the question's.

    The sentences are those of ``panel_sentences``; here is kept which of them holds.
    """

    def __init__(self, options: PanelOptions, models: PanelModel, controls: RunControls) -> None:
        self._options, self._models, self._controls = options, models, controls
        self._of_run = ("", "")  # the layer and the photo of the run under way
        self._again = ""  # why a run gave way to the one under way
        self._continued = ""  # what is said while a moved knob takes up a finished run
        self._brought = ""  # which run was brought back, until its network is there
        options.observe(self._overridden_changed, "overridden")

    def say(self, words: str) -> None:
        self._controls.say(words)

    # ---- the run

    def ready(self, kept: bool) -> None:
        """``kept``: images that stood there are among the runs of before."""
        self.say(sentences.ready(self._caveats, kept))

    def begin(self, layer: str, photo: str) -> None:
        """A run begins; ``layer`` and ``photo`` are what to call them."""
        self._of_run, self._continued = (layer, photo), ""

    def asked_for(self) -> None:
        """The next run is asked for: it needs no reason."""
        self._again = ""

    def begun_again(self, changed: set[str]) -> None:
        """The next run takes the place of another, because of these options."""
        unseen = changed & _NOT_SEEN
        self._again = sentences.begun_again(unseen) if unseen else ""

    @property
    def continues(self) -> bool:
        """Whether a moved knob is taking up a finished run."""
        return bool(self._continued)

    def go_on(self, knobs: set[str]) -> None:
        """These knobs take up a finished run."""
        self._continued = sentences.continued(self._in_words(knobs))
        self.say(self._continued)

    def not_yet_shown(self, knobs: set[str]) -> None:
        """These knobs were moved after Stop, or after a run was brought back."""
        start = self._controls.start.description
        words = sentences.not_yet_shown(self._in_words(knobs), start)
        if self._brought:
            self._brought = words
        else:
            self.say(words)

    def show_progress(self, last: Progress, overridden: str) -> None:
        """Where the run stands, with what must be said of its weights and knobs; ``overridden`` are
        those it was asked with, in words."""
        moving = last.state in _MOVING
        if self._continued and moving:
            self.say(self._continued)
            return
        if last.result is not None:
            self._continued = self._again = ""
        words = sentences.standing(last, *self._of_run, self._caveats, overridden)
        self.say(f"{self._again}{words}" if moving else words)

    # ---- a run brought back

    def bring_back(self, number: int) -> None:
        """A run, by its number among those kept, is brought back once its network is there."""
        self._brought = sentences.brought_back(number)

    @property
    def brings_back(self) -> bool:
        """Whether a run is being brought back, and its network is awaited."""
        return bool(self._brought)

    def brought_back(self) -> str:
        """Which run was brought back, told once; empty if none was."""
        words, self._brought = self._brought, ""
        return words

    def drop_brought_back(self) -> None:
        """Something else was asked for since."""
        self._brought = ""

    # ---- errors, and the question

    def show_error(self, words: str) -> None:
        """An error in words; an empty one goes away."""
        self._controls.show_error(words)

    def show_refused(self, words: str) -> None:
        """Why a network could not be had, what helps, and what is shown still."""
        random = self._options.weights == "pretrained" and "weights='random'" in words
        self._controls.show_error(sentences.refused(words), _REMEDY if random else "")
        self.say(sentences.kept_instead(self._models.model))

    def ask_to_keep(self, dirty: set[str]) -> None:
        """Knobs that were moved for another photo, model or layer: do they stay?"""
        other = dirty & {"photo", "model", "layer"}
        if self._models.loaded is None or self._brought:
            return
        if other and self._options.overridden_knobs:
            words = overridden_in_words(self._options)
            self._controls.question = sentences.keep_question(words, other)

    def ask_no_more(self) -> None:
        self._controls.question = ""

    def _overridden_changed(self, _: Any) -> None:
        if not self._options.overridden_knobs:
            self.ask_no_more()

    # ---- of weights and knobs

    @property
    def _caveats(self) -> str:
        """What must be said of the weights and the knobs."""
        loaded = self._models.loaded
        note = "" if loaded is None else loaded.representation.note
        return sentences.caveats(note, overridden_in_words(self._options))

    def _in_words(self, knobs: set[str]) -> str:
        values = {name: getattr(self._options, name) for name in KNOBS if name in knobs}
        return knobs_in_words(values, matches_photo(self._options.asked))
