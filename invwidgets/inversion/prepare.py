"""The preparation of a run: all options checked, all resources resolved, the target computed.

>>> run = prepare("coffee", layer="blocks.2", seeds=2, tv_weight=0.01)
>>> run.settings.device, run.settings.precision, run.settings.threads
('cpu', 'float32', 1)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from ..arguments import whole_number
from ..energy.objectives import OBJECTIVES, Objective, as_objective
from ..errors import BadSettingError, SelectionError, shown
from ..images import PhotoSource, check_there, parse_size, photo_name, photos, read_photo
from ..models.zoo import DEFAULT_MODEL
from ..representations.base import Representation
from ..representations.caching import cached_target
from ..representations.checks import check_layer, check_target
from ..representations.registry import representation as find_representation
from ..representations.targets import TargetSource, fit_features, read_features
from ..selection import ChannelSpec, Selection, center_region, select
from ..swappable import SavedPart, chosen
from ..torch_state import own_state
from .hardware.memory import keep_freed_memory, plan_memory, resolve_device
from .hardware.precision import resolve_precision
from .hardware.threads import cpu_threads, fastest_threads
from .options import RunOptions, check_options, lists_options
from .parts import check_channels, check_objective, check_parts
from .phase import MAX_STEPS
from .presets import preset_values, region_coverage, start_needs
from .run import Run, threads_of_a_batch
from .settings import InversionSettings, SettingChanges, parse_seeds, recorded_arguments
from .window import Window, find_window

_ABSENT = object()
_DEFAULT_SEEDS = (0, 1, 2, 3)


@lists_options
@own_state()
def prepare(
    photo: PhotoSource | None = None,
    model: str | nn.Module | Representation = DEFAULT_MODEL,
    layer: str | None = None,
    **options: Unpack[RunOptions],
) -> Run:
    """Prepare a run: check its options, load the network, and compute the target.

    >>> run = prepare("coffee", layer="blocks.2", seeds=2)
    >>> run.finish().save("coffee.safetensors")

    Parameters
    ----------
    <source>
    <options>

    Returns
    -------
    Run
        The run, whose search has not begun. Its ``settings`` contain no ``"auto"``; together with
        photo, network and selection they determine the outcome.

    Raises
    ------
    InvwidgetsError
        For wrong arguments; the message names the given value, the possible ones and the remedy.
    """
    request = _request(photo, model, layer, options)
    phi, size = _network(request)
    arguments = _arguments(request, phi)
    chosen = select(phi, request.options.get("region"), request.options.get("channels"), size)
    settings = _settings(request, phi, chosen, size, arguments)
    phi = _placed(phi, settings)
    selection = _selection(request.objective, phi, chosen, size)
    _check(request, settings, phi, size)
    window = find_window(phi, selection, size)
    resources = _resources(settings, phi, size, window)
    check_parts(settings, phi, size)
    pixels, target = _target(request, settings, phi, selection, size)
    return Run(
        representation=phi,
        photo=pixels,
        photo_name=_name(request),
        target=target,
        selection=selection,
        window=window,
        settings=settings.replace(**resources),
    )


@dataclass(frozen=True)
class _Request:
    """The request of a run, checked as far as this is possible without the network.

    ``options`` are the given ones; ``features`` are those of the target.
    """

    photo: PhotoSource | None
    model: str | nn.Module | Representation
    layer: str | None
    objective: Objective
    features: Tensor | None
    steps: int | None
    options: Mapping[str, Any]

    @property
    def size(self) -> tuple[int, int] | None:
        """The given size of the images, if any."""
        given, whole = self.options.get("size"), self.whole
        return parse_size(given) if given is not None else None if whole is None else whole.size

    @property
    def whole(self) -> InversionSettings | None:
        """The complete settings, if they were given."""
        return self.options.get("settings")

    @property
    def changes(self) -> dict[str, Any]:
        """The settings that were given one by one."""
        names = SettingChanges.__annotations__
        return {name: value for name, value in self.options.items() if name in names}


def _request(
    photo: PhotoSource | None,
    model: str | nn.Module | Representation,
    layer: str | None,
    options: Mapping[str, Any],
) -> _Request:
    check_options(options)
    objective = as_objective(options.get("objective"))
    if (whole := options.get("settings")) is not None:
        objective = _settled(whole, options.get("preset"), objective)
    part: Objective = chosen("inversion" if objective is None else objective, OBJECTIVES, Objective)
    steps, features = options.get("steps"), None
    if steps is not None:
        steps = whole_number(steps, "steps", 1, MAX_STEPS)
    if (target := options.get("target")) is not None:
        features = read_features(_wanted(target, photo, part))
    elif part.needs_photo:
        check_there(_needed(photo, part))
    if part.needs_unit:
        _check_unit(part, photo, options.get("channels"))
    return _Request(photo, model, layer, part, features, steps, options)


def _network(request: _Request) -> tuple[Representation, tuple[int, int]]:
    """The network cut at its layer, and the size of the images."""
    model, options, size = request.model, request.options, request.size
    own = isinstance(model, nn.Module) and not isinstance(model, Representation)
    phi = find_representation(
        model,
        request.layer,
        options.get("weights", "pretrained"),
        mean=options.get("mean"),
        std=options.get("std"),
        size=size if own else None,
        forward_kwargs=_given_arguments(request, own),
    )
    return phi, size or phi.size


def _given_arguments(request: _Request, own: bool) -> Mapping[str, Any] | None:
    """The arguments for the forward of a user's module; by default those of complete settings."""
    given: Mapping[str, Any] | None = request.options.get("forward_kwargs")
    if not own or given is not None or request.whole is None:
        return given
    kept = request.whole.forward_kwargs
    for name, value in (kept or {}).items():
        if isinstance(value, SavedPart):
            raise BadSettingError(
                f"these settings were made with the forward argument {name} = {shown(value.text)}, "
                "of which only this text was saved: give forward_kwargs again"
            )
    return None if kept is None else dict(kept)


