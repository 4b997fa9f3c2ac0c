"""Tests of settings: checks, immutability, and the round trip through JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invwidgets.errors import BadSettingError, InvwidgetsError, UnknownNameError
from invwidgets.inversion.phase import Phase
from invwidgets.inversion.settings import InversionSettings, parse_seeds

WEIGHTS = st.floats(0, 1e6)


@given(
    st.builds(
        InversionSettings,
        phases=st.lists(
            st.builds(Phase, st.integers(1, 500), st.floats(0, 100), st.none() | st.floats(0, 10),
                      st.integers(0, 9), st.booleans()),
            min_size=1, max_size=4,
        ).map(tuple),
        data_weight=WEIGHTS, alpha_weight=WEIGHTS, tv_weight=WEIGHTS,
        alpha=st.floats(1, 9), beta=st.floats(1, 4),
        bound=st.sampled_from([None, "picture", 160.0]),
        seeds=st.sets(st.integers(0, 2**40), min_size=1, max_size=9).map(tuple),
        micro_batch=st.none() | st.integers(1, 9),
    )
)  # fmt: skip
def test_json_gives_the_same_settings(settings: InversionSettings) -> None:
    again = InversionSettings.from_dict(json.loads(json.dumps(settings.to_dict())))
    assert again == settings
    assert hash(again) == hash(settings)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data_weight": -1}, ("data_weight", "-1", "at least 0")),
        ({"tv_weight": math.nan}, ("tv_weight", "nan", "finite")),
        ({"alpha_weight": math.inf}, ("alpha_weight", "inf")),
        ({"beta": 0.99}, ("beta", "0.99", "at least 1")),
        ({"beta": math.nan}, ("beta",)),
        ({"alpha": 0.5}, ("alpha", "0.5")),
        ({"tv_boost": 0.5}, ("tv_boost",)),
        ({"beta": "2"}, ("beta", "'2'")),
        ({"tv_weight": True}, ("tv_weight", "True")),
        ({"objective": "invert"}, ("'invert'", "inversion")),
        ({"optimizer": "sgd"}, ("'sgd'", "adam")),
        ({"start": "zeros"}, ("'zeros'", "noise")),
        ({"alpha_kind": "both"}, ("'both'", "pixel")),
        ({"bound": -1}, ("bound", "picture")),
        ({"bound": "none"}, ("bound", "'none'")),
        ({"center": ()}, ("center", "()", "red, green and blue")),
        ({"center": (0.5, 0.5, 128)}, ("center", "128", "at most 1")),
        ({"phases": ()}, ("phases", "at least one")),
        ({"seeds": ()}, ("0 seeds",)),
        ({"seeds": (1, 1)}, ("repeat",)),
        ({"seeds": (-1,)}, ("-1", "from 0")),
        ({"seeds": (1.5,)}, ("1.5",)),
        ({"micro_batch": 0}, ("micro_batch", "0")),
        ({"threads": 0}, ("threads",)),
        ({"frames": -1}, ("frames",)),
        ({"tv_wait": 1}, ("no setting 'tv_wait'", "tv_weight")),
    ],
)
def test_bad_values_are_named(change: dict[str, object], words: tuple[str, ...]) -> None:
    with pytest.raises(InvwidgetsError) as caught:
        InversionSettings().replace(**change)
    assert all(word in str(caught.value) for word in words), caught.value


def test_unknown_names_are_refused_on_the_way_back() -> None:
    with pytest.raises(UnknownNameError, match="'color'"):
        InversionSettings.from_dict(InversionSettings().to_dict() | {"color": 1})


def test_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        InversionSettings().beta = 3.0  # type: ignore[misc]


@given(st.lists(st.integers(1, 300), min_size=1, max_size=5), st.integers(1, 2000))
def test_stretched_phases_have_the_steps_asked_for(parts: list[int], steps: int) -> None:
    settings = InversionSettings(phases=tuple(Phase(n, 1.0 + i) for i, n in enumerate(parts)))
    stretched = settings.with_steps(steps)
    assert stretched.steps == steps
    rates = [phase.lr for phase in stretched.phases]
    assert rates == sorted(rates)
    assert settings.with_steps(settings.steps) == settings


@pytest.mark.parametrize("steps", [0, -3, 1.5, True])
def test_bad_steps(steps: object) -> None:
    with pytest.raises(BadSettingError, match="steps"):
        InversionSettings().with_steps(steps)  # type: ignore[arg-type]


def test_rates_glide_along_half_a_cosine() -> None:
    phase = Phase(100, 8.0, 0.5)
    rates = [phase.rate_at(k) for k in range(101)]
    assert rates[0] == 8.0
    assert rates[100] == pytest.approx(0.5)
    assert rates[50] == pytest.approx(4.25)
    assert rates == sorted(rates, reverse=True)
    assert Phase(10, 3.0).rate_at(7) == 3.0


def test_tv_boost_falls_to_one() -> None:
    settings = InversionSettings(phases=(Phase(100, 1.0),), tv_boost=30.0)
    factors = [settings.tv_factor(k) for k in range(100)]
    assert factors[0] == 30.0
    assert factors[25] == pytest.approx(30**0.5)
    assert factors[50:] == [1.0] * 50
    assert InversionSettings(phases=(Phase(1, 1.0),)).tv_factor(0) == 1.0


def test_the_ramp_of_a_file_and_of_a_run_that_goes_on() -> None:
    settings = InversionSettings(phases=(Phase(100, 1.0),), tv_boost=30.0)
    assert InversionSettings.from_dict(settings.to_dict()) == settings
    longer = settings.extended(Phase(60, 1.0))
    assert [longer.tv_factor(k) for k in range(100)] == [settings.tv_factor(k) for k in range(100)]


def test_seeds() -> None:
    assert parse_seeds(3) == (0, 1, 2)
    assert parse_seeds([7, 3]) == (7, 3)
    assert parse_seeds(range(2, 4)) == (2, 3)
    for bad in (0, -1, 10**9, "4", 2.0, True, None):
        with pytest.raises(BadSettingError, match="seeds"):
            parse_seeds(bad)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"steps": 0, "lr": 1.0}, "steps 0.*at least 1"),
        ({"steps": 5, "lr": -1.0}, "lr -1"),
        ({"steps": 5, "lr": 1.0, "lr_end": math.nan}, "lr_end nan"),
        ({"steps": 5, "lr": 1.0, "jitter": -1}, "jitter -1"),
        ({"steps": 5, "lr": 1.0, "jitter_end": -1}, "jitter_end -1"),
        ({"steps": 5, "lr": 1.0, "jitter_end": 0.5}, "jitter_end 0.5"),
        ({"steps": 5, "lr": 1e308}, "lr 1e[+]308.*at most"),
    ],
)
def test_phases_out_of_range(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(BadSettingError, match=words):
        Phase(**arguments)


def test_a_jitter_stays_or_falls_in_even_numbers() -> None:
    assert [Phase(4, 1.0, jitter=3).jitter_at(step) for step in range(4)] == [3] * 4
    down = [Phase(100, 1.0, jitter=16, jitter_end=0).jitter_at(step) for step in range(100)]
    assert (down[0], down[50], down[84:]) == (16, 8, [0] * 16)
    assert down[83] == 2
    assert down == sorted(down, reverse=True)
    assert set(down) == set(range(0, 17, 2))
    up = InversionSettings(phases=(Phase(9, 1.0, jitter=2, jitter_end=6),))
    assert up.jitter == 6, "the canvas has room for the largest shift"
