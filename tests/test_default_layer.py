"""Python, the shell and the panel begin at the same layer."""

from __future__ import annotations

import asyncio
import json

import pytest

import invwidgets as iw
from invwidgets.cli import main

pytest.importorskip("anywidget")


@pytest.mark.parametrize("model", ["efficientnet_lite0", "squeezenet1_1", "hog"])
async def test_the_same_layer_everywhere(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    weights = "random" if model == "squeezenet1_1" else "pretrained"
    python = iw.prepare("coffee", model, weights=weights, seeds=1, steps=1).representation
    steps = ["--steps", "1", "--seeds", "1", "--json"]
    assert main(["invert", "coffee", "--model", model, "--weights", weights, *steps]) == 0
    shell = json.loads(capsys.readouterr().out)["layer"]
    panel = iw.InversionPanel("coffee", model=model, weights=weights)
    try:
        async with asyncio.timeout(120):
            while panel.loading or not panel.layer:
                await asyncio.sleep(0.01)
        assert python.layer == shell == python.at(panel.layer).layer
    finally:
        panel.close()


def test_a_representation_keeps_its_own() -> None:
    phi = iw.representation("efficientnet_lite0", "blocks.5")
    assert iw.prepare("coffee", phi, seeds=1, steps=1).representation.layer == phi.layer
