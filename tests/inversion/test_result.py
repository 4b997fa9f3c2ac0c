"""Tests of results: numbers, files, and files that are refused."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from invwidgets.errors import OutputError
from invwidgets.inversion.invert import invert
from invwidgets.inversion.phase import Phase
from invwidgets.inversion.prepare import prepare
from invwidgets.inversion.replay import code_for
from invwidgets.inversion.result import Reconstruction
from invwidgets.selection import Selection
from tests.small_networks import phi, picture

PHOTO = picture()


@pytest.fixture(scope="module")
def result() -> Reconstruction:
    moves = iter(range(100))
    return invert(
        PHOTO, phi(), steps=9, seeds=3, frames=5, region="2:6,3:9", alpha_weight=0.1,
        knobs=lambda: {"tv_weight": 0.2, "bound": None} if next(moves) > 4 else {},
    )  # fmt: skip


def test_saved_and_loaded_it_is_the_same(result: Reconstruction, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    result.save(path)
    again = Reconstruction.load(path)
    assert again == result
    for field in dataclasses.fields(Reconstruction):
        assert type(getattr(again, field.name)) is type(getattr(result, field.name)), field.name
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]  # no partial file left
    assert again.knob_changes == ((5, "tv_weight", 0.2), (5, "bound", None))


def test_the_code_of_a_run_that_went_on_has_its_settings() -> None:
    """HOG's λ_V goes by the steps, and the code names phases in their place."""
    run = prepare("flower", "hog", size=64, seeds=1, steps=8)
    list(run.steps())
    run.extend(Phase(4, 1.0))
    scope: dict[str, Any] = {}
    found = run.result()
    exec(code_for(found).replace("result.gallery()", ""), scope)
    assert scope["result"].settings == found.settings


EVERY_KIND: dict[str, dict[str, Any]] = {
    "selection": {"region": "2:6,3:9", "channels": "0:4"},
    "vector": {"layer": "head.2"},
    "phases": {"phases": [Phase(2, 3.0, 0.5, 2), Phase(1, 1.0, restart=True)], "steps": None},
    "words": {"preset": "cvpr2015", "parametrization": "fourier", "optimizer": "adam"},
    "none": {"bound": None, "tv_ramp": 3.0, "micro_batch": 2, "threads": 1, "fit": "stretch"},
    "caricature": {"objective": "caricature", "precision": "float32", "size": (32, 40)},
    "one, no pictures": {"seeds": [7], "frames": 0},
}  # fmt: skip


@pytest.mark.parametrize("name", EVERY_KIND)
def test_every_kind_of_result_comes_back_equal(name: str, tmp_path: Path) -> None:
    options = {"steps": 3, "seeds": [5, 2], "frames": 2} | EVERY_KIND[name]
    made = invert(PHOTO, phi(), **options)
    made.save(tmp_path / "a")
    again = Reconstruction.load(tmp_path / "a")
    assert again == made
    chosen = {"region": again.selection.region, "channels": again.selection.channels}
    repeated = invert(PHOTO, phi(made.layer), settings=again.settings, **chosen)
    assert dataclasses.replace(repeated, seconds=made.seconds) == made


def test_without_photo_and_errors_too(tmp_path: Path) -> None:
    made = invert(
        None, phi(), layer="relu_1", channels=2, objective="maximize", steps=2, seeds=1, frames=0
    )
    made.save(tmp_path / "m")
    again = Reconstruction.load(tmp_path / "m")
    assert again == made
    assert again.photo is None
    assert again.relative_error is None


def test_what_differs_is_not_equal(result: Reconstruction) -> None:
    for name, other in (
        ("images", result.images + 1e-6), ("photo", None), ("layer", "conv1"), ("psnr", None),
        ("scores", (*result.scores[:2], math.nan)), ("energies", {}), ("stopped", True),
        ("selection", Selection((2, 6, 3, 8))), ("receptive_field", None),
        ("settings", result.settings.replace(beta=1.5)), ("knob_changes", ()),
        ("frames", result.frames.float()), ("diversity", {**result.diversity, "pixels": 0.0}),
    ):  # fmt: skip
        assert dataclasses.replace(result, **{name: other}) != result, name
    nan = dataclasses.replace(result, ssim=(math.nan, 0.5, 0.5))
    assert nan == dataclasses.replace(nan)
    assert result != "a result"


def test_a_file_of_version_0_1_is_refused_in_words(result: Reconstruction, tmp_path: Path) -> None:
    result.save(tmp_path / "new")
    content = (tmp_path / "new").read_bytes()
    assert b"invwidgets.reconstruction/2" in content
    old = content.replace(b"invwidgets.reconstruction/2", b"invwidgets.reconstruction/1")
    (tmp_path / "old").write_bytes(old)
    with pytest.raises(OutputError, match=r"written by invwidgets 0\.1.*run it again"):
        Reconstruction.load(tmp_path / "old")


def test_a_caricature_with_an_infinite_psnr_survives(tmp_path: Path) -> None:
    made = invert(PHOTO, phi(), steps=1, seeds=1, frames=0)
    perfect = dataclasses.replace(made, psnr=(math.inf,))
    perfect.save(tmp_path / "p")
    assert Reconstruction.load(tmp_path / "p").psnr == (math.inf,)
    assert json.loads(json.dumps(perfect.summary(), allow_nan=False))["psnr"] == [None]


