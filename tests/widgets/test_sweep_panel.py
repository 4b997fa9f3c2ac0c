"""Tests of a sweep's panel without a browser: pictures, pauses, failures, memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import ipywidgets
import pytest

import invwidgets as iw
from invwidgets.errors import OutputError, UnknownNameError
from invwidgets.images import to_pil
from invwidgets.widgets.sweep.panel import SweepPanel

from ..small_networks import picture
from ..sweeps.nets import SLOW, TINY
from .waiting import until


@pytest.fixture
def sweep(tmp_path: Path) -> iw.Sweep:
    """A sweep of two photos (one is missing) × 2 layers × 2 weights, with three steps each."""
    to_pil(picture()).save(tmp_path / "here.png")
    return iw.Sweep(
        [str(tmp_path / "here.png"), str(tmp_path / "gone.png")], TINY, ["relu", "relu_1"],
        settings={"steps": 3, "tv_weight": [0.01, 0.1]}, seeds=1, store=tmp_path / "store",
    )  # fmt: skip


def lively(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a test with a loop, and check that every widget is closed."""
    before = set(ipywidgets.widgets.widget._instances)
    asyncio.run(scenario())  # type: ignore[arg-type]
    assert set(ipywidgets.widgets.widget._instances) <= before


def test_it_fills_and_says_what_failed(sweep: iw.Sweep, tmp_path: Path) -> None:
    async def scenario() -> None:
        panel = SweepPanel(sweep)
        await until(lambda: panel.status is not None)
        assert panel.line.value.startswith("8 jobs. Press Start")
        assert panel.retry_button.layout.display == "none"
        status = await panel.start()
        assert (len(status.stored), len(status.failed)) == (4, 4)
        assert "gone.png" in panel.failures.value
        assert panel.retry_button.layout.display is None
        assert (panel.bar.value, panel.bar.max) == (4, 8)
        assert panel.figures.value == "4 of 8 stored"
        assert panel.view.shown == "4"
        assert panel.rows_menu.value == "tv_weight"
        assert panel.columns_menu.value == "layer"
        first = next(key for key in panel.view.order if key in panel.view.files)
        place = panel.view.order.index(first)
        assert panel.view.labels[place] == f"open 0.01 · relu ({panel.view.captions[place][0]})"
        assert [head[3] for head in panel.view.heads] == [
            "tv_weight", "relu", "relu_1", "0.01", "0.1",
        ]  # fmt: skip

        panel.held_menus["photo"].value = str(tmp_path / "gone.png")
        await until(lambda: panel.view.files == {})
        assert panel.view.labels == 4 * [""], "nothing to press"
        assert panel.view.captions == 4 * [["failed", ""]]
        panel.rows_menu.value = "photo"
        await until(lambda: len(panel.view.files) == 2)
        assert panel.held_menus["photo"].layout.display == "none"
        panel.columns_menu.value = "photo"  # taken from the rows
        await until(lambda: panel.rows_menu.value != "photo")

        to_pil(picture(seed=1)).save(tmp_path / "gone.png")
        panel.retry_button.click()
        await until(lambda: panel.status is not None and panel.status.complete)
        assert panel.line.value.startswith("All jobs are stored")
        assert panel.start_button.disabled
        panel.close()
        panel.close()

    lively(scenario)


def test_it_rests_stops_and_goes_on(sweep: iw.Sweep, tmp_path: Path) -> None:
    slow = iw.Sweep(
        str(tmp_path / "here.png"), SLOW, seeds=[[seed] for seed in range(5)],
        settings={"steps": 2}, store=tmp_path / "slow",
    )  # fmt: skip

    async def scenario() -> None:
        panel = SweepPanel(slow)
        task = panel.start()
        await until(lambda: panel.bar.value == 1)
        panel.pause_button.click()
        await until(lambda: panel.pause_button.description == "Resume")
        before, resting = -1, panel.bar.value
        while before != resting:  # what was under way may end yet
            await asyncio.sleep(0.5)
            before, resting = resting, panel.bar.value
        assert resting < 5
        assert panel.line.value.startswith("Paused")
        panel.resume()
        assert (panel.now.phase, panel.pause_button.description) == ("running", "Pause")
        await until(lambda: panel.bar.value > resting)
        stills: list[Any] = []
        panel.snapshot.keep = lambda draw: stills.append(draw())  # type: ignore[method-assign]
        lines: list[str] = []
        panel.line.observe(lambda change: lines.append(change["new"]), "value")
        panel.stop_button.click()
        panel.pause_button.click()  # too late: what is stopped cannot rest, it would never end
        await until(lambda: lines)
        assert lines[0].startswith("Stopping")
        assert panel.pause_button.disabled
        assert panel.stop_button.disabled
        status = await task
        assert [len(still.plan.spots) for still in stills] == [5], "kept in the notebook"
        assert 0 < len(status.stored) < 5
        assert "Press Go on" in panel.line.value
        assert panel.start_button.description == "Go on"
        assert (await panel.start()).complete
        panel.close()

    lively(scenario)


def test_a_job_is_opened_and_a_store_reopened(sweep: iw.Sweep) -> None:
    sweep.run()

    async def scenario() -> None:
        panel = SweepPanel(sweep.store.url, rows="photo")
        await until(lambda: panel.status is not None)
        assert "4 stored, 4 failed" in panel.line.value
        assert panel.view.shown == "2"
        place = int(next(iter(panel.view.files))[1:])
        panel.view.enlarged = place
        await until(lambda: panel.opened is not None)
        opened: Any = panel.opened
        assert panel.holder.children == (opened,)
        result = sweep.result(place)
        assert opened.result == result
        assert opened.layer == "relu"
        assert (opened.steps, opened.seeds, opened.tv_weight) == (3, 1, 0.01)
        await until(lambda: opened.now.phase == "restored" and not opened.loading)
        with pytest.raises(OutputError, match="is not in the store"):
            panel.open_job(1)
        panel.close()

    lively(scenario)


def test_bad_input_is_said(sweep: iw.Sweep, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no store at"):
        SweepPanel(str(tmp_path / "none"))
    with pytest.raises(UnknownNameError, match="no axis with several values 'lambda'"):
        SweepPanel(sweep, rows="lambda")

    async def scenario() -> None:
        panel = SweepPanel(sweep, scheduler=3)
        with pytest.raises(iw.errors.InvwidgetsError, match="scheduler 3"):
            await panel.start()
        assert "scheduler 3" in panel.error.value
        assert "Finished jobs are stored" in panel.line.value
        panel.close()

    lively(scenario)
