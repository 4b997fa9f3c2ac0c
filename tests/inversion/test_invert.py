"""Tests of ``invert`` with every representation and objective."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from numpydoc.docscrape import NumpyDocString
from torch import nn

from invwidgets.cli import shell_parser
from invwidgets.energy.objectives import largest_response
from invwidgets.errors import (
    BadSettingError,
    InvwidgetsError,
    NotEnoughMemoryError,
    UnknownNameError,
)
from invwidgets.inversion.engine import Step, run
from invwidgets.inversion.invert import invert
from invwidgets.inversion.metrics import relative_error
from invwidgets.inversion.options import RunOptions
from invwidgets.inversion.phase import Phase
from invwidgets.inversion.prepare import prepare
from invwidgets.inversion.result import Reconstruction
from invwidgets.inversion.session import Session
from invwidgets.inversion.settings import InversionSettings, SettingChanges
from invwidgets.representations.registry import representation, representations
from invwidgets.selection import Selection
from tests.inversion.test_engine import Broken
from tests.saboteurs import no_step
from tests.small_networks import HALF, phi, picture, small

ROOT = Path(__file__).parents[2]
PHI = phi()
PHOTO = picture()
LAYERS = {
    "efficientnet_lite0": "blocks.1", "squeezenet1_1": "features.3", "resnet18": "layer1.0",
    "alexnet": "features.4", "caffenet": "relu2", "vgg16": "features.8", "vgg19": "features.8",
    "resnet50": "layer1.0", "convnext_tiny": "features.1.0",
    "vit_b_16": "encoder.layers.encoder_layer_1",
}  # fmt: skip
QUICK = ("efficientnet_lite0", "squeezenet1_1", "resnet18")


def short(**options: Any) -> Reconstruction:
    return invert(PHOTO, PHI, **{"steps": 10, "seeds": 3, "frames": 0} | options)


@pytest.mark.parametrize(
    "name",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in representations()],
)
def test_the_objective_decreases_for_every_representation(name: str) -> None:
    weights = "pretrained" if name == "efficientnet_lite0" else "random"
    size = None if name in ("vit_b_16", "caffenet") else 64
    own = representation(name, LAYERS.get(name), weights)
    result = invert("coffee", own, size=size, steps=12, seeds=2, frames=0)
    data = result.energies["data"]
    assert bool((data[-1] < 0.8 * data[0]).all())
    assert result.relative_error is not None
    assert max(result.relative_error) < 1


@pytest.mark.claim(saboteurs=[no_step])
@pytest.mark.parametrize("preset", ["default", "cvpr2015", "ijcv2016"])
def test_every_preset_descends(preset: str) -> None:
    result = short(preset=preset, steps=40)
    total, data = result.energies["total"], result.energies["data"]
    assert bool((total[-1] < total[0]).all())
    assert bool((data[-1] < 0.8 * data[0]).all())  # the total falls as λ_V does, too
    assert result.reverted == ()


def test_what_comes_out_agrees_with_what_went_in() -> None:
    result = short(seeds=[7, 3], region="2:6,3:9", channels="0:4", beta=1.5)
    assert result.images.shape == (2, 3, 24, 28)
    assert 0 <= float(result.images.min()) <= float(result.images.max()) <= 1
    assert result.seeds == (7, 3)
    selection = Selection((2, 6, 3, 9), (0, 1, 2, 3))
    errors = relative_error(PHI(result.images), PHI.target(PHOTO), selection)
    torch.testing.assert_close(torch.tensor(result.relative_error), errors)
    assert all(curve.shape == (10, 2) for curve in result.energies.values())
    assert result.settings.beta == 1.5
    assert result.layer == "relu_1"
    assert result.digest == PHI.digest
    assert result.receptive_field is not None
    field = PHI.receptive_field((2, 6, 3, 9)).clipped
    assert result.receptive_field.clipped == field
    assert result.photo is not None
    assert torch.equal(result.photo, PHOTO)
    assert not result.stopped
    assert result.steps == 10


def test_outside_a_region_the_variance_is_measured() -> None:
    result = invert(PHOTO, phi("conv1"), region="4:8,4:8", steps=20, seeds=2, frames=0)
    assert result.receptive_field is not None
    assert result.outside_variance is not None
    top, left, bottom, right = result.receptive_field.clipped
    outside = torch.ones(24, 28, dtype=torch.bool)
    outside[top:bottom, left:right] = False
    for image, ratio in zip(result.images, result.outside_variance, strict=True):
        expected = float(
            image[:, outside].var(1, False).mean() / image[:, ~outside].var(1, False).mean()
        )
        assert ratio == pytest.approx(expected, rel=1e-4)
        assert ratio < 1
    assert invert(PHOTO, PHI, region="0:12,0:14", steps=1, seeds=1).outside_variance is None


def test_the_same_call_twice_gives_identical_bytes() -> None:
    one, two = short(frames=4), short(frames=4)
    assert one.images.numpy().tobytes() == two.images.numpy().tobytes()
    assert one.relative_error == two.relative_error
    assert torch.equal(one.frames, two.frames)


@pytest.mark.parametrize("layer", ["relu_1", "head.2"])
def test_on_one_thread_seed_7_alone_is_seed_7_among_25(layer: str) -> None:
    among = short(layer=layer, seeds=25, threads=1)
    alone = short(layer=layer, seeds=[7], threads=1)
    assert torch.equal(alone.images[0], among.images[7])


def test_the_embedded_networks_classifier_too() -> None:
    own = representation("efficientnet_lite0")
    options: dict[str, Any] = {"size": 64, "steps": 3, "frames": 0, "threads": 1}
    among, alone = (
        invert("coffee", own, seeds=9, **options),
        invert("coffee", own, seeds=[7], **options),
    )
    assert torch.equal(alone.images[0], among.images[7])


GRADIENTS = """
import torch
from invwidgets.inversion.engine import run
from invwidgets.selection import Selection
from tests.inversion.test_engine import PHI, SETTINGS, TARGET
torch.set_num_threads(2)
def first(seeds):
    one = SETTINGS.replace(seeds=seeds, optimizer="momentum", bound=None).with_steps(1)
    still = one.replace(phases=(one.phases[0].__class__(1, 0.0),))
    moved = next(run(PHI, TARGET, Selection(), one)).iterate
    return moved - next(run(PHI, TARGET, Selection(), still)).iterate
