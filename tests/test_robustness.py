"""Hundreds of hostile inputs, each ends in a result or in plain words; no file is lost."""

from __future__ import annotations

import pytest

from benchmarks.robustness import measure


def none_wrong(many: int, seed: int) -> None:
    found = measure(many, seed)
    assert found["tried"] == 2 * many
    assert {"shell: exit 0", "python: result"} <= found["ended"].keys()  # not all is refused
    assert found["problems"] == []


def test_a_few_hostile_inputs() -> None:
    none_wrong(25, seed=3)


@pytest.mark.slow
def test_six_hundred_hostile_inputs() -> None:
    none_wrong(300, seed=0)
