"""A stretch of a run: so many steps, at a rate and a jitter that stay or glide.

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

MAX_STEPS = 1_000_000  # beyond these is a slip of the keyboard, refused at once
MAX_RATE = 1e6  # 0-255 units a step, or what the papers' rules take


@dataclass(frozen=True)
class Phase:
    """Some steps at one rate, or gliding from ``lr`` to ``lr_end`` along half a cosine.

    >>> invert("coffee", layer="blocks.2", phases=[Phase(100, 8.0, 0.5), Phase(50, 0.5)])

    Parameters
    ----------
    steps : int
        How many.
    lr : float
        Of the optimizer: for Adam 0-255 units a step.
    lr_end : float, optional
        The rate at the end; by default it stays.
    jitter : int
        The range of the image's random shifts, in pixels.
    restart : bool
        Begin with the optimizer's momentum forgotten.
    jitter_end : int, optional
        The jitter of the last quarter, to which it falls or rises evenly, in even numbers; by
        default it stays.

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
            object.__setattr__(self, name, value)  # frozen for everybody else
        if self.lr_end is not None:
            end = real_number(self.lr_end, "lr_end", 0, MAX_RATE)
            object.__setattr__(self, "lr_end", end)
        if self.jitter_end is not None:
            last = whole_number(self.jitter_end, "jitter_end", 0, MAX_SIDE)
            object.__setattr__(self, "jitter_end", last)

    def bf16_at(self, step: int) -> bool:
        """Whether a step may be computed in bfloat16: all but the last tenth, at least one."""
        return self.steps - step > max(1.0, 0.1 * self.steps)

    def rate_at(self, step: int) -> float:
        """The rate at a step of this phase, from 0."""
        if self.lr_end is None:
            return self.lr
        turn = (1 + math.cos(math.pi * step / self.steps)) / 2
        return self.lr_end + (self.lr - self.lr_end) * turn

    def jitter_at(self, step: int) -> int:
        """The jitter at a step of this phase, from 0.

        >>> phase = Phase(100, 8.0, 0.5, jitter=16, jitter_end=0)
        >>> phase.jitter_at(0), phase.jitter_at(50), phase.jitter_at(75)
        (16, 6, 0)
        """
        if self.jitter_end is None:
            return self.jitter
        left = max(0.0, 1 - step / (0.75 * self.steps))
        return 2 * round((self.jitter_end + (self.jitter - self.jitter_end) * left) / 2)


def stretched(phases: Sequence[Phase], steps: int) -> tuple[Phase, ...]:
    """The same phases stretched or shrunk to ``steps`` steps in all.

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
    """A list of phases, at least one.

    Raises ``BadSettingError``.
    """
    phases = items(given)
    if phases is None or not all(isinstance(phase, Phase) for phase in phases):
        raise BadSettingError(
            f"phases {shown(given)}: give a list of Phase(steps, lr), such as [Phase(100, 5.0)]"
        )
    if not phases:
        raise BadSettingError("phases []: give at least one, such as Phase(100, 5.0)")
    return tuple(phases)