alone, among = first((7,))[0], first(tuple(range(25)))[7]
print(float((alone - among).norm() / alone.norm()))
"""


def test_on_several_threads_the_first_gradients_agree() -> None:
    done = subprocess.run(
        [sys.executable, "-c", GRADIENTS], cwd=ROOT, capture_output=True, text=True, timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "2", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1e-5


def test_a_diverged_seed_is_listed_and_the_others_are_the_same() -> None:
    class Listed(Broken):
        name, layer, weights, digest = "broken", "relu_1", "as given", "0"  # type: ignore[assignment]
        at = layers = receptive_field = None  # type: ignore[assignment]

        def layer_info(self, size: tuple[int, int] | None = None) -> Any:
            return PHI.layer_info(size)

    settings = InversionSettings(
        phases=(Phase(8, 2.0),), tv_weight=0.01, micro_batch=3, precision="float32"
    )
    sound = invert(PHOTO, PHI, settings=settings, seeds=[5, 6, 7])
    broken = Listed(1, 4)
    broken.inner.at += 3  # two calls look at the layer, one counts the memory a seed needs
    torn = invert(PHOTO, broken, settings=settings, seeds=[5, 6, 7])
    assert torn.reverted == ((4, 6),)
    assert sound.reverted == ()
    assert torch.equal(torn.images[[0, 2]], sound.images[[0, 2]])
    assert not torch.equal(torn.images[1], sound.images[1])
    assert torn.summary()["reverted"] == [[4, 6]]


# --- stopping, watching, turning knobs ----------------------------------------------------------


def test_a_callback_sees_every_step_and_may_stop() -> None:
    seen: list[int] = []
    result = short(callback=lambda step: seen.append(step.index))
    assert seen == list(range(10))
    assert not result.stopped
    result = short(callback=lambda step: step.index == 3)
    assert (result.stopped, result.steps) == (True, 4)
    assert result.energies["data"].shape == (4, 3)
    assert not short(callback=lambda step: step.index == 9).stopped  # it was done anyway


def test_interrupted_it_returns_what_was_reached() -> None:
    def interrupt(step: Step) -> None:
        if step.index == 2:
            raise KeyboardInterrupt

    result = short(callback=interrupt)
    assert (result.stopped, result.steps) == (True, 3)
    threads = torch.get_num_threads()

    def at_once(steps: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        short(on_ready=at_once)
    assert torch.get_num_threads() == threads


def test_moved_knobs_are_in_the_result_and_replay() -> None:
    step = 0

    def knobs() -> dict[str, Any]:
        nonlocal step
        step += 1
        return {"tv_weight": 0.3} if step > 4 else {}

    moved = short(knobs=knobs)
    assert moved.knob_changes == ((4, "tv_weight", 0.3),)
    reads = iter(range(100))

    def replay() -> dict[str, Any]:
        now = next(reads)
        return {name: value for at, name, value in moved.knob_changes if at <= now}

    again = short(knobs=replay)
    assert torch.equal(again.images, moved.images)
    assert not torch.equal(short().images, moved.images)


def test_ready_is_told_the_steps() -> None:
    told: list[int] = []
    short(on_ready=told.append)
    assert told == [10]


# --- the other objectives -----------------------------------------------------------------------


@pytest.mark.claim(saboteurs=[no_step])
def test_maximize_needs_no_photo_and_has_no_error() -> None:
    result = invert(
        None, PHI, layer="conv2", channels=3, objective="maximize", steps=60, seeds=2, frames=0
    )
    assert result.relative_error is None
    assert result.psnr is None
    assert result.photo is None
    assert result.settings.objective == "maximize"
    assert result.selection.channels == (3,)
    data = result.energies["data"]
    assert bool((data[-1] < data[0]).all())
    again = invert(
        None, PHI, layer="conv2", channels=3, objective="maximize", steps=60, seeds=2, frames=0
    )
    assert torch.equal(again.images, result.images)


def test_the_largest_response_is_over_the_bundled_photos() -> None:
    job = prepare(None, PHI, layer="relu_1", channels=3, objective="maximize", steps=1)
    assert float(job.target) == float(largest_response(PHI, Selection(channels=(3,))))
    assert job.selection.region == (5, 6, 6, 7)


def test_maximize_of_a_vectors_unit() -> None:
    result = invert(
        None, PHI, layer="head.2", channels=1, objective="maximize", steps=5, seeds=1, frames=0
    )
    assert result.layer == "head.2"
    assert result.diversity == {"pixels": 0.0, "features": 0.0}


@pytest.mark.claim(saboteurs=[no_step])
def test_caricature_starts_from_the_photo_and_raises_what_it_shows() -> None:
    result = short(objective="caricature", steps=30)
    data = result.energies["data"]
    assert float(data[0][0]) == pytest.approx(-1, abs=0.1)
    assert bool((data[-1] < data[0]).all())
    assert result.psnr is not None


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seeds": 0}, "0 seeds"),
        ({"steps": 0}, "steps 0"),
        ({"tv": 1}, "no setting 'tv'"),
        ({"unit": "relu_1:2"}, "no setting 'unit'"),
        ({"objective": "maximize"}, "needs a channel"),
        ({"layer": "nope"}, "no layer 'nope'"),
        ({"size": (3, 3)}, "3x3"),
        ({"device": "tpu"}, "'tpu'"),
    ],
)
def test_refusals(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvwidgetsError) as caught:
        short(**options)
    assert words in str(caught.value)


def test_a_photo_is_needed() -> None:
    with pytest.raises(BadSettingError, match=r"inversion needs a photo.*coffee"):
        invert(None, PHI)
    with pytest.raises(UnknownNameError):
        invert("cofee", PHI)


def test_an_accelerators_own_out_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB\nmore")

    monkeypatch.setattr("invwidgets.energy.evaluation.Evaluation.__call__", full)
    with pytest.raises(NotEnoughMemoryError, match=r"Tried to allocate 9 GiB.*micro_batch=2"):
        short(seeds=4, micro_batch=4)


def test_whole_settings_instead_of_a_preset() -> None:
    settings = InversionSettings(phases=(Phase(6, 2.0),), seeds=(9,))
    result = short(settings=settings, steps=None, seeds=2, tv_weight=0.5)
    assert (result.steps, result.seeds, result.settings.tv_weight) == (6, (0, 1), 0.5)


def test_your_own_module_by_one_call() -> None:
    result = invert(PHOTO, small(), "conv1", mean=HALF, std=HALF, size=(24, 28), steps=2, frames=0)
    assert (result.model, result.note) == ("Small", "")
    assert list(run(PHI, PHI.target(PHOTO), Selection(), result.settings, origin=PHOTO))


OBJECTS = {"priors", "phases", "settings"}  # which a command line cannot write
NOT_IN_SHELL = OBJECTS | {
    "mean",
    "std",
    "forward_kwargs",
    "frames",
}  # of a module; by the ending of --out


def test_every_keyword_is_in_signature_docstring_and_shell() -> None:
    fields_of_settings = {field.name for field in fields(InversionSettings)}
    own = {"preset", "objective", "seeds", "size", "fit", "forward_kwargs"}
    single = fields_of_settings - own
    assert set(SettingChanges.__annotations__) == single
    assert set(RunOptions.__annotations__) >= fields_of_settings
    kind = inspect.Parameter.KEYWORD_ONLY
    listed = {n for n, p in inspect.signature(invert).parameters.items() if p.kind is kind}
    assert listed == {*RunOptions.__annotations__, "callback", "knobs", "on_ready"}
    sections = NumpyDocString(inspect.getdoc(invert) or "")["Parameters"]
    explained = {n for section in sections for n in section.name.split(", ")}
    assert explained == {*listed, "photo", "model", "layer"}
    commands = next(a for a in shell_parser()._actions if a.dest == "invert" or a.choices)
    assert commands.choices is not None
    shell = {action.dest for action in commands.choices["invert"]._actions}
    words = {action.option_strings[0] for action in commands.choices["invert"]._actions[2:]}
    assert shell - {"help", "photo", "model", "layer", "out", "save", "json"} == (
        set(RunOptions.__annotations__) - NOT_IN_SHELL
    )
    assert {f"--{name.replace('_', '-')}" for name in shell - {"help", "photo"}} == words - {"-h"}


@pytest.mark.parametrize("call", [prepare, Session.start])
def test_those_who_pass_them_on_take_them_all(call: Any) -> None:
    parameters = inspect.signature(call).parameters
    assert parameters.keys() >= RunOptions.__annotations__.keys()
    assert "options" not in parameters


def test_a_misspelt_keyword_is_answered_with_what_exists() -> None:
    with pytest.raises(UnknownNameError, match=r"no setting 'regoin'; did you mean 'region'"):
        short(regoin="0:2,0:2")


def test_whole_settings_are_taken_whole() -> None:
    first = short(seeds=[3, 1], tv_weight=0.5)
    again = short(settings=first.settings, seeds=None, steps=None)
    assert again.seeds == (3, 1)
    assert torch.equal(first.images, again.images)
    for name, given in (("preset", "cvpr2015"), ("objective", "caricature")):
        with pytest.raises(InvwidgetsError, match=f"{name} '{given}' with settings"):
            short(settings=first.settings, **{name: given})


def test_a_results_selection_is_given_as_its_region_and_channels() -> None:
    first = short(region="0:2,0:2", channels="0:3")
    region, channels = first.selection.region, first.selection.channels
    assert (region, channels) == ((0, 2, 0, 2), (0, 1, 2))
    assert torch.equal(short(region=region, channels=channels).images, first.images)


class Thumbnails(nn.Module):
    """A network for images of 32 × 32 pixels only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(4 * 16 * 16, 5))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.conv(images))
        return scores


def test_size_reaches_a_network_that_takes_no_other() -> None:
    options: dict[str, Any] = {"mean": HALF, "std": HALF, "seeds": 1, "steps": 2}
    for layer in ("conv", "head.1"):
        result = invert("coffee", Thumbnails(), layer, size=32, **options)
        assert result.images.shape == (1, 3, 32, 32)
        again = invert("coffee", Thumbnails(), layer, settings=result.settings, mean=HALF, std=HALF)
        assert again.settings.size == (32, 32)
    future = Session().start("coffee", Thumbnails(), "conv", size=32, **options)
    assert future.result(60).settings.size == (32, 32)
    with pytest.raises(InvwidgetsError, match="size"):
        invert("coffee", Thumbnails(), "conv", **options)
