"""The handling of Ctrl-C in the shell, which ends the search and keeps its images.

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
_GIVE_UP = 3  # further presses that abort the measuring and writing of the images


class Interruptions:
    """The state that decides what a press of Ctrl-C does.

    Before the first step there is nothing to keep, so the process ends at once (an exception in the
    middle of an import could surface as any error). During the search, Ctrl-C ends the search.
    After that, it prints a message, and ends the process only at the ``_GIVE_UP``-th further press.
    """

    def __init__(self) -> None:
        self.searching = self.ended = self.requested = False
        self.steps = self.further = 0

    def begin(self, steps: int) -> None:
        """Note that a search with this number of steps is about to start."""
        self.steps = steps

    def during(self, callback: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The callback to give to a search, which also ends the search after Ctrl-C."""

        def called(step: Any) -> Any:
            self.searching = True
            self.ended = self.ended or step.index + 1 >= self.steps
            stop = callback(step)
            return stop or self.requested  # an exception raised in a finalizer would be lost

        return called

    def pressed(self, *_: Any) -> None:
        """Handle SIGINT."""
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
        say(f"measuring and writing the images; press Ctrl-C {left} times more to abort")


@contextmanager
def interruptions() -> Iterator[Interruptions]:
    """Handle Ctrl-C this way inside the block; does nothing outside of the main thread."""
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
