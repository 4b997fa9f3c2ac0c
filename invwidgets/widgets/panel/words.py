"""All sentences of the panel, as functions of its state.

>>> sentences(PanelState(loading=True)).status
'Loading the network …'

A sentence is never stored in the state, and no code depends on one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ...energy.objectives import OBJECTIVES, objective_of
from ...figures.gallery import best_seed
from ...inversion.convergence import converged, convergence_note, more_steps
from ...inversion.result import Reconstruction
from ...inversion.session import WARM_STEPS
from ...models.downloads import in_bytes, offline
from ...models.zoo import DEFAULT_MODEL, ZOO, weights_here
from ...representations.descriptors.named import layer_in_words, layer_title, model_title
from ...representations.registry import representations
from ..controls.prior_knobs import knobs_in_words
from .options import LIVE_KNOBS, Values, matches_photo, title, unit_of
from .state import Excited, HistoryEntry, PanelRun, PanelState, Request

MOST_CLASSIFIED = 16  # the largest number of images that are classified
REFUSALS = {
    "stopped": "stopped before its first step, so there is no result",
    "restored": "another run was restored instead",
}


@dataclass(frozen=True)
class Sentences:
    """The texts of a state; a text is empty if it is not shown.

    ``remedy`` is the label of the button next to an error, ``start`` the label of Start, ``more``
    the label of the button that searches with more steps, and ``patches`` the line above the
    patches.
    """

    status: str = ""
    error: str = ""
    remedy: str = ""
    question: str = ""
    start: str = "Start"
    more: str = ""
    patches: str = ""


def sentences(state: PanelState) -> Sentences:
    """All texts of a state."""
    again = state.phase in ("running", "paused", "finished", "stopped", "failed")
    start = "Start again" if again else "Start"
    moved = moved_knobs(state.options, state.overridden)
    question = ""
    if state.question and moved:
        question = f"You moved {moved}. Keep for this {' and '.join(sorted(state.question))}?"
    error = state.error
    return Sentences(
        status=_status(state, start),
        error=f"T{error[1:]}" if error.startswith("the ") else error,
        remedy="Use random weights" if error and state.random_helps else "",
        question=question,
        start=start,
        more=f"Run {steps} steps" if (steps := _more(state)) else "",
        patches="" if state.excited is None else _of_patches(state.excited),
    )


def _of_patches(excited: Excited) -> str:
    name = excited.loaded.channel_name(excited.channel)
    unit = f"channel {excited.channel}{f', {name},' if name else ''}"
    if excited.error:
        return f"The patches could not be found: {excited.error}"
    if excited.patches is None:
        return f"Looking for the patches of the bundled photos that excite {unit} most …"
    if not excited.patches:
        return f"None of the bundled photos excites {unit.removesuffix(',')}."
    return f"The patches of the bundled photos that excite {unit} most"


def _more(state: PanelState) -> int | None:
    if state.entry is None or state.outdated or state.loading:
        return None
    return more_steps(state.entry.result)


def _status(state: PanelState, start: str) -> str:
    model = state.options.get("model")
    if state.loading and state.download:
        return state.download
    if state.loading and state.loaded is None:
        return "Loading the network …"
    if state.outdated:
        knobs = moved_knobs(state.options, state.outdated)
        return f"You set {knobs} after these images were made. {start} makes new ones."
    if state.restoring:
        return f"Restoring run {_number(state)} …"
    if state.loading and state.unloaded & {"model", "weights"}:
        return f"Loading {model_title(model) if isinstance(model, str) else 'the network'} …"
    if state.refused is not None and not (state.phase == "paused" or _moves(state)):
        return f"Choose another model{_still_on(state)}."
    if state.stages_busy and not _moves(state):
        return f"Making a small reconstruction of each stage; {len(state.stages)} are finished."
    if state.phase == "restored":
        return f"Run {_number(state)} is restored. Start repeats it with these settings."
    if state.run is not None and state.shown == "run":
        return _of_run(state, state.run)
    if state.loaded is None:
        return ""
    kept = " The previous images are in History." if state.replaced and state.history else ""
    said = caveats(Request(state.options, state.overridden, state.loaded))
    return f"Ready. Press Start, and the images sharpen step by step.{kept}{said}"


def _moves(state: PanelState) -> bool:
    return state.phase in ("preparing", "running")


def _number(state: PanelState) -> int:
    """The number of a run in the history, from 1."""
    places = enumerate(state.history, 1)
    return next((place for place, one in places if one.result is state.result), 0)


def _still_on(state: PanelState) -> str:
    if state.loaded is None:
        return ""
    model = state.model
    if not isinstance(model, str):
        return "; nothing has changed"
    return f"; {model_title(model)} is still in use"


def _of_run(state: PanelState, run: PanelRun) -> str:
    """The status of a run."""
    request, phase = run.request, run.state
    layer = layer_in_words(request.loaded.representation.name, request.options["layer"])
    if run.continued and _moves(state):
        knobs = moved_knobs(request.options, run.continued)
        return f"{knobs}: the search continues from the finished images for {WARM_STEPS} steps."
    if phase == "preparing":
        return f"{_again(run.again)}Preparing {layer} …{caveats(request)}"
    if phase == "running":
        unit = unit_of(request.options)
        aim = objective_of(request.options["objective"]).aim(layer, title(request.options), unit)
        named = "" if unit is None else request.loaded.channel_name(unit)
        return f"{_again(run.again)}{aim}{_called(unit, named)}{caveats(request)}"
    if phase == "paused":
        return f"Paused after step {run.step}. Resume or Step continues.{caveats(request)}"
    if phase == "failed":
        return "The run failed. Everything else still works."
    if state.entry is not None:
        moved = moved_knobs(request.options, request.overridden)
        said = outcome(state.entry.result, title(request.options), state.entry.unit)
        return f"{said} Moved: {moved}." if moved else said  # weights are in the outcome
    if not run.step:
        return "Stopped before the first step. Press Start to begin."
    return f"{'Stopped. ' if phase == 'stopped' else ''}Measuring the images …{caveats(request)}"


def _again(names: Iterable[str]) -> str:
    """The reason why a run replaced another."""
    plain = {"objective": "goal", "seeds": "number of seeds", "crop": "cut of the photo"}
    words = sorted(plain.get(name, name) for name in names)
    if not words:
        return ""
    return f"Started again because the {' and '.join(words)} changed. "


def _called(unit: int | None, name: str) -> str:
    return f" Channel {unit} is the class {name}." if name else ""


def caveats(request: Request) -> str:
    """The notes about weights and knobs that are added to a sentence."""
    note = request.loaded.representation.note
    moved = moved_knobs(request.options, request.overridden)
    return f"{f' Note: {note}.' if note else ''}{f' Moved: {moved}.' if moved else ''}"


def column_title(state: PanelState) -> str:
    """The title of a column: the model, the layer, and unusual weights.

    >>> column_title(panel.now)
    'efficientnet_lite0, blocks.2'
    """
    run = state.run if state.shown == "run" else None
    entry = state.entry if state.shown == "restored" else None
    if entry is not None:
        model, layer, said = entry.result.model, entry.result.layer, entry.result.note
    else:
        loaded = state.loaded if run is None else run.request.loaded
        if loaded is None:
            given = state.options.get("model")
            model = given if isinstance(given, str) else "a network of your own"
            layer, said = state.options.get("layer", ""), ""
        else:
            phi = loaded.representation
            model, layer, said = phi.name, loaded.layer, phi.note
    return ", ".join(part for part in (model_title(model), layer_title(model, layer), said) if part)


def caption_note(note: str, options: Values, overridden: frozenset[str]) -> str:
    """The same notes in a line below the pictures."""
    moved = moved_knobs(options, overridden)
    return " · ".join(part for part in (note, f"moved: {moved}" if moved else "") if part)


def moved_knobs(options: Values, names: frozenset[str]) -> str:
    """The named knobs with their values; empty if there are none.

    >>> moved_knobs({"objective": "inversion", "tv_weight": 0.2371}, frozenset({"tv_weight"}))
    'Smoothness 0.24'
    """
    values = {name: options[name] for name in LIVE_KNOBS if name in names}
    if not values:
        return ""
    return knobs_in_words(values, matches_photo(objective_of(options["objective"])))


def outcome(result: Reconstruction, photo: str, unit: str = "") -> str:
    """The outcome of a run with all notes on its numbers, in a few sentences.

    ``unit`` is the name of the channel that the run is about.
    """
    said = ["Stopped early. Start again starts a new run." if result.stopped else "Done."]
    if result.scores is not None:
        channels = result.selection.channels
        best = (max if result.objective.higher_is_better else min)(result.scores)
        channel = int(channels[0]) if channels else None
        outcome = result.objective.outcome(result.layer_in_words, photo, channel, best)
        said.append(outcome + _called(channel, unit))
    part = result.selection.in_words()
    if part and result.objective.measures_error:
        said.append(f"Only {part} had to match.")
    if result.note:
        said.append(f"Note: {result.note}.")
    notes = [convergence_note(result), result.outlier_note, result.silent_note]
    said += [f"{note[0].upper()}{note[1:]}." for note in notes if note]
    return " ".join(said)


def history_words(entry: HistoryEntry) -> str:
    """The lines below the thumbnail of a finished run."""
    result = entry.result
    layer = layer_title(result.model, result.layer)
    lines = [layer, result.photo_name or "no photo"]
    if result.model != DEFAULT_MODEL and layer == result.layer:
        lines.insert(0, result.model)
    if result.scores is not None:
        lines.append(result.objective.score_text(result.scores[best_seed(result)]))
    if entry.unit:
        lines.insert(0, entry.unit)
    if not result.objective.measures_error:
        lines.insert(0, result.objective.name)
    if not converged(result):
        lines.append("not converged")
    names = entry.overridden & {*LIVE_KNOBS}
    knobs = {name: entry.settings[name] for name in LIVE_KNOBS if name in names}
    moved = knobs_in_words(knobs, matches_photo(result.objective)) if knobs else ""
    return "\n".join([*lines, *filter(None, (result.note, result.selection.in_words(), moved))])


def pictures_named(seeds: Iterable[int], photo: bool, name: str) -> list[str]:
    """The names of the pictures whose classes are shown."""
    return [*([name] if photo else []), *(f"seed {seed}" for seed in [*seeds][:MOST_CLASSIFIED])]


# ---- the menus


def goals() -> list[tuple[str, str]]:
    """Every goal of the menu: its label, and the objective's name."""
    return [(kind.goal or name, name) for name, kind in OBJECTIVES.items()]


def models() -> list[tuple[str, str]]:
    """Every model of the menu: its label, which notes missing weights, and its name."""
    return [(_model_in_words(name), name) for name in representations()]


def _model_in_words(name: str) -> str:
    if weights_here(name):
        return model_title(name)
    megabytes = ZOO[name].megabytes
    if megabytes is None or offline():
        return f"{name} (no weights)"
    return f"{name} (↓ {in_bytes(round(megabytes * 2**20))})"


def cut_in_words(part: float, size: tuple[int, int]) -> tuple[str, str]:
    """The part of a photo that is cropped: in a few words, and in a sentence.

    >>> cut_in_words(0.4, (224, 224))[0]
    'Crop: 40 % is cut off'
    """
    height, width = size
    lost = f"{100 * part:.0f} %"
    return f"Crop: {lost} is cut off", (
        f"Which part of the photo is kept; {lost} is cut off to fit {width} × {height} pixels"
    )


def error_of(why: str, error: Any) -> str:
    """The message for a task that waits for a result that will not come."""
    return REFUSALS.get(why, str(error))
