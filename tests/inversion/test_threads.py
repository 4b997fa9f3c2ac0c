"""The thread count is measured once, and the faster one taken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from invwidgets.inversion import threads
from invwidgets.inversion.job import prepare
from invwidgets.inversion.resources import cpu_threads
from tests.small_networks import phi, picture


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_measured", {})


def clock(monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float]) -> None:
    """A stopwatch that shows ``seconds`` by torch's thread count."""

    def readings() -> Iterator[float]:
        now = 0.0
        while True:
            yield now
            now += seconds[torch.get_num_threads()]
            yield now

    monkeypatch.setattr(threads.time, "perf_counter", readings().__next__)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({1: 4.0, 2: 2.2, 4: 1.2}, 4),
        ({1: 4.0, 2: 2.2, 4: 2.1}, 2),  # twice each core is no gain
        ({1: 1.0, 2: 3.0, 4: 9.0}, 1),  # other work on the machine
    ],
)
def test_the_fastest_is_taken(
    monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float], chosen: int
) -> None:
    clock(monkeypatch, seconds)
    with cpu_threads(4):
        assert threads.fastest_threads() == chosen
        assert torch.get_num_threads() == 4
        clock(monkeypatch, dict.fromkeys(seconds, 1.0))
        assert threads.fastest_threads() == chosen  # measured once


def test_one_thread_needs_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "nn", None)
    with cpu_threads(1):
        assert threads.fastest_threads() == 1


def test_a_run_uses_it_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("invwidgets.inversion.job.fastest_threads", lambda: 2)
    assert prepare(picture(), phi(), steps=1).resolved["threads"] == 2
    assert prepare(picture(), phi(), steps=1, threads=1).resolved["threads"] == 1
