"""One run, made ready: what ``invert`` does in the foreground and a session in the background.

>>> job = prepare("coffee", layer="blocks.2", seeds=2)
>>> for step in job.run():
...     print(step.index, step.energies["data"])
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from ..arguments import whole_number
from ..energy.objectives import OBJECTIVES, Objective
from ..errors import (
    BadSettingError,
    OutOfMemoryError,
    SelectionError,
    UnknownNameError,
    shown,
    unknown_name,
)
from ..images import PhotoSource, Size, parse_size, photo_name, photos, read_photo
from ..models.zoo import DEFAULT_MODEL
from ..representations.base import Region, Representation
from ..representations.caching import cached_target
from ..representations.checks import check_layer, check_target
from ..representations.registry import representation as find_representation
from ..selection import ChannelSpec, Selection, centre_region, select
from ..swappable import chosen, is_own
from .engine import Knobs, NextPhase, Step, run
from .hardware.memory import (
    cpu_threads,
    keep_freed_memory,
    plan_memory,
    resolve_device,
    side_by_side,
)
from .hardware.precision import resolve_precision
from .hardware.threads import fastest_threads
from .own_parts import check_own_objective, check_own_parts
from .presets import preset as make_preset
from .presets import seen_share
from .settings import MAX_STEPS, InversionSettings, SettingChanges, parse_seeds
from .window import Window, find_window


@dataclass(frozen=True)
class Job:
    """A run made ready: all is resolved, checked and computed but the search itself."""

    representation: Representation
    photo: Tensor | None
    photo_name: str
    target: Tensor
    selection: Selection
    window: Window | None
    settings: InversionSettings
    size: tuple[int, int]
    resolved: dict[str, Any]

    @property
    def workers(self) -> int:
        """How many micro-batches run side by side, each on its share of the CPU threads."""
        parts = math.ceil(len(self.settings.seeds) / (self.settings.micro_batch or 1))
        return side_by_side(self.representation, parts, self.settings.threads or 1)

    @property
    def share(self) -> int | None:
        """The CPU threads of one micro-batch; None leaves torch as it is."""
        threads = self.settings.threads
        return None if threads is None else max(1, threads // self.workers)

    def cpu_threads(self) -> AbstractContextManager[int]:
        """Torch with one micro-batch's share of the CPU threads inside the block."""
        return cpu_threads(self.share)

    def run(
        self,
        knobs: Knobs | None = None,
        cancelled: Callable[[], bool] | None = None,
        next_phase: NextPhase | None = None,
    ) -> Iterator[Step]:
        """The engine's steps; arguments as the engine takes them."""
        with ExitStack() as stack:
            pool = None
            if self.workers > 1:
                pool = stack.enter_context(
                    ThreadPoolExecutor(
                        self.workers, "invwidgets-seeds", torch.set_num_threads, (self.share or 1,)
                    )
                )
            yield from run(
                self.representation,
                self.target,
                self.selection,
                self.settings,
                knobs,
                size=self.size,
                photo=self.photo,
                window=self.window,
                workers=pool,
                cancelled=cancelled,
                next_phase=next_phase,
            )

    def explain(self, error: Exception) -> Exception:
        """The error in words a user can act on, where it is one of memory."""
        if not isinstance(error, torch.OutOfMemoryError):
            return error
        at_once = self.resolved["micro_batch"]
        return OutOfMemoryError(
            f"{self.resolved['device']} ran out of memory with {at_once} seeds at once "
            f"({str(error).splitlines()[0]}); give micro_batch={max(1, at_once // 2)}, fewer "
            "seeds or a smaller size"
        )


Seeds = int | list[int] | tuple[int, ...] | range


class RunOptions(SettingChanges, total=False):
    """All that ``invert`` takes by keyword, besides what watches the run."""

    weights: str | os.PathLike[str]
    region: str | Region | None
    channels: ChannelSpec
    selection: Selection | None
    seeds: Seeds | None
    steps: int | None
    size: Size | str | None
    fit: str
    preset: str
    objective: str | Objective | None
    unit: str | None
    settings: InversionSettings | None
    mean: tuple[float, float, float] | None
    std: tuple[float, float, float] | None


