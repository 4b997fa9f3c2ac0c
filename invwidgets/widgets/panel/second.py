"""The second column of a panel, whose run differs in layer, weights or model.

It has its own ``PanelState``, changed by the same ``update``. The two pure functions
``shared_changes`` and ``followed`` determine the events that it receives from the first column.

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

_MEANT_FOR = (  # options that are set again, even if equal, when one of the others changes
    ({"photo"}, {"crop"}),
    ({"objective", *LOADS}, {"region", "channels"}),
)


def shared_changes(
    first: PanelState, second: PanelState, beside: Mapping[str, Any]
) -> Changed | None:
    """The changed options of the first column for the second; None if there are none yet.

    A region and chosen channels are not shared with another layer, because they have another
    meaning there. The channel of an objective about one channel is shared.
    """
    if first.loaded is None or first.loading or first.unloaded:
        return None
    options, own = dict(first.options), second.options
    free = {*PRESET} - first.overridden  # each column follows its own preset
    kept = {*free, *beside} if own else set()
    if "model" in beside and "layer" not in beside:
        options["layer"] = ""  # the other model's default layer
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
    """The buttons to press in the second column after an event in the first.

    ``before`` is the state of the first column before the event. If the first column starts a run
    by itself and the second column will do the same, no button is pressed.
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
    """The second column; ``now`` is its state, and ``result`` the result of its last run.

    ``render`` is called with each state, ``kept`` with each finished run, and ``classified`` with
    its classes.
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
        """Its complete state as one frozen value."""
        return self._state

    @property
    def result(self) -> Reconstruction | None:
        """The result of the last run."""
        result: Reconstruction | None = self._state.result
        return result

    def follow(self, first: PanelState) -> None:
        """Take over changed options of the first column."""
        changed = shared_changes(first, self._state, self.beside)
        if changed is not None:
            self.send(changed)

    def send(self, *events: Event) -> None:
        """Handle events in order."""
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
        """End its run, and free its tensors."""
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
        for entry in self._state.history:  # the panel's history keeps finished runs
            self._kept(entry)
            self._events.append(Deleted(0))
        if isinstance(event, Classified):
            self._classified(event)
