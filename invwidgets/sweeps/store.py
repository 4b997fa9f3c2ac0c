"""The store of finished jobs by their keys, which are written once and checked at each reading.

>>> store = Store("sweep")
>>> store.put(key, result, job, seconds)
>>> store.result(key).relative_error

A job is stored when ``records/ab/KEY.json`` exists. This record contains a digest of itself, and
the name and digest of the file of tensors, which is written before it. ``timings/`` has the
durations of jobs, ``failures/`` the reasons of failures, ``plans/`` the grids of sweeps. All files
are JSON or safetensors, so nothing in a store can execute.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadSettingError, OutputError, shown_path
from .places import Folder, open_place

if TYPE_CHECKING:
    from ..inversion.result import Reconstruction

VERSION = 1
_STORE, _RECORD, _PLAN = "invwidgets.store", "invwidgets.record", "invwidgets.plan"
_THUMBNAIL = 160  # pixels of the longer side
_READERS = 8  # the number of records that are read from a remote store at the same time


class DamagedError(OutputError):
    """The error for a record that differs from what was stored."""


class Store:
    """The store of finished jobs at a place; ``create`` makes an empty store if there is none.

    Raises ``OutputError`` for a store that does not exist, is of a newer version, or has no
    permission.
    """

    def __init__(self, place: Any, create: bool = True) -> None:
        self.place = open_place(place)
        self.url = self.place.url
        try:
            content = self.place.read("store.json")
        except FileNotFoundError:
            if not create:
                raise OutputError(
                    f"no store at {shown_path(self.url)}: give the place that a sweep was run with"
                ) from None
            self.place.write("store.json", _json({"format": f"{_STORE}/{VERSION}"}))
        else:
            _checked_format(content, _STORE, f"the store {shown_path(self.url)}")

    # ---- records

    def keys(self) -> list[str]:
        """The keys of all records, including damaged ones."""
        names = (name.rsplit("/", 1)[-1] for name in self.place.names("records"))
        return [name.removesuffix(".json") for name in names if name.endswith(".json")]

    def put(self, key: str, result: Reconstruction, job: dict[str, Any], seconds: float) -> None:
        """Store the result of a job; an existing result is not changed.

        Raises ``OutputError`` if the place cannot be written to.
        """
        from ..inversion.archive import pack

        if self.has(key):
            return
        result = replace(
            result, seconds=0.0
        )  # timings differ between equal runs, so they are stored separately
        tensors = pack(result)
        digest = _digest(tensors)
        name = f"records/{key[:2]}/{key}-{digest[:12]}.safetensors"
        outcome = result.summary()
        del outcome["seconds"]
        body = {
            "key": key,
            "job": job,
            "outcome": outcome,
            "thumbnail": base64.b64encode(_thumbnail(result)).decode(),
            "tensors": {"name": name, "bytes": len(tensors), "digest": digest},
        }
        record = {"format": f"{_RECORD}/{VERSION}", "digest": _digest(_json(body)), "body": body}
        self.place.write(name, tensors)
        self.place.write(_record_name(key), _json(record))
        day = datetime.now(UTC).date().isoformat()
        timing = _json({"seconds": seconds, "finished": day})
        self.place.write(f"timings/{key[:2]}/{key}.json", timing, lasting=False)

    def has(self, key: str) -> bool:
        """Whether a job has a complete record; the tensors are not read."""
        try:
            self.record(key)
        except (DamagedError, FileNotFoundError):
            return False
        return True

    def record(self, key: str) -> dict[str, Any]:
        """The content of a job's record.

        Raises ``FileNotFoundError``, ``DamagedError``, or ``OutputError`` for a newer version.
        """
        content = self.place.read(_record_name(key))
        where = f"the record {key} in {shown_path(self.url)}"
        record = _checked_format(content, _RECORD, where)
        body = record.get("body")
        if not isinstance(body, dict) or record.get("digest") != _digest(_json(body)):
            raise DamagedError(f"{where} is damaged: its digest does not fit")
        if body.get("key") != key:
            raise DamagedError(f"{where} is damaged: it is of another job")
        return body

    def check(self, key: str) -> dict[str, Any]:
        """The content of a job's record, with checked tensors; raises what ``record`` raises."""
        body = self.record(key)
        self._tensors(key, body)
        return body

    def result(self, key: str) -> Reconstruction:
        """The checked result of a job; raises what ``record`` raises."""
        from ..inversion.result import Reconstruction

        body = self.record(key)
        content = self._tensors(key, body)
        if isinstance(self.place, Folder):
            result = Reconstruction.load(self.place.path / body["tensors"]["name"])
        else:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "tensors.safetensors"
                file.write_bytes(content)
                result = Reconstruction.load(file)
        return replace(result, seconds=self.seconds(key) or 0.0)

    def survey(self, keys: Iterable[str]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
        """The contents of complete records, and the reasons why others are damaged.

        Raises ``OutputError`` for a record of a newer version.
        """
        there = set(self.keys())
        wanted = [key for key in dict.fromkeys(keys) if key in there]
        found: dict[str, dict[str, Any]] = {}
        damaged: dict[str, str] = {}
        for key, answer in zip(wanted, self._surveyed(wanted), strict=True):
            if isinstance(answer, str):
                damaged[key] = answer
            elif answer is not None:
                found[key] = answer
        return found, damaged

    def discard(self, key: str) -> None:
        """Remove a damaged record, so that its job is done again."""
        if isinstance(self._answer(key), str):  # another sweep may have replaced it meanwhile
            self.place.remove(_record_name(key))

    def thumbnail(self, body: dict[str, Any]) -> bytes:
        """The small picture in a record, as a JPEG file."""
        return base64.b64decode(body["thumbnail"])

    def _surveyed(self, keys: list[str]) -> Iterator[dict[str, Any] | str | None]:
        if isinstance(self.place, Folder):
            yield from map(self._answer, keys)
            return
        with ThreadPoolExecutor(_READERS) as readers:
            yield from readers.map(self._answer, keys)

    def _answer(self, key: str) -> dict[str, Any] | str | None:
        try:
            return self.check(key)
        except DamagedError as error:
            return str(error)
        except FileNotFoundError:  # removed after it was listed
            return None

    def _tensors(self, key: str, body: dict[str, Any]) -> bytes:
        where = f"the record {key} in {shown_path(self.url)}"
        tensors = body["tensors"]
        try:
            content = self.place.read(tensors["name"])
        except FileNotFoundError:
            raise DamagedError(f"{where} is damaged: its tensors are not there") from None
        if len(content) != tensors["bytes"]:
            raise DamagedError(
                f"{where} is damaged: its tensors have {len(content)} bytes of {tensors['bytes']}"
            )
        if _digest(content) != tensors["digest"]:
            raise DamagedError(f"{where} is damaged: the digest of its tensors does not fit")
        return content

    # ---- timings, failures, plans

    def seconds(self, key: str) -> float | None:
        """The seconds that a job took; None if unknown."""
        try:
            seconds = json.loads(self.place.read(f"timings/{key[:2]}/{key}.json"))["seconds"]
            return float(seconds)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def finished(self, key: str) -> str:
        """The day on which a job was stored, such as 2026-01-31; empty if unknown."""
        try:
            return str(json.loads(self.place.read(f"timings/{key[:2]}/{key}.json"))["finished"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return ""

    def fail(self, key: str, reason: str) -> None:
        """Store the reason why a job failed."""
        self.place.write(f"failures/{key[:2]}/{key}.json", _json({"reason": reason}))

    def failures(self) -> dict[str, str]:
        """The reasons why jobs failed, by key."""
        found = {}
        for name in self.place.names("failures"):
            key = name.rsplit("/", 1)[-1].removesuffix(".json")
            try:
                found[key] = str(json.loads(self.place.read(name))["reason"])
            except FileNotFoundError:  # the job was done meanwhile
                continue
            except (ValueError, KeyError, TypeError):
                found[key] = "the note of its failure is damaged"
        return found

    def clear_failure(self, key: str) -> None:
        """Remove the reason why a job failed."""
        self.place.remove(f"failures/{key[:2]}/{key}.json")

    def keep_plan(self, grid: dict[str, Any], keys: list[str]) -> None:
        """Store the grid of a sweep and the keys of its jobs, in the order of the grid."""
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        plan = {"format": f"{_PLAN}/{VERSION}", "run": now, "grid": grid, "keys": keys}
        self.place.write(f"plans/{_digest(_json(grid))[:16]}.json", _json(plan))

    def plans(self) -> list[dict[str, Any]]:
        """All plans that were run with this store, the latest last, with ``grid`` and ``keys``.

        Raises ``OutputError`` for a plan that cannot be read.
        """
        plans = []
        for name in self.place.names("plans"):
            where = f"the plan {name} in {shown_path(self.url)}"
            plan = _checked_format(self.place.read(name), _PLAN, where)
            if not isinstance(plan.get("grid"), dict) or not isinstance(plan.get("keys"), list):
                raise DamagedError(f"{where} is damaged: run its sweep again, which writes it anew")
            plans.append(plan)
        return sorted(plans, key=lambda plan: str(plan.get("run")))


def _record_name(key: str) -> str:
    return f"records/{key[:2]}/{key}.json"


def _json(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _checked_format(content: bytes, kind: str, where: str) -> dict[str, Any]:
    try:
        given = json.loads(content)
        found = re.fullmatch(rf"{re.escape(kind)}/(\d{{1,9}})", given["format"])
    except (ValueError, KeyError, TypeError, RecursionError):
        found = None
    if found is None:
        raise DamagedError(f"{where} is damaged: it is no {kind}")
    if int(found[1]) > VERSION:
        raise OutputError(
            f"{where} was written by a newer version of invwidgets (format {found[1]}, this one "
            f"reads up to {VERSION}): upgrade with pip install -U invwidgets, or give another store"
        )
    return given  # type: ignore[no-any-return]


def _thumbnail(result: Reconstruction) -> bytes:
    """A small picture of the best seed, as a JPEG file."""
    import torch

    from ..images import to_pil

    errors = result.relative_error or (0.0,)
    best = min(range(len(errors)), key=errors.__getitem__)
    image = result.images[best]
    scale = min(1.0, _THUMBNAIL / max(image.shape[-2:]))
    side = [max(1, round(s * scale)) for s in image.shape[-2:]]
    small = torch.nn.functional.interpolate(image[None], side, mode="bilinear", antialias=True)
    file = io.BytesIO()
    to_pil(small[0]).save(file, "JPEG", quality=85, subsampling=0)
    return file.getvalue()


def needs_store(given: Any) -> Store:
    """The given store; raises ``BadSettingError`` for None."""
    if given is None:
        raise BadSettingError(
            "where are the results to go? give store='a folder', or a URL such as s3://bucket/sweep"
        )
    if isinstance(given, Store):
        return given
    return Store(given)
