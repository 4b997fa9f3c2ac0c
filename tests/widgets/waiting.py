"""Waiting for what is sure to come: a wait that fails says what for, and what the state was."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

QUIET = 30.0  # seconds without any change of the state


async def until(condition: Callable[[], Any], panel: Any = None) -> None:
    """Wait until a condition holds; fail after half a minute in which nothing has changed.

    What may change is the panel's state; a closure's ``panel`` is found by itself. Half a minute of
    a busy machine's time may be little: it goes on while this process is at work, for a minute of
    the processor's time at most.
    """
    loop = asyncio.get_running_loop()
    panel = panel if panel is not None else _panel_of(condition)
    seen, since, worked = told(panel), loop.time(), time.process_time()
    recent = [worked] * 200
    while not condition():
        if (now := told(panel)) != seen:
            seen, since, worked = now, loop.time(), time.process_time()
        recent = [*recent[1:], time.process_time()]
        idle = recent[-1] - recent[0] < 0.2 or recent[-1] - worked > 2 * QUIET
        quiet = loop.time() - since > QUIET and idle
        assert not quiet, f"waited for {source(condition)}; {seen}"
        await asyncio.sleep(0.01)


def told(panel: Any) -> str:
    """What a panel holds and says, in a line."""
    state = getattr(panel, "now", None)
    if state is None:
        return str(getattr(panel, "status", "nothing is known of its state"))
    run, steps = state.run, panel.session.steps_done
    asked = {n: state.options.get(n) for n in ("photo", "model", "layer", "seeds")}
    return (
        f"phase {state.phase}, shown {state.shown}, loading {state.loading}, "
        f"wanted {state.wanted}, run {run and (run.number, run.state, run.step)}, "
        f"session {panel.session.state} after {steps} steps, {len(state.history)} kept, "
        f"classes {bool(state.entry and state.entry.classes)}, {asked}, "
        f"says {panel.controls.status.value!r}, error {state.error!r}"
    )


def source(condition: Callable[[], Any]) -> str:
    """The line that waits."""
    try:
        return inspect.getsource(condition).strip()
    except OSError:
        return repr(condition)


def _panel_of(condition: Callable[[], Any]) -> Any:
    names, cells = condition.__code__.co_freevars, condition.__closure__ or ()
    found = {n: c.cell_contents for n, c in zip(names, cells, strict=True)}
    return found.get("panel")
