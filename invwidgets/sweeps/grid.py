"""The axes of a sweep and all combinations of their values, without reading or running anything.

>>> grid = Grid.of(photos=["coffee", "rocket"], layers=["blocks.2", "blocks.4"], seeds=2)
>>> len(grid.points())
4
"""

from __future__ import annotations

import glob
import itertools
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..arguments import as_whole, is_flag, items
from ..errors import BadSettingError, own_words, shown, shown_path, unknown_name
from ..images import parse_size
from ..inversion.settings import SettingChanges, parse_seeds
from ..models.zoo import DEFAULT_MODEL
from ..selection import parse_region

PINNED = ("threads", "micro_batch")  # a job runs on one thread, so that it is the same anywhere
_OBJECTS = ("phases", "priors")
_SINGLE = [n for n in SettingChanges.__annotations__ if n not in (*PINNED, *_OBJECTS)]
SETTINGS = ("preset", "steps", "objective", *_SINGLE)
AXES = ("photos", "targets", "models", "layers", "regions", "channels", "settings", "seeds",
        "weights", "size", "fit")  # fmt: skip
MAX_JOBS = 1_000_000


@dataclass(frozen=True)
class Point:
    """One combination of the axes' values, which is one job."""

    model: str
    layer: str | None
    region: tuple[int, ...] | None
    channels: Any
    settings: tuple[tuple[str, Any], ...]
    seeds: tuple[int, ...]
    photo: str | None
    target: str | None = None

    def value(self, axis: str) -> Any:
        """The point's value on an axis of ``Grid.axes``."""
        changed = dict(self.settings)
        return changed[axis] if axis in changed else getattr(self, axis)


@dataclass(frozen=True)
class Grid:
    """The checked axes of a sweep; ``layers`` and ``weights`` are stored for each model."""

    photos: tuple[str, ...]
    targets: tuple[str, ...]
    models: tuple[str, ...]
    layers: dict[str, tuple[str | None, ...]]
    regions: tuple[tuple[int, ...] | None, ...]
    channels: tuple[Any, ...]
    settings: dict[str, tuple[Any, ...]]
    seeds: tuple[tuple[int, ...], ...]
    weights: dict[str, str]
    size: tuple[int, int] | None
    fit: str

    @classmethod
    def of(cls, **given: Any) -> Grid:
        """A grid from the keywords of ``Sweep``, where each axis is a value or a list of values.

        Raises ``BadSettingError`` for an axis that is empty, ``UnknownNameError`` for one that does
        not exist.
        """
        for name in given:
            if name not in AXES:
                raise unknown_name("axis", name, AXES)
        models = _texts("models", given.get("models", DEFAULT_MODEL), _MODEL_WORDS)
        size = given.get("size")
        fit = given.get("fit", "crop")
        if fit not in ("crop", "stretch"):
            raise BadSettingError(f"fit={shown(fit)}: it is 'crop' or 'stretch'")
        photos = _texts("photos", given.get("photos", ()), _PHOTO_WORDS, empty=True)
        targets = _texts("targets", given.get("targets", ()), _TARGET_WORDS, empty=True)
        if photos and targets:
            raise BadSettingError(
                f"photos {shown(photos)} beside targets {shown(targets)}: a job searches for the "
                "features of one; make two sweeps, into one store"
            )
        return cls(
            photos=photos,
            targets=targets,
            models=models,
            layers=_by_model("layers", given.get("layers"), models),
            regions=_regions(given.get("regions")),
            channels=_channels(given.get("channels")),
            settings=_settings(given.get("settings", {})),
            seeds=_seeds(given.get("seeds", 4)),
            weights={m: w[0] or "pretrained"
                     for m, w in _by_model("weights", given.get("weights"), models, True).items()},
            size=None if size is None else parse_size(size),
            fit=fit,
        )  # fmt: skip

    def points(self) -> list[Point]:
        """All points, grouped by model and layer, so that a worker rarely changes its network.

        Raises ``BadSettingError`` for more than a million points.
        """
        if len(self) > MAX_JOBS:
            raise BadSettingError(f"{len(self)} jobs: at most {MAX_JOBS}; split the sweep")
        names = list(self.settings)
        changes = [tuple(zip(names, v, strict=True))
                   for v in itertools.product(*self.settings.values())]  # fmt: skip
        return [
            Point(model, layer, region, channels, changed, seeds, photo, target)
            for model in self.models
            for layer in self.layers[model]
            for region, channels, changed, seeds, photo, target in itertools.product(
                self.regions,
                self.channels,
                changes,
                self.seeds,
                self.photos or (None,),
                self.targets or (None,),
            )
        ]

    def __len__(self) -> int:
        count = sum(len(self.layers[model]) for model in self.models)
        for axis in (self.regions, self.channels, self.seeds, self.photos or (None,),
                     self.targets or (None,), *self.settings.values()):  # fmt: skip
            count *= len(axis)
        return count

    def axes(self) -> dict[str, tuple[Any, ...]]:
        """The axes with more than one value, by their names in a ``Point``."""
        layers = tuple(dict.fromkeys(itertools.chain.from_iterable(self.layers.values())))
        every: dict[str, tuple[Any, ...]] = {
            "photo": self.photos, "target": self.targets, "model": self.models, "layer": layers,
            "region": self.regions, "channels": self.channels, "seeds": self.seeds, **self.settings,
        }  # fmt: skip
        return {name: values for name, values in every.items() if len(values) > 1}

    def to_dict(self) -> dict[str, Any]:
        """The axes as plain values for JSON, which ``Grid.of`` accepts."""
        sources = {"photos": list(self.photos), "targets": list(self.targets)}
        return {
            **{axis: values for axis, values in sources.items() if values},
            "models": list(self.models),
            "layers": {m: [n or "" for n in names] for m, names in self.layers.items()},
            "regions": [None if r is None else list(r) for r in self.regions],
            "channels": [list(c) if isinstance(c, tuple) else c for c in self.channels],
            "settings": {name: list(values) for name, values in self.settings.items()},
            "seeds": [list(seeds) for seeds in self.seeds],
            "weights": dict(self.weights),
            "size": None if self.size is None else list(self.size),
            "fit": self.fit,
        }


