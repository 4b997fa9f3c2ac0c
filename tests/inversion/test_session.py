"""Tests of the session without widgets: states, live knobs, restarts, closing."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, wait
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

import invwidgets as iw
from invwidgets.energy.priors import Prior
from invwidgets.errors import BadSettingError, CustomPartError, InvwidgetsError, UnknownNameError
from invwidgets.images import to_uint8
from invwidgets.inversion.metrics import psnr, score
from invwidgets.inversion.prepare import prepare
from invwidgets.inversion.progress import Frame, Progress
from invwidgets.inversion.replay import code_for, replay
from invwidgets.inversion.run import Run
from invwidgets.inversion.session import WARM_STEPS, Session
from tests.patience import wait_until
from tests.small_networks import Untraceable, phi, picture

SMALL = {"layer": "blocks.0", "seeds": 2, "size": 64}


@pytest.fixture
def reports() -> list[Progress]:
    return []


@pytest.fixture
def session(reports: list[Progress]) -> Iterator[Session]:
    with Session(reports.append) as session:
        yield session


class Farther(iw.Objective):
    def energy(self, features: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (features - 2 * target).square().flatten(1).mean(1)


def done(session: Session, seconds: float = 600) -> iw.Reconstruction:
    """The result of the latest run."""
    assert session.future is not None
    return session.future.result(seconds)


def test_it_does_the_run_that_invert_does(session: Session, reports: list[Progress]) -> None:
    result = session.start("coffee", **SMALL, steps=12).result(60)
    same = iw.invert("coffee", **SMALL, steps=12)
    assert torch.equal(result.images, same.images)
    states = list(dict.fromkeys(p.state for p in reports))
    assert states == ["preparing", "running", "finished"]
    first = next(p for p in reports if p.frame is not None)
    assert first.frame is not None
    assert first.frame.images.shape == (2, 64, 64, 3)
    assert first.step == 1
    assert reports[-1].result is result


def test_pause_step_resume(session: Session, reports: list[Progress]) -> None:
    session.start("coffee", **SMALL, steps=6, paused=True)
    wait_until(lambda: session.state == "paused")
    session.step()
    wait_until(lambda: reports[-1].state == "paused" and reports[-1].step == 1)
    session.step()
    session.step()
    wait_until(lambda: reports[-1].state == "paused" and reports[-1].step == 3)
    assert session.state == "paused"
    session.resume()
    assert done(session).steps == 6


def test_stop_keeps_what_was_reached(session: Session) -> None:
    session.start("coffee", **SMALL, steps=100_000)
    wait_until(lambda: session.steps_done > 2)
    session.stop()
    result = done(session)
    assert session.state == "stopped"
    assert result.stopped
    assert 0 < result.steps < 100_000


def test_stop_is_heard_between_two_micro_batches(session: Session) -> None:
    parts: list[int] = []

    class Counting(Prior):
        def energy(self, z: torch.Tensor) -> torch.Tensor:
            if session.state == "running":
                parts.append(len(z))
                if len(parts) == 5:
                    session.stop()
            return z.square().flatten(1).mean(1) * 1e-9

    options = {**SMALL, "seeds": 3, "micro_batch": 1, "threads": 1}
    session.start("coffee", **options, priors=[Counting()], steps=100_000)
    assert done(session).steps == 1  # the second step ended after its second seed
    assert parts == [1] * 5


class Slow(Untraceable):
    """A slow network that runs its seeds together, because it cannot be traced."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(0.07)
        return super().forward(x)


@pytest.mark.parametrize("network", ["slow", "side by side"])
def test_the_default_run_of_a_panel_is_a_script_s(session: Session, network: str) -> None:
    """Also on several threads, and however long a micro-batch takes: no stopwatch decides."""
    cut = phi("conv2", Slow()) if network == "slow" else phi()
    options = {"threads": 2} if network == "slow" else {}  # else one may be measured as faster
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        result = session.start(picture(), cut, steps=2, **options).result(60)
        same = iw.invert(picture(), cut, steps=2, **options)
    finally:
        torch.set_num_threads(before)
    assert result.settings == same.settings
    assert result.settings.micro_batch == (4 if network == "slow" else 2)
    assert torch.equal(result.images, same.images)


SHOWN: dict[str, dict[str, Any]] = {
    "inversion": {},
    "jitter": {"phases": [iw.Phase(8, 6.0, jitter=6)], "bound": None},
    "region": {"region": "2:6,3:9"},
    "maximize": {
        "layer": "relu_1",
        "channels": 3,
        "objective": "maximize",
        "phases": [iw.Phase(8, 6.0, jitter=2)],
    },
    "own": {"objective": Farther()},
}


