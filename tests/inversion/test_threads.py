"""Tests of the number of threads, which is measured once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

from invwidgets.inversion.hardware import threads
from invwidgets.inversion.hardware.threads import cpu_threads
from invwidgets.inversion.invert import invert
from invwidgets.inversion.prepare import prepare
from invwidgets.inversion.session import Session
from invwidgets.representations.registry import representation
from tests.small_networks import Untraceable, phi, picture


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "measured_threads", {})


def clock(monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float]) -> None:
    """A clock that shows ``seconds`` by torch's number of threads."""

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


def test_a_lone_seed_uses_it_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("invwidgets.inversion.prepare.fastest_threads", lambda: 3)
    assert prepare(picture(), phi(), seeds=1, steps=1).settings.threads == 3
    assert prepare(picture(), phi(), seeds=1, steps=1, threads=1).settings.threads == 1
    with cpu_threads(2):  # seeds side by side need no measurement
        assert prepare(picture(), phi(), seeds=2, steps=1).settings.threads == 2


def test_a_measurement_moves_no_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    clock(monkeypatch, dict.fromkeys((1, 2, 4), 1.0))
    before = torch.get_rng_state()
    with cpu_threads(4):
        threads.fastest_threads()
    assert torch.equal(torch.get_rng_state(), before)


def in_new_thread(call: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_a_thread_that_begins_beside_a_run_has_the_process_s_threads() -> None:
    def found() -> tuple[int, int | None]:
        run = prepare(picture(), phi(), seeds=2, steps=1)
        return torch.get_num_threads(), run.settings.threads

    with cpu_threads(1):
        assert torch.get_num_threads() == 1
        assert in_new_thread(found) == (3, 3)
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == in_new_thread(torch.get_num_threads) == 3
    torch.set_num_threads(2)  # what a user sets, new threads have
    assert in_new_thread(found) == (2, 2)


@pytest.mark.usefixtures("three_threads")
def test_blocks_that_cross_leave_the_process_s_threads_alone() -> None:
    entered, left = threading.Event(), threading.Event()

    def other() -> int:
        with cpu_threads(2):
            entered.set()
            left.wait(60)
        return torch.get_num_threads()

    with ThreadPoolExecutor(1) as pool:
        with cpu_threads(1):
            future = pool.submit(other)
            entered.wait(60)
        left.set()
        assert future.result() == 3
    assert in_new_thread(torch.get_num_threads) == 3


@pytest.mark.usefixtures("three_threads")
def test_a_run_whose_seeds_go_side_by_side_leaves_them_too() -> None:
    run = prepare(picture(), phi(), seeds=2, steps=2, threads=2, micro_batch=1)
    with run.cpu_threads():
        for _ in run.steps():
            assert in_new_thread(torch.get_num_threads) == 3
            assert torch.get_num_threads() == 1


@pytest.mark.usefixtures("three_threads")
def test_a_session_beside_a_run_of_one_thread_has_all() -> None:
    run = prepare(picture(), phi(), seeds=1, steps=4, threads=1)
    with run.cpu_threads(), Session() as session:
        for _ in run.steps():
            result = session.start(picture(), phi(), seeds=2, steps=1).result(60)
            assert result.settings.threads == 3


def test_seeds_side_by_side_are_the_seeds_one_by_one() -> None:
    before = threading.active_count()
    results = {
        count: invert(picture(), phi(), seeds=5, steps=8, threads=count, micro_batch=1)
        for count in (1, 2, 3)
    }
    assert threading.active_count() == before
    for count, result in results.items():
        assert result.settings.threads == count
        assert torch.equal(result.images, results[1].images)
        assert torch.equal(result.energies["total"], results[1].energies["total"])


def test_side_by_side_they_are_cancelled_too() -> None:
    job = prepare(picture(), phi(), seeds=6, steps=50, threads=2, micro_batch=1)
    assert job.workers == 2
    asked = []

    def cancelled() -> bool:
        asked.append(threading.get_ident())
        return len(asked) > 9

    assert len(list(job.steps(cancelled=cancelled))) == 1
    assert threading.get_ident() not in asked


def test_a_network_known_by_a_hook_is_never_called_twice_at_once() -> None:
    hooked = phi("conv2", Untraceable())
    assert not hooked.thread_safe
    job = prepare(picture(), hooked, seeds=4, steps=3, threads=2)
    assert (job.workers, job.settings.micro_batch) == (1, 4)
    assert len(list(job.steps())) == 3


@pytest.mark.parametrize("name", ["efficientnet_lite0", "hog", "hogb", "dsift"])
def test_what_ships_runs_side_by_side(name: str) -> None:
    assert representation(name).thread_safe
