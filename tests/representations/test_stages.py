"""Tests of a network's stages by the names that people use, and of the default layer."""

from __future__ import annotations

import pytest
from torch import nn

import invwidgets as iw
from invwidgets.errors import UnknownNameError
from invwidgets.representations.base import Layer
from invwidgets.representations.stages import default_layer, find_layer, inside, stage_of, stages

BLOCKS = [f"blocks.{k}" for k in range(7)]
STAGES = {
    "efficientnet_lite0": ["conv_stem", *BLOCKS, "conv_head", "global_pool", "classifier"],
    "resnet18": ["conv1", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc"],
}
BEGIN = {"efficientnet_lite0": "blocks.2", "hog": "decompose", "dsift": "renormalize"}


def layers_of(model: str) -> tuple[iw.types.Layer, ...]:
    trained = ("efficientnet_lite0", "hog", "dsift")
    return iw.representation(model, weights="pretrained" if model in trained else "random").layers()


@pytest.mark.parametrize("model", STAGES)
def test_stages_are_named_in_order(model: str) -> None:
    found = [stage.short_name for stage in stages(layers_of(model))]
    assert found == STAGES[model]


def test_a_descriptor_shows_all_it_does() -> None:
    layers = layers_of("hog")
    assert stages(layers) == layers


def test_a_transformer_shows_and_opens_on_its_blocks() -> None:
    layers = layers_of("vit_b_16")
    blocks = [s.short_name for s in stages(layers) if "encoder_layer" in s.short_name]
    assert blocks == [f"encoder.layers.encoder_layer_{k}" for k in range(12)]
    assert default_layer(layers).short_name in blocks


@pytest.mark.parametrize("model", BEGIN)
def test_where_one_begins(model: str) -> None:
    assert default_layer(layers_of(model)).short_name == BEGIN[model]


def test_a_network_cut_by_its_owner_begins_at_its_end() -> None:
    trunk = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.MaxPool2d(2))
    whole = nn.Sequential(trunk, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    mean, std = (0.5,) * 3, (0.25,) * 3
    assert iw.prepare("coffee", trunk, size=32, mean=mean, std=std).representation.layer == "3"
    begin = iw.prepare("coffee", whole, size=32, mean=mean, std=std).representation
    assert len(begin.layer_info((32, 32)).shape) == 3
    assert begin.layer_info((32, 32)).shape[1:] != (1, 1)


def test_every_layer_lies_inside_one_stage() -> None:
    layers = layers_of("efficientnet_lite0")
    shown = stages(layers)
    within = [layer for stage in shown for layer in inside(layers, stage, shown)]
    assert within == list(layers)
    assert all(layer in inside(layers, stage_of(layer, shown), shown) for layer in layers)


def test_names_and_small_networks() -> None:
    layers = layers_of("efficientnet_lite0")
    assert find_layer(layers, "blocks").short_name == "blocks.6", "a list has no end of its own"
    with pytest.raises(UnknownNameError, match="conv9"):
        find_layer(layers, "conv9")
    own = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    few = iw.representation(own, mean=(0.5,) * 3, std=(0.5,) * 3).layers()
    assert [stage.name for stage in stages(few)] == ["0", "1", "2"]


def layer(name: str, *aliases: str) -> Layer:
    return Layer(0, name, "Module", (4, 3, 3), None, None, None, False, aliases)


@pytest.mark.parametrize(
    ("names", "short"),
    [
        ("encoder.layer.3 encoder.last_hidden_state encoder", "encoder.layer.3"),
        ("net.encoder.stages.3.layers.0 net.encoder.stages.3 net.encoder net output", "net.encoder"
         ".stages.3"),
        ("transformer.resblocks.2 transformer", "transformer.resblocks.2"),
        ("stages.3 output.last_hidden_state output", "stages.3"),
        ("classifier output.logits output", "classifier"),
        ("output.logits output", "output"),
        ("output.dense output", "output"),
        ("blocks.3.mlp.net.2 blocks.3.mlp.net blocks.3.mlp", "blocks.3.mlp"),
        ("encoder.layer.3.output.dense encoder.layer.3.output", "encoder.layer.3.output"),
        ("head.fc head", "head"),
    ],
)  # fmt: skip
def test_the_last_of_a_list_keeps_its_number_and_an_output_its_module(
    names: str, short: str
) -> None:
    assert layer(*names.split()).short_name == short
