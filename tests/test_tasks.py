"""Tests of the lessons' tasks: right answers are accepted, wrong ones get a fitting hint."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from math import comb, log10
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
import torch
from torch import nn

import invwidgets as iw
from invwidgets import lessons
from scripts.make_hand_in import SHEET, sheet, tasks

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
ZOO = "efficientnet_lite0"


def picture(seed: int, smooth: int = 1) -> torch.Tensor:
    """A random image; a larger ``smooth`` makes it smoother."""
    noise = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    return nn.functional.avg_pool2d(noise, smooth, stride=1, padding=smooth // 2)[0, :, :32, :32]


def weights_of_priors() -> Any:
    return [SimpleNamespace(images=picture(0, k)[None], photo=picture(1, 3)) for k in (1, 3, 5, 9)]


def seeds() -> Any:
    images = torch.stack([picture(k) for k in range(4)])
    pairs = [(images[a] - images[b]).square().mean().sqrt() for a in range(4) for b in range(a)]
    diversity = {"pixels": float(sum(pairs)) / len(pairs)}
    return SimpleNamespace(images=images, photo=torch.ones(3, 32, 32), diversity=diversity)


def reader() -> Any:
    """A network that recognizes a 3, and a 5 if the preprocessing is left out."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with torch.no_grad():
        network[1].weight.zero_()
        network[1].bias.zero_()
        network[1].weight[3], network[1].weight[5] = -1.0, 1.0
    return network, SimpleNamespace(images=torch.full((2, 1, 8, 8), 0.1)), 0.5, 0.25


def scores(channels: list[int]) -> tuple[float, float]:
    return (0.04, 0.9) if 18 in channels else (0.4, 0.9)


@lru_cache
def shifted() -> Any:
    return iw.invert("china", layer="conv_stem", seeds=2, size=96, steps=1, frames=0)


@lru_cache
def field() -> Any:
    phi = iw.representation(ZOO, "blocks.1")
    return iw.analysis.effective_field(phi, ["chelsea"], probes=1)


@lru_cache
def unit() -> Any:
    options = {"channels": 12, "objective": "maximize", "seeds": 1, "size": 64, "frames": 0}
    return iw.invert(layer="blocks.3", steps=15, **options)


@lru_cache
def stored() -> Any:
    grid = {"photos": ["coffee"], "layers": ["conv_stem"], "settings": {"steps": 1},
            "seeds": 1, "size": 32}  # fmt: skip
    sweep = iw.Sweep(**grid, store=mkdtemp())
    sweep.run()
    return grid, sweep


MEASURED: dict[str, Callable[[], Any]] = {
    "2.2": shifted, "3.1": weights_of_priors, "3.2": weights_of_priors, "4.1": seeds, "4.2": seeds,
    "5.2": field, "6.2": lambda: (scores, 0.05), "8.1": reader, "9.1": unit, "9.2": unit,
    "10.2": stored,
}  # fmt: skip


# ---- what a student computes


def gray() -> float:
    phi = iw.representation(ZOO, "blocks.2")
    coffee = phi.target(iw.read_photo("coffee", phi.size))
    plain = phi.target(torch.full((3, 224, 224), 0.5))
    return 100 * float((plain - coffee).norm() / coffee.norm())


def displacement() -> float:
    photo = shifted().photo
    images = photo.roll(24, -1).expand_as(shifted().images)
    return iw.analysis.recomposition(replace(shifted(), images=images)).displacement


def roughness() -> float:
    def rough(image: Any) -> float:
        return float(image.diff(dim=-1).abs().mean() + image.diff(dim=-2).abs().mean())

    enough = weights_of_priors()[2]
    return 100 * rough(enough.images[0]) / rough(enough.photo)


def distance() -> float:
    found = seeds()
    each = (found.images - found.photo).square().mean((1, 2, 3)).sqrt()
    return 100 * float(each.mean())


def middle() -> float:
    box, weight = field().box, field().weight
    h, w = box.height // 4, box.width // 4
    inner = weight[box.top + h : box.bottom - h, box.left + w : box.right - w]
    return 100 * float(inner.sum() / weight.sum())


def ratio() -> float:
    phi = iw.representation(ZOO, "blocks.3")
    responses = phi(unit().images)[0].amax((1, 2))
    others = [float(one) for place, one in enumerate(responses) if place != 12]
    return float(responses[12]) / max(others)


