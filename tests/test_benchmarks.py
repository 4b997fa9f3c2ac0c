"""Tests of the benchmarks: turns of the sides, ratios, and the page of results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import invwidgets as iw
from benchmarks import judged, page, share
from benchmarks.report import RESULTS
from benchmarks.stopwatch import Marks, alternate, spread
from invwidgets.inversion.prepare import prepare
from invwidgets.representations.kernels import Convolutions


def test_sides_take_turns_and_the_first_round_only_warms_up() -> None:
    calls = []

    def side(name: str) -> list[float]:
        calls.append(name)
        return [float(len(calls))]

    seconds = alternate({"a": lambda: side("a"), "b": lambda: side("b")}, 2)
    assert calls == ["a", "b"] * 3
    assert seconds == {"a": [3.0, 5.0], "b": [4.0, 6.0]}


def test_spread_is_median_and_quarters() -> None:
    assert spread([0.004, 0.001, 0.002, 0.003, 0.1]) == "3 (2–4)"


def test_a_step_s_flops_are_those_of_the_network_as_written() -> None:
    convolution = torch.nn.Conv2d(3, 4, 3)
    module = torch.nn.Sequential(convolution, torch.nn.ReLU())
    fused = Convolutions.forward
    run = prepare("coffee", module, "1", size=(16, 16), seeds=2, mean=(0, 0, 0), std=(1, 1, 1))
    flops, moved = share.counts(run)
    assert flops == 2 * 2 * (2 * 14 * 14 * 4 * 3 * 9)  # seeds, there and back
    assert moved > 2 * 4 * 14 * 14 * 4
    assert Convolutions.forward is fused


def test_marks_are_seconds_between_them() -> None:
    marks = Marks()
    for _ in range(3):
        marks()
    assert len(marks.seconds) == 2
    assert all(seconds >= 0 for seconds in marks.seconds)


def test_the_page_is_what_the_results_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "PAGE", tmp_path / "performance.md")
    written = page.write_page().read_text()
    assert written == Path("docs/performance.md").read_text()
    for name in page.PARTS:
        rows = json.loads((RESULTS / f"{name}.json").read_text())["rows"]
        assert rows
        assert all(str(value) in written for row in rows for value in row.values())


def test_crops_are_drawn_by_a_fixed_seed_where_the_judge_is_sure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(judged, "DRAWS", 5)
    judge = iw.representation("efficientnet_lite0")
    found = list(judged.crops(("chelsea", "astronaut"), judge, 2))
    assert [name for name, _ in found] == ["chelsea"] * 2, "astronaut is no class: it is left out"
    for _, part in found:
        assert judge(part[None]).softmax(1).max() >= judged.SURE
    assert not torch.equal(found[0][1], found[1][1])
    again = list(judged.crops(("chelsea",), judge, 1))
    assert torch.equal(again[0][1], found[0][1])


@pytest.mark.parametrize("sigma", judged.BLURS)
def test_the_blur_of_the_references_has_its_width(sigma: float) -> None:
    point = torch.zeros(3, 41, 41)
    point[:, 20, 20] = 1
    spread, places = judged.blurred(point, sigma), torch.arange(41.0) - 20
    assert spread.sum((1, 2)) == pytest.approx(torch.ones(3), rel=1e-4)
    for axis in (1, 2):
        width = (spread.sum(3 - axis) * places.square()).sum(1).sqrt()
        assert width == pytest.approx(torch.full((3,), sigma), rel=0.01)


def test_no_photo_and_no_network_judges_what_was_chosen_or_searched_on_it() -> None:
    assert not set(judged.CHOOSE) & set(judged.HOLD_OUT)
    assert judged.JUDGE != judged.CHOSE_WITH
    searched = {model for model, _, _ in (*judged.OTHERS, *judged.TRANSFERRED)}
    assert not {judged.JUDGE} & (searched | {"efficientnet_lite0"})
    groups = json.loads((RESULTS / "judged.json").read_text())["groups"]
    rows = [row for name, rows in groups.items() if name != "explored" for row in rows]
    assert rows
    assert all(row["judge"] != row["searched on"].split(",")[0] for row in rows)
