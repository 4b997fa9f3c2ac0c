"""A wait for a condition, which fails with the goal and the state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.patience import Patience, source


async def until(condition: Callable[[], Any], panel: Any = None) -> None:
    """Wait until a condition holds; fail after half a minute in which nothing has changed.

    What may change is the panel's state; a closure's ``panel`` is found by itself.
    """
    panel = panel if panel is not None else _panel_of(condition)
    patience = Patience(lambda: source(condition), lambda: state_in_words(panel))
    while not condition():
        patience.check()
        await asyncio.sleep(0.01)


def state_in_words(panel: Any) -> str:
    """The panel's state and sentences in one line."""
    state = getattr(panel, "now", None)
    if state is None:
        return str(getattr(panel, "status", "nothing is known of its state"))
    if not hasattr(panel, "session"):
        return str(state)
    run, steps = state.run, panel.session.steps_done
    asked = {n: state.options.get(n) for n in ("photo", "model", "layer", "seeds")}
    return (
        f"phase {state.phase}, shown {state.shown}, loading {state.loading}, "
        f"wanted {state.wanted}, run {run and (run.number, run.state, run.step)}, "
        f"session {panel.session.state} after {steps} steps, {len(state.history)} kept, "
        f"classes {bool(state.entry and state.entry.classes)}, {asked}, "
        f"says {panel.controls.status.value!r}, error {state.error!r}"
    )


def _panel_of(condition: Callable[[], Any]) -> Any:
    names, cells = condition.__code__.co_freevars, condition.__closure__ or ()
    found = {n: c.cell_contents for n, c in zip(names, cells, strict=True)}
    return found.get("panel")
