"""The jobs of a sweep, with everything that determines their outcome, and a key made from it.

>>> jobs = resolve(Grid.of(photos="coffee", layers=["blocks.2"], seeds=1))
>>> jobs[0].key, jobs[0].settings.steps
('2f0c…', 150)
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import __version__
from ..energy.objectives import objective_of
from ..errors import BadSettingError, InvwidgetsError, SelectionError
from ..images import photos, read_photo
from ..inversion.hardware.memory import resolve_device
from ..inversion.presets import preset, region_coverage, start_needs
from ..inversion.settings import InversionSettings
from ..representations.base import Representation
from ..representations.targets import fit_features, read_features
from ..selection import Selection, select
from .grid import Grid, Point
from .models import code_digest, cut

_ELSEWHERE = (
    "device",
    "threads",
    "micro_batch",
    "precision",
)  # settings that are separate entries of the key, or not in it


@dataclass(frozen=True)
class Job:
    """One job, described by names and numbers; ``reason`` says why it cannot be done, if so.

    ``weight`` is its cost in steps of one seed.
    """

    key: str
    point: Point
    task: dict[str, Any]
    reason: str = ""
    weight: int = 1

    @property
    def group(self) -> tuple[Any, ...]:
        """The key of a group of jobs whose steps take about the same time."""
        return self.point.model, self.point.layer, self.point.region


def resolve(grid: Grid) -> list[Job]:
    """The jobs of a grid, in its order; a job that cannot be done has a ``reason``.

    Raises ``InvwidgetsError`` for a model, a layer or a setting that does not exist.
    """
    every: dict[Any, _Request | str] = {}
    jobs = []
    for point in grid.points():
        asked_of = replace(point, photo=None, target=None)
        if asked_of not in every:
            every[asked_of] = _resolve(grid, point)
        jobs.append(_job(grid, point, every[asked_of]))
    return jobs


@dataclass(frozen=True)
class _Request:
    """The part of a job that does not depend on its photo."""

    representation: Representation
    selection: Selection
    settings: InversionSettings
    needs_photo: bool
    content: dict[str, Any]


def _resolve(grid: Grid, point: Point) -> _Request | str:
    weights = grid.weights[point.model]
    phi = cut(point.model, weights, point.layer)
    size = grid.size or phi.size
    changes = dict(point.settings)
    name = changes.pop("preset", "default")
    objective = changes.pop("objective", None)
    steps = changes.pop("steps", None)
    part = objective_of(objective or "inversion")
    if part.needs_photo and not grid.photos and not grid.targets:
        raise BadSettingError(
            f"axis photos is missing: give one of {', '.join(photos())}, or files; or features' "
            "files as targets"
        )
    try:
        selection = select(phi, point.region, point.channels, size)  # type: ignore[arg-type]
        if part.needs_unit and len(selection.channels or ()) != 1:
            return f"{part.name} wants one channel a job: give channels=[[0], [1], …]"
        coverage = region_coverage(phi, selection.region, size)
    except SelectionError as error:  # another layer may have this region
        return str(error)
    settings = preset(
        name, phi, objective or "inversion", steps, coverage, size,
        **{"frames": 0, "precision": "float32", **changes},
    )  # fmt: skip
    if missing := start_needs(settings.start, part):
        return f"start {settings.start!r} {missing}"
    device = resolve_device(settings.device)
    settings = settings.replace(
        seeds=point.seeds, size=size, fit=grid.fit, threads=1, device=str(device)
    )
    content = {
        "model": phi.name,
        "code": code_digest(point.model),
        "digest": phi.digest,
        "layer": phi.layer_info(size).name,
        "region": selection.region,
        "channels": selection.channels,
        "settings": {k: v for k, v in settings.to_dict().items() if k not in _ELSEWHERE},
        "device": device.type,
        "dtype": settings.precision,
        "engine": __version__,
    }
    return _Request(phi, selection, settings, part.needs_photo, content)


def _job(grid: Grid, point: Point, request: _Request | str) -> Job:
    if isinstance(request, str):
        return _impossible(grid, point, request)
    photo, target = (point.photo, point.target) if request.needs_photo else (None, None)
    pixels, source = "", {}
    try:
        if photo is not None:
            pixels = pixel_digest(photo)
        if target is not None:
            features = read_features(target)
            fit_features(features, request.representation, request.settings.size)  # type: ignore[arg-type]
            source = {"target": feature_digest(features)}
    except InvwidgetsError as error:
        return _impossible(grid, point, str(error))
    key = key_of(request.content | {"pixels": pixels} | source)
    task = {
        "key": key,
        "photo": _absolute(photo),
        "pixels": pixels,
        "target": None if target is None else str(Path(target).resolve()),
        "features": source.get("target", ""),
        "model": point.model,
        "weights": grid.weights[point.model],
        "digest": request.content["digest"],
        "layer": request.content["layer"],
        "region": request.selection.region,
        "channels": request.selection.channels,
        "settings": request.settings.to_dict(),
    }
    weight = request.settings.steps * len(request.settings.seeds)
    return Job(key, point, json.loads(json.dumps(task)), weight=weight)


def _impossible(grid: Grid, point: Point, reason: str) -> Job:
    described = {"impossible": repr(point), "weights": grid.weights[point.model],
                 "size": grid.size, "fit": grid.fit}  # fmt: skip
    return Job(key_of(described), point, {}, reason)


def key_of(content: dict[str, Any]) -> str:
    """The digest that identifies a job; equal contents have equal keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def pixel_digest(photo: str) -> str:
    """A digest of a photo's decoded pixels at its own size, computed again if the file has changed.

    Raises ``BadImageError`` or ``UnknownNameError``.
    """
    try:
        found = os.stat(photo)
        stamp = (found.st_mtime_ns, found.st_size)
    except (OSError, ValueError):
        stamp = (0, 0)
    return _pixel_digest(photo, stamp)


def feature_digest(features: Tensor) -> str:
    """A digest of a target's numbers, type and shape."""
    hasher = hashlib.blake2b(repr((features.dtype, features.shape)).encode(), digest_size=16)
    hasher.update(features.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return hasher.hexdigest()


@lru_cache(maxsize=4096)
def _pixel_digest(photo: str, stamp: tuple[int, int]) -> str:
    image = read_photo(photo)
    hasher = hashlib.blake2b(repr(tuple(image.shape)).encode(), digest_size=16)
    hasher.update(image.numpy().tobytes())
    return hasher.hexdigest()


def _absolute(photo: str | None) -> str | None:
    """The absolute path of a file; the name of a bundled photo is kept."""
    if photo is None or photo in photos():
        return photo
    return str(Path(photo).resolve())
