"""Tests of the threads and contexts in which handlers run, and of reports of their errors."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading

import pytest

pytest.importorskip("ipywidgets")

import invwidgets as iw
from invwidgets.errors import BadSettingError
from invwidgets.widgets.base.loop import Loop
from tests.patience import wait_until

CELL: contextvars.ContextVar[str] = contextvars.ContextVar("CELL")


async def call_from_another_thread(loop: Loop, handler: object) -> None:
    caller = threading.Thread(target=loop.call, args=(handler,))
    caller.start()
    caller.join()
    await asyncio.sleep(0.01)


def test_a_handler_runs_on_the_loop_in_the_context_of_its_cell() -> None:
    seen: list[tuple[str, int]] = []

    async def cell() -> None:
        CELL.set("the panel's")
        loop = Loop()
        CELL.set("a later one's")
        handler = lambda: seen.append((CELL.get(), threading.get_ident()))  # noqa: E731
        await call_from_another_thread(loop, handler)
        loop.handler(handler)()
        await asyncio.sleep(0.01)

    asyncio.run(cell())
    assert seen == [("the panel's", threading.get_ident())] * 2


def test_a_handlers_error_is_told_in_words() -> None:
    told: list[str] = []

    def fails() -> None:
        raise BadSettingError("beta 0: give at least 1")

    async def cell() -> None:
        loop = Loop()
        loop.failed = told.append
        await call_from_another_thread(loop, fails)
        loop.closed = True
        await call_from_another_thread(loop, fails)

    asyncio.run(cell())
    assert told == ["beta 0: give at least 1"]


# --- without a loop -----------------------------------------------------------------------------


def test_without_a_loop_a_handler_runs_at_once_and_those_it_calls_too() -> None:
    loop, seen = Loop(), []
    loop.call(lambda: (loop.call(seen.append, "inner"), seen.append("outer")))
    assert seen == ["inner", "outer"]
    with pytest.raises(BadSettingError, match="mine"):
        loop.call(fails, "mine")
    loop.call(seen.append, "still")
    assert seen[-1] == "still"


def fails(words: str) -> None:
    raise BadSettingError(words)


def test_without_a_loop_nobody_waits_for_another_threads_handler() -> None:
    loop, seen, told = Loop(), [], []
    loop.failed = told.append

    def waits_for_others() -> None:
        def other() -> None:
            loop.call(seen.append, threading.get_ident())
            loop.call(fails, "theirs")

        thread = threading.Thread(target=other, daemon=True)
        thread.start()
        thread.join(20)
        seen.append("ended" if not thread.is_alive() else "hangs")

    loop.call(waits_for_others)
    assert seen[0] == "ended"
    assert len(seen) == 2  # run after it, on this thread
    assert told == ["theirs"]


def test_without_a_loop_handlers_never_overlap() -> None:
    loop, inside, most, runs = Loop(), [0], [0], [0]

    def handler() -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        runs[0] += 1
        inside[0] -= 1

    threads = [
        threading.Thread(target=lambda: [loop.call(handler) for _ in range(2000)], daemon=True)
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    loop.call(handler)
    assert (most, runs) == ([1], [6 * 2000 + 1])


def test_a_panel_without_a_loop_does_not_hang() -> None:
    panel = iw.InversionPanel("coffee", layer="blocks.0", seeds=1, size=64, steps=40)
    try:
        wait_until(lambda: panel.layer_slider.layers, "the network")

        def knobs(k: int) -> None:
            panel.loop.call(setattr, panel, "tv_weight", 0.1 * k)
            panel.session.set_knobs(beta=1 + k / 40)

        def runs(k: int) -> None:
            panel.loop.call(panel.step)
            (panel.pause, panel.resume, panel.stop)[k % 3]()

        def restarts(k: int) -> None:
            panel.loop.call(setattr, panel, "seeds", 1 + k % 2)

        threads = [
            threading.Thread(target=lambda act=act: [act(k) for k in range(20)], daemon=True)
            for act in (knobs, runs, restarts, runs, knobs)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in threads)
        drained = threading.Event()
        panel.loop.call(drained.set)  # after all that waits for its turn
        assert drained.wait(120)
        wait_until(lambda: not panel.loading, "the network")
        # a look may still start a run
        wait_until(lambda: (panel.stop(), not panel.session.busy)[1], "the end of the run")

        def goes_on() -> bool:  # a look under way may still pause the run that it starts
            (panel.resume if panel.session.busy else panel.step)()
            return panel.result is not None

        wait_until(goes_on, "the run after it")
    finally:
        closing = threading.Thread(target=panel.close, daemon=True)
        closing.start()
        closing.join(60)
        assert not closing.is_alive()


def test_a_process_may_end_while_a_panel_loads() -> None:
    code = (
        "import invwidgets as iw\n"
        "panel = iw.InversionPanel('coffee')\n"
        "panel.close()\n"
        "print('closed', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "closed\n"), done.stderr
