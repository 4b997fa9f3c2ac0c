"""Whose thread and whose context a handler runs in, and who is told of its errors."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

pytest.importorskip("ipywidgets")

from invwidgets.errors import BadSettingError
from invwidgets.widgets.loop import Loop

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
