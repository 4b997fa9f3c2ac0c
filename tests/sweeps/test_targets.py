"""Tests of sweeps over files of features instead of photos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import invwidgets as iw
from invwidgets.errors import BadSettingError, InvwidgetsError
from invwidgets.sweeps.grid import read_plan
from invwidgets.sweeps.work import inverted
from invwidgets.widgets.sweep.panel import opened_run

from ..small_networks import phi, picture

Tiny = Callable[..., iw.Sweep]
CODES = [phi("relu_1").target(picture(seed=seed)).contiguous() for seed in range(2)]


@pytest.fixture
def targets(tmp_path: Path) -> list[str]:
    paths = [str(tmp_path / f"code{seed}.npy") for seed in range(2)]
    for path, code in zip(paths, CODES, strict=True):
        np.save(path, code.numpy())
    return paths


def test_a_job_is_what_invert_does_with_its_target(tiny: Tiny, targets: list[str]) -> None:
    sweep = tiny(photos=(), targets=targets, layers="relu_1", settings={"steps": 3})
    assert sweep.run().complete
    for place, code in enumerate(CODES):
        alone = iw.invert(
            target=code, model=phi("relu_1"), steps=3, seeds=2, frames=0, threads=1,
            precision="float32",
        )  # fmt: skip
        stored = sweep.result(place)
        assert torch.equal(stored.images, alone.images)
        assert (stored.psnr, stored.photo, stored.photo_name) == (None, None, f"code{place}")
    rows = sweep.table()
    assert [row["target"] for row in rows] == targets
    assert [row["psnr"] for row in rows] == [None, None]
    assert len({row["relative_error"] for row in rows}) == 2
    assert list(sweep.grid.axes()) == ["target"]
    again = iw.Sweep.reopen(sweep.store)
    assert again.grid == sweep.grid
    assert again.run().complete
    with pytest.raises(BadSettingError, match=r"'code1'.*photos only"):
        opened_run(sweep, 1)


def test_another_content_is_another_job(tiny: Tiny, targets: list[str]) -> None:
    sweep = tiny(photos=(), targets=targets, layers="relu_1", settings={"steps": 2})
    keys = sweep.keys
    np.save(targets[0], CODES[0].numpy() * 2)
    changed = tiny(photos=(), targets=targets, layers="relu_1", settings={"steps": 2})
    assert changed.keys[0] != keys[0]
    assert changed.keys[1] == keys[1]
    tasks = [job.task for job in sweep.jobs]
    np.save(targets[0], CODES[0].numpy() * 3)
    assert inverted(tasks[1]).relative_error is not None
    with pytest.raises(InvwidgetsError, match=r"code0\.npy' has changed"):
        inverted(tasks[0])


def test_a_target_that_does_not_fit_fails_its_job_alone(tiny: Tiny, targets: list[str]) -> None:
    np.save(targets[0], CODES[0][:, :2].numpy())
    sweep = tiny(photos=(), targets=targets, layers="relu_1", settings={"steps": 2})
    status = sweep.run()
    (reason,) = status.failed.values()
    assert str(tuple(CODES[0].shape[1:])) in reason
    assert len(status.stored) == 1


def test_photos_beside_targets_are_refused(tiny: Tiny, targets: list[str]) -> None:
    with pytest.raises(BadSettingError, match="beside targets"):
        tiny(targets=targets)
    with pytest.raises(BadSettingError, match="axis targets is empty"):
        tiny(photos=(), targets=[])


def test_a_plan_finds_targets_beside_it(targets: list[str], tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('targets = ["code*.npy"]\n')
    assert list(read_plan(plan).targets) == targets
    plan.write_text('targets = ["none*.npy"]\n')
    with pytest.raises(BadSettingError, match="targets 'none"):
        read_plan(plan)


def test_a_sweep_without_photos_opens_again(tiny: Tiny) -> None:
    sweep = tiny(
        photos=(), layers="relu_1", channels=[0], seeds=1,
        settings={"objective": "maximize", "steps": 2},
    )  # fmt: skip
    assert sweep.run().complete
    assert iw.Sweep.reopen(sweep.store).grid == sweep.grid
