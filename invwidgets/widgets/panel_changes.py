"""What a change of a panel's options means: load, begin anew, move knobs, or only show.

>>> changes = PanelChanges(loop, options, models, search, shown)
>>> changes.watch()
>>> options.layer = "blocks.3"             # loaded, and a run begins again, at the loop's next turn
"""

from __future__ import annotations

from typing import Any

from ..errors import InvwidgetsError
from .loop import Loop
from .panel_model import PanelModel
from .panel_options import CENTRE, KNOBS, LOADS, OPTIONS, PRESET, RESTARTS, PanelOptions
from .panel_search import PanelSearch
from .panel_shown import PanelShown

_SHOWN = {"region", "channels", "seeds", "objective", "preset", "steps"}  # without loading anew


class PanelChanges:
    """All changes of one turn of the loop are answered at once."""

    def __init__(
        self,
        loop: Loop,
        options: PanelOptions,
        models: PanelModel,
        search: PanelSearch,
        shown: PanelShown,
    ) -> None:
        self._loop, self._options, self._models = loop, options, models
        self._search, self._shown = search, shown
        self._dirty: set[str] = set()
        self._scheduled = self._settling = False
        self._random_for: Any = None  # the model that random weights were taken for by the button

    def watch(self) -> None:
        """Answer all changes from now on; at first every option is a changed one."""
        self._options.observe(self._trait_changed, list(OPTIONS))
        self._options.observe(self._overridden_changed, "overridden")
        self._dirty = set(OPTIONS)
        self.settle()

    def settle(self) -> None:
        """Bring views and run in step with what has changed."""
        self._scheduled = False
        dirty, self._dirty = self._dirty, set()
        if self._loop.closed or not dirty:
            return
        self._settling = True
        try:
            self._answer(dirty)
        except InvwidgetsError as error:
            self._loop.failed(str(error))
        finally:
            self._settling = False

    def forget(self) -> None:
        """What was asked just before gives way to a run brought back; how it looks does not."""
        self._dirty &= {"theme"}

    def use_random_weights(self) -> None:
        """Take the model that was refused, without its weights; another one has its own again."""
        refused = self._models.refused
        with self._options.hold_trait_notifications():
            self._options.model, self._options.weights = refused, "random"
        self._random_for = refused

    def _trait_changed(self, change: Any) -> None:
        name, options = change["name"], self._options
        if options.by_hand:
            self._dirty.add(name)
            asked_for = self._random_for is not None and options.model != self._random_for
            if name == "model" and asked_for:
                self._random_for = None
                options.weights = "pretrained"
            if name == "photo" and not isinstance(options.photo, str):
                options.photo_name = ""  # that of the photo before is not this one's
            if name in PRESET:
                options.overridden = options.overridden | {name}
        self._schedule()

    def _overridden_changed(self, change: Any) -> None:
        back = change["old"] - change["new"]
        if back and not self._options.quiet:
            self._models.follow_preset()
            self._dirty |= back
            self._schedule()

    def _schedule(self) -> None:
        """Settle once for all changes of this turn of the loop."""
        if not self._scheduled and not self._settling:
            self._scheduled = True
            self._loop.call(self.settle)

    def _answer(self, dirty: set[str]) -> None:
        options, search = self._options, self._search
        if "theme" in dirty:
            self._shown.show_theme()
        if "photo" in dirty and "crop" not in dirty and options.crop != CENTRE:
            with options.quietly():  # a cut chosen for another photo
                options.crop = CENTRE
        runs = search.runs
        if dirty & set(LOADS):
            search.load(dirty)
        elif dirty & _SHOWN:
            self._models.show_changed(dirty)
            if not runs:
                self._shown.rest()
        if dirty & set(RESTARTS) and runs:
            search.begin_again(dirty)
        elif knobs := dirty & set(KNOBS):
            search.set_knobs(knobs)
