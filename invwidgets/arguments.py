"""Conversion of a user's arguments to plain Python numbers, and the errors for bad ones.

>>> whole_number(np.int64(5), "steps", 1)
5
>>> real_number(torch.tensor(0.5), "tv_weight", 0)
0.5

Numbers of numpy and torch, and their arrays without an axis, are accepted like Python's; ``bool``,
text, NaN and infinity are not. An error repeats the bad value, shortened, and tells the remedy.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Collection, Iterable
from decimal import Decimal
from itertools import islice
from numbers import Real
from typing import Any

from .errors import BadSettingError, InvwidgetsError, shown, unknown_name

_LONGEST = 1_000_000  # items of a list that is accepted


def whole_number(
    value: Any,
    name: str,
    low: int | None = None,
    high: int | None = None,
    remedy: str = "",
    error: type[InvwidgetsError] = BadSettingError,
) -> int:
    """The value as an ``int`` between ``low`` and ``high``, both included; None means no limit.

    Raises ``error``.
    """
    number = as_whole(value)
    if number is None or not _within(number, low, high):
        raise error(_refusal(value, name, "a whole number", low, high, remedy))
    return number


def real_number(
    value: Any,
    name: str,
    low: float | None = None,
    high: float | None = None,
    remedy: str = "",
    error: type[InvwidgetsError] = BadSettingError,
) -> float:
    """The value as a finite number between ``low`` and ``high``, both included.

    An ``int`` stays an ``int``, other numbers become ``float``.

    Raises ``error``.
    """
    number = as_real(value)
    if number is None or not _within(number, low, high):
        raise error(_refusal(value, name, "a finite number", low, high, remedy))
    return number


def whole_numbers(
    values: Any, name: str, remedy: str = "", error: type[InvwidgetsError] = BadSettingError
) -> list[int]:
    """The whole numbers in a list, a range, an array or a tensor.

    >>> whole_numbers(np.arange(3), "seeds")
    [0, 1, 2]

    Raises ``error`` for anything else, such as text, bytes, a mask, an array with more than one
    axis, or fractions.
    """
    listed = items(values)
    numbers = None if listed is None else [as_whole(value) for value in listed]
    if numbers is None or None in numbers:
        hint = f"; {remedy}" if remedy else ""
        raise error(f"{name} {shown(values)}: give whole numbers{hint}")
    return [number for number in numbers if number is not None]


def items(values: Any) -> list[Any] | None:
    """The items of a list or a one-dimensional array as a Python list; None for anything else.

    Sequences with more than a million items, such as ``range(10**9)``, also give None.
    """
    if isinstance(values, str | bytes | bytearray | memoryview | dict):
        return None
    if getattr(values, "ndim", 1) != 1 or not isinstance(values, Iterable):
        return None
    try:
        listed = values.tolist() if hasattr(values, "tolist") else values
        found = list(islice(listed, _LONGEST + 1))
    except Exception:  # an object of another library may raise anything when it is iterated
        return None
    return found if len(found) <= _LONGEST else None


def one_of(value: Any, kind: str, known: Collection[str]) -> str:
    """The value if it is a name in ``known``; raises ``UnknownNameError`` for anything else."""
    if not isinstance(value, str) or value not in known:
        raise unknown_name(kind, value, known)
    return str(value)


def as_whole(value: Any) -> int | None:
    """The value as an ``int``; None if it is not a whole number."""
    if is_flag(value) or getattr(value, "ndim", 0) != 0:
        return None
    try:
        return operator.index(value)
    except (TypeError, ValueError, RuntimeError):
        return None


def is_flag(value: Any) -> bool:
    """Whether the value is a Boolean of Python, numpy or torch."""
    return isinstance(value, bool) or str(getattr(value, "dtype", "")) in ("bool", "torch.bool")


def as_real(value: Any) -> float | None:
    """The value as a finite real number; None if it is not one."""
    whole = as_whole(value)
    if whole is not None:
        return whole if abs(whole) < 2**1023 else None
    counts = isinstance(value, Real | Decimal) or getattr(value, "ndim", None) == 0
    if is_flag(value) or not counts:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None
    return number if math.isfinite(number) else None


def _within(number: float, low: float | None, high: float | None) -> bool:
    return (low is None or number >= low) and (high is None or number <= high)


def _refusal(
    value: Any, name: str, kind: str, low: float | None, high: float | None, remedy: str
) -> str:
    limits = "" if low is None else f" of at least {_plain(low)}"
    if high is not None:
        limits += f"{' and' if limits else ' of'} at most {_plain(high)}"
    hint = f"; {remedy}" if remedy else ""
    return f"{name} {shown(value)}: give {kind}{limits}{hint}"


def _plain(limit: float) -> str:
    return str(limit) if isinstance(limit, int) else f"{limit:g}"
