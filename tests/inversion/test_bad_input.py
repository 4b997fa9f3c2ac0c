"""Tests of bad input, which is refused with a message before the first step."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import invwidgets as iw
from invwidgets.errors import (
    BadSettingError,
    InvwidgetsError,
    RepresentationError,
    SelectionError,
    UnknownNameError,
    WeightsError,
)
from invwidgets.inversion.hardware.memory import seed_bytes
from invwidgets.models.weights import read_weights

OWN: dict[str, Any] = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "size": 32, "seeds": 1, "steps": 2}
STEM: dict[str, Any] = {"layer": "conv_stem", "size": 32, "seeds": 1, "steps": 2}


class Apply(nn.Module):
    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


class Ending(nn.Module):
    """A convolution, followed by a given function."""

    def __init__(self, function: Callable[[Tensor], Any] = torch.relu) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 4, 3)
        self.last = Apply(function)

    def forward(self, x: Tensor) -> Any:
        return self.last(self.first(x))


def scaled(factor: float, function: Callable[[Tensor], Any] = torch.relu) -> Ending:
    module = Ending(function)
    with torch.no_grad():
        module.first.weight.mul_(factor)
    return module


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x.detach(), "without a gradient"),
        (torch.round, "without a gradient"),
        (lambda x: x.argmax(1, keepdim=True).float(), "without a gradient"),
        (lambda x: torch.from_numpy(x.detach().numpy()), "without a gradient"),
        (lambda x: x * 0 + 1, "same features for every image"),
        (lambda x: x / 0, "infinite features"),
        (lambda x: x.detach().numpy(), "returns a ndarray.*give a layer"),
        (lambda x: x.to_sparse(), "returns a sparse tensor.*give a layer"),
        (lambda x: (x.int(), None), "returns a tuple.*give a layer"),
        (lambda x: {"a": x.int()}, "returns a dict.*give a layer"),
        (lambda x: x.int(), "returns a tensor of int32.*give a layer"),
        (lambda x: x.sum(), "returns a single number.*give a layer"),
    ],
)
def test_features_that_cannot_be_searched_for(
    function: Callable[[Tensor], Any], words: str
) -> None:
    with pytest.raises(RepresentationError, match=words):
        iw.invert("coffee", Ending(function), **OWN)
    named = {**OWN, "layer": "first"}
    assert iw.invert("coffee", Ending(function), **named).relative_error is not None


@pytest.mark.parametrize("module", [scaled(1e30), scaled(1e3, lambda x: x**9)])
def test_features_too_large_for_their_squares(module: nn.Module) -> None:
    with pytest.raises(InvwidgetsError, match=r"too large|infinite"):
        iw.invert("coffee", module, **OWN)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"std": (np.inf,) * 3}, "std .*inf.*finite numbers"),
        ({"std": (0, 0, 0)}, "std .*finite numbers"),
        ({"std": (-1, 1, 1)}, "std .*finite numbers"),
        ({"mean": (np.nan,) * 3}, "mean .*nan.*finite"),
        ({"mean": 3}, r"mean 3: images are in \[0, 1\]"),
    ],
)
def test_preprocessing_that_erases_the_photo(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(BadSettingError, match=words):
        iw.invert("coffee", Ending(), **{**OWN, **changed})


def test_preprocessing_of_arrays_works() -> None:
    options = {**OWN, "mean": np.array([0.5] * 3), "std": torch.tensor([0.5] * 3)}
    assert iw.invert("coffee", Ending(), **options).relative_error is not None


def test_weights_that_are_no_numbers() -> None:
    module = Ending()
    with torch.no_grad():
        module.first.weight[0] = torch.nan
    with pytest.raises(WeightsError, match=r"first\.weight contains NaN"):
        iw.invert("coffee", module, **OWN)
    module.first.weight = nn.Parameter(torch.zeros(4, 3, 3, 3, dtype=torch.complex64))
    with pytest.raises(WeightsError, match=r"first\.weight is complex"):
        iw.invert("coffee", module, **OWN)


@pytest.mark.parametrize("kind", [torch.float16, torch.float64, torch.bfloat16])
def test_modules_of_other_precision_work(kind: torch.dtype) -> None:
    module = Ending().to(kind)
    assert iw.invert("coffee", module, **OWN).images.dtype == torch.float32
    assert module.first.weight.dtype == kind, "the module itself stays as it was"


def test_inference_mode() -> None:
    with torch.inference_mode():
        module = Ending()
        inside = iw.invert("coffee", module, **OWN)
    assert torch.equal(iw.invert("coffee", module, **OWN).images, inside.images)


@pytest.mark.parametrize(
    ("changed", "kind", "words"),
    [
        ({"layer": 2}, UnknownNameError, "layer 2: give the name of a layer"),
        ({"layer": ""}, UnknownNameError, "layer '': give the name of a layer"),
        ({"layer": "x" * 5000}, UnknownNameError, r"no layer 'xx.*5000 characters"),
        ({"preset": None}, UnknownNameError, "no preset None"),
        ({"preset": ["default"]}, UnknownNameError, "no preset"),
        ({"objective": 3}, UnknownNameError, "no objective 3"),
        ({"settings": {}}, BadSettingError, "settings {}: give InversionSettings"),
        ({"phases": 3}, BadSettingError, "phases 3: give a list of Phase"),
        ({"phases": ()}, BadSettingError, "at least one"),
        ({"phases": (1,)}, BadSettingError, "give a list of Phase"),
        ({"device": None}, BadSettingError, "device None"),
        ({"device": "warp"}, BadSettingError, "device 'warp'"),
        ({"unit": "blocks.0:1"}, UnknownNameError, "no setting 'unit'"),
        ({"selection": iw.types.Selection()}, UnknownNameError, "no setting 'selection'"),
        ({"channels": 1, "objective": "maximize"}, BadSettingError, "takes no photo"),
        ({"channels": slice(0, 5, 0)}, SelectionError, "zero"),
        ({"channels": True}, SelectionError, "mask of 32 values"),
        ({"channels": [True] * 8}, SelectionError, "mask of 8 values for 32 channels"),
        ({"channels": -33}, SelectionError, "channel -33 does not exist"),
        ({"region": 5}, SelectionError, "region 5"),
        ({"region": "1:²,3:4"}, SelectionError, "region '1:²,3:4'"),
        ({"size": True}, BadSettingError, "size True"),
        ({"size": ()}, BadSettingError, r"size \(\)"),
        ({"size": float("inf")}, BadSettingError, "size inf"),
        ({"size": b"32"}, BadSettingError, "size b'32'"),
        ({"size": 16384}, BadSettingError, "size 16384: give sides between 1 and 4096"),
        ({"steps": 10**9}, BadSettingError, "steps 1000000000.*at most 1000000"),
        ({"seeds": 1.5}, BadSettingError, "seeds 1.5"),
        ({"seeds": -1}, BadSettingError, "-1 seeds: give at least 1"),
        ({"threads": 10000}, BadSettingError, "threads 10000.*at most 256"),
        ({"beta": 1000}, BadSettingError, "beta 1000.*at most 16"),
        ({"frames": -1}, BadSettingError, "frames -1"),
        ({"precision": 3}, UnknownNameError, "no precision 3"),
        ({"optimizer": []}, UnknownNameError, "no optimizer"),
        ({"start": None}, UnknownNameError, "no start None"),
        ({"model": None}, UnknownNameError, "model None: give a name"),
        ({"model": 7}, UnknownNameError, "model 7: give a name"),
        ({"weights": ""}, WeightsError, "weights ''"),
        ({"weights": None}, WeightsError, "weights None"),
    ],
    ids=str,
)
def test_arguments_in_words(
    changed: dict[str, Any], kind: type[InvwidgetsError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        iw.invert("coffee", **{**STEM, **changed})
    assert len(str(caught.value)) < 700


def test_a_rate_that_leaves_the_numbers_is_refused() -> None:
    with pytest.raises(BadSettingError, match=r"lr 1e[+]308"):
        iw.Phase(10, 1e308)


@pytest.mark.parametrize(
    "changed",
    [
        {"seeds": np.arange(2)}, {"steps": np.int64(2)}, {"tv_weight": np.float32(0.1)},
        {"size": np.array([32, 32])}, {"device": torch.device("cpu")},
        {"region": (np.int64(1), 2, 3, 4)}, {"beta": torch.tensor(1.5)},
    ],
    ids=lambda changed: next(iter(changed)),
)  # fmt: skip
def test_numbers_of_numpy_and_torch_count_like_pythons(changed: dict[str, Any]) -> None:
    assert iw.invert("coffee", **{**STEM, **changed}).relative_error is not None


@pytest.mark.parametrize(
    ("spec", "chosen"),
    [
        ([True] * 4 + [False] * 28, (0, 1, 2, 3)),
        (np.arange(32) < 2, (0, 1)),
        (torch.arange(32) == 5, (5,)),
        (range(3), (0, 1, 2)),
        (torch.tensor([4, 1]), (1, 4)),
        (np.int64(3), (3,)),
        (-1, (31,)),
        ([-1, 0], (0, 31)),
        ("0,-1", (0, 31)),
    ],
)
def test_channels_as_python_takes_them(spec: Any, chosen: tuple[int, ...]) -> None:
    phi = iw.representation("efficientnet_lite0", "conv_stem")
    assert iw.select(phi, channels=spec).channels == chosen


def test_images_stay_finite_when_every_step_goes_too_far() -> None:
    far = iw.InversionSettings(
        optimizer="momentum", phases=(iw.Phase(5, 1e6),), bound=None, frames=0, tv_weight=1e12
    )
    result = iw.invert("coffee", settings=far, layer="conv_stem", size=32, seeds=2)
    assert bool(torch.isfinite(result.images).all())
    assert result.relative_error is not None
    assert all(np.isfinite(result.relative_error))


def test_what_a_huge_image_needs_is_reckoned_without_running_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    phi = iw.representation("efficientnet_lite0", "conv_stem")
    sizes = []
    forward = type(phi).forward

    def seen(self: iw.Representation, images: Tensor) -> Tensor:
        sizes.append(tuple(images.shape[-2:]))
        return forward(self, images)

    monkeypatch.setattr(type(phi), "forward", seen)
    large, small = seed_bytes(phi, (4096, 4096)), seed_bytes(phi, (512, 512))
    assert large == pytest.approx(64 * small, rel=0.01)
    assert max(map(max, sizes)) <= 512


def saved(content: Any, path: Path) -> Path:
    torch.save(content, path)
    return path


def test_weights_files_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="a is complex"):
        read_weights(saved({"a": torch.zeros(2, dtype=torch.complex64)}, tmp_path / "c.pt"), "mine")

    buffer = io.BytesIO()
    pickle.dump(Ending, buffer)
    (tmp_path / "p.pt").write_bytes(buffer.getvalue())
    torch.save({"a": Path}, tmp_path / "q.pt")
    for name in ("p.pt", "q.pt"):
        with pytest.raises(WeightsError, match="may run code") as caught:
            read_weights(tmp_path / name, "mine")
        assert "weights_only" not in str(caught.value)
    with pytest.raises(WeightsError, match="no weights file"):
        read_weights(tmp_path, "mine")


@pytest.mark.parametrize("word", ["callback", "knobs", "on_ready"])
def test_what_is_no_function_is_refused_before_the_run(word: str) -> None:
    with pytest.raises(BadSettingError, match=f"{word} 'print': give a function"):
        iw.invert("coffee", weights="random", **STEM, **{word: "print"})


@pytest.mark.parametrize("steps", ["5", torch.ones(3), (4,), 0, -1, 2.5, True])
def test_steps_that_are_no_number_of_steps(steps: Any) -> None:
    with pytest.raises(BadSettingError, match="steps"):
        iw.invert("coffee", weights="random", **(STEM | {"steps": steps}))
