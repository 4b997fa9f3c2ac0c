"""The combinations that a page shows: axes with values, and a result or why there is none.

>>> table = table_of(Sweep.reopen("sweep"))
>>> table.axes["layer"]
('blocks.0', 'blocks.2')
>>> table.entries[0].load().relative_error
(0.12, 0.13)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..errors import BadSettingError, InvwidgetsError, OutputError, shown, shown_path
from ..images import photos
from ..inversion.result import Reconstruction
from ..models.weights import Weights
from ..representations.base import Representation
from ..representations.registry import representation
from ..sweeps.grid import Point, words_of
from ..sweeps.models import cut
from ..sweeps.sweep import Sweep

_IDENTITY = ("photo", "model", "weights", "layer", "region", "channels")
_LAST = ("phases", "threads", "micro_batch", "device", "precision", "frames")
_NEVER = ("seeds", *_LAST)  # settings that are used as axes only if no other setting differs


@dataclass(frozen=True)
class Value:
    """A value of an axis: ``key`` distinguishes it from others, ``words`` are shown."""

    key: Any
    words: str


@dataclass(frozen=True)
class Entry:
    """One combination; ``load`` loads its result, or is None, and then ``reason`` says why.

    ``photo`` is the Python expression for its photo, and ``model`` the name of its network in a
    sweep. ``network`` returns the network, or None if it is not available.
    """

    places: dict[str, int]
    load: Callable[[], Reconstruction] | None
    reason: str = ""
    photo: str | None = None
    model: str = ""
    network: Callable[[Reconstruction], Representation | None] = field(default=lambda result: None)


@dataclass(frozen=True)
class Table:
    """The axes of a page with their values in words, and its entries.

    ``finished`` is the day of the latest result, empty if unknown.
    """

    axes: dict[str, tuple[str, ...]]
    entries: tuple[Entry, ...]
    finished: str = ""

    @property
    def main(self) -> str:
        """The axis of the page's slider: the layers, or else the first axis with several values."""
        several = [name for name, values in self.axes.items() if len(values) > 1]
        return "layer" if "layer" in several or not several else several[0]


def table_of(given: Any, network: Representation | None = None, photo: str | None = None) -> Table:
    """The combinations of sweeps or results; ``photo`` is the Python code of the results' photo.

    Raises ``BadSettingError`` for other values, for no results, and for two results that differ in
    nothing.
    """
    every: list[Any] = [given] if isinstance(given, Sweep | Reconstruction) else _listed(given)
    if not every:
        raise BadSettingError("a page of no results: give at least one, or a sweep that was run")
    if all(isinstance(one, Sweep) for one in every):
        return _of_sweeps(every, network)
    for one in every:
        if not isinstance(one, Reconstruction):
            remedy = (
                "give sweeps or results, not both"
                if isinstance(one, Sweep)
                else "give what iw.invert returns, a list of those, or a sweep"
            )
            raise BadSettingError(f"a page of {shown(one)}: {remedy}")
    return _of_results(every, network, photo)


def _listed(given: Any) -> list[Any]:
    if isinstance(given, dict):  # the results of a strip, by layer
        given = given.values()
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise BadSettingError(
            f"a page of {shown(given)}: give what iw.invert returns, a list of those, or a sweep"
        )
    return list(given)


# ---- sweeps


