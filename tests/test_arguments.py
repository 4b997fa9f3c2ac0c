"""Tests of arguments: accepted numbers and names, and messages for others."""

from __future__ import annotations

import itertools
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from invwidgets.arguments import items, one_of, real_number, whole_number, whole_numbers
from invwidgets.errors import BadSettingError, SelectionError, UnknownNameError, shown, unknown_name

FIVES = [
    5,
    np.int64(5),
    np.uint8(5),
    np.array(5),
    torch.tensor(5),
    torch.tensor(5, dtype=torch.int8),
]


@pytest.mark.parametrize("value", FIVES)
def test_whole_numbers_of_any_library_are_ints(value: object) -> None:
    number = whole_number(value, "steps", 1, 9)
    assert number == 5
    assert type(number) is int


@pytest.mark.parametrize(
    "value",
    [True, np.True_, torch.tensor(True), 5.0, np.float32(5), "5", b"5", None, [5], np.array([5]),
     torch.tensor([5]), 10, -1, 10**400, 5j, object(), float("nan")],
)  # fmt: skip
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(BadSettingError, match=r"^steps .*whole number of at least 1 and at most 9"):
        whole_number(value, "steps", 1, 9)


@pytest.mark.parametrize(
    "value",
    [0.5, np.float32(0.5), np.float64(0.5), np.longdouble(0.5), np.array(0.5), torch.tensor(0.5),
     torch.tensor(0.5, dtype=torch.bfloat16), Fraction(1, 2), Decimal("0.5")],
)  # fmt: skip
def test_real_numbers_of_any_library_are_floats(value: object) -> None:
    number = real_number(value, "beta", 0, 1)
    assert number == 0.5
    assert type(number) is float


@pytest.mark.parametrize("value", FIVES)
def test_a_whole_number_is_a_real_one_too(value: object) -> None:
    assert real_number(value, "beta") == 5


@pytest.mark.parametrize(
    "value",
    [False, np.False_, torch.tensor(False), "0.5", b"", None, [0.5], np.zeros(1), float("nan"),
     np.float32("inf"), torch.tensor(float("nan")), 10**400, 5j, 2.0, Decimal("NaN"),
     torch.empty((), device="meta")],
)  # fmt: skip
def test_what_is_no_real_number_is_refused(value: object) -> None:
    with pytest.raises(BadSettingError, match=r"^beta .*finite number of at least 0 and at most 1"):
        real_number(value, "beta", 0, 1)


@pytest.mark.parametrize(
    "values",
    [[2, 0], (2, 0), range(2, -1, -2), np.array([2, 0]), torch.tensor([2, 0]), iter([2, 0]),
     [np.int8(2), torch.tensor(0)]],
)  # fmt: skip
def test_lists_of_whole_numbers(values: object) -> None:
    assert whole_numbers(values, "seeds") == [2, 0]


@pytest.mark.parametrize(
    "values",
    [5, None, "20", b"20", {2: 0}, [True], [1.5], [[1]], np.zeros((1, 2), int), torch.zeros(2),
     np.array(2), np.array([True])],
)  # fmt: skip
def test_what_is_no_list_of_whole_numbers_is_refused(values: object) -> None:
    with pytest.raises(SelectionError, match=r"^region .*give whole numbers; half-open"):
        whole_numbers(values, "region", "half-open", SelectionError)


@pytest.mark.parametrize(
    "value", [None, 3, [], {}, ["default"], b"default", np.array("x"), "Default"]
)
def test_a_name_is_a_text_that_is_there(value: object) -> None:
    assert one_of("default", "preset", ("default",)) == "default"
    with pytest.raises(UnknownNameError, match=r"^no preset .*There are: default"):
        one_of(value, "preset", ("default",))


def test_what_is_repeated_is_short_and_on_one_line() -> None:
    assert shown("x" * 5000).endswith("x… (5000 characters)")
    assert len(str(unknown_name("layer", "a" * 5000, ["a", "b"]))) < 200
    assert "\n" not in shown(np.arange(10**4).reshape(100, 100))
    assert len(shown(list(range(10**4)))) <= 80
    assert len(shown(b"\0" * 5000)) <= 80
    assert "\n" not in shown("a\nb")

    class Mute:
        def __repr__(self) -> str:
            raise RuntimeError

    assert shown(Mute()) == "<Mute>"


def test_a_list_without_end_is_no_list() -> None:
    assert items(range(10**6)) == list(range(10**6))
    assert items(range(10**6 + 1)) is None
    assert items(range(10**18)) is None
    assert items(itertools.count()) is None
