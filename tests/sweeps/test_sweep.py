"""Tests of a sweep in this process: stored jobs are skipped, failures have reasons."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import invwidgets as iw
from invwidgets.errors import BadSettingError, OutputError
from invwidgets.sweeps import work
from invwidgets.sweeps.executors import Control
from invwidgets.sweeps.sweep import SweepProgress
from invwidgets.sweeps.table import to_csv, write_csv

from ..small_networks import phi

Tiny = Callable[..., iw.Sweep]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the jobs that were computed."""
    keys: list[str] = []
    inverted = work.inverted

    def counted(task: dict[str, Any]) -> iw.Reconstruction:
        keys.append(task["key"])
        return inverted(task)

    monkeypatch.setattr(work, "inverted", counted)
    return keys


def test_nothing_is_computed_twice(tiny: Tiny, done: list[str], photos: list[str]) -> None:
    sweep = tiny()
    status = sweep.run()
    assert status.complete
    assert len(sweep) == status.total == len(done) == len(set(done)) == 8
    assert sweep.run().complete
    assert len(done) == 8
    more = tiny(photos=photos, store=sweep.store)
    told: list[SweepProgress] = []
    assert more.run(on_progress=told.append).complete
    assert len(done) == 12
    first = told[0]
    assert (first.total, first.stored, first.failed, first.todo) == (12, 8, 0, 4)
    assert first.seconds is not None
    assert first.seconds > 0
    assert "12 jobs: 8 stored, 4 to do; about " in first.describe()
    assert [p.todo for p in told] == [4, 3, 2, 1, 0]


def test_a_job_is_what_invert_does(tiny: Tiny, photos: list[str]) -> None:
    sweep = tiny(photos=photos[:1], layers="relu_1", regions="2:6,2:6", channels=[0, 3])
    sweep.run()
    for place, tv_weight in enumerate((0.01, 0.1)):
        alone = iw.invert(
            photos[0], phi(), steps=3, seeds=2, region="2:6,2:6", channels=[0, 3], frames=0,
            tv_weight=tv_weight, threads=1, precision="float32",
        )  # fmt: skip
        stored = sweep.result(place)
        assert torch.equal(stored.images, alone.images)
        assert stored.relative_error == alone.relative_error
        assert stored.settings == alone.settings
        assert stored.photo_name == "photo0"


def test_units_are_maximized_without_photos(tiny: Tiny) -> None:
    sweep = tiny(
        photos=(), layers="relu_1", channels=[[0], [5]], seeds=1,
        settings={"objective": "maximize", "steps": 2},
    )  # fmt: skip
    assert sweep.run().complete
    alone = iw.invert(
        model=phi(),
        layer="relu_1",
        channels=5,
        objective="maximize",
        steps=2,
        seeds=1,
        frames=0,
        threads=1,
        precision="float32",
    )
    assert torch.equal(sweep.result(1).images, alone.images)
    status = tiny(photos=(), settings={"objective": "maximize", "steps": 2}).run()
    assert "maximize wants one channel a job" in next(iter(status.failed.values()))


