"""Start, Pause or Resume, Step, Stop; how far the run is, and a line in words."""

from __future__ import annotations

from typing import Any

import ipywidgets as w
import traitlets as t

from ..energy.objectives import objective_of
from ..inversion.convergence import convergence_note
from ..inversion.progress import Progress
from ..inversion.result import Reconstruction
from .parts import Line, classed


class RunControls(w.VBox):
    """The buttons ``start``, ``pause``, ``step`` and ``stop``; what is said, and what is asked.

    ``question`` is shown with two buttons, ``keep`` and ``back``; ``remedy`` is the button beside
    an error that has one.
    """

    question = t.Unicode("")
    remedy_words = t.Unicode("")

    def __init__(self) -> None:
        self.start = _button("Start", "Search anew, from the start", "primary")
        self.pause = _button("Pause", "Rest; Resume goes on")
        self.step = _button("Step", "Do one step and rest")
        self.stop = _button("Stop", "End here and keep what there is")
        self.bar = w.IntProgress(value=0, min=0, max=1)
        self.bar.tooltip = "How far the search is"
        self.figures = Line(name="iw-figures")
        self.status = Line(name="iw-status")
        self.error = Line(name="iw-error")
        self.remedy = _button("", "")
        self.keep = _button("Keep", "They stay as you moved them")
        self.back = _button("Back to the defaults", "They follow the preset again")
        self.asked = Line(name="iw-note")
        self.trouble = classed(w.HBox([self.error, self.remedy]), "iw-row", "iw-trouble")
        self.asks = classed(w.HBox([self.asked, self.keep, self.back]), "iw-row", "iw-asks")
        buttons = classed(w.HBox([self.start, self.pause, self.step, self.stop]), "iw-buttons")
        self.progress = classed(w.HBox([self.bar, self.figures]), "iw-progress")
        super().__init__([classed(w.HBox([buttons, self.progress]), "iw-row", "iw-run"),
                          self.trouble, self.asks, self.status])  # fmt: skip
        classed(self, "iw-section")
        self.observe(self._ask, "question")
        self.observe(self._help, "remedy_words")
        self._ask(None)
        self.show_error("")
        self.show_state("idle")

    def _ask(self, _: Any) -> None:
        self.asked.value = self.question
        self.asks.layout.display = None if self.question else "none"

    def _help(self, _: Any) -> None:
        self.remedy.description = self.remedy_words
        self.remedy.layout.display = None if self.remedy_words else "none"

    def show_state(self, state: str, converged: bool = True) -> None:
        """Enable what means something in this state."""
        busy = state in ("preparing", "running", "paused")
        self.start.disabled = state == "preparing"
        self.start.description = "Start again" if state not in ("idle", "preparing") else "Start"
        self.pause.disabled = state not in ("running", "paused")
        self.pause.description = "Resume" if state == "paused" else "Pause"
        self.step.disabled = state == "preparing"
        self.stop.disabled = not busy
        self.progress.layout.visibility = "hidden" if state == "idle" else "visible"
        if state == "preparing":
            self.bar.value, self.figures.value = 0, ""
        ended = "success" if converged else "warning"
        style = {"finished": ended, "failed": "danger"}.get(state, "")
        if self.bar.bar_style != style:
            self.bar.bar_style = style

    def show_progress(self, progress: Progress) -> None:
        steps = max(1, progress.steps)
        if self.bar.max != steps:
            self.bar.max = steps
        self.bar.value = progress.step
        if not progress.step:
            self.figures.value = ""
            return
        words = [f"{progress.step} of {steps} steps"]
        if progress.step < steps and progress.state in ("running", "paused"):
            words.append(f"{duration(progress.seconds_left)} left")
        self.figures.value = " · ".join(words)

    def say(self, words: str) -> None:
        self.status.value = words

    def show_error(self, words: str, remedy: str = "") -> None:
        """Show an error in words, and a button that helps; an empty one goes away."""
        self.error.value = words
        self.trouble.layout.display = None if words else "none"
        self.remedy_words = remedy if words else ""
        self._help(None)


def _button(text: str, tip: str, style: str = "") -> w.Button:
    return w.Button(description=text, tooltip=tip, button_style=style)


def in_words(progress: Progress, layer: str, photo: str, result: Reconstruction | None) -> str:
    """Where a run stands, in a sentence; ``result`` is its own, once there is one."""
    if progress.state == "preparing":
        return f"Preparing {layer} …"
    if progress.state == "running":
        return _aim(progress, layer, photo)
    if progress.state == "paused":
        return f"Paused after step {progress.step}. Resume or Step goes on."
    if progress.state == "stopped" and not progress.step:
        return "Stopped before the first step. Press Start to begin."
    if progress.state in ("finished", "stopped"):
        if result is None:
            stopped = "Stopped. " if progress.state == "stopped" else ""
            return f"{stopped}Measuring the images …"
        return outcome(result, photo)
    return {"failed": "That did not work; everything else still does."}.get(progress.state, "")


def outcome(result: Reconstruction, photo: str) -> str:
    """What a run came to, in a few sentences; what its numbers must not be read without."""
    said = ["Stopped early. Start again begins anew." if result.stopped else "Done."]
    if result.scores is not None:
        channels = result.selection.channels
        best = (max if result.objective.higher_is_better else min)(result.scores)
        channel = int(channels[0]) if channels else None
        said.append(result.objective.outcome(result.layer_in_words, photo, channel, best))
    part = result.selection.in_words()
    if part and result.objective.measures_error:
        said.append(f"Only {part} counted.")
    if result.note:
        said.append(f"Note: {result.note}.")
    notes = [convergence_note(result), result.straggler_note, result.silent_note]
    said += [f"{note[0].upper()}{note[1:]}." for note in notes if note]
    return " ".join(said)


def _aim(progress: Progress, layer: str, photo: str) -> str:
    run = progress.run
    objective, channels = objective_of("inversion"), None
    if run is not None:
        objective, channels = run.objective, run.selection.channels
    return objective.aim(layer, photo, channels[0] if channels else None)


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(0.2), duration(12.4), duration(200)
    ('200 ms', '12 s', '3 min')
    """
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"
