"""Tests of a sweep's axes: their product, and all wrong inputs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import invwidgets as iw
from invwidgets.errors import BadSettingError, SelectionError, UnknownNameError
from invwidgets.sweeps.grid import Grid, read_plan, words_of


def test_jobs_are_all_combinations_with_a_networks_together() -> None:
    grid = Grid.of(
        photos=["coffee", "rocket"], models=["alexnet", "efficientnet_lite0"],
        layers={"alexnet": ["conv1"], "efficientnet_lite0": ["blocks.0", "blocks.2"]},
        regions=[None, "3:8,3:8"], channels=[0, "group:1"], seeds=[[0], [1, 2]],
        settings={"steps": 5, "tv_weight": [0.1, 0.2]},
    )  # fmt: skip
    points = grid.points()
    assert len(points) == len(grid) == 2 * 3 * 2 * 2 * 2 * 2
    assert len(set(points)) == len(points)
    assert [p.model for p in points] == sorted(p.model for p in points)
    assert grid.axes() == {
        "photo": ("coffee", "rocket"), "model": ("alexnet", "efficientnet_lite0"),
        "layer": ("conv1", "blocks.0", "blocks.2"), "region": (None, (3, 8, 3, 8)),
        "channels": ((0,), "group:1"), "seeds": ((0,), (1, 2)), "tv_weight": (0.1, 0.2),
    }  # fmt: skip
    first = points[0]
    assert (first.value("tv_weight"), first.value("steps"), first.value("layer")) == (
        0.1,
        5,
        "conv1",
    )
    assert Grid.of(**grid.to_dict()) == grid


def test_a_single_value_is_an_axis_of_one() -> None:
    grid = Grid.of(photos="coffee", regions=(3, 8, 3, 8), channels=[0, 1], seeds=3)
    (point,) = grid.points()
    assert point.region == (3, 8, 3, 8)
    assert point.channels == (0, 1)
    assert point.seeds == (0, 1, 2)
    assert point.layer is None
    assert grid.axes() == {}


def test_words() -> None:
    assert words_of("region", (3, 8, 3, 8)) == "3:8,3:8"
    assert words_of("region", None) == "everything"
    assert words_of("photo", "some/where/cat.png") == "cat"
    assert words_of("tv_weight", 0.01) == "0.01"
    assert words_of("seeds", (0, 1)) == "0,1"


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"photos": []}, BadSettingError, "axis photos is empty: give at least one value"),
        ({"layers": []}, BadSettingError, "axis layers is empty"),
        ({"seeds": []}, BadSettingError, "axis seeds is empty"),
        ({"settings": {"steps": []}}, BadSettingError, "axis settings.steps is empty"),
        ({"photoes": ["coffee"]}, UnknownNameError, "no axis 'photoes'; did you mean 'photos'?"),
        ({"settings": {"tv_wieght": 1}}, UnknownNameError, "did you mean 'tv_weight'"),
        ({"settings": 3}, BadSettingError, "settings 3: give names and values"),
        ({"settings": {"threads": 2}}, BadSettingError, "run on one thread each"),
        ({"settings": {"phases": [1]}}, BadSettingError, "numbers and names only"),
        ({"settings": {"objective": [object()]}}, BadSettingError, "numbers and names only"),
        ({"settings": {"precision": "auto"}}, BadSettingError, "give 'float32'"),
        ({"models": [nn.ReLU()]}, BadSettingError, r"models ReLU\(\): jobs carry names"),
        ({"photos": [b"..."]}, BadSettingError, "jobs carry names"),
        ({"layers": {"vgg16": ["conv1"]}}, UnknownNameError, "no model 'vgg16' in the sweep's lay"),
        ({"layers": [3]}, BadSettingError, "layers 3: give names"),
        ({"weights": ["random", "pretrained"]}, BadSettingError, "one for each model"),
        ({"regions": "3-8"}, SelectionError, "region '3-8'"),
        ({"fit": "squash"}, BadSettingError, "fit='squash'"),
        ({"size": "big"}, BadSettingError, "size 'big'"),
    ],
)
def test_bad_axes_are_refused_in_words(
    given: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=re.escape(words) if "\\" not in words else words):
        iw.Sweep(**given)


def test_too_many_jobs() -> None:
    grid = Grid.of(settings={"steps": list(range(1, 1102)), "tv_weight": list(range(1000))})
    with pytest.raises(BadSettingError, match="1101000 jobs: at most 1000000; split the sweep"):
        grid.points()


def test_a_plan_in_a_file_names_photos_beside_it(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", "c.jpg"):
        (tmp_path / name).touch()
    plan = tmp_path / "plan.toml"
    plan.write_text(
        'photos = ["*.png", "coffee", "missing.png"]\nlayers = "blocks.2"\nseeds = [0, 3]\n'
        "[settings]\nsteps = 5\nbeta = [1.5, 2.0]\n"
    )
    grid = read_plan(plan)
    a, b = str(tmp_path / "a.png"), str(tmp_path / "b.png")
    assert grid.photos == (a, b, "coffee", "missing.png")
    assert grid.seeds == ((0, 3),)
    assert grid.settings == {"steps": (5,), "beta": (1.5, 2.0)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("photos = [", "cannot be read: TOMLDecodeError"),
        ("photoes = 'coffee'", "no axis 'photoes'"),
        ("photos = '*.webp'", "no file in .* fits"),
        (None, "No such file"),
    ],
)
def test_a_bad_plan_says_what_is_wrong(tmp_path: Path, text: str | None, words: str) -> None:
    plan = tmp_path / "plan.toml"
    if text is not None:
        plan.write_text(text)
    with pytest.raises(iw.errors.InvwidgetsError, match=words):
        iw.Sweep.from_file(plan)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([0, 1], [(0, 1)]),
        (3, [(3,)]),
        ([[0, 1], [2]], [(0, 1), (2,)]),
        ([[0]], [(0,)]),
        (["group:1", "group:2"], ["group:1", "group:2"]),
        ("0:3", ["0:3"]),
        ([None, [4]], [None, (4,)]),
        (None, [None]),
    ],
)
def test_a_list_of_channels_is_one_selection_and_a_list_of_lists_is_an_axis(
    given: Any, wanted: list[Any]
) -> None:
    grid = Grid.of(photos="coffee", channels=given)
    assert list(grid.channels) == wanted
    assert Grid.of(**json.loads(json.dumps(grid.to_dict()))).channels == grid.channels
