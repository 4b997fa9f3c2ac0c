"""The buttons, the progress bar and the messages of a sweep's panel.

>>> controls = SweepControls(8, press=lambda button: ...)
>>> controls.render(SweepState(phase="ready", status=sweep.status()))
>>> controls.line.value
'8 jobs. Press Start: the grid fills as they finish.'
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as w

from ...sweeps.estimate import in_words
from ...sweeps.sweep import Status
from ..base.parts import Line, button, classed
from .run import Button, SweepState

_REASONS = 8  # the largest number of reasons that are listed


class SweepControls:
    """The buttons, the progress bar and the messages of a sweep of ``total`` jobs.

    ``press`` takes the name of a button and returns its callback. ``rows`` has the widgets from top
    to bottom.
    """

    def __init__(self, total: int, press: Callable[[Button], Callable[..., Any]]) -> None:
        begin = press("start")
        self.start = button("Start", "Run the jobs that are not stored", begin, "primary")
        self.pause = button("Pause", "Finish the jobs that have begun, then pause", press("toggle"))
        self.stop = button("Stop", "Finish the jobs that have begun, then stop", press("stop"))
        self.retry = button("Try again", "Run the failed jobs again", begin)
        self.bar = w.IntProgress(value=0, min=0, max=max(1, total))
        self.figures = Line()
        self.line = Line(name="iw-status")
        self.error = Line(name="iw-error")
        self.failures = Line(name="iw-note")
        buttons = classed(w.HBox([self.start, self.pause, self.stop, self.retry]), "iw-buttons")
        progress = classed(w.HBox([self.bar, self.figures]), "iw-progress")
        self.rows = (buttons, self.error, self.line, progress, self.failures)

    def render(self, state: SweepState) -> None:
        """Update all widgets for a state."""
        status, progress, phase = state.status, state.progress, state.phase
        complete = status is not None and status.complete and not state.busy
        begun = bool(status is not None and status.stored) or bool(state.trouble)
        self.start.disabled = state.busy or phase == "reading" or complete
        self.start.description = "Go on" if begun and not complete else "Start"
        self.pause.disabled = phase not in ("running", "paused")
        self.pause.description = "Resume" if phase == "paused" else "Pause"
        self.stop.disabled = phase not in ("running", "paused")
        failed = status is not None and bool(status.failed) and phase == "ready"
        self.retry.layout.display = None if failed and not state.trouble else "none"
        self.error.value = state.error
        self.error.layout.display = None if state.error else "none"
        self.line.value = sentence(state)
        if progress is not None:
            self.bar.max = max(1, progress.total)
            self.bar.value = progress.stored + progress.failed
        elif status is not None and not state.busy:
            self.bar.max, self.bar.value = max(1, status.total), len(status.stored)
        self.figures.value = figures(state)
        self.failures.value = failures(state)


def sentence(state: SweepState) -> str:
    """The message about the sweep's state."""
    status, progress = state.status, state.progress
    match state.phase:
        case "reading":
            return "Reading the store …"
        case "running":
            jobs = "" if progress is None else f"Running: {progress.todo} jobs to do."
            return jobs or "Preparing …"
        case "paused":
            return "Paused. Jobs that have begun will still finish. Press Resume to continue."
        case "stopping":
            return "Stopping. Jobs that have begun will finish and be stored …"
    if state.trouble == "unread":
        return "The sweep cannot be read."
    if state.trouble == "broken":
        return "The run ended early. Finished jobs are stored. Press Go on to run the rest."
    return "" if status is None else _stored(status)


def _stored(status: Status) -> str:
    if status.complete:
        return "All jobs are stored. Press a picture to open its run."
    if status.failed and not status.missing and not status.damaged:
        return f"{status.describe()}. Press Try again to repeat the failed jobs."
    if status.stored:
        return f"{status.describe()}. Press Go on to run the rest."
    return f"{status.total} jobs. Press Start: the grid fills as they finish."


def figures(state: SweepState) -> str:
    """The number of stored jobs and the estimated time for the rest."""
    status, progress = state.status, state.progress
    if progress is None:
        return "" if status is None else f"{len(status.stored)} of {status.total} stored"
    words = [f"{progress.stored} of {progress.total} stored"]
    if progress.failed:
        words.append(f"{progress.failed} failed")
    if progress.seconds is not None and progress.todo:
        words.append(f"about {in_words(progress.seconds)} left")
    return " · ".join(words)


def failures(state: SweepState) -> str:
    """The reasons why jobs failed, each once."""
    status, progress = state.status, state.progress
    if progress is not None and progress.notes:
        return "; ".join(progress.notes)
    if status is None:
        return ""
    shown = list(dict.fromkeys([*status.failed.values(), *status.damaged.values()]))
    more = f" … and {len(shown) - _REASONS} more" if len(shown) > _REASONS else ""
    return "; ".join(shown[:_REASONS]) + more