RIGHT: dict[str, Callable[[], Any]] = {
    "1.1": lambda: "about the same",
    "1.2": gray,
    "2.1": lambda: 0.375,
    "2.2": displacement,
    "3.1": lambda: "smoother",
    "3.2": roughness,
    "4.1": lambda: "photo",
    "4.2": distance,
    "5.1": lambda: 67 + 2 * 8,
    "5.2": middle,
    "6.1": lambda: 100 * comb(28, 16) / comb(32, 16),
    "6.2": lambda: "worse",
    "7.1": lambda: "normalize",
    "7.2": lambda: 128 * 36 * 49 / (3 * 192 * 256),
    "8.1": lambda: 3,
    "9.1": lambda: "first",
    "9.2": ratio,
    "10.1": lambda: 15,
    "10.2": lambda: 1,
}


@pytest.mark.parametrize("task", lessons.tasks())
def test_a_right_answer_is_accepted_and_a_wrong_one_gets_its_hint(task: str) -> None:
    evidence = MEASURED[task]() if task in MEASURED else None
    answer = RIGHT[task]()
    found = lessons.check(task, answer, evidence)
    assert found.right, found
    key = lessons.TASKS[task].key(evidence)
    for wrong, hint in key.mistakes:
        assert lessons.check(task, wrong, evidence) == lessons.Answer(task, False, hint)
    if isinstance(answer, str):
        for other in set(lessons.TASKS[task].choices) - {answer}:
            assert lessons.check(task, other, evidence).right is False
    else:
        for other in (answer * 1.5, answer * 0.5, -answer):
            assert lessons.check(task, other, evidence).right is False
    hints = [key.hint, *(hint for _, hint in key.mistakes)]
    if not isinstance(answer, str):
        digits = max(0, 1 - int(log10(answer)))
        given_away = rf"\b{answer:.{digits}f}\b"
        assert not [hint for hint in hints if re.search(given_away, hint)], "the hint is the answer"
    assert all(len(hint) > 30 for hint in hints)


@pytest.mark.parametrize("task", lessons.tasks())
def test_no_answer_is_no_mistake_and_measures_nothing(task: str) -> None:
    found = lessons.check(task, None)
    assert found.right is None
    assert repr(found).startswith(f"Task {task}: no answer yet. Write ")


def test_an_answer_of_the_wrong_kind_is_named() -> None:
    assert "'huge' is not a number" in lessons.check("1.2", "huge").text
    assert "nan" in lessons.check("1.2", float("nan")).text
    assert "'about the same'" in lessons.check("1.1", 7).text
    assert lessons.check("1.1", " About the SAME ").right


def test_answers_may_be_tensors() -> None:
    assert lessons.check("5.1", torch.tensor(83)).right
    assert lessons.check("2.1", torch.tensor(0.375)).right


def test_a_task_that_is_not_there_is_refused() -> None:
    with pytest.raises(iw.errors.BadSettingError, match=r"task '12\.1': the tasks are 1\.1, "):
        lessons.check("12.1", 5)
    with pytest.raises(iw.errors.BadSettingError, match=r"check\('4\.2', answer, result\)"):
        lessons.check("4.2", 5)


# ---- in the notebooks


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_lesson_ends_with_its_tasks_unanswered(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    number = str(int(path.stem[:2]))
    expected = [task for task in lessons.tasks() if task.split(".")[0] == number]
    assert 1 <= len(expected) <= 2
    assert [task for task, _ in tasks(path)] == expected
    ending = [cell.id for cell in cells[-1 - 2 * len(expected) : -1]]
    names = [f"task-{task.replace('.', '-')}" for task in expected]
    assert ending == [id for name in names for id in (f"{name}-text", name)]
    given = {cell.id: cell for cell in cells}
    for task, name in zip(expected, names, strict=True):
        cell = given[name]
        needs = lessons.TASKS[task].needs
        call = f'iw.lessons.check("{task}", answer{", " + needs if needs else ""})'
        assert re.fullmatch(rf"answer = None  # .+\n{re.escape(call)}", cell.source)
        assert cell.outputs[0].data["text/plain"] == repr(lessons.check(task, None))


def test_the_hand_in_sheet_has_every_task() -> None:
    text = SHEET.read_text()
    assert text == sheet(), "write it anew: python -m scripts.make_hand_in"
    assert re.findall(r"^\*\*(\d+\.\d)\*\* ", text, re.M) == list(lessons.tasks())
    assert text.count("Why: ___") == len(lessons.tasks())