def check_frames(frames: list[tuple[Frame, torch.Tensor]], run: Run) -> None:
    """Check that the numbers of every frame are those of its images."""
    for frame, images in frames:
        assert np.array_equal(frame.images, to_uint8(images))
        found = score(run.representation, run.objective, run.target, run.selection, images)
        assert frame.scores == pytest.approx(found, rel=1e-3)
        if run.reference is not None:
            assert frame.psnr == pytest.approx(psnr(images, run.reference), rel=1e-3)
    scores = [frame.scores for frame, _ in frames]
    assert len(set(scores)) == len({frame.index for frame, _ in frames})


@pytest.mark.parametrize("name", SHOWN)
def test_under_a_live_picture_stand_its_own_numbers(name: str) -> None:
    """Running, paused, after a step, stopped and at the end."""
    frames: list[tuple[Frame, torch.Tensor]] = []
    states: list[str] = []

    def listen(progress: Progress) -> None:
        if progress.frame is not None:
            assert progress.run is not None
            assert progress.run.last is not None
            frames.append((progress.frame, progress.run.last.images))
            states.append(progress.state)

    photo = None if name == "maximize" else picture()
    options = {"seeds": 2, "threads": 1, "frames": 0, "phases": [iw.Phase(8, 6.0)]} | SHOWN[name]
    with Session(listen) as session:
        session.frame_seconds = 0.0
        session.start(photo, phi(), paused=True, **options)
        for step in range(3):
            session.step()
            wait_until(
                lambda step=step: session.steps_done == step + 1 and session.state == "paused"
            )
        session.stop()
        stopped = done(session)
        run = prepare(photo, phi(), **options)
        check_frames(frames, run)
        assert [frame.index for frame, _ in frames][-1] == 2
        assert frames[-1][0].scores == pytest.approx(stopped.scores, rel=1e-5)
        assert {"paused", "stopped"} < set(states)
        del frames[:]
        session.start(photo, phi(), **options)
        whole = done(session)
        check_frames(frames, run)
        assert {"running", "finished"} < set(states)
        assert frames[-1][0].scores == pytest.approx(whole.scores, rel=1e-5)
        late = [
            (replace(frame, scores=before.scores), images)
            for (before, _), (frame, images) in pairwise(frames[:2])
        ]
        with pytest.raises(AssertionError):
            check_frames(late, run)  # the numbers of a picture before


# --- the future ---------------------------------------------------------------------------------


def test_a_newer_wish_cancels_the_future_of_the_older(session: Session) -> None:
    older = session.start("coffee", **SMALL, steps=100_000)
    wait_until(lambda: session.steps_done)
    newer = session.start("coffee", **SMALL, steps=3)
    with pytest.raises(CancelledError):
        older.result(60)
    assert wait([older, newer], 60).not_done == set()
    assert newer.result() is session.result
    last = session.start("coffee", **SMALL, steps=100_000)
    session.close()
    assert last.cancelled()


@pytest.mark.parametrize("paused", [False, True])
def test_cancelling_the_future_ends_the_run(session: Session, paused: bool) -> None:
    future = session.start("coffee", **SMALL, steps=100_000, paused=paused)
    wait_until(lambda: session.state == ("paused" if paused else "running"))
    assert future.cancel()
    wait_until(lambda: session.state == "stopped")
    assert session.result is None
    assert not session.busy


def test_a_paused_or_finished_session_has_no_thread(session: Session) -> None:
    threads = threading.active_count()
    session.start("coffee", **SMALL, steps=4, paused=True)
    wait_until(
        lambda: session.state == "paused" and threading.active_count() == threads, "the session"
    )
    session.resume()
    done(session)
    wait_until(lambda: threading.active_count() == threads)


async def test_an_event_loop_awaits_it(session: Session) -> None:
    future = session.start("coffee", **SMALL, steps=3)
    assert (await asyncio.wrap_future(future)).steps == 3


