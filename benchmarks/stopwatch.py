"""The timing of several functions in turn, so that other load affects all of them equally."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from invwidgets.inversion.run import Run

Side = Callable[[], list[float]]  # seconds of some steps, after those that warm it up


def alternate(sides: dict[str, Side], rounds: int) -> dict[str, list[float]]:
    """The seconds of each side's steps, from ``rounds`` rounds after one warm-up round."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, side in sides.items():
            found = side()
            if turn:
                seconds[name] += found
    return seconds


def spread(seconds: list[float]) -> str:
    """The median and, in brackets, the lower and upper quartile, in milliseconds."""
    ordered = sorted(seconds)
    low, high = ordered[len(ordered) // 4], ordered[(3 * len(ordered)) // 4]
    return f"{1e3 * median(ordered):.0f} ({1e3 * low:.0f}–{1e3 * high:.0f})"


def steps_of(job: Run, steps: int) -> Side:
    """A function that does steps of this package's engine, in a run that continues."""
    run: Iterator[Any] = iter(())

    def side() -> list[float]:
        nonlocal run
        with job.cpu_threads():
            if next(run, None) is None:
                run = job.steps()
                next(run)
            return [_timed(run) for _ in range(steps)]

    return side


def _timed(run: Iterator[Any]) -> float:
    began = time.perf_counter()
    next(run)
    return time.perf_counter() - began


class Marks:
    """A callback that records when each step ended."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.times: list[float] = []

    def __call__(self) -> None:
        self.times.append(self.clock())

    @property
    def seconds(self) -> list[float]:
        return [b - a for a, b in zip(self.times, self.times[1:], strict=False)]
