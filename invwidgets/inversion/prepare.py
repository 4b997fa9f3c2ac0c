"""What was asked for, checked and resolved: a run that only has to be searched.

>>> run = prepare("coffee", layer="blocks.2", seeds=2, tv_weight=0.01)
>>> run.settings.device, run.settings.precision, run.settings.threads
('cpu', 'float32', 1)
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Unpack

import torch
from torch import nn

from ..arguments import whole_number
from ..energy.objectives import OBJECTIVES, Objective
from ..errors import BadSettingError, SelectionError, UnknownNameError, shown, unknown_name
from ..images import PhotoSource, Size, parse_size, photo_name, photos, read_photo
from ..models.spec import Numbers
from ..models.zoo import DEFAULT_MODEL
from ..representations.base import Region, Representation
from ..representations.caching import cached_target
from ..representations.checks import check_layer, check_target
from ..representations.registry import representation as find_representation
from ..representations.targets import TargetSource, fit_features, read_features
from ..selection import ChannelSpec, Selection, centre_region, select
from ..swappable import SavedPart, chosen, is_own
from ..torch_state import own_state
from .hardware.memory import keep_freed_memory, plan_memory, resolve_device
from .hardware.precision import resolve_precision
from .hardware.threads import fastest_threads
from .own_parts import check_channels, check_own_objective, check_own_parts
from .phase import MAX_STEPS
from .presets import preset as make_preset
from .presets import region_coverage, start_needs
from .run import Run
from .settings import InversionSettings, SettingChanges, parse_seeds, recorded_arguments
from .window import find_window

_ABSENT = object()
Seeds = int | list[int] | tuple[int, ...] | range


class RunOptions(SettingChanges, total=False):
    """All that ``invert`` takes by keyword, besides what watches the run."""

    target: TargetSource | None
    weights: str | os.PathLike[str]
    region: str | Region | None
    channels: ChannelSpec
    selection: Selection | None
    seeds: Seeds | None
    steps: int | None
    size: Size | str | None
    fit: str | None
    preset: str
    objective: str | Objective | None
    unit: str | None
    settings: InversionSettings | None
    mean: float | Numbers | None
    std: float | Numbers | None
    forward_kwargs: Mapping[str, Any] | None


@own_state()
def prepare(
    photo: PhotoSource | None = None,
    model: str | nn.Module | Representation = DEFAULT_MODEL,
    layer: str | None = None,
    *,
    target: TargetSource | None = None,
    weights: str | os.PathLike[str] = "pretrained",
    region: str | Region | None = None,
    channels: ChannelSpec = None,
    selection: Selection | None = None,
    seeds: Seeds | None = None,
    steps: int | None = None,
    size: Size | str | None = None,
    fit: str | None = None,
    preset: str = "default",
    objective: str | Objective | None = None,
    unit: str | None = None,
    settings: InversionSettings | None = None,
    mean: float | Numbers | None = None,
    std: float | Numbers | None = None,
    forward_kwargs: Mapping[str, Any] | None = None,
    **changes: Unpack[SettingChanges],
) -> Run:
    """Check everything a run needs, and compute its target.

    >>> run = prepare("coffee", layer="blocks.2", seeds=2)
    >>> run.finish().save("coffee.safetensors")

    Parameters
    ----------
    photo, model, layer
        As ``invert`` takes them.
    target : torch.Tensor, numpy.ndarray, str or path, optional
        Φ₀ itself instead of a photo, as ``invert`` takes it.
    weights
        As ``representation`` takes them.
    region, channels, selection
        What of the features to look at: as ``select`` takes it, or as it returns it.
    seeds : int or list of int, optional
        How many random starts (seeds 0 …), or which; 4 by default.
    steps : int, optional
        In all; the preset's own number by default.
    size : int, (height, width) or str, optional
        Of the images, in pixels; the network's own by default.
    fit : str, optional
        ``"crop"`` (by default) or ``"stretch"`` the photo to the size.
    preset : str
        ``"default"``, ``"cvpr2015"`` or ``"ijcv2016"``.
    objective : str or Objective, optional
        ``"inversion"`` by default, ``"maximise"`` where a unit is named.
    unit : str, optional
        ``"LAYER:CHANNEL"``, instead of a layer and channels.
    settings : InversionSettings, optional
        Instead of a preset; with their objective, size and seeds.
    mean, std, forward_kwargs
        As ``representation`` takes them.
    **changes
        Single fields of ``InversionSettings``.

    Returns
    -------
    Run
        Its ``settings`` have no ``"auto"`` left: with photo, network and selection they determine
        the outcome.

    Raises
    ------
    InvwidgetsError
        With what was given, what there is, and the remedy.
    """
    for name in changes:
        if name not in SettingChanges.__annotations__:
            raise unknown_name("setting", name, [*RunOptions.__annotations__])
    if settings is not None:
        objective = _settled(settings, preset, objective)
    if selection is not None:
        region, channels = _selected(selection, region, channels)
    if steps is not None:
        steps = whole_number(steps, "steps", 1, MAX_STEPS)
    if unit is not None:
        layer, channels = _unit(unit, layer, channels)
    if objective is None:
        objective = "inversion" if unit is None else "maximise"
    part = _part(objective, unit, photo)
    features = None if target is None else read_features(_wanted(target, photo, part))
    given = None if settings is None else settings.size
    given = given if size is None else parse_size(size)
    own = isinstance(model, nn.Module) and not isinstance(model, Representation)
    if own and forward_kwargs is None and settings is not None:
        forward_kwargs = _kept_arguments(settings)
    phi = find_representation(
        model,
        layer,
        weights,
        mean=mean,
        std=std,
        size=given if own else None,
        forward_kwargs=forward_kwargs,
    )
    arguments = recorded_arguments(phi.forward_kwargs)
    if settings is not None and settings.forward_kwargs not in (None, arguments):
        raise BadSettingError(_other_arguments(settings.forward_kwargs or {}, phi, arguments or {}))
    size = given or phi.size
    info = phi.layer_info(size)
    selection = select(phi, region, channels, size)
    if settings is None:
        coverage = region_coverage(phi, selection.region, size)
        settings = make_preset(preset, phi, objective, steps, coverage, size, **changes)
        seeds = 4 if seeds is None else seeds
    else:
        settings = settings.replace(**changes)
        settings = settings if steps is None else settings.with_steps(steps)
    settings = settings.replace(size=size, fit=fit or settings.fit, forward_kwargs=arguments)
    if seeds is not None:
        settings = settings.replace(seeds=parse_seeds(seeds))
    check_channels(settings, phi)
    device = resolve_device(settings.device)
    keep_freed_memory()
    phi = phi.on(device)
    phi.digest  # noqa: B018  # found now: a network that has none is refused before the run
    if part.needs_unit and selection.region is None and len(info.shape) == 3:
        selection = Selection(centre_region(info, 1), selection.channels)
    check_layer(phi, size)
    if missing := start_needs(settings.start, part):
        raise BadSettingError(f"start {shown(settings.start)} {missing}; choose start='noise'")
    if features is not None and settings.start == "photo":
        raise BadSettingError(
            "start 'photo' with a target: features have no photo to begin at; choose start='noise'"
        )
    check_own_parts(settings, phi, size)
    window = find_window(phi, selection, size)
    threads = _threads(phi, settings)
    window_size = size if window is None else (window.box.height, window.box.width)
    batch = plan_memory(phi, settings, size, threads, window_size)
    settings = settings.replace(device=str(device), threads=threads, micro_batch=batch)
    picture = None
    if features is not None:
        wanted = fit_features(features, phi, size)
    elif part.needs_photo:
        read = read_photo(_needed(photo, part), size, settings.fit, channels=phi.channels)
        picture = read.clone()
        wanted = cached_target(phi, picture)  # a copy, as the photo is: who holds the run may write
        check_target(phi, wanted)
    else:
        wanted = part.reference(phi, selection)
    if is_own(part, OBJECTIVES):
        check_own_objective(part, wanted, selection)
    run = Run(
        representation=phi,
        photo=picture,
        photo_name=_name(None if picture is None else photo, target),
        target=wanted,
        selection=selection,
        window=window,
        settings=settings,
    )
    with run.cpu_threads():  # as the run will have them: the measurement is of such steps
        precision = resolve_precision(settings.precision, phi, window_size)
    run.settings = settings.replace(precision=precision)
    return run


def _part(objective: str | Objective, unit: str | None, photo: PhotoSource | None) -> Objective:
    """The objective, where it goes with what else was asked for."""
    part: Objective = chosen(objective, OBJECTIVES, Objective)
    if unit is None and part.needs_unit:
        raise BadSettingError(f"{part.name}: say which unit, as unit='LAYER:CHANNEL'")
    if unit is not None and not part.needs_unit:
        raise BadSettingError(
            f"unit {shown(unit)} goes with an objective such as 'maximise', not {part.name!r}"
        )
    if unit is not None and photo is not None:
        raise BadSettingError(
            f"photo {shown(photo)} beside unit {shown(unit)}: a unit is maximised without a "
            "photo; leave one of them out"
        )
    return part


def _name(photo: PhotoSource | None, target: TargetSource | None) -> str:
    """What figures call what is searched for."""
    if target is not None:
        return "the target"
    return "" if photo is None else photo_name(photo)


def _needed(photo: PhotoSource | None, part: Objective) -> PhotoSource:
    if photo is None:
        raise BadSettingError(
            f"{part.name} needs a photo: one of {', '.join(photos())}, or a file; or the features "
            "themselves, as target="
        )
    return photo


def _wanted(target: TargetSource, photo: PhotoSource | None, part: Objective) -> TargetSource:
    """The target, where nothing else says what is searched for."""
    if photo is not None:
        raise BadSettingError(
            f"photo {shown(photo)} beside a target: the target is what the photo's features would "
            "be; leave one of them out"
        )
    if not part.needs_photo:
        raise BadSettingError(
            f"{part.name} beside a target: it compares with no features; leave one of them out"
        )
    return target


def _threads(representation: Representation, settings: InversionSettings) -> int | None:
    """All CPU threads for seeds side by side; for operators, as many as are worth having."""
    if representation.mean_color.device.type != "cpu" or settings.threads is not None:
        return settings.threads
    if representation.thread_safe and len(settings.seeds) > 1:
        return torch.get_num_threads()
    return fastest_threads()


def _kept_arguments(settings: InversionSettings) -> dict[str, Any] | None:
    """What settings say that a forward is to be given."""
    for name, value in (settings.forward_kwargs or {}).items():
        if isinstance(value, SavedPart):
            raise BadSettingError(
                f"these settings were made with the forward argument {name} = {shown(value.text)}, "
                "of which they keep no more than these words: give forward_kwargs again"
            )
    return None if settings.forward_kwargs is None else dict(settings.forward_kwargs)


def _other_arguments(kept: Mapping[str, Any], phi: Representation, given: Mapping[str, Any]) -> str:
    """How a forward is given other arguments than settings say."""
    names = [n for n in {**kept, **given} if n not in kept or kept[n] != given.get(n, _ABSENT)]
    one, other = (
        ", ".join(f"{n} = {_words(has[n])}" if n in has else f"no {n}" for n in names)
        for has in (kept, given)
    )
    return (
        f"forward_kwargs: the settings were made with {one}, and {phi.name} is given {other}; "
        "give the same, or settings.replace(forward_kwargs=None)"
    )


def _words(value: Any) -> str:
    return value.text if isinstance(value, SavedPart) else shown(value)


def _settled(
    settings: InversionSettings, preset: str, objective: str | Objective | None
) -> str | Objective:
    """The objective of whole settings; what says otherwise beside them is refused."""
    if not isinstance(settings, InversionSettings):
        raise BadSettingError(
            f"settings {shown(settings)}: give InversionSettings(…), or single settings by keyword"
        )
    for name, given, has in (
        ("preset", None if preset == "default" else preset, settings.preset),
        ("objective", objective, settings.objective),
    ):
        if given is not None and not (isinstance(given, type(has)) and given == has):
            raise BadSettingError(
                f"{name} {shown(given)} beside settings that have {shown(has)}: leave one of them "
                f"out, or give settings.replace({name}=…)"
            )
    return settings.objective  # type: ignore[return-value]  # a saved part is refused later


def _selected(
    selection: Selection, region: str | Region | None, channels: ChannelSpec
) -> tuple[Region | None, tuple[int, ...] | None]:
    if not isinstance(selection, Selection):
        raise SelectionError(
            f"selection {shown(selection)}: give what select(…) returns, or region= and channels="
        )
    if region is not None or channels is not None:
        given = f"region {shown(region)}" if region is not None else f"channels {shown(channels)}"
        raise SelectionError(f"{given} beside a selection: leave one of them out")
    return selection.region, selection.channels


def _unit(unit: str, layer: str | None, channels: ChannelSpec) -> tuple[str, ChannelSpec]:
    name, _, channel = unit.rpartition(":") if isinstance(unit, str) else ("", "", "")
    if not name or not re.fullmatch(r"\d{1,9}", channel, re.ASCII):
        raise UnknownNameError(f"unit {shown(unit)}: write LAYER:CHANNEL, such as blocks.5:12")
    if (layer not in (None, name)) or channels is not None:
        raise BadSettingError(
            f"unit {shown(unit)} names its layer and channel: leave the others out"
        )
    return name, int(channel)