def read_plan(path: str | os.PathLike[str]) -> Grid:
    """A grid from a TOML file. Paths of photos are relative to the file and may contain ``*``.

    Raises ``BadSettingError`` for a file that cannot be read or is not TOML.
    """
    file = Path(path)
    try:
        plan = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        words = getattr(error, "strerror", None) or own_words(error)
        raise BadSettingError(
            f"plan {shown_path(path)} cannot be read: {words}; give a TOML file with photos, "
            "layers, seeds …"
        ) from None
    for axis, about in (("photos", _PHOTO_WORDS), ("targets", _TARGET_WORDS)):
        if axis in plan:
            listed = _texts(axis, plan[axis], about)
            plan[axis] = [p for name in listed for p in _beside(name, file.parent, axis)]
    return Grid.of(**plan)


_MODEL_WORDS = (
    "a name of 'invwidgets models', timm/NAME, or a function of your own as package.module:function"
)
_PHOTO_WORDS = "a file's path or a bundled photo's name"
_TARGET_WORDS = "the path of a file of features, .npy or .safetensors"


def _beside(name: str, folder: Path, axis: str) -> list[str]:
    if any(letter in name for letter in "*?["):
        found = sorted(glob.glob(str(folder / name), recursive=True))
        if not found:
            raise BadSettingError(f"{axis} {shown(name)}: no file in {shown_path(folder)} fits")
        return found
    there = folder / name
    return [str(there)] if there.exists() else [name]


def _listed(axis: str, given: Any) -> list[Any]:
    """The values of an axis; a single value becomes a list of one."""
    if given is None or isinstance(given, str | bytes | os.PathLike | Mapping):
        return [given]
    values = items(given)
    if values is None:
        return [given]
    if not values:
        raise BadSettingError(f"axis {axis} is empty: give at least one value, or leave it out")
    return values


def _texts(axis: str, given: Any, words: str, empty: bool = False) -> tuple[str, ...]:
    if empty and given == ():
        return ()
    texts = []
    for value in _listed(axis, given):
        if not isinstance(value, str | os.PathLike) or not os.fspath(value):
            raise BadSettingError(
                f"{axis} {shown(value)}: jobs carry names, so that any process can do them; give "
                f"{words}"
            )
        texts.append(str(os.fspath(value)))
    return tuple(dict.fromkeys(texts))


