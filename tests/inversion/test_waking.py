"""Tests of silent ReLU units: they get a gradient if possible, otherwise a note says so."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import nn

import invwidgets as iw
from invwidgets.energy.objectives import Maximize
from invwidgets.energy.waking import waking_of
from invwidgets.figures.gallery import caption
from invwidgets.representations.base import Representation
from invwidgets.terminal import print_result
from tests.small_networks import phi

SIZE = (48, 48)
OPTIONS: dict[str, Any] = {"steps": 40, "frames": 0, "threads": 1}


class Bright(nn.Module):
    """A module with a channel that only bright places excite, and a channel of gray values."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.conv = nn.Conv2d(3, 2, 9, stride=4)
        self.norm = nn.BatchNorm2d(2)
        self.act = nn.ReLU6() if kind == "capped" else nn.ReLU()
        with torch.no_grad():
            self.conv.weight.fill_(1 / 243)
            self.conv.bias.fill_(0.0 if kind == "normed" else -0.6)
            if kind == "capped":
                self.conv.weight.mul_(60)
                self.conv.bias.mul_(60)
            self.norm.running_mean.fill_(0.6 if kind == "normed" else 0)
            self.norm.weight.fill_(2.0)
            self.conv.weight[1] = 1 / 243
            self.conv.bias[1] = self.norm.running_mean[1] = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.conv(x)
        if self.kind == "normed":
            found = self.norm(found)
        if self.kind == "added":  # what is rectified is no layer of its own
            found = found + 0.1 * nn.functional.interpolate(x[:, :2], found.shape[-2:])
        found = self.act(found)
        return found


def bright(kind: str) -> Representation:
    return iw.representation(Bright(kind), "act", mean=(0, 0, 0), std=(1, 1, 1), size=SIZE)


def check_woken(result: iw.Reconstruction) -> None:
    """Check that a unit is silent at first and excited at the end."""
    curve = -result.energies["data"]
    assert bool((curve[0] == 0).all())
    assert min(result.scores) > 0.2
    assert result.silent == ()
    assert result.silent_note == ""


@pytest.mark.parametrize("kind", ["plain", "normed", "capped"])
def test_a_silent_unit_is_woken(kind: str) -> None:
    result = iw.invert(
        model=bright(kind), layer="act", channels=0, objective="maximize", seeds=2, **OPTIONS
    )
    check_woken(result)
    alone = iw.invert(
        model=bright(kind), layer="act", channels=0, objective="maximize", seeds=[1], **OPTIONS
    )
    assert torch.equal(alone.images[0], result.images[1])


def test_one_that_is_not_woken_fails_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Maximize, "wakes_units", False)
    result = iw.invert(
        model=bright("plain"), layer="act", channels=0, objective="maximize", seeds=2, **OPTIONS
    )
    with pytest.raises(AssertionError):
        check_woken(result)
    assert result.silent == (0, 1)
    check_said(result, capsys)


def test_one_that_cannot_be_woken_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    cut = bright("added")
    run = iw.prepare(model=cut, layer="act", channels=0, objective="maximize", seeds=2, **OPTIONS)
    assert waking_of(run.representation, run.selection, SIZE) is None
    check_said(run.finish(), capsys)


def check_said(result: iw.Reconstruction, capsys: pytest.CaptureFixture[str]) -> None:
    """Check the note in the status, the shell, the summary and below the picture."""
    words = "seeds 0, 1 did not excite the unit.*try other seeds"
    assert result.summary()["silent"] == [0, 1]
    print_result(result)
    for said in (result.silent_note, capsys.readouterr().out):
        assert re.search(words, said)
    assert caption(result, 0)[0] == "response ×0.00 · silent"
    pytest.importorskip("ipywidgets")
    from invwidgets.widgets.panel.words import outcome

    assert "Seeds 0, 1 did not excite the unit" in outcome(result, "")


def test_a_unit_that_noise_excites_is_searched_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"layer": "relu_1", "channels": 3, "objective": "maximize", "seeds": 2, **OPTIONS}
    ours = iw.invert(model=phi(), **options)
    monkeypatch.setattr(Maximize, "wakes_units", False)
    assert torch.equal(ours.images, iw.invert(model=phi(), **options).images)
    assert min(ours.scores) > 0
    assert ours.silent == ()


def test_its_numbers_stay_and_its_gradient_is_the_layer_s_before() -> None:
    cut = bright("normed")
    run = iw.prepare(model=cut, layer="act", channels=0, objective="maximize", seeds=1, **OPTIONS)
    waking = waking_of(run.representation, run.selection, SIZE)
    assert waking is not None
    dark, light = torch.full((1, 3, *SIZE), 0.3), torch.full((1, 3, *SIZE), 0.9)
    for image, expected in ((dark, 2 / 243), (light, 2 / 243)):
        given = image.clone().requires_grad_(True)
        features = waking(given)
        assert torch.equal(features, cut(image))
        (gradient,) = torch.autograd.grad(run.selection.of(features).sum(), given)
        assert float(gradient.max()) == pytest.approx(expected, rel=1e-3)
        assert float(gradient.sum()) == pytest.approx(2, rel=1e-3)


@pytest.mark.slow
def test_a_deep_unit_that_noise_leaves_silent_is_woken() -> None:
    unit = {"layer": "blocks.5.1.bn2.act", "channels": 0, "objective": "maximize"}
    result = iw.invert(**unit, seeds=1, steps=60, frames=0, threads=1, precision="float32")
    assert float(result.energies["data"][0]) == 0
    assert result.scores[0] > 1