def _arguments(request: _Request, phi: Representation) -> dict[str, Any] | None:
    """The forward's arguments as settings keep them; an error if complete settings have others."""
    arguments, whole = recorded_arguments(phi.forward_kwargs), request.whole
    if whole is not None and whole.forward_kwargs not in (None, arguments):
        raise BadSettingError(_other_arguments(whole.forward_kwargs or {}, phi, arguments or {}))
    return arguments


def _settings(
    request: _Request,
    phi: Representation,
    selection: Selection,
    size: tuple[int, int],
    arguments: dict[str, Any] | None,
) -> InversionSettings:
    """The chosen settings, before resources are resolved."""
    options, whole = request.options, request.whole
    given = request.changes | {"size": size, "forward_kwargs": arguments}
    for name, value in (("fit", options.get("fit")), ("seeds", options.get("seeds"))):
        if value is not None:
            given[name] = parse_seeds(value) if name == "seeds" else value
    if whole is not None:
        if request.steps is not None and "phases" not in given:
            given["phases"] = whole.with_steps(request.steps).phases
        return whole.replace(**given)
    objective = options.get("objective")
    values = preset_values(
        options.get("preset", "default"),
        phi,
        "inversion" if objective is None else objective,
        request.steps,
        region_coverage(phi, selection.region, size),
        size,
        {"seeds": _DEFAULT_SEEDS} | given,
    )
    return InversionSettings(**values)


def _placed(phi: Representation, settings: InversionSettings) -> Representation:
    """The network on the run's device."""
    keep_freed_memory()
    phi = phi.on(resolve_device(settings.device))
    phi.digest  # noqa: B018  # computed now, so that an error is raised before the run
    return phi


def _selection(
    objective: Objective, phi: Representation, chosen: Selection, size: tuple[int, int]
) -> Selection:
    """The chosen selection; for a unit, the middle cell if no region was given."""
    info = phi.layer_info(size)
    if objective.needs_unit and len(chosen.channels or ()) != 1:
        raise SelectionError(
            f"{objective.name} needs one channel, but {len(chosen.channels or ())} are selected: "
            "give one, such as channels=12"
        )
    if objective.needs_unit and chosen.region is None and len(info.shape) == 3:
        return Selection(center_region(info, 1), chosen.channels)
    return chosen


def _check(
    request: _Request, settings: InversionSettings, phi: Representation, size: tuple[int, int]
) -> None:
    """Raise an error for settings that do not fit the network, the objective or one another."""
    check_channels(settings, phi)
    check_layer(phi, size)
    if missing := start_needs(settings.start, request.objective):
        raise BadSettingError(f"start {shown(settings.start)} {missing}; choose start='noise'")
    if settings.start == "photo" and request.features is not None:
        raise BadSettingError(
            "start 'photo' with a target: there is no photo to start from; choose start='noise'"
        )


