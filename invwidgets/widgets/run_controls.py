"""Start, Pause or Resume, Step, Stop; how far the run is, and a line in words."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as w

from ..energy.objectives import objective_of
from ..inversion.progress import Progress
from ..inversion.result import Reconstruction
from .loop import Loop
from .parts import Line, button, classed


class RunControls(w.VBox):
    """``act`` is called with "start", "pause", "resume", "step" or "stop"."""

    def __init__(self, loop: Loop, act: Callable[[str], None]) -> None:
        self._act = act
        self.start = button("Start", "Search from noise", self._sends(loop, "start"), "primary")
        self.pause = button("Pause", "Rest; Resume goes on", loop.handler(self._pause_or_resume))
        self.step = button("Step", "Do one step and rest", self._sends(loop, "step"))
        self.stop = button("Stop", "End here and keep what there is", self._sends(loop, "stop"))
        self.bar = w.IntProgress(value=0, min=0, max=1)
        self.figures = Line()
        self.status = Line(name="iw-status")
        self.error = Line(name="iw-error")
        self.error.layout.display = "none"
        buttons = classed(w.HBox([self.start, self.pause, self.step, self.stop]), "iw-buttons")
        self.progress = classed(w.HBox([self.bar, self.figures]), "iw-progress")
        super().__init__([buttons, self.error, self.status, self.progress])
        classed(self, "iw-section")
        self.show_state("idle")

    def show_state(self, state: str) -> None:
        """Enable what means something in this state."""
        busy = state in ("preparing", "running", "paused")
        self.start.disabled = state == "preparing"
        self.start.description = "Start again" if state not in ("idle", "preparing") else "Start"
        self.pause.disabled = state not in ("running", "paused")
        self.pause.description = "Resume" if state == "paused" else "Pause"
        self.step.disabled = state == "preparing"
        self.stop.disabled = not busy
        self.progress.layout.visibility = "hidden" if state == "idle" else "visible"
        style = {"finished": "success", "failed": "danger"}.get(state, "")
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
        each = progress.seconds / progress.step
        words = [f"{progress.step} of {steps} steps", f"{_duration(each)} a step"]
        if progress.step < steps and progress.state in ("running", "paused"):
            words.append(f"{_duration(each * (steps - progress.step))} left")
        self.figures.value = " · ".join(words)

    def say(self, words: str) -> None:
        self.status.value = words

    def complain(self, words: str) -> None:
        """Show an error in words; an empty one goes away."""
        self.error.value = words
        self.error.layout.display = None if words else "none"

    def _sends(self, loop: Loop, action: str) -> Callable[..., None]:
        return loop.handler(lambda: self._act(action))

    def _pause_or_resume(self) -> None:
        self._act("resume" if self.pause.description == "Resume" else "pause")


def in_words(progress: Progress, layer: str, photo: str, result: Reconstruction | None) -> str:
    """Where a run stands, in a sentence; ``result`` is its own, once there is one."""
    if progress.state == "preparing":
        return f"Preparing {layer} …"
    if progress.state == "running":
        return _aim(progress, layer, photo)
    if progress.state == "paused":
        return f"Resting after step {progress.step}. Resume or Step goes on."
    if progress.state == "stopped" and not progress.step:
        return "Stopped before the first step. Press Start to begin."
    if progress.state in ("finished", "stopped"):
        if result is None:
            return "Measuring the images …"
        kind = "Done" if progress.state == "finished" else "Stopped"
        if result.relative_error is None:
            return f"{kind}. Move a knob, or start again."
        best = 100 * min(result.relative_error)
        said = f"{kind}: {layer} sees {best:.1f} % difference between the best image and {photo}."
        note = result.straggler_note
        return f"{said} {note[0].upper()}{note[1:]}." if note else said
    return {"failed": "That did not work; everything else still does."}.get(progress.state, "")


def _aim(progress: Progress, layer: str, photo: str) -> str:
    run = progress.run
    objective, channels = objective_of("inversion"), None
    if run is not None:
        objective, channels = run.objective, run.selection.channels
    return objective.aim(layer, photo, channels[0] if channels else None)


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"
