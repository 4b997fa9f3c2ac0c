"""Tests of the tests' waits, which end with a message, but not while something computes."""

from __future__ import annotations

import time

import pytest

from tests import patience
from tests.patience import Patience, wait_until


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "QUIET", 0.3)


def test_a_wait_in_vain_says_what_for() -> None:
    with pytest.raises(AssertionError, match="waited for the moon; "):
        wait_until(lambda: False, "the moon")
    with pytest.raises(AssertionError, match="lambda: False"):
        wait_until(lambda: False)
    assert wait_until(lambda: 7) == 7


def test_it_goes_on_while_the_state_changes_or_something_works() -> None:
    changes = iter(range(10_000))
    for what in ({"state": lambda: str(next(changes))}, {"worked": time.monotonic}):
        waiting = Patience(lambda: "x", **what)
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            waiting.check()
            time.sleep(0.01)
    still = Patience(lambda: "the end", lambda: "nothing moves", lambda: 0.0)
    still.check()
    time.sleep(2 * patience.QUIET)
    with pytest.raises(AssertionError, match="waited for the end; nothing moves"):
        still.check()