def _resources(
    settings: InversionSettings,
    phi: Representation,
    size: tuple[int, int],
    window: Window | None,
) -> dict[str, Any]:
    """The settings with device, threads, micro-batch and precision resolved."""
    window_size = size if window is None else (window.box.height, window.box.width)
    threads = _threads(phi, settings)
    batch = plan_memory(phi, settings, size, threads, window_size)
    with cpu_threads(threads_of_a_batch(phi, len(settings.seeds), batch, threads)):
        precision = resolve_precision(settings.precision, phi, window_size)
    return {
        "device": str(phi.mean_color.device),
        "threads": threads,
        "micro_batch": batch,
        "precision": precision,
    }


def _target(
    request: _Request,
    settings: InversionSettings,
    phi: Representation,
    selection: Selection,
    size: tuple[int, int],
) -> tuple[Tensor | None, Tensor]:
    """The run's copies of the photo's pixels, if there is a photo, and of the target."""
    part, pixels = request.objective, None
    if request.features is not None:
        target = fit_features(request.features, phi, size)
    elif part.needs_photo:
        photo = _needed(request.photo, part)
        pixels = read_photo(photo, size, settings.fit, channels=phi.channels).clone()
        target = cached_target(phi, pixels)
        check_target(phi, target)
    else:
        target = part.reference(phi, selection)
    check_objective(part, target, selection)
    return pixels, target


def _check_unit(part: Objective, photo: PhotoSource | None, channels: ChannelSpec) -> None:
    if channels is None:
        raise BadSettingError(
            f"{part.name} needs a channel: give one, such as layer='blocks.5', channels=12"
        )
    if photo is not None and not part.needs_photo:
        raise BadSettingError(
            f"photo {shown(photo)} with objective {part.name!r}, which takes no photo: leave one "
            "of them out"
        )


def _name(request: _Request) -> str:
    """The name of the photo or the target in figures."""
    if request.features is not None:
        return "the target"
    photo = request.photo
    return "" if photo is None or not request.objective.needs_photo else photo_name(photo)


def _needed(photo: PhotoSource | None, part: Objective) -> PhotoSource:
    if photo is None:
        raise BadSettingError(
            f"{part.name} needs a photo: give one of {', '.join(photos())}, or a file, or give "
            "features as target="
        )
    return photo


def _wanted(target: TargetSource, photo: PhotoSource | None, part: Objective) -> TargetSource:
    """The given target; an error if a photo was given too or the objective takes no target."""
    if photo is not None:
        raise BadSettingError(
            f"photo {shown(photo)} with a target: the target replaces the photo's features; leave "
            "one of them out"
        )
    if not part.needs_photo:
        raise BadSettingError(
            f"{part.name} with a target: it does not compare features; leave one of them out"
        )
    return target


def _threads(representation: Representation, settings: InversionSettings) -> int | None:
    """The number of CPU threads: all for parallel seeds, else as many as are fastest."""
    if representation.mean_color.device.type != "cpu" or settings.threads is not None:
        return settings.threads
    if representation.thread_safe and len(settings.seeds) > 1:
        return torch.get_num_threads()
    return fastest_threads()


def _other_arguments(kept: Mapping[str, Any], phi: Representation, given: Mapping[str, Any]) -> str:
    """The message for a forward that gets other arguments than the settings contain."""
    names = [n for n in {**kept, **given} if n not in kept or kept[n] != given.get(n, _ABSENT)]
    one, other = (
        ", ".join(f"{n} = {_words(has[n])}" if n in has else f"no {n}" for n in names)
        for has in (kept, given)
    )
    return (
        f"forward_kwargs: the settings were made with {one}, but {phi.name} gets {other}; "
        "give the same, or settings.replace(forward_kwargs=None)"
    )


def _words(value: Any) -> str:
    return value.text if isinstance(value, SavedPart) else shown(value)


def _settled(
    settings: InversionSettings, preset: str | None, objective: str | Objective | None
) -> str | Objective:
    """The objective of complete settings; an error for arguments that contradict them."""
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
                f"{name} {shown(given)} with settings that contain {shown(has)}: leave one of them "
                f"out, or give settings.replace({name}=…)"
            )
    return settings.objective  # type: ignore[return-value]  # a saved part is refused later
