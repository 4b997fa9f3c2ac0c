"""Ctrl-C in the shell: it ends the search once, and takes nothing away that was reached.

>>> with interruptions() as pressed:
...     invert("coffee", callback=pressed.during(print))
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .terminal import say

BEFORE_A_RESULT = "interrupted before the first step"
_GIVE_UP = 3  # further presses, while what was reached is measured and written


class Interruptions:
    """What a press of Ctrl-C means now.

    Before the first step there is nothing to keep: the process ends at once (an exception in the
    middle of an import would come out as anything). During the search it ends the search. After
    that it is answered, and heeded only when it has been pressed ``_GIVE_UP`` times more.
    """

    def __init__(self) -> None:
        self.searching = self.ended = self.requested = False
        self.steps = self.further = 0

    def begin(self, steps: int) -> None:
        """The search is about to take so many steps."""
        self.steps = steps

    def during(self, callback: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The callback of a search: from its first step on there is something to keep."""

        def called(step: Any) -> Any:
            self.searching = True
            self.ended = self.ended or step.index + 1 >= self.steps
            stop = callback(step)
            return stop or self.requested  # an exception raised in a finaliser would be lost

        return called

    def pressed(self, *_: Any) -> None:
        """The handler of SIGINT."""
        if not self.searching:
            say(BEFORE_A_RESULT)
            os._exit(130)
        if not self.ended:
            self.ended = self.requested = True
            raise KeyboardInterrupt
        self.further += 1
        if self.further >= _GIVE_UP:
            raise KeyboardInterrupt
        left = _GIVE_UP - self.further
        say(f"measuring and writing what was reached; press Ctrl-C {left} times more to give it up")


@contextmanager
def interruptions() -> Iterator[Interruptions]:
    """Ctrl-C handled so inside the block; elsewhere than in a program's main thread, left alone."""
    pressed = Interruptions()
    before = signal.getsignal(signal.SIGINT)
    ours = threading.current_thread() is threading.main_thread()
    if not ours or before is not signal.default_int_handler:
        yield pressed
        return
    signal.signal(signal.SIGINT, pressed.pressed)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
