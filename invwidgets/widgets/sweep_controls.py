"""A sweep's buttons, how far it is, and what is said of it.

>>> controls = SweepControls(8, begin=run.begin, rest=run.pause, stop=run.stop)
>>> controls.show_status(sweep.status())
>>> controls.line.value
'8 jobs. Press Start: the grid fills as they finish.'
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as w

from ..sweeps.estimate import in_words
from ..sweeps.sweep import Progress, Status
from .parts import Line, button, classed

_REASONS = 8  # failures that are listed in words


class SweepControls:
    """``rows`` are to be laid out one below the other; buttons call ``begin``, ``rest``, ``stop``.

    ``total`` is the number of jobs.
    """

    def __init__(
        self,
        total: int,
        begin: Callable[..., Any],
        rest: Callable[..., Any],
        stop: Callable[..., Any],
    ) -> None:
        self.start = button("Start", "Do what is missing", begin, "primary")
        self.pause = button("Pause", "Finish what is under way, then rest", rest)
        self.stop = button("Stop", "Finish what is under way, and stop", stop)
        self.retry = button("Try again", "Do the failed ones again", begin)
        self.bar = w.IntProgress(value=0, min=0, max=max(1, total))
        self.figures = Line()
        self.line = Line("Reading the store …", "iw-status")
        self.error = Line(name="iw-error")
        self.failures = Line(name="iw-note")
        self._complete = False
        buttons = classed(w.HBox([self.start, self.pause, self.stop, self.retry]), "iw-buttons")
        progress = classed(w.HBox([self.bar, self.figures]), "iw-progress")
        self.rows = (buttons, self.error, self.line, progress, self.failures)
        self.show_error("")
        self._show_buttons("reading")

    def show_begin(self) -> None:
        self.show_error("")
        self._show_buttons("running")
        self.line.value = "Getting ready …"

    def show_progress(self, progress: Progress, works: bool) -> None:
        """How a run stands; ``works``: it neither rests nor is to stop, which is said already."""
        self.bar.max = max(1, progress.total)
        self.bar.value = progress.stored + progress.failed
        words = [f"{progress.stored} of {progress.total} stored"]
        if progress.failed:
            words.append(f"{progress.failed} failed")
        if progress.seconds is not None and progress.todo:
            words.append(f"about {in_words(progress.seconds)} left")
        self.figures.value = " · ".join(words)
        if works:
            self.line.value = f"Running: {progress.todo} jobs to do."
        if progress.notes and progress.outcome is None:
            self.failures.value = "; ".join(progress.notes)

    def show_pause(self) -> None:
        self._show_buttons("paused")
        self.line.value = "Paused: what is under way is still finished. Resume goes on."

    def show_resume(self) -> None:
        self._show_buttons("running")
        self.line.value = "Going on …"

    def show_stop(self) -> None:
        self._show_buttons("stopping")
        self.line.value = "Stopping: what is under way is finished and stored …"

    def show_unread(self, words: str) -> None:
        """Why the store cannot be read."""
        self.show_error(words)
        self.line.value = "The sweep cannot be read."
        self._show_buttons("ended")

    def show_broken(self, words: str) -> None:
        """Why a run ended before it was done."""
        self.show_error(words)
        self.line.value = "That ended early; what is stored stays. Start goes on."
        self._show_buttons("ended")

    def show_status(self, status: Status) -> None:
        """What the store has."""
        self._complete = status.complete
        self.bar.max, self.bar.value = max(1, status.total), len(status.stored)
        self.figures.value = f"{len(status.stored)} of {status.total} stored"
        if status.complete:
            self.line.value = "All jobs are stored. Press a picture to open its run."
        elif status.failed and not status.missing and not status.damaged:
            self.line.value = f"{status.describe()}. Try again does the failed ones again."
        elif status.stored:
            self.line.value = f"{status.describe()}. Start goes on."
        else:
            self.line.value = f"{status.total} jobs. Press Start: the grid fills as they finish."
        reasons = [*status.failed.values(), *status.damaged.values()]
        shown = list(dict.fromkeys(reasons))
        more = f" … and {len(shown) - _REASONS} more" if len(shown) > _REASONS else ""
        self.failures.value = "; ".join(shown[:_REASONS]) + more
        self._show_buttons("ended" if status.stored else "ready", failed=bool(status.failed))

    def show_error(self, words: str) -> None:
        """Show an error in words; an empty one goes away."""
        self.error.value = words
        self.error.layout.display = None if words else "none"

    def _show_buttons(self, state: str, failed: bool = False) -> None:
        """Enable what means something in this state."""
        busy, done = state in ("running", "paused"), self._complete
        self.start.disabled = busy or state in ("reading", "stopping") or done
        self.start.description = "Go on" if state == "ended" and not done else "Start"
        self.pause.disabled = not busy
        self.pause.description = "Resume" if state == "paused" else "Pause"
        self.stop.disabled = not busy
        self.retry.layout.display = None if failed and not busy else "none"
