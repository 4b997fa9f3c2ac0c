"""The headless session: states, live knobs, restarts, closing."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import torch

import invwidgets as iw
from invwidgets.errors import BadSettingError, InvwidgetsError, UnknownNameError
from invwidgets.inversion.live_run import WARM_STEPS
from invwidgets.inversion.progress import Progress
from invwidgets.inversion.replay import code_for, replay
from invwidgets.inversion.session import Session

SMALL = {"layer": "blocks.0", "seeds": 2, "size": 64}


@pytest.fixture
def told() -> list[Progress]:
    return []


@pytest.fixture
def session(told: list[Progress]) -> Iterator[Session]:
    with Session(told.append) as session:
        yield session


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def test_it_does_the_run_that_invert_does(session: Session, told: list[Progress]) -> None:
    session.start("coffee", **SMALL, steps=12, micro_batch=2)
    result = session.wait(60)
    same = iw.invert("coffee", **SMALL, steps=12, micro_batch=2)
    assert torch.equal(result.images, same.images)
    states = list(dict.fromkeys(p.state for p in told))
    assert states == ["preparing", "running", "finished"]
    first = next(p for p in told if p.frame is not None)
    assert first.frame is not None
    assert first.frame.images.shape == (2, 64, 64, 3)
    assert first.step == 1
    assert told[-1].result is result


def test_pause_step_resume(session: Session, told: list[Progress]) -> None:
    session.start("coffee", **SMALL, steps=6, paused=True)
    until(lambda: session.state == "paused")
    session.step()
    until(lambda: told[-1].state == "paused" and told[-1].step == 1)
    session.step()
    session.step()
    until(lambda: told[-1].state == "paused" and told[-1].step == 3)
    assert session.state == "paused"
    session.resume()
    assert session.wait(60).steps == 6


def test_stop_keeps_what_was_reached(session: Session) -> None:
    session.start("coffee", **SMALL, steps=100_000)
    until(lambda: session.state == "running")
    time.sleep(0.1)
    began = time.perf_counter()
    session.stop()
    until(lambda: session.state == "stopped")
    assert time.perf_counter() - began < 1
    result = session.wait(60)
    assert result.stopped
    assert 0 < result.steps < 100_000


def test_stop_while_preparing_leaves_no_result(session: Session) -> None:
    session.start("coffee", **SMALL, steps=10)
    session.stop()
    with pytest.raises(InvwidgetsError, match="no step"):
        session.wait(60)
    assert session.state == "stopped"


def test_knobs_act_and_replay_exactly(session: Session, told: list[Progress]) -> None:
    session.start("coffee", **SMALL, steps=40, micro_batch=2, paused=True)
    for step in range(5):
        session.step()
        until(lambda step=step: told and told[-1].step == step + 1)
    session.set_knobs(tv_weight=3.0, beta=1.5)
    session.resume()
    result = session.wait(60)
    assert sorted(result.knob_changes) == [(5, "beta", 1.5), (5, "tv_weight", 3.0)]
    changes = replay(result.knob_changes)
    same = iw.invert("coffee", **SMALL, steps=40, micro_batch=2, knobs=changes)
    assert torch.equal(result.images, same.images)
    assert any(p.frame is not None and p.step == 6 for p in told), "a moved knob is seen at once"


def test_a_knob_after_the_end_goes_on_warm_and_the_code_replays(session: Session) -> None:
    session.start("coffee", **SMALL, steps=10, threads=1)
    first = session.wait(60)
    for value in (1.0, 2.0, 0.5):
        session.set_knobs(tv_weight=value)
    second = session.wait(60)
    assert second.steps == 10 + WARM_STEPS
    assert second.knob_changes[0][0] >= 10
    assert torch.equal(second.energies["data"][:10], first.energies["data"])
    scope: dict[str, object] = {}
    exec(code_for(second), scope)
    again = scope["result"]
    assert isinstance(again, iw.Reconstruction)
    assert torch.equal(again.images, second.images)


def test_jitter_acts_while_it_runs_and_replays(session: Session) -> None:
    session.start("coffee", **SMALL, steps=20, micro_batch=2, paused=True)
    for knob in ({"jitter": 6}, {"jitter": 3}, {"jitter": None}):
        session.step()
        session.step()
        until(lambda: session.state == "paused" and not session._single_steps)
        session.set_knobs(**knob)
    session.resume()
    result = session.wait(60)
    assert [value for _, name, value in result.knob_changes if name == "jitter"] == [6, 3, None]
    assert result.images.shape == (2, 3, 64, 64)
    changes = replay(result.knob_changes)
    same = iw.invert("coffee", **SMALL, steps=20, micro_batch=2, knobs=changes)
    assert torch.equal(result.images, same.images)
    still = iw.invert("coffee", **SMALL, steps=20, micro_batch=2)
    assert not torch.equal(result.images, still.images)


def test_the_latest_wish_wins(session: Session, told: list[Progress]) -> None:
    for layer in ("blocks.0", "blocks.1", "blocks.2"):
        session.start("coffee", **{**SMALL, "layer": layer}, steps=5)
    assert session.wait(60).layer == "blocks.2"
    assert {p.run for p in told if p.result is not None} == {3}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layer": "conv9"}, "no layer 'conv9'"),
        ({"photo": "nothing"}, "no photo 'nothing'"),
        ({"model": "nomodel"}, "no model 'nomodel'"),
        ({"beta": 0.2}, "beta"),
        ({"nonsense": 1}, "no setting 'nonsense'"),
    ],
)
def test_failure_in_words_and_the_session_lives(
    session: Session, options: dict[str, object], words: str
) -> None:
    session.start(**{"photo": "coffee", **SMALL, "steps": 3, **options})
    with pytest.raises(InvwidgetsError, match=words):
        session.wait(60)
    assert session.state == "failed"
    assert words in session.error
    session.start("coffee", **SMALL, steps=3)
    assert session.wait(60).steps == 3


def test_bad_knobs_are_refused(session: Session) -> None:
    with pytest.raises(UnknownNameError, match="knob"):
        session.set_knobs(seeds=3)
    with pytest.raises(BadSettingError, match="beta"):
        session.set_knobs(beta=-1.0)


def test_closing_leaves_no_thread_and_no_tensor() -> None:
    def count() -> int:
        gc.collect()
        return sum(1 for o in gc.get_objects() if issubclass(type(o), torch.Tensor))

    def once() -> None:
        session = Session(lambda progress: None)
        session.start("coffee", **SMALL, steps=100_000)
        until(lambda: session.state == "running")
        session.close()
        session.close()
        assert session.state == "stopped"
        with pytest.raises(BadSettingError, match="closed"):
            session.start("coffee")

    once()
    threads, tensors = threading.active_count(), count()
    for _ in range(5):
        once()
    assert threading.active_count() == threads
    assert count() <= tensors
