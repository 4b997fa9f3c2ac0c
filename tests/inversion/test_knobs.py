"""Tests of the values that a knob or a callback may return, and of messages for others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from invwidgets.errors import BadSettingError, InvwidgetsError, UnknownNameError
from invwidgets.inversion.invert import invert
from invwidgets.inversion.knobs import KNOBS, checked_knobs
from invwidgets.inversion.replay import replay
from invwidgets.inversion.result import Reconstruction
from invwidgets.inversion.session import Session
from tests.small_networks import phi, picture

NAN = float("nan")
PHI = phi("conv1")
BAD_KNOBS: dict[str, tuple[Any, type[InvwidgetsError], str]] = {
    "a list": ([1, 2], BadSettingError, r"knobs \[1, 2\]: give a dict .*tv_weight"),
    "nothing": (None, BadSettingError, "knobs None: give a dict"),
    "a number": (0.5, BadSettingError, r"knobs 0\.5: give a dict"),
    "pairs": ([("tv_weight", 1.0)], BadSettingError, "give a dict"),
    "text": ("tv_weight", BadSettingError, "knobs 'tv_weight': give a dict"),
    "an unknown name": ({"tv_wieght": 1.0}, UnknownNameError, "no knob 'tv_wieght'.*'tv_weight'"),
    "a number as its name": ({3: 1.0}, UnknownNameError, "no knob 3"),
    "a setting that is none": ({"tv_boost": 2.0}, UnknownNameError, "no knob 'tv_boost'"),
    "nan": ({"tv_weight": NAN}, BadSettingError, "tv_weight nan: give a finite number"),
    "an infinite bound": ({"bound": float("inf")}, BadSettingError, "bound inf: give a finite"),
    "a string value": ({"tv_weight": "0.1"}, BadSettingError, r"tv_weight '0\.1': give a finite"),
    "a string bound": ({"bound": "photo"}, BadSettingError, "bound 'photo'.*'picture' or None"),
    "no value": ({"tv_weight": None}, BadSettingError, "tv_weight None"),
    "below": ({"beta": 0.5}, BadSettingError, r"beta 0\.5: give a finite number of at least 1"),
    "an array": ({"tv_weight": np.ones(3)}, BadSettingError, "tv_weight array"),
    "a tensor": ({"data_weight": torch.ones(3)}, BadSettingError, "data_weight tensor"),
    "an empty jitter": ({"jitter": ""}, BadSettingError, "jitter '': give a whole number"),
    "half a pixel": ({"jitter": 0.5}, BadSettingError, r"jitter 0\.5: give a whole number"),
}


def short(**options: Any) -> Reconstruction:
    plain = {"seeds": 1, "steps": 4, "frames": 0, "threads": 1}
    return invert(picture(), PHI, **(plain | options))


@pytest.mark.parametrize("name", BAD_KNOBS)
def test_other_knobs_are_refused(name: str) -> None:
    given, error, words = BAD_KNOBS[name]
    with pytest.raises(error, match=words):
        short(knobs=lambda: given)
    moves = iter([{}, {}, given])
    with pytest.raises(error, match=words):
        short(knobs=lambda: next(moves))  # also in the middle of a run
    if isinstance(given, dict) and all(isinstance(key, str) for key in given):
        with Session() as session, pytest.raises(error, match=words):
            session.set_knobs(**given)


def test_numbers_of_numpy_and_torch_are_knobs() -> None:
    given = {"tv_weight": np.float32(0.5), "beta": torch.tensor(2.0), "bound": None, "jitter": None}
    assert checked_knobs(given) == {"tv_weight": 0.5, "beta": 2.0, "bound": None, "jitter": None}
    result = short(knobs=lambda: given | {"jitter": np.int64(2)})
    assert result.knob_changes == ((0, "tv_weight", 0.5), (0, "bound", None), (0, "jitter", 2))
    assert {type(value) for _, _, value in result.knob_changes} == {float, int, type(None)}
    assert set(given) < set(KNOBS)


@pytest.mark.parametrize(
    "answer", [[1, 2], [], NAN, 0, 1, "stop", "", {}, np.ones(2) > 0, torch.ones(3), object()]
)
def test_a_callback_that_returns_something_else_is_refused(answer: Any) -> None:
    with pytest.raises(BadSettingError, match=r"callback returned .*: return True to stop the run"):
        short(callback=lambda step: answer)


@pytest.mark.parametrize(
    ("answer", "steps"),
    [(None, 4), (False, 4), (np.False_, 4), (True, 1), (np.True_, 1), (torch.tensor(True), 1)],
)
def test_a_callback_stops_by_true_alone(answer: Any, steps: int) -> None:
    assert short(callback=lambda step: answer).steps == steps


def test_no_changes_are_changes_too() -> None:
    assert replay(())() == replay(change for change in ())() == {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([(1, "tv_weight")], r"knob change \(1, 'tv_weight'\)"),
        ([("1", "tv_weight", 0.5)], "step of a knob change '1'"),
        ([(1, "tv_wieght", 0.5)], "no knob 'tv_wieght'"),
        ([(1, "tv_weight", NAN)], "tv_weight nan"),
        (3, "knob change 3"),
    ],
)
def test_changes_that_no_run_has_are_refused(changes: Any, words: str) -> None:
    with pytest.raises(InvwidgetsError, match=words):
        replay(changes)