def test_a_place_that_cannot_be_written(result: Reconstruction, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"does not exist|is a folder"):
        result.save(tmp_path / "none" / "a")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=r"does not exist|is a folder"):
        result.save(tmp_path / "folder")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_what_is_no_saved_result_is_refused(result: Reconstruction, tmp_path: Path) -> None:
    path, mark = tmp_path / "x", tmp_path / "ran"

    def refused() -> None:
        with pytest.raises(OutputError, match=r"(is not a saved reconstruction|no file).*\.save"):
            Reconstruction.load(path)

    refused()  # nothing there
    path.touch()
    refused()
    path.write_bytes(pickle.dumps(Evil(mark)))
    refused()
    torch.save(Evil(mark), path)
    refused()
    assert not mark.exists()
    save_file({"images": torch.zeros(1)}, path)
    refused()
    save_file({"images": torch.zeros(1)}, path, metadata={"invwidgets": "{"})
    refused()
    save_file({"images": torch.zeros(1)}, path, metadata={"invwidgets": '{"format": "other"}'})
    refused()
    save_file({"images": torch.zeros(1)}, path, metadata={"invwidgets": "[1]"})
    refused()
    result.save(path)
    whole = path.read_bytes()
    for part in (7, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:part])
        refused()
    path.write_bytes(whole.replace(b'\\"beta\\": 2.0', b'\\"beta\\": 0.1'))
    refused()
    path.unlink()
    path.mkdir()
    refused()


def test_summary_is_json(result: Reconstruction) -> None:
    summary = json.loads(json.dumps(result.summary(), allow_nan=False))
    assert summary["steps"] == 9
    assert summary["selection"]["region"] == [2, 6, 3, 9]
    assert len(summary["energy"]["data"]) == 3


def test_diversity_is_the_mean_pairwise_distance(result: Reconstruction) -> None:
    images = result.images.flatten(1).double()
    pairs = [(0, 1), (0, 2), (1, 2)]
    rms = np.mean([float((images[a] - images[b]).square().mean().sqrt()) for a, b in pairs])
    assert result.diversity["pixels"] == pytest.approx(rms, rel=1e-6)
    target = phi().target(PHOTO)[:, :, 2:6, 3:9].double()
    features = phi()(result.images)[:, :, 2:6, 3:9].flatten(1).double()
    far = np.mean([float((features[a] - features[b]).norm() / target.norm()) for a, b in pairs])
    assert result.diversity["features"] == pytest.approx(far, rel=1e-4)


def test_the_clipped_picture_is_scored_and_the_raw_one_beside_it() -> None:
    free = invert(PHOTO, phi(), steps=40, seeds=1, frames=0, bound=None, tv_weight=0.0)
    assert free.raw_relative_error != free.relative_error
    bounded = invert(PHOTO, phi(), steps=6, seeds=1, frames=0)
    assert bounded.raw_relative_error == pytest.approx(bounded.relative_error, rel=1e-4)


def test_frames_are_small_pictures_of_the_run(result: Reconstruction) -> None:
    assert result.frames.dtype == torch.uint8
    assert result.frames.shape[1:] == (3, 3, 24, 28)
    assert 1 < len(result.frames) == len(result.frame_steps) <= 5
    assert result.frame_steps[0] == 0
    assert result.frame_steps[-1] == 8
    last = result.frames[-1].float() / 255
    assert float((last - result.images).abs().max()) < 0.01


def test_animation(result: Reconstruction, tmp_path: Path) -> None:
    path = tmp_path / "run.gif"
    result.animation(path, seconds=1.0)
    with Image.open(path) as animation:
        assert animation.n_frames == len(result.frames)
        assert animation.info["loop"] == 0
        assert animation.size == (3 * 28 + 4 * 4, 24 + 2 * 4)
    with pytest.raises(OutputError, match="does not exist"):
        result.animation(tmp_path / "none" / "run.gif")
    still = invert(PHOTO, phi(), steps=2, seeds=1, frames=0)
    with pytest.raises(OutputError, match="frames=24"):
        still.animation(path)


@pytest.mark.parametrize("path", [None, 3, ["a"]])
def test_no_path_is_refused_by_save_and_load(result: Reconstruction, path: Any) -> None:
    with pytest.raises(OutputError, match="is not a path: give a file name"):
        result.save(path)
    with pytest.raises(OutputError, match="is not a path: give a file name"):
        Reconstruction.load(path)


@pytest.mark.parametrize("name", ["seconds", "relative_error", "diversity", "steps", "settings"])
@pytest.mark.parametrize("digits", [400, 5000])
def test_a_number_of_hundreds_of_digits_is_refused(
    name: str, digits: int, result: Reconstruction, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    result.save(path)
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["invwidgets"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    huge = "DIGITS"
    if name == "diversity":
        header[name]["pixels"] = huge
    elif name == "settings":
        header[name]["tv_weight"] = huge
    else:
        header[name] = [huge] * 3 if name == "relative_error" else huge
    text = json.dumps(header).replace('"DIGITS"', "1" * digits)
    save_file(tensors, path, metadata={"invwidgets": text})
    with pytest.raises(OutputError, match="is not a saved reconstruction"):
        Reconstruction.load(path)