def test_what_fails_says_why_and_the_others_run(
    tiny: Tiny, photos: list[str], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    sweep = tiny(photos=[photos[0], broken])
    status = sweep.run()
    assert (len(status.stored), len(status.failed), status.total) == (4, 4, 8)
    assert all("broken.png" in reason for reason in status.failed.values())
    assert status.describe() == "8 jobs: 4 stored, 4 failed"
    assert sweep.status() == status
    broken.write_bytes(Path(photos[1]).read_bytes())
    assert sweep.run().complete


def test_a_job_that_fails_on_its_way_is_tried_again_by_the_next_run(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = tiny()
    inverted = work.inverted
    bad = sweep.keys[3]

    def failing(task: dict[str, Any]) -> iw.Reconstruction:
        if task["key"] == bad:
            raise MemoryError
        return inverted(task)

    monkeypatch.setattr(work, "inverted", failing)
    status = sweep.run()
    assert status.failed == {bad: "MemoryError"}
    assert sweep.status().failed == {bad: "MemoryError"}
    monkeypatch.undo()
    assert sweep.run().complete
    assert sweep.status().failed == {}


def test_a_photo_that_changed_after_the_plan_is_not_stored_under_its_old_name(
    tiny: Tiny, photos: list[str], tmp_path: Path
) -> None:
    photo = tmp_path / "mine.png"
    photo.write_bytes(Path(photos[0]).read_bytes())
    job = tiny(photos=photo).jobs[0]
    photo.write_bytes(Path(photos[1]).read_bytes())
    outcome = work.perform(job.task, str(tmp_path / "store"))
    assert outcome["state"] == "failed"
    assert "has changed since the sweep was planned" in outcome["reason"]


def test_damaged_records_are_named_and_done_again(tiny: Tiny, done: list[str]) -> None:
    sweep = tiny()
    sweep.run()
    place = sweep.store.place
    before = {name: place.read(name) for name in place.names("records")}
    (tensors,) = (n for n in before if sweep.keys[0] in n and n.endswith(".safetensors"))
    place.write(tensors, before[tensors][:-1] + b"x")
    place.write(f"records/{sweep.keys[5][:2]}/{sweep.keys[5]}.json", b"[]")
    del done[:]
    status = sweep.status()
    assert (len(status.stored), len(status.damaged)) == (6, 2)
    assert "6 stored, 2 damaged" in status.describe()
    told: list[SweepProgress] = []
    assert sweep.run(on_progress=told.append).complete
    assert set(done) == set(status.damaged)
    assert len(told[0].notes) == 2
    assert {name: place.read(name) for name in place.names("records")} == before


def test_equal_jobs_are_done_once(tiny: Tiny, done: list[str], photos: list[str]) -> None:
    copy = Path(photos[0]).with_name("copy.png")
    copy.write_bytes(Path(photos[0]).read_bytes())
    sweep = tiny(photos=[photos[0], copy])
    status = sweep.run()
    assert (len(sweep), status.total, len(done)) == (8, 4, 4)
    assert len(sweep.table()) == 8


def test_it_stops_and_goes_on(tiny: Tiny, done: list[str]) -> None:
    sweep, control = tiny(), Control()
    status = sweep.run(
        control=control, on_progress=lambda p: control.stop() if p.stored == 3 else None
    )
    assert (len(status.stored), len(status.missing)) == (3, 5)
    assert sweep.run().complete
    assert len(done) == 8


def test_the_table_is_what_the_results_say(tiny: Tiny, tmp_path: Path) -> None:
    sweep = tiny()
    sweep.run()
    table = sweep.table()
    assert [(r["layer"], r["tv_weight"], Path(r["photo"]).stem) for r in table] == [
        (layer, weight, photo)
        for layer in ("relu", "relu_1")
        for weight in (0.01, 0.1)
        for photo in ("photo0", "photo1")
    ]
    for place, row in enumerate(table):
        errors = sweep.result(place).relative_error or ()
        assert row["relative_error"] == pytest.approx(sum(errors) / 2)
        assert row["best_error"] == min(errors)
    write_csv(table, tmp_path / "table.csv")
    read = list(csv.DictReader(io.StringIO((tmp_path / "table.csv").read_text())))
    assert [float(r["ssim"]) for r in read] == [r["ssim"] for r in table]
    assert to_csv([]) == ""


def test_a_store_is_reopened_with_what_was_asked(tiny: Tiny) -> None:
    sweep = tiny()
    sweep.run()
    again = iw.Sweep.reopen(sweep.store.url)
    assert again.grid == sweep.grid
    assert again.keys == sweep.keys
    assert again.table() == sweep.table()
    assert again.run().complete


def test_what_is_not_there_is_said(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(BadSettingError, match="give store='a folder'"):
        tiny(store=None).run()
    sweep = tiny()
    with pytest.raises(OutputError, match=r"job 0 is not in the store .*: run the sweep"):
        sweep.result(0)
    with pytest.raises(OutputError, match="no sweep was run with the store"):
        iw.Sweep.reopen(sweep.store.url)
    with pytest.raises(BadSettingError, match="workers 0"):
        sweep.run(workers=0)


def test_skipping_a_job_costs_two_reads_and_one_preset(
    tiny: Tiny, photos: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that ten thousand are a matter of seconds; ``benchmarks.sweeps`` prints of how many."""
    sweep = tiny(photos=photos[:1], layers="relu", settings={"steps": 1, "tv_weight": [0.01, 0.1]},
                 seeds=[[seed] for seed in range(10)])  # fmt: skip
    sweep.run()
    place = sweep.store.place
    calls: dict[str, int] = {"read": 0, "write": 0, "remove": 0}
    for name in calls:
        plain = getattr(place, name)

        def counted(*args: Any, name: str = name, plain: Any = plain) -> Any:
            calls[name] += 1
            return plain(*args)

        monkeypatch.setattr(place, name, counted)
    presets = []
    from invwidgets.sweeps import jobs

    preset = jobs.preset
    monkeypatch.setattr(jobs, "preset", lambda *a, **k: presets.append(1) or preset(*a, **k))
    assert sweep.run().complete
    assert calls == {"read": 2 * 20, "write": 1, "remove": 0}
    assert len(presets) == 20
