"""The repetition of a run: its knob changes at the same steps, and Python code that repeats it.

>>> invert("coffee", layer="blocks.2", knobs=replay(result.knob_changes))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from ..arguments import items, whole_number
from ..energy.objectives import objective_of
from ..errors import BadSettingError, InvwidgetsError, shown
from ..models.weights import Weights
from ..swappable import SavedPart
from .engine import Knobs
from .knobs import checked_knobs
from .presets import preset
from .result import Reconstruction
from .settings import InversionSettings

_GIVEN = ("preset", "objective", "seeds", "size", "frames")


def replay(changes: Iterable[tuple[int, str, Any]]) -> Knobs:
    """Make a function that repeats the knob changes of another run; it serves one run only.

    >>> knobs = replay([(1, "tv_weight", 0.5)])
    >>> knobs(), knobs(), knobs()
    ({}, {'tv_weight': 0.5}, {'tv_weight': 0.5})
    >>> invert("coffee", layer="blocks.2", knobs=replay(result.knob_changes))

    Parameters
    ----------
    changes : iterable of (int, str, value)
        Step, name and value, as in ``Reconstruction.knob_changes``.

    Returns
    -------
    callable
        A function for the argument ``knobs`` of ``invert``.

    Raises
    ------
    BadSettingError, UnknownNameError
        For changes that do not have this form.
    """
    listed = items(changes)
    moves = [_move(change) for change in ([changes] if listed is None else listed)]
    step = -1

    def knobs() -> Mapping[str, Any]:
        nonlocal step
        step += 1
        return {name: value for when, name, value in moves if when <= step}

    return knobs


def _move(change: Any) -> tuple[int, str, Any]:
    entry = items(change)
    if entry is None or len(entry) != 3:
        raise BadSettingError(
            f"knob change {shown(change)}: give (step, name, value), as in "
            "Reconstruction.knob_changes"
        )
    step, name, value = entry
    return whole_number(step, "step of a knob change"), name, checked_knobs({name: value})[name]


def code_for(result: Reconstruction, photo: str | None = None) -> str:
    """The Python code that repeats the run of a result.

    ``photo`` is the expression for the photo; by default the bundled photo's or the file's name. A
    target that was given instead of a photo is read from ``result.safetensors``, the file to which
    the result was saved.
    """
    settings = result.settings
    arguments = [repr(result.model), repr(result.layer)]
    objective = objective_of(settings.objective)
    if objective.needs_photo and result.target is None:
        arguments.insert(0, photo or repr(result.photo_name))
    else:
        arguments = [
            f"{name}={text}" for name, text in zip(("model", "layer"), arguments, strict=False)
        ]
    if result.target is not None:
        arguments.append(f"target={photo or repr('result.safetensors')}")
    if result.weights not in (Weights.PRETRAINED, Weights.GIVEN):
        arguments.append(f"weights={Weights.option(result.weights)!r}")
    region, channels = result.selection.region, result.selection.channels
    if region is not None:
        arguments.append(f"region={tuple(region)!r}")
    if channels is not None:
        arguments.append(f"channels={_ranges(channels)!r}")
    seeds = settings.seeds
    counted = seeds == tuple(range(len(seeds)))
    arguments.append(f"seeds={len(seeds) if counted else list(seeds)!r}")
    arguments.append(f"size={settings.size!r}")
    arguments += _settings_arguments(result)
    if result.knob_changes:
        moves = ", ".join(repr(tuple(change)) for change in result.knob_changes)
        arguments.append(f"knobs=iw.replay([{moves}])")
    if result.stopped:
        arguments.append(f"callback=lambda step: step.index + 1 == {result.steps}")
    lines = "".join(f"    {argument},\n" for argument in arguments)
    return f"import invwidgets as iw\n\nresult = iw.invert(\n{lines})\nresult.gallery()\n"


def _settings_arguments(result: Reconstruction) -> list[str]:
    """The arguments for the preset and for the settings that differ from it."""
    from ..representations.registry import representation

    settings = result.settings
    weights = Weights.option(result.weights)
    try:
        phi = representation(result.model, result.layer, weights)
        name, objective, size = settings.preset, settings.objective, settings.size
        base = preset(name, phi, objective, settings.steps, size=size)
        if base.phases != settings.phases:  # the code then contains phases instead of steps
            base = preset(name, phi, objective, size=size)
        arguments = [f"preset={settings.preset!r}"]
    except InvwidgetsError:  # a user's network, or weights that are no longer there
        base, arguments = InversionSettings(), []
    if settings.objective != "inversion":
        arguments.append(f"objective={_code(settings.objective)}")
    if base.phases == settings.phases:
        arguments.append(f"steps={settings.steps}")
    else:
        phases = ", ".join(f"iw.{phase!r}" for phase in settings.phases)
        arguments.append(f"phases=({phases},)")
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.name not in (*_GIVEN, "phases") and value != getattr(base, field.name):
            arguments.append(f"{field.name}={_code(value)}")
    return arguments


def _code(value: Any) -> str:
    """A value as Python code; for a custom part, the call that makes it."""
    if isinstance(value, SavedPart):
        return str(value)
    if isinstance(value, tuple):
        return "".join(["(", *(f"{_code(item)}, " for item in value), ")"])
    return repr(value)


def _ranges(channels: tuple[int, ...]) -> str:
    """Channel numbers as text, with slices for consecutive ones: ``0:8,12``."""
    parts: list[str] = []
    start = previous = channels[0]
    for channel in (*channels[1:], -1):
        if channel == previous + 1:
            previous = channel
            continue
        parts.append(str(start) if start == previous else f"{start}:{previous + 1}")
        start = previous = channel
    return ",".join(parts)