def prepare(
    photo: PhotoSource | None = None,
    model: str | nn.Module | Representation = DEFAULT_MODEL,
    layer: str | None = None,
    *,
    weights: str | os.PathLike[str] = "pretrained",
    region: str | Region | None = None,
    channels: ChannelSpec = None,
    selection: Selection | None = None,
    seeds: Seeds | None = None,
    steps: int | None = None,
    size: Size | str | None = None,
    fit: str = "crop",
    preset: str = "default",
    objective: str | Objective | None = None,
    unit: str | None = None,
    settings: InversionSettings | None = None,
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
    **changes: Unpack[SettingChanges],
) -> Job:
    """Check everything a run needs, and compute its target; parameters as ``invert``'s."""
    if torch.is_inference_mode_enabled():
        raise BadSettingError(
            "under torch.inference_mode() nothing has a gradient: call this outside of it"
        )
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
        objective = "maximise" if objective is None else objective
        part: Objective = chosen(objective, OBJECTIVES, Objective)
        if not part.needs_unit:
            raise BadSettingError(
                f"unit {shown(unit)} goes with an objective such as 'maximise', not {part.name!r}"
            )
        if photo is not None:
            raise BadSettingError(
                f"photo {shown(photo)} beside unit {shown(unit)}: a unit is maximised without a "
                "photo; leave one of them out"
            )
    else:
        objective = "inversion" if objective is None else objective
        part = chosen(objective, OBJECTIVES, Objective)
        if part.needs_unit:
            raise BadSettingError(f"{part.name}: say which unit, as unit='LAYER:CHANNEL'")
    asked = parse_size(size) if size is not None else None
    own = isinstance(model, nn.Module) and not isinstance(model, Representation)
    representation = find_representation(
        model, layer, weights, mean=mean, std=std, size=asked if own else None
    )
    wanted = asked or representation.size
    info = representation.layer_info(wanted)
    selection = select(representation, region, channels, wanted)
    if settings is None:
        share = seen_share(representation, selection.region, wanted)
        settings = make_preset(preset, representation, objective, steps, share, wanted, **changes)
        seeds = 4 if seeds is None else seeds
    else:
        settings = settings.replace(**changes)
        settings = settings if steps is None else settings.with_steps(steps)
    if seeds is not None:
        settings = settings.replace(seeds=parse_seeds(seeds))
    device = resolve_device(settings.device)
    keep_freed_memory()
    representation = representation.on(device)
    if part.needs_unit and selection.region is None and len(info.shape) == 3:
        selection = Selection(centre_region(info, 1), selection.channels)
    check_layer(representation, wanted)
    check_own_parts(settings, representation, wanted)
    window = find_window(representation, selection, wanted)
    computed = wanted if window is None else (window.box.height, window.box.width)
    threads = _threads(representation, settings)
    at_once = plan_memory(representation, settings, wanted, threads, computed)
    picture = None
    if not part.needs_photo:
        target = part.reference(representation, selection)
    elif photo is None:
        raise BadSettingError(f"{part.name} needs a photo: one of {', '.join(photos())}")
    else:
        picture = read_photo(photo, wanted, fit)
        target = cached_target(representation, picture)
        check_target(representation, target)
    beside = side_by_side(representation, math.ceil(len(settings.seeds) / at_once), threads or 1)
    with cpu_threads(threads and max(1, threads // beside)):
        precision = resolve_precision(settings.precision, representation, computed)
    resolved = {
        "device": str(device),
        "dtype": precision,
        "threads": threads,
        "micro_batch": at_once,
        "size": list(wanted),
    }
    settings = settings.replace(
        micro_batch=at_once, device=str(device), threads=threads, precision=precision
    )
    name = photo_name(photo) if photo is not None and picture is not None else ""
    if is_own(part, OBJECTIVES):
        check_own_objective(part, target, selection)
    return Job(representation, picture, name, target, selection, window, settings, wanted, resolved)


def _threads(representation: Representation, settings: InversionSettings) -> int | None:
    """All CPU threads for seeds side by side; for operators, as many as are worth having."""
    if representation.mean_color.device.type != "cpu" or settings.threads is not None:
        return settings.threads
    if representation.thread_safe and len(settings.seeds) > 1:
        return torch.get_num_threads()
    return fastest_threads()


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
        if given is not None and given != has:
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
