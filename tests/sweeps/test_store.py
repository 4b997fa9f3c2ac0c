"""Tests of the store on several file systems: complete or absent records, damage found."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import torch

import invwidgets as iw
from invwidgets.errors import BadSettingError, OutputError
from invwidgets.sweeps.store import DamagedError, Store

from ..small_networks import phi, picture
from .buckets import bucket

KEY = "ab" * 16


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with bucket() as url:
        yield url


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: Any, tmp_path: Path) -> Store:
    if request.param == "folder":
        return Store(tmp_path / "store")
    root = "memory://" if request.param == "memory" else request.getfixturevalue("s3")
    return Store(f"{root}/{uuid4().hex}")


@pytest.fixture(scope="module")
def result() -> iw.Reconstruction:
    return iw.invert(picture(), phi(), steps=3, seeds=2, threads=1)


def tensors_of(store: Store) -> str:
    (name,) = (n for n in store.place.names("records") if n.endswith(".safetensors"))
    return name


RECORD = f"records/ab/{KEY}.json"


def test_what_is_stored_comes_back_equal(store: Store, result: iw.Reconstruction) -> None:
    assert store.keys() == []
    assert not store.has(KEY)
    store.put(KEY, result, {"photo": "x"}, 1.5)
    for opened in (store, Store(store.url, create=False)):
        assert opened.keys() == [KEY]
        back = opened.result(KEY)
        assert torch.equal(back.images, result.images)
        assert back.relative_error == result.relative_error
        assert back.seconds == 1.5
        body = opened.check(KEY)
        assert body["job"] == {"photo": "x"}
        assert body["outcome"]["relative_error"] == list(result.relative_error or ())
        assert opened.thumbnail(body)[:2] == b"\xff\xd8"
        assert opened.survey([KEY, "cd" * 16]) == ({KEY: body}, {})


def test_timings_lie_beside_so_that_equal_outcomes_are_equal_bytes(
    tmp_path: Path, result: iw.Reconstruction
) -> None:
    found = []
    for name, seconds in (("a", 1.0), ("b", 2.0)):
        store = Store(tmp_path / name)
        store.put(KEY, dataclasses.replace(result, seconds=seconds), {}, seconds)
        found.append({n: store.place.read(n) for n in store.place.names("records")})
    assert found[0] == found[1]
    assert len(found[0]) == 2


def test_a_second_sweep_leaves_what_is_there(store: Store, result: iw.Reconstruction) -> None:
    store.put(KEY, result, {}, 1.0)
    before = store.place.read(RECORD)
    store.put(KEY, dataclasses.replace(result, photo_name="other"), {}, 9.0)
    assert store.place.read(RECORD) == before
    assert store.seconds(KEY) == 1.0


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    ("which", "damage", "words"),
    [
        ("tensors", flipped, "the digest of its tensors does not fit"),
        ("tensors", lambda c: c[:-7], "its tensors have .* bytes of"),
        ("tensors", None, "its tensors are not there"),
        ("record", flipped, "damaged"),
        ("record", lambda c: c[:40], "it is no invwidgets.record"),
        ("record", lambda c: b"", "it is no invwidgets.record"),
        ("record", lambda c: c.replace(b'"steps":3', b'"steps":4'), "its digest does not fit"),
    ],
)
def test_damage_is_found_named_and_repaired(
    store: Store, result: iw.Reconstruction, which: str, damage: Any, words: str
) -> None:
    store.put(KEY, result, {}, 1.0)
    name = RECORD if which == "record" else tensors_of(store)
    if damage is None:
        store.place.remove(name)
    else:
        store.place.write(name, damage(store.place.read(name)))
    with pytest.raises(DamagedError, match=f"{KEY}.*{words}"):
        store.check(KEY)
    with pytest.raises(OutputError, match=KEY):
        store.result(KEY)
    found, damaged = store.survey([KEY])
    assert not found
    assert list(damaged) == [KEY]
    store.discard(KEY)
    assert not store.has(KEY)
    store.put(KEY, result, {}, 2.0)
    assert store.survey([KEY])[1] == {}
    store.discard(KEY)  # whole again: another sweep's late discard takes nothing
    assert store.has(KEY)


def test_a_record_under_anothers_name_is_damage(store: Store, result: iw.Reconstruction) -> None:
    store.put(KEY, result, {}, 1.0)
    store.place.write(f"records/cd/{'cd' * 16}.json", store.place.read(RECORD))
    with pytest.raises(DamagedError, match="it is of another job"):
        store.check("cd" * 16)


def test_failures_are_noted_and_forgiven(store: Store) -> None:
    store.fail(KEY, "no such photo")
    assert store.failures() == {KEY: "no such photo"}
    store.place.write(f"failures/cd/{'cd' * 16}.json", b"{")
    assert "damaged" in store.failures()["cd" * 16]
    store.clear_failure(KEY)
    store.clear_failure(KEY)
    assert KEY not in store.failures()


def test_the_latest_plan_is_last(store: Store) -> None:
    for grid in ({"a": 1}, {"b": 2}, {"a": 1}):
        store.keep_plan(grid, [KEY])
    assert [plan["grid"] for plan in store.plans()] == [{"b": 2}, {"a": 1}]


def test_what_a_newer_version_wrote_is_left_alone(store: Store, result: iw.Reconstruction) -> None:
    store.put(KEY, result, {}, 1.0)
    record = json.loads(store.place.read(RECORD)) | {"format": "invwidgets.record/7"}
    store.place.write(RECORD, json.dumps(record).encode())
    for ask in (lambda: store.survey([KEY]), lambda: store.put(KEY, result, {}, 1.0)):
        with pytest.raises(OutputError, match=r"newer version .*format 7.*pip install -U"):
            ask()
    store.place.write("store.json", b'{"format": "invwidgets.store/2"}')
    with pytest.raises(OutputError, match=r"written by a newer version"):
        Store(store.url)


def test_a_place_that_is_no_store(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    for place, words in (
        (tmp_path / "none", "no store at .*give the place that a sweep was run with"),
        (file, "cannot read .*Not a directory"),
    ):
        with pytest.raises(OutputError, match=words):
            Store(place, create=False)
    for other, words in (
        (3, "store 3: give a folder, or a URL"),
        ("gopher://x", "store 'gopher://x'.*Protocol not known"),
    ):
        with pytest.raises(BadSettingError, match=words):
            Store(other)
    if Path("/proc").is_dir():  # where no folder can be made, whoever asks
        with pytest.raises(OutputError, match=r"cannot write '/proc/none/store.json'"):
            Store("/proc/none")
    (tmp_path / "store.json").write_text("{}")
    with pytest.raises(OutputError, match=r"is damaged: it is no invwidgets.store"):
        Store(tmp_path)


def test_no_permission_is_said(tmp_path: Path, result: iw.Reconstruction) -> None:
    store = Store(tmp_path / "store")
    closed = tmp_path / "closed"
    closed.mkdir()
    for folder in (closed, tmp_path / "store"):
        folder.chmod(0o500)
    root = os.geteuid() == 0
    for parent in tmp_path.parents:
        if root and parent.is_relative_to(tmp_path.parents[2]):
            parent.chmod(parent.stat().st_mode | 0o055)  # and what else it may do stays
    if root:  # whom nothing is forbidden
        os.seteuid(65534)
    try:
        with pytest.raises(OutputError, match=r"cannot .*Permission denied"):
            Store(closed / "store")
        with pytest.raises(OutputError, match=r"cannot .*Permission denied"):
            store.put(KEY, result, {}, 1.0)
    finally:
        if root:
            os.seteuid(0)
        for folder in (closed, tmp_path / "store"):
            folder.chmod(0o700)