def test_an_error_of_the_run_itself_is_the_futures(session: Session) -> None:
    class Late(Prior):
        calls = 0

        def energy(self, z: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            if self.calls > 4:
                raise KeyError("mine")
            return z.square().flatten(1).mean(1) * 1e-9

    future = session.start("coffee", **SMALL, priors=[Late()], steps=9, micro_batch=2)
    error = future.exception(60)
    assert isinstance(error, CustomPartError)
    assert session.error == str(error)
    assert "KeyError: 'mine'" in session.error
    energies, _ = session.curves()
    assert 0 < len(energies["data"]) < 9  # what was reached can still be seen
    assert session.start("coffee", **SMALL, steps=3).result(60).steps == 3


def test_stop_while_preparing_leaves_no_result(session: Session) -> None:
    session.start("coffee", **SMALL, steps=10)
    session.stop()
    with pytest.raises(InvwidgetsError, match="before its first step"):
        done(session)
    assert session.state == "stopped"


def test_knobs_act_and_replay_exactly(session: Session, reports: list[Progress]) -> None:
    session.start("coffee", **SMALL, steps=40, micro_batch=2, paused=True)
    for step in range(5):
        session.step()
        wait_until(lambda step=step: reports and reports[-1].step == step + 1)
    session.set_knobs(tv_weight=3.0, beta=1.5)
    session.resume()
    result = done(session)
    assert sorted(result.knob_changes) == [(5, "beta", 1.5), (5, "tv_weight", 3.0)]
    changes = replay(result.knob_changes)
    same = iw.invert("coffee", **SMALL, steps=40, micro_batch=2, knobs=changes)
    assert torch.equal(result.images, same.images)
    assert any(p.frame is not None and p.step == 6 for p in reports), "a moved knob is seen at once"


def test_a_knob_after_the_end_goes_on_warm_and_the_code_replays(session: Session) -> None:
    session.start("coffee", **SMALL, steps=10, threads=1)
    first = done(session)
    for value in (1.0, 2.0, 0.5):
        session.set_knobs(tv_weight=value)
    second = done(session)
    assert second.steps == 10 + WARM_STEPS
    assert second.knob_changes[0][0] >= 10
    assert torch.equal(second.energies["data"][:10], first.energies["data"])
    scope: dict[str, object] = {}
    exec(code_for(second), scope)
    again = scope["result"]
    assert isinstance(again, iw.Reconstruction)
    assert torch.equal(again.images, second.images)


def test_a_finished_run_goes_on_with_the_jitter_it_ended_with(session: Session) -> None:
    for phase, wanted in (
        (iw.Phase(5, 4.0, 0.5, jitter=4, jitter_end=0), 0),
        (iw.Phase(5, 4.0, 0.5, jitter=4), 4),
    ):
        session.start("coffee", **SMALL, phases=[phase], threads=1)
        done(session)
        session.set_knobs(tv_weight=1.0)
        last = done(session).settings.phases[-1]
        assert [last.jitter_at(step) for step in range(last.steps)] == [wanted] * WARM_STEPS


def test_jitter_acts_while_it_runs_and_replays(session: Session, reports: list[Progress]) -> None:
    session.start("coffee", **SMALL, steps=20, micro_batch=2, paused=True)
    for turn, knob in enumerate(({"jitter": 6}, {"jitter": 3}, {"jitter": None}), 1):
        session.step()
        session.step()
        wait_until(
            lambda n=2 * turn: reports and (reports[-1].state, reports[-1].step) == ("paused", n)
        )
        session.set_knobs(**knob)
    session.resume()
    result = done(session)
    assert [value for _, name, value in result.knob_changes if name == "jitter"] == [6, 3, None]
    assert result.images.shape == (2, 3, 64, 64)
    changes = replay(result.knob_changes)
    same = iw.invert("coffee", **SMALL, steps=20, micro_batch=2, knobs=changes)
    assert torch.equal(result.images, same.images)
    still = iw.invert("coffee", **SMALL, steps=20, micro_batch=2)
    assert not torch.equal(result.images, still.images)


def test_the_latest_wish_wins(session: Session, reports: list[Progress]) -> None:
    for layer in ("blocks.0", "blocks.1", "blocks.2"):
        session.start("coffee", **{**SMALL, "layer": layer}, steps=5)
    assert done(session).layer == "blocks.2"
    assert {p.number for p in reports if p.result is not None} == {3}


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
        done(session)
    assert session.state == "failed"
    assert words in session.error
    session.start("coffee", **SMALL, steps=3)
    assert done(session).steps == 3


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
        wait_until(lambda: session.state == "running")
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


# --- a listener and other threads ---------------------------------------------------------------


def test_a_listener_that_raises_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    reports: list[str] = []

    def fails(progress: Progress) -> None:
        reports.append(progress.state)
        raise RuntimeError("a listener's own")

    with Session(fails) as session:
        session.start("coffee", **SMALL, steps=4)
        assert done(session).steps == 4
        assert (session.state, session.error) == ("finished", "")
        session.set_knobs(tv_weight=0.5)
        assert done(session).steps == 4 + WARM_STEPS
    assert reports[-1] == "finished"
    assert "a listener's own" in caplog.text


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit, KeyboardInterrupt])
@pytest.mark.parametrize("photo", ["coffee", "nothing"])
def test_a_listener_that_would_end_the_program_ends_no_run(
    error: type[BaseException], photo: str, caplog: pytest.LogCaptureFixture
) -> None:
    def ends(progress: Progress) -> None:
        raise error

    with Session(ends) as session:
        future = session.start(photo, **SMALL, steps=2)
        if photo == "coffee":
            assert future.result(60).steps == 2
        else:
            with pytest.raises(InvwidgetsError, match="no photo"):
                future.result(60)
    assert error.__name__ in caplog.text