def _of_sweeps(sweeps: Sequence[Sweep], network: Representation | None) -> Table:
    found: dict[str, list[Value]] = {}
    rows: list[tuple[dict[str, Value], Entry]] = []
    finished = ""
    for sweep in sweeps:
        stored, damaged = sweep.store.survey(sweep.keys)
        jobs = vars(sweep).get("jobs", ())  # prepared only if nothing of the plan is stored
        failures = {job.key: job.reason for job in jobs if job.reason} | sweep.store.failures()
        for point, key in zip(sweep.points, sweep.keys, strict=True):
            values = _values_of(point, sweep.grid.weights[point.model])
            reason = ""
            if key not in stored:
                reason = (
                    damaged.get(key)
                    or failures.get(key)
                    or (f"job {key[:8]} is not in the store yet: run the sweep")
                )
                reason = _public_words(reason, sweep, point)
            else:
                finished = max(finished, sweep.store.finished(key))
            entry = Entry(
                {},
                None if reason else partial(_stored, sweep, key),
                reason,
                None if point.photo is None else repr(_public_name(point.photo)),
                point.model,
                partial(_swept, point.model, sweep.grid.weights[point.model], network),
            )
            rows.append((values, entry))
    if all(entry.load is None for _, entry in rows):
        reasons = {entry.reason for _, entry in rows}
        raise OutputError(
            f"a page of no results: none of {len(rows)} jobs is stored ({shown(min(reasons))}); "
            "run the sweep first"
        )
    names = list(dict.fromkeys(name for values, _ in rows for name in values))
    missing = Value(None, "default")
    for values, _ in rows:
        for name in names:
            value = values.setdefault(name, missing)
            known = found.setdefault(name, [])
            if value.key not in [one.key for one in known]:
                known.append(value)
    several = {name: values for name, values in found.items() if len(values) > 1}
    return Table(
        {name: _words(values) for name, values in several.items()},
        tuple(_placed(entry, several, values) for values, entry in _unique(rows, several)),
        finished,
    )


def _values_of(point: Point, weights: str) -> dict[str, Value]:
    given: dict[str, Any] = {
        "photo": point.photo, "target": point.target, "model": point.model, "weights": weights,
        "layer": point.layer, "region": point.region, "channels": point.channels,
        **dict(point.settings), "seeds": point.seeds,
    }  # fmt: skip
    return {name: Value(value, _said(name, value)) for name, value in given.items()}


def _said(name: str, value: Any) -> str:
    if name == "weights" and value not in ("pretrained", "random"):
        return Path(str(value)).name
    return words_of(name, value)


def _unique(
    rows: Iterable[tuple[dict[str, Value], Entry]], several: dict[str, list[Value]]
) -> list[tuple[dict[str, Value], Entry]]:
    """One entry per combination; a stored result is preferred to a missing one."""
    kept: dict[Any, tuple[dict[str, Value], Entry]] = {}
    for values, entry in rows:
        key = tuple(values[name].key for name in several)
        if key not in kept or (kept[key][1].load is None and entry.load is not None):
            kept[key] = (values, entry)
    return list(kept.values())


def _stored(sweep: Sweep, key: str) -> Reconstruction:
    return sweep.result(key)


def _swept(
    model: str, weights: str, network: Representation | None, result: Reconstruction
) -> Representation | None:
    try:
        if network is not None:
            return _matching(network, result)
        return _matching(cut(model, weights, result.layer), result)
    except InvwidgetsError:
        return None


def _public_name(photo: str) -> str:
    """A photo's name without the folders of the machine on which the page was made."""
    return photo if photo in photos() else Path(photo).name


def _public_words(reason: str, sweep: Sweep, point: Point) -> str:
    """A reason without the folders of the machine on which the page was made."""
    reason = reason.replace(shown_path(sweep.store.url), "the store")
    for path in filter(None, (point.photo, point.target)):
        reason = reason.replace(f"{Path(path).resolve().parent}{os.sep}", "")
    return reason


# ---- results


def _of_results(
    results: Sequence[Reconstruction], network: Representation | None, photo: str | None
) -> Table:
    rows = [_identity(result) for result in results]
    _tell_apart_by_content(results, rows)
    axes = [name for name in _IDENTITY if len({row[name].key for row in rows}) > 1]
    settings = [_settings(result) for result in results]
    order = [
        *dict.fromkeys(name for one in settings for name in one if name not in _NEVER),
        "seeds", *_LAST,
    ]  # fmt: skip
    kept = list(range(len(results)))
    for name in ("", *order):
        clashes = _clashes(rows, axes, kept)
        if not clashes:
            break
        if name and any(len({settings[i].get(name) for i in group}) > 1 for group in clashes):
            axes.append(name)
            for row, one in zip(rows, settings, strict=True):
                row[name] = Value(one.get(name), words_of(name, _plain(one.get(name))))
    for group in _clashes(rows, axes, kept):
        for other in group[1:]:
            if results[other] != results[group[0]]:
                raise BadSettingError(
                    f"results {group[0]} and {other} of a page are of the same photo, layer and "
                    "settings, and still differ: leave one of them out"
                )
            kept.remove(other)
    for name in ("region", "channels"):  # the legend of a result says them, too
        others = [axis for axis in axes if axis != name]
        if not _clashes(rows, others, kept):
            axes = others
    several: dict[str, list[Value]] = {}
    for name in axes:
        values = list({rows[i][name].key: rows[i][name] for i in kept}.values())
        if len(values) > 1:
            several[name] = values
    entries = [
        _placed(
            Entry({}, partial(_same, results[i]), photo=photo, network=partial(_named, network)),
            several, rows[i],
        )
        for i in kept
    ]  # fmt: skip
    return Table({name: _words(values) for name, values in several.items()}, tuple(entries))


