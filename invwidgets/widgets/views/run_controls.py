"""The buttons of a run (Start, Pause, Step, Stop), its progress, and a line of text."""

from __future__ import annotations

from typing import Any

import ipywidgets as w
import traitlets as t

from ..base.parts import Line, Trouble, classed


class RunControls(w.VBox):
    """The buttons ``start``, ``pause``, ``step`` and ``stop``, progress, messages and questions.

    ``question`` is shown with two buttons, ``keep`` and ``back``. ``remedy`` is a button next to an
    error that has a remedy. ``more``, next to the status, repeats a search with more steps.
    """

    question = t.Unicode("")

    def __init__(self) -> None:
        self.start = _button("Start", "Start a new search from noise", "primary")
        self.pause = _button("Pause", "Pause; Resume continues")
        self.step = _button("Step", "Do one step and pause")
        self.stop = _button("Stop", "End the search and keep its images")
        self.bar = w.IntProgress(value=0, min=0, max=1)
        self.bar.tooltip = "The progress of the search"
        self.figures = Line(name="iw-figures")
        self.status = Line(name="iw-status")
        self.trouble = Trouble()
        self.error, self.remedy = self.trouble.error, self.trouble.remedy
        self.more = _button("", "Start a new search with more steps")
        self.keep = _button("Keep", "Keep the values that you chose")
        self.back = _button("Back to the defaults", "Reset the knobs to the preset")
        self.prompt = Line(name="iw-note")
        self.asks = classed(w.HBox([self.prompt, self.keep, self.back]), "iw-row", "iw-asks")
        buttons = classed(w.HBox([self.start, self.pause, self.step, self.stop]), "iw-buttons")
        self.progress = classed(w.HBox([self.bar, self.figures]), "iw-progress")
        says = classed(w.HBox([self.status, self.more]), "iw-says")
        self.run = classed(w.HBox([buttons, self.progress]), "iw-row", "iw-run")
        super().__init__([self.run, self.trouble, self.asks, says])
        classed(self, "iw-section")
        self.observe(self._ask, "question")
        self._ask(None)
        self.show_run("idle", "Start")
        self.say("")

    def _ask(self, _: Any) -> None:
        self.prompt.value = self.question
        self.asks.layout.display = None if self.question else "none"

    def show_run(
        self, phase: str, start: str, step: int = 0, steps: int = 0, left: float = 0.0,
        far: bool = False,
    ) -> None:  # fmt: skip
        """Enable the buttons for a phase, and show the progress with ``left`` seconds.

        ``start`` is the label of the button Start. ``far`` means that the search did not converge.
        """
        self.enable(phase, start)
        runs, preparing = phase in ("running", "paused"), phase == "preparing"
        shown = preparing or runs or phase in ("finished", "stopped", "failed")
        self.progress.layout.visibility = "visible" if shown else "hidden"
        style = {"finished": "warning" if far else "success", "failed": "danger"}.get(phase, "")
        self.bar.bar_style = style
        self.bar.max, self.bar.value = max(1, steps), step
        words = [f"{step} of {steps} steps"] if step else []
        if words and step < steps and runs:
            words.append(f"{duration(left)} left")
        self.figures.value = " · ".join(words)

    def enable(self, phase: str, start: str) -> None:
        """Enable the buttons that have an effect in a phase."""
        runs, preparing = phase in ("running", "paused"), phase == "preparing"
        self.start.disabled = self.step.disabled = preparing
        self.start.description = start
        self.pause.disabled = not runs
        self.pause.description = "Resume" if phase == "paused" else "Pause"
        self.stop.disabled = not runs and not preparing

    def say(self, words: str, more: str = "") -> None:
        """Show a line of text, and the button ``more`` with this label, if any."""
        self.status.value = words
        self.more.description = more
        self.more.layout.display = None if more else "none"


def _button(text: str, tip: str, style: str = "") -> w.Button:
    return w.Button(description=text, tooltip=tip, button_style=style)


def duration(seconds: float) -> str:
    """A duration in words.

    >>> duration(0.2), duration(12.4), duration(200)
    ('200 ms', '12 s', '3 min')
    """
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"
