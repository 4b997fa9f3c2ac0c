"""The phases of a run: a number of steps with a schedule of learning rate and jitter.

>>> Phase(100, 8.0, 0.5).rate_at(50)
4.25
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..arguments import items, real_number, whole_number
from ..errors import BadSettingError, shown
from ..images import MAX_SIDE

MAX_STEPS = 1_000_000  # a larger number is taken to be a typing error and refused
MAX_RATE = 1e6  # in 0-255 units per step, or in the units of the papers' optimizers


@dataclass(frozen=True)
class Phase:
    """A phase of a run: a number of steps at a constant or falling learning rate.

    The rate goes from ``lr`` to ``lr_end`` along half a cosine, and the jitter from ``jitter`` to
    ``jitter_end``.

    >>> invert("coffee", layer="blocks.2", phases=[Phase(100, 8.0, 0.5), Phase(50, 0.5)])

    Parameters
    ----------
    steps : int
        The number of steps.
    lr : float
        The learning rate of the optimizer; for Adam in 0-255 units per step.
    lr_end : float, optional
        The learning rate at the end; by default ``lr``.
    jitter : int
        The range of the image's random shifts, in pixels.
    restart : bool
        Whether the phase begins with the optimizer's state reset.
    jitter_end : int, optional
        The jitter at the end; on the way it is an even number. By default ``jitter``.

    Raises
    ------
    BadSettingError
        For a value out of range.
    """

    steps: int
    lr: float
    lr_end: float | None = None
    jitter: int = 0
    restart: bool = False
    jitter_end: int | None = None

    def __post_init__(self) -> None:
        for name, value in (
            ("steps", whole_number(self.steps, "steps", 1, MAX_STEPS)),
            ("lr", real_number(self.lr, "lr", 0, MAX_RATE)),
            ("jitter", whole_number(self.jitter, "jitter", 0, MAX_SIDE)),
        ):
            object.__setattr__(self, name, value)  # the class is frozen
        if self.lr_end is not None:
            end = real_number(self.lr_end, "lr_end", 0, MAX_RATE)
            object.__setattr__(self, "lr_end", end)
        if self.jitter_end is not None:
            last = whole_number(self.jitter_end, "jitter_end", 0, MAX_SIDE)
            object.__setattr__(self, "jitter_end", last)

    def bf16_at(self, step: int) -> bool:
        """Whether a step may use bfloat16: not in the last tenth, and not in the last step."""
        return self.steps - step > max(1.0, 0.1 * self.steps)

    def rate_at(self, step: int) -> float:
        """The learning rate at a step of this phase, counted from 0."""
        if self.lr_end is None:
            return self.lr
        return self._between(self.lr, self.lr_end, step)

    def jitter_at(self, step: int) -> int:
        """The jitter at a step of this phase, counted from 0.

        >>> phase = Phase(100, 8.0, 0.5, jitter=16, jitter_end=0)
        >>> phase.jitter_at(0), phase.jitter_at(50), phase.jitter_at(75)
        (16, 8, 2)
        """
        if self.jitter_end is None:
            return self.jitter
        return 2 * round(self._between(self.jitter, self.jitter_end, step) / 2)

    def _between(self, first: float, last: float, step: int) -> float:
        """The value at a step on half a cosine from one value to another."""
        return last + (first - last) * (1 + math.cos(math.pi * step / self.steps)) / 2


def stretched(phases: Sequence[Phase], steps: int) -> tuple[Phase, ...]:
    """The phases scaled to ``steps`` steps in total.

    >>> [phase.steps for phase in stretched([Phase(300, 1.0), Phase(100, 0.1)], 40)]
    [30, 10]
    """
    total, done, ends = sum(phase.steps for phase in phases), 0, [0]
    for phase in phases:
        done += phase.steps
        ends.append(round(steps * done / total))
    return tuple(
        replace(phase, steps=end - start)
        for phase, start, end in zip(phases, ends, ends[1:], strict=False)
        if end > start
    )


def checked_phases(given: Any) -> tuple[Phase, ...]:
    """The phases as a tuple; raises ``BadSettingError`` unless it is a list with at least one."""
    phases = items(given)
    if phases is None or not all(isinstance(phase, Phase) for phase in phases):
        raise BadSettingError(
            f"phases {shown(given)}: give a list of Phase(steps, lr), such as [Phase(100, 5.0)]"
        )
    if not phases:
        raise BadSettingError("phases []: give at least one, such as Phase(100, 5.0)")
    return tuple(phases)