def _identity(result: Reconstruction) -> dict[str, Value]:
    region, channels = result.selection.region, result.selection.channels
    return {
        "photo": Value(result.photo_name, result.photo_name),
        "model": Value((result.model, result.weights, result.digest), result.model),
        "weights": Value(result.weights, result.weights),
        "layer": Value(result.layer, result.layer),
        "region": Value(region, words_of("region", region)),
        "channels": Value(channels, words_of("channels", channels)),
    }


def _tell_apart_by_content(
    results: Sequence[Reconstruction], rows: Sequence[dict[str, Value]]
) -> None:
    """Number photos with the same name and different pixels, and networks in the same way."""
    sources: dict[str, list[torch.Tensor]] = {}
    networks: dict[tuple[str, str], list[str]] = {}
    for result, row in zip(results, rows, strict=True):
        source = result.photo if result.target is None else result.target
        if source is not None:
            known = sources.setdefault(result.photo_name, [])
            row["photo"] = Value(*_numbered(result.photo_name, _place(known, source, _alike)))
        digests = networks.setdefault((result.model, result.weights), [])
        place = _place(digests, result.digest, str.__eq__)
        row["model"] = Value(*_numbered(result.model, place))


def _place(known: list[Any], one: Any, alike: Callable[[Any, Any], bool]) -> int:
    for place, other in enumerate(known):
        if alike(other, one):
            return place
    known.append(one)
    return len(known) - 1


def _alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two photos are the same, as far as two sizes of them show it."""
    return one.shape != other.shape or torch.equal(one, other)


def _numbered(name: str, place: int) -> tuple[tuple[str, int], str]:
    return (name, place), name if place == 0 else f"{name} ({place + 1})"


def _settings(result: Reconstruction) -> dict[str, Any]:
    """The settings as values that can be compared, including the steps."""
    plain = {"preset": result.settings.preset, "steps": result.steps}
    plain |= result.settings.to_dict()
    return {name: _hashable(value) for name, value in plain.items()}


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((name, _hashable(one)) for name, one in value.items())
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value


def _plain(value: Any) -> Any:
    return shown(value, 40) if isinstance(value, tuple) else value


def _clashes(
    rows: Sequence[dict[str, Value]], axes: Sequence[str], kept: Sequence[int]
) -> list[list[int]]:
    groups: dict[Any, list[int]] = {}
    for i in kept:
        groups.setdefault(tuple(rows[i][name].key for name in axes), []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def _same(result: Reconstruction) -> Reconstruction:
    return result


def _named(network: Representation | None, result: Reconstruction) -> Representation | None:
    weights = Weights.option(result.weights)
    try:
        own = None if network is None else _matching(network, result)
        return own or _matching(representation(result.model, result.layer, weights), result)
    except InvwidgetsError:  # a user's network, or weights that are no longer there
        return None


def _matching(network: Representation, result: Reconstruction) -> Representation | None:
    """The network cut at the result's layer, if the result was computed with it; else None."""
    return network.at(result.layer) if network.digest == result.digest else None


# ---- sweeps and results


def _words(values: Sequence[Value]) -> tuple[str, ...]:
    """The texts of values, all different."""
    seen: dict[str, int] = {}
    words = []
    for value in values:
        seen[value.words] = seen.get(value.words, 0) + 1
        again = seen[value.words]
        words.append(value.words if again == 1 else f"{value.words} ({again})")
    return tuple(words)


def _placed(entry: Entry, axes: dict[str, list[Value]], values: dict[str, Value]) -> Entry:
    places = {
        name: [one.key for one in known].index(values[name].key) for name, known in axes.items()
    }
    return Entry(places, entry.load, entry.reason, entry.photo, entry.model, entry.network)