@pytest.mark.parametrize("state", ["preparing", "running", "paused", "finished"])
@pytest.mark.parametrize(
    "call",
    [
        lambda session: session.pause(), lambda session: session.stop(),
        lambda session: session.step(), lambda session: session.resume(),
        lambda session: session.set_knobs(tv_weight=0.2), lambda session: session.forget(),
        lambda session: session.busy, lambda session: session.curves(),
    ],
    ids=["pause", "stop", "step", "resume", "set_knobs", "forget", "busy", "curves"],
)  # fmt: skip
def test_another_thread_may_call_while_the_listener_waits_for_it(
    state: str, call: Callable[[Session], object]
) -> None:
    done: list[bool] = []

    def listener(progress: Progress) -> None:
        if progress.state == state and not done:
            thread = threading.Thread(target=call, args=(session,), daemon=True)
            thread.start()
            thread.join(20)
            done.append(not thread.is_alive())

    session = Session(listener)
    try:
        session.start("coffee", **SMALL, steps=3, paused=state == "paused")
        wait_until(lambda: done)
        assert done == [True]
    finally:
        session.on_progress = None
        session.close()


def test_a_listener_may_close() -> None:
    def listener(progress: Progress) -> None:
        if progress.state == "running":
            session.close()

    session = Session(listener)
    future = session.start("coffee", **SMALL, steps=100_000)
    with pytest.raises(CancelledError):
        future.result(60)
    session.close()
    assert (session.state, session.busy) == ("stopped", False)


def test_closing_while_the_listener_waits_for_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("invwidgets.inversion.session.LISTENER_SECONDS", 0.05)
    ended: list[bool] = []

    def listener(progress: Progress) -> None:
        if progress.state == "running":
            thread = threading.Thread(target=session.close, daemon=True)
            thread.start()
            thread.join(20)
            ended.append(not thread.is_alive())

    session = Session(listener)
    session.start("coffee", **SMALL, steps=100_000)
    wait_until(lambda: ended)
    assert ended == [True]


def test_stopped_or_forgotten_after_the_end_it_still_can_be_waited_for(session: Session) -> None:
    session.start("coffee", **SMALL, steps=3)
    done(session)
    session.stop()
    session.set_knobs(tv_weight=0.3)
    assert done(session).steps == 3 + WARM_STEPS


def test_resumed_no_single_step_is_left_over(session: Session) -> None:
    session.start("coffee", **SMALL, steps=100_000, paused=True)
    wait_until(lambda: session.state == "paused")
    for _ in range(50):
        session.step()
    session.resume()
    wait_until(lambda: session.state == "running")
    session.pause()
    wait_until(lambda: session.state == "paused")
    done = session.steps_done
    time.sleep(0.05)
    assert session.steps_done == done


FORGOTTEN = """
import time
import invwidgets as iw
sessions = iw.Session(), iw.Session()
for paused, session in enumerate(sessions):
    session.start("coffee", layer="blocks.0", seeds=1, size=64, steps=100_000, paused=bool(paused))
while [session.state for session in sessions] != ["running", "paused"]:
    time.sleep(0.01)  # a loop without rest takes the interpreter from the imports of the run
print("leaves")
"""


@pytest.mark.slow
def test_forgotten_sessions_do_not_keep_the_program() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORGOTTEN], capture_output=True, text=True, timeout=300
    )
    assert (done.stdout, done.returncode) == ("leaves\n", 0), done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_that_gives_way_takes_no_step_of_the_next(
    session: Session, reports: list[Progress]
) -> None:
    for _ in range(10):
        session.start("coffee", **SMALL, steps=100_000, paused=True)
        wait_until(lambda: session.state == "paused")
        first = reports[-1].number  # read before the next run can be reports of
        session.start("coffee", **SMALL, steps=100_000, paused=True)
        session.step()
        wait_until(lambda n=first: reports[-1].number > n and reports[-1].step)
        assert session.steps_done == reports[-1].step == 1


def test_many_threads_on_one_session_and_nobody_waits_for_ever() -> None:
    reports: list[tuple[int, int]] = []
    with Session(lambda progress: reports.append((progress.number, progress.step))) as session:

        def starts(k: int) -> None:
            session.start("coffee", **SMALL, steps=3 + k, paused=k % 3 == 0)
            session.step()
            session.resume()

        def moves(k: int) -> None:
            session.set_knobs(tv_weight=0.1 * k)
            session.curves()

        def ends(k: int) -> None:
            (session.stop, session.forget, session.pause, session.resume)[k % 4]()

        threads = [
            threading.Thread(target=lambda act=act: [act(k) for k in range(15)], daemon=True)
            for act in (starts, moves, ends, starts, moves, ends)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in threads)
        session.start("coffee", **SMALL, steps=4)
        assert done(session, 120).steps == 4
    assert reports == sorted(reports), "reports came out of order"
