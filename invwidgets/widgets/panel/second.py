"""A second column: a run with the same photo, seeds and knobs, of another layer, model or weights.

It has a ``PanelState`` of its own, which the same ``update`` moves. Two pure functions, ``told``
and ``followed``, say which events come to it from the first column.

>>> second.send(*followed(event, effects, before, second.now))
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import InvwidgetsError
from ...inversion.result import Reconstruction
from ..base.loop import Loop
from .effects import PanelEffects
from .options import LOADS, PRESET, differs, needs_unit
from .state import (
    Changed,
    Classified,
    Deleted,
    Effect,
    Event,
    Failed,
    HistoryEntry,
    PanelState,
    Pressed,
    Start,
)
from .update import update

_MEANT_FOR = (  # with these changes, others that stay the same are meant for what is new
    ({"photo"}, {"crop"}),
    ({"objective", *LOADS}, {"region", "channels"}),
)


def told(first: PanelState, second: PanelState, beside: Mapping[str, Any]) -> Changed | None:
    """What has changed for the second column; None if nothing has, or the first one is loading.

    Cells and channels of another layer are others: a region and chosen channels are not shared with
    it, but for the channel of a goal about one.
    """
    if first.loaded is None or first.loading or first.unloaded:
        return None
    options, own = dict(first.options), second.options
    free = {*PRESET} - first.overridden  # they follow a preset, each column its own
    kept = {*free, *beside} if own else set()
    if "model" in beside and "layer" not in beside:
        options["layer"] = ""  # where another model begins
        kept |= {"layer"} if own else set()
    if not beside.keys() <= {"weights"}:
        options["region"] = None
        if isinstance(options["channels"], tuple) and not needs_unit(options):
            options["channels"] = None
    options |= beside
    options |= {name: own[name] for name in kept}
    names = {name for name, value in options.items() if not own or differs(own[name], value)}
    if not names and first.overridden == second.overridden:
        return None
    for group, meant_for_it in _MEANT_FOR:
        names |= meant_for_it if names & group else set()
    return Changed(frozenset(names), options, first.overridden)


def followed(
    event: Event, effects: tuple[Effect, ...], before: PanelState, second: PanelState
) -> tuple[Pressed, ...]:
    """What is pressed in the second column with what happened in the first, which was ``before``.

    A run that the first begins by itself begins no second one where that goes on.
    """
    begun = next((effect for effect in effects if isinstance(effect, Start)), None)
    active = second.run is not None and second.run.busy and not second.run.stopping
    pressed = event.button if isinstance(event, Pressed) else ""
    if begun is not None:
        if not pressed and second.goes_on:
            return ()
        if begun.how == "pause":
            return (Pressed("start"), Pressed("pause"))
        return (Pressed(begun.how),)
    if pressed == "step":
        return (Pressed("step"),) if active else ()
    if pressed == "toggle":
        run = before.run if before.shown == "run" else None
        if run is None or not run.busy:
            return (Pressed("toggle"),) if active else ()
        if not effects:
            return ()
        return (Pressed("resume" if run.state == "paused" else "pause"),)
    if pressed in ("pause", "resume"):
        return (event,) if active and isinstance(event, Pressed) else ()
    return (Pressed("stop"),) if pressed == "stop" else ()


class Second:
    """The second column at work: ``now`` is its state, ``result`` its last run's.

    ``render`` is called with each state, ``kept`` with each finished run, ``classified`` with what
    is found of one.
    """

    def __init__(
        self,
        loop: Loop,
        beside: Mapping[str, Any],
        render: Callable[[PanelState], Any],
        kept: Callable[[HistoryEntry], Any],
        classified: Callable[[Classified], Any],
    ) -> None:
        self.beside = dict(beside)
        self._render, self._kept, self._classified = render, kept, classified
        self._events: deque[Event] = deque()
        self._sending = self._closed = False
        self._state = PanelState()
        self._effects = PanelEffects(loop, self.send)
        self.session = self._effects.session

    @property
    def now(self) -> PanelState:
        """All that it holds, as one frozen value."""
        return self._state

    @property
    def result(self) -> Reconstruction | None:
        """The last run's."""
        result: Reconstruction | None = self._state.result
        return result

    def follow(self, first: PanelState) -> None:
        """Be told what is asked for in the first column."""
        changed = told(first, self._state, self.beside)
        if changed is not None:
            self.send(changed)

    def send(self, *events: Event) -> None:
        """Answer events in order."""
        self._events += events
        if self._sending or self._closed:
            return
        self._sending = True
        try:
            while self._events:
                while self._events:
                    self._answer(self._events.popleft())
                self._render(self._state)
        finally:
            self._sending = False

    def close(self) -> None:
        """End its run, and let go of every tensor."""
        self._closed = True
        self._effects.close()
        self._events.clear()
        self._state = PanelState()

    def _answer(self, event: Event) -> None:
        self._state, effects = update(self._state, event)
        for effect in effects:
            try:
                self._effects.carry_out(effect)
            except InvwidgetsError as error:
                self._events.append(Failed(str(error)))
        for entry in self._state.history:  # the panel's history keeps them
            self._kept(entry)
            self._events.append(Deleted(0))
        if isinstance(event, Classified):
            self._classified(event)
