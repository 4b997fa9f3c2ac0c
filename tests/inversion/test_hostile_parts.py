"""Tests of custom parts and callbacks with faults: each is refused with a message or harmless."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import invwidgets as iw
from invwidgets.errors import BadSettingError, CustomPartError, InvwidgetsError
from tests.small_networks import phi, picture

OPTIONS: dict[str, Any] = {"seeds": 2, "steps": 3, "threads": 1, "frames": 0}


def distance(features: Tensor, target: Tensor) -> Tensor:
    return (features - target).square().flatten(1).mean(1)


class SwitchesOff(iw.Objective):
    def __init__(self, off: bool) -> None:
        self.off = off

    def energy(self, features: Tensor, target: Tensor) -> Tensor:
        energy = distance(features, target)
        torch.set_grad_enabled(not self.off)
        return energy


def test_an_energy_that_leaves_gradients_off_is_searched_all_the_same() -> None:
    given, wanted = (
        iw.invert(picture(), phi(), objective=SwitchesOff(off), **OPTIONS) for off in (True, False)
    )
    assert torch.is_grad_enabled()
    assert torch.equal(given.images, wanted.images)


class Complex(iw.Objective):
    def energy(self, features: Tensor, target: Tensor) -> Tensor:
        return distance(features, target) * 1j


@pytest.mark.filterwarnings("error")
def test_complex_energies_are_refused() -> None:
    with pytest.raises(CustomPartError, match=r"Complex\(\) returns complex numbers.*must be real"):
        iw.invert(picture(), phi(), objective=Complex(), **OPTIONS)


class Doubled(iw.Parametrization):
    def __init__(self, parameters: Any = None, image: Any = None) -> None:
        self._parameters, self._image = parameters, image

    def parameters(self, z: Tensor) -> Any:
        return self._parameters(z) if self._parameters else z / 2

    def image(self, parameters: Tensor) -> Any:
        return self._image(parameters) if self._image else parameters * 2


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        ({"parameters": lambda z: z.double()}, "parameters that are a tensor of float64.*float32"),
        ({"parameters": lambda z: None}, "parameters that are not a tensor but None"),
        ({"image": lambda p: p.double()}, "images that are a tensor of float64.*float32"),
    ],
)
def test_bases_of_other_numbers_are_refused(methods: dict[str, Any], words: str) -> None:
    options = OPTIONS | {"optimizer": "adam"}
    assert iw.invert(picture(), phi(), parametrization=Doubled(), **options).steps == 3
    with pytest.raises(CustomPartError, match=words):
        iw.invert(picture(), phi(), parametrization=Doubled(**methods), **options)


@pytest.mark.parametrize(
    ("name", "function", "words"),
    [
        ("callback", lambda: None, r"callback\(step\)"),
        ("callback", lambda step, more: None, r"callback\(step\).*'more'"),
        ("knobs", lambda step: {}, r"knobs\(\).*'step'"),
        ("on_ready", lambda: None, r"on_ready\(steps\)"),
    ],
)
def test_functions_that_cannot_be_called_so_are_refused(
    name: str, function: Any, words: str
) -> None:
    with pytest.raises(BadSettingError, match=words):
        iw.invert(picture(), phi(), **{name: function}, **OPTIONS)


def test_functions_of_any_kind_are_called() -> None:
    calls: list[Any] = []
    iw.invert(picture(), phi(), callback=calls.append, knobs=dict, **OPTIONS)
    iw.invert(picture(), phi(), callback=lambda *steps: calls.extend(steps), **OPTIONS)
    assert len(calls) == 6


@pytest.mark.parametrize("step", [1, 2])
def test_nan_written_into_the_iterate_is_no_result(step: int) -> None:
    def spoil(at: iw.types.Step) -> None:
        if at.index == step:
            at.iterate.fill_(torch.nan)

    if step == 1:  # the search goes back to the best image
        assert bool(iw.invert(picture(), phi(), callback=spoil, **OPTIONS).images.isfinite().all())
        return
    with pytest.raises(CustomPartError, match=r"NaN.*step\.iterate\.clone\(\)"):
        iw.invert(picture(), phi(), callback=spoil, **OPTIONS)


@pytest.mark.parametrize("objective", [np.zeros(3), np.array(["inversion", ""]), "", 0, []])
def test_what_is_no_objective_is_refused(objective: Any) -> None:
    with pytest.raises(InvwidgetsError, match="no objective"):
        iw.invert(picture(), phi(), objective=objective, **OPTIONS)
    settings = iw.InversionSettings()
    with pytest.raises(BadSettingError, match="with settings"):
        iw.invert(picture(), phi(), objective=objective, settings=settings)
