"""Tests with hundreds of bad inputs, each of which must end in a result or a clear message.

Combinations of modules, parts, states and threads must give the same as a plain run. If a guard of
the package is removed they do not, and the benchmark reports it.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from benchmarks.combinations import NAMED, Case, ask, draw, entries
from benchmarks.robustness import COMBINED, COUNTED, Answerer, measure
from tests.foreign_modules import FOREIGN

ZERO = dict.fromkeys(COUNTED, 0)


def none_wrong(many: int, seed: int, kinds: tuple[str, ...], tried: int) -> None:
    found = measure(many, seed, kinds)
    assert found["problems"] == []
    assert {name: found[name] for name in COUNTED} == ZERO
    assert found["tried"] == tried
    for row in found["kinds"]:  # not all is refused
        assert "exit 0" in row["ended"] or "result" in row["ended"]


def test_a_few_hostile_inputs() -> None:
    none_wrong(25, 3, ("shell", "python"), 50)


def test_a_few_combinations() -> None:
    none_wrong(24, 5, COMBINED, 24)


@pytest.mark.slow
def test_six_hundred_hostile_inputs() -> None:
    none_wrong(300, 0, ("shell", "python"), 600)


@pytest.mark.slow
def test_three_hundred_combinations() -> None:
    none_wrong(300, 0, COMBINED, 300)


def test_a_kind_goes_through_all_entries_of_its_table() -> None:
    tables, rng = entries(), random.Random(0)
    for kind, (name, table) in zip(COMBINED, tables.items(), strict=True):
        assert {getattr(draw(kind, n, rng), name) for n in range(len(table))} == {*table}
    assert {*tables["module"]} == FOREIGN.keys() | NAMED.keys()
    assert draw("states", 3, random.Random(1)) == draw("states", 3, random.Random(1))


ALONE = (("seeds", 1), ("steps", 2), ("threads", 1), ("micro_batch", 1))
HOOKED = Case(
    module="a codebook",
    beside="two runs of a representation at once",
    options=(("seeds", 1), ("steps", 9), ("threads", 1)),
)
CAUGHT: list[Any] = [
    ("isolation", Case(options=ALONE), "differs: its images"),
    ("state", Case(state="default dtype float64", options=ALONE), ("raw: ", "differs: its ")),
    pytest.param(
        "state", Case(state="device meta", options=ALONE), ("raw: ", "differs: "),
        marks=pytest.mark.slow,
    ),
    pytest.param(
        "generators", Case(module="lazy", state="generators seeded otherwise", options=ALONE),
        "differs: the process's torch's generator", marks=pytest.mark.slow,
    ),
    pytest.param("hooks' lock", HOOKED, ("raw: ", "differs: "), marks=pytest.mark.slow),
]  # fmt: skip


@pytest.mark.parametrize(("guard", "case", "words"), CAUGHT)
def test_a_guard_taken_away_is_noticed(guard: str, case: Case, words: Any, tmp_path: Path) -> None:
    answerer = Answerer()
    try:
        assert answerer.ask("states", (case, ""), tmp_path).problems == []
        for _ in range(20):  # two runs at once meet where the machine lets them
            problems = answerer.ask("states", (case, guard), tmp_path).problems
            if problems:
                break
    finally:
        answerer.end()
    assert any(problem.startswith(words) for problem in problems), problems


def test_what_is_compared_is_compared() -> None:
    assert ask(Case(options=ALONE)) == ("result", [])
