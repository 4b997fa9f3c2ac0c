"""Tests that all entry points have the same default layer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import torch
from torch import nn

import invwidgets as iw
from invwidgets.cli import main

pytest.importorskip("anywidget")

# a stage a third of the way down; of what ends in a map, its end
DEFAULTS = {
    "efficientnet_lite0": "blocks.2",
    "squeezenet1_1": "features.5",
    "resnet18": "layer1",
    "vit_b_16": "encoder.layers.encoder_layer_3",
    "hog": "decompose",
}


def weights_of(model: str) -> str:
    return "pretrained" if model in ("efficientnet_lite0", "hog") else "random"


async def loaded(ready: Any) -> None:
    async with asyncio.timeout(120):
        while not ready():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("model", DEFAULTS)
async def test_the_same_layer_everywhere(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = weights_of(model)
    phi = iw.representation(model, weights=weights)
    found = {"representation": phi.layer}
    run = iw.prepare("coffee", model, weights=weights, seeds=1, steps=1)
    found["invert"] = run.representation.layer
    sweep = iw.Sweep(photos="coffee", models=model, weights=weights, settings={"steps": 1})
    found["Sweep"] = phi.at(sweep.jobs[0].task["layer"]).layer_info().short_name
    monkeypatch.setattr("invwidgets.inversion.run.Run.finish", lambda run, *_: run.result())
    monkeypatch.setattr("invwidgets.inversion.run.Run.result", lambda run: Only(run.representation))
    asked = ["--model", model, "--weights", weights, "--steps", "1", "--seeds", "1", "--json"]
    assert main(["invert", "coffee", *asked]) == 0
    found["shell"] = json.loads(capsys.readouterr().out)["layer"]
    found["slider"] = phi.at(iw.controls.LayerSlider(model, weights=weights).value).layer
    panel = iw.InversionPanel("coffee", model=model, weights=weights)
    strip = iw.LayerStrip("coffee", model, weights=weights)
    try:
        await loaded(lambda: not panel.loading and panel.layer)
        await loaded(lambda: strip.view.layers)
        found["panel"] = phi.at(panel.layer).layer
        shown = [phi.at(name).layer for name in strip.view.layers]
        assert phi.layer in shown, shown
    finally:
        panel.close()
        strip.close()
    assert set(found.values()) == {phi.at(DEFAULTS[model]).layer}, found


class Only:
    """A result of which only the layer is known."""

    def __init__(self, phi: iw.Representation) -> None:
        self.layer = phi.layer

    def summary(self) -> dict[str, str]:
        return {"layer": self.layer}


def test_it_does_not_go_by_the_size_of_a_run() -> None:
    wanted = iw.representation("efficientnet_lite0").layer
    for size in (64, 320):
        run = iw.prepare("coffee", seeds=1, steps=1, size=size)
        assert run.representation.layer == wanted


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, stride=2), nn.Conv2d(4, 6, 3, stride=2)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        near = self.first(images)
        return near, self.second(near)


def test_of_an_output_in_parts_it_is_the_first() -> None:
    assert iw.representation(Pair(), mean=0.5, std=0.25, size=(32, 32)).layer == "first"


@pytest.mark.parametrize("how", ["invert", "panel"])
async def test_a_representation_keeps_its_own(how: str) -> None:
    phi = iw.representation("efficientnet_lite0", "blocks.5")
    assert iw.representation(phi).layer == phi.layer
    if how == "invert":
        assert iw.prepare("coffee", phi, seeds=1, steps=1).representation.layer == phi.layer
        return
    panel = iw.InversionPanel("coffee", model=phi)
    try:
        await loaded(lambda: not panel.loading and panel.layer)
        assert phi.at(panel.layer).layer == phi.layer
    finally:
        panel.close()