def _by_model(
    axis: str, given: Any, models: tuple[str, ...], single: bool = False
) -> dict[str, tuple[str | None, ...]]:
    """The values of each model from a mapping, or the same values for all models."""
    if not isinstance(given, Mapping):
        given = dict.fromkeys(models, given)
    for name in given:
        if name not in models:
            raise unknown_name("model", name, models, f"the sweep's {axis}")
    found: dict[str, tuple[str | None, ...]] = {}
    for model in models:
        values = _listed(axis, given.get(model))
        if single and len(values) > 1:
            raise BadSettingError(f"{axis} {shown(values)}: one for each model")
        for value in values:
            if value is not None and not isinstance(value, str | os.PathLike):
                raise BadSettingError(f"{axis} {shown(value)}: give names")
        found[model] = tuple(
            dict.fromkeys(None if v in (None, "") else os.fspath(v) for v in values)
        )
    return found


def _regions(given: Any) -> tuple[tuple[int, ...] | None, ...]:
    values = _listed("regions", given)
    if len(values) == 4 and all(as_whole(v) is not None for v in values):
        values = [tuple(values)]
    return tuple(dict.fromkeys(parse_region(value) for value in values))


def _channels(given: Any) -> tuple[Any, ...]:
    """One selection of channels as a list of one, or a list of such selections.

    ``[0, 1]`` is one selection of two channels, ``[[0, 1], [2]]`` are two selections.
    """
    values = _listed("channels", given)
    if all(as_whole(value) is not None or is_flag(value) for value in values):
        values = [values]
    found = []
    for value in values:
        listed = items(value) if as_whole(value) is None else [value]
        found.append(tuple(listed) if listed is not None else value)
    return tuple(dict.fromkeys(None if value == "all" else value for value in found))


def _settings(given: Any) -> dict[str, tuple[Any, ...]]:
    if not isinstance(given, Mapping):
        raise BadSettingError(
            f"settings {shown(given)}: give names and values, such as {{'tv_weight': [0.01, 0.1]}}"
        )
    found = {}
    for name, value in given.items():
        if name in PINNED:
            raise BadSettingError(
                f"setting {name}: the jobs of a sweep run on one thread each, so that they end the "
                "same anywhere; leave it out"
            )
        if name in _OBJECTS:
            raise BadSettingError(
                f"setting {name}: a sweep's jobs carry numbers and names only; give 'preset', "
                "'steps' and single weights"
            )
        if name not in SETTINGS:
            raise unknown_name("setting", name, SETTINGS)
        values = _listed(f"settings.{name}", value)
        for single in values:
            if not (single is None or isinstance(single, str | int | float)):
                raise BadSettingError(
                    f"setting {name} {shown(single)}: a sweep's jobs carry numbers and names only"
                )
        if name == "precision" and "auto" in values:
            raise BadSettingError(
                "precision 'auto' is a measurement, which may end otherwise on another machine: "
                "give 'float32' (a sweep's default) or 'bfloat16'"
            )
        found[str(name)] = tuple(dict.fromkeys(values))
    return found


def _seeds(given: Any) -> tuple[tuple[int, ...], ...]:
    """The values of the axis of seeds: ``2`` or ``[0, 1]`` is one value, ``[[0], [1]]`` are two."""
    listed = items(given)
    if listed is not None and listed and all(items(value) is not None for value in listed):
        return tuple(dict.fromkeys(parse_seeds(value) for value in listed))
    if listed == []:
        raise BadSettingError("axis seeds is empty: give how many, or a list like [0, 1]")
    return (parse_seeds(given),)


def words_of(axis: str, value: Any) -> str:
    """A value of an axis, for a heading, a menu or a table.

    >>> words_of("region", (3, 8, 3, 8)), words_of("tv_weight", 0.01)
    ('3:8,3:8', '0.01')
    """
    if value is None:
        return {"region": "everything", "channels": "all", "layer": "by default"}.get(axis, "none")
    if axis == "region":
        return "{}:{},{}:{}".format(*value)
    if axis in ("photo", "target"):
        return Path(value).stem
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ",".join(str(v) for v in value)
    return str(value)
