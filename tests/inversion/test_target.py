"""Tests of target features that are given instead of a photo."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import invwidgets as iw
from invwidgets.errors import BadSettingError, InvwidgetsError
from invwidgets.figures.strip import strip
from invwidgets.inversion.prepare import prepare
from invwidgets.inversion.replay import code_for
from invwidgets.inversion.result import Reconstruction
from invwidgets.inversion.session import Session
from tests.small_networks import phi, picture

PHI, HEAD = phi(), phi("head.2")
PHOTO = picture()
CODE = PHI.target(PHOTO).contiguous()
VECTOR = HEAD.target(PHOTO)
QUICK: dict[str, Any] = {"steps": 4, "seeds": 2, "frames": 0, "threads": 1}


def of_target(target: Any, model: Any = PHI, **options: Any) -> Reconstruction:
    return iw.invert(target=target, model=model, **QUICK | options)


def of_photo(model: Any = PHI, **options: Any) -> Reconstruction:
    return iw.invert(PHOTO, model, **QUICK | options)


# ---- it is the photo's run, without the photo


@pytest.mark.parametrize(
    ("model", "target"),
    [
        (PHI, CODE), (PHI, CODE[0]), (PHI, CODE.numpy()), (PHI, CODE[0].numpy()),
        (PHI, CODE.double()), (PHI, CODE.clone().requires_grad_()),
        (PHI, CODE.to(memory_format=torch.channels_last)),
        (HEAD, VECTOR), (HEAD, VECTOR[0]), (HEAD, VECTOR[0].numpy()),
    ],
    ids=["map", "map alone", "array", "array alone", "double", "with a gradient",
         "other strides",         "vector", "vector alone", "array of one axis"],
)  # fmt: skip
def test_a_photos_features_give_the_photos_images(model: Any, target: Any) -> None:
    result, photo = of_target(target, model), of_photo(model)
    assert torch.equal(result.images, photo.images)
    assert result.relative_error == photo.relative_error
    assert result.diversity == photo.diversity
    other = model.target(picture(seed=1))
    assert not torch.equal(of_target(other, model).images, photo.images)


@pytest.mark.parametrize("preset", ["cvpr2015", "ijcv2016"])
def test_every_preset_takes_one(preset: str) -> None:
    result = of_target(CODE, preset=preset)
    assert torch.equal(result.images, of_photo(preset=preset).images)


@pytest.mark.parametrize(
    "selection",
    [{"region": "2:6,3:9"}, {"channels": "0:4"}, {"region": "2:6,3:9", "channels": [1, 5]}],
)
def test_the_selection_holds(selection: dict[str, Any]) -> None:
    found, photo = of_target(CODE, **selection), of_photo(**selection)
    assert torch.equal(found.images, photo.images)
    assert found.relative_error == photo.relative_error
    of_all = of_target(CODE)
    assert not torch.equal(found.images, of_all.images)
    region = found.selection.region or (0, CODE.shape[2], 0, CODE.shape[3])
    channels = list(found.selection.channels or range(CODE.shape[1]))
    rows, columns = slice(*region[:2]), slice(*region[2:])
    changed = CODE + 7.0  # what is not selected does not matter
    changed[:, channels, rows, columns] = CODE[:, channels, rows, columns]
    assert torch.equal(of_target(changed, **selection).images, found.images)
    changed[:, channels, rows, columns] *= 1.5
    assert not torch.equal(of_target(changed, **selection).images, found.images)


def test_what_needs_the_photo_is_absent() -> None:
    result, photo = of_target(CODE), of_photo()
    assert (result.photo, result.psnr, result.ssim) == (None, None, None)
    assert photo.psnr is not None
    assert (photo.photo is None, photo.target) == (False, None)
    summary = result.summary()
    assert (summary["photo"], summary["psnr"], summary["ssim"]) == ("", None, None)
    assert result.relative_error is not None
    assert result.target is not None
    assert torch.equal(result.target, CODE)
    assert "keeps of the target" in repr(result)
    assert "the target" not in repr(photo)
    for asked in (
        lambda: result.judged_by("efficientnet_lite1"),
        lambda: iw.analysis.recomposition(result),
        lambda: iw.analysis.interpolate(result, PHI),
    ):
        with pytest.raises(BadSettingError, match="photo"):
            asked()


def test_the_photos_tile_is_not_drawn() -> None:
    from invwidgets.figures.gallery import caption, gallery_of

    result, photo = of_target(CODE), of_photo()
    assert "photo" in gallery_of(photo).place
    assert "photo" not in gallery_of(result).place
    assert "dB" in caption(photo, 0)[1]
    assert caption(result, 0)[1] == "seed 0"
    assert len(strip([photo]).axes) == len(strip([result]).axes) + 1


def test_saved_and_loaded_the_target_is_there(tmp_path: Path) -> None:
    for model, target in ((PHI, CODE), (HEAD, VECTOR)):
        made = of_target(target, model)
        made.save(tmp_path / "a.safetensors")
        again = Reconstruction.load(tmp_path / "a.safetensors")
        assert again == made
        assert again.target is not None
        assert torch.equal(again.target, target)
        assert again != dataclasses.replace(again, target=target * 2)
        repeated = of_target(tmp_path / "a.safetensors", model)  # a saved result is a target's file
        assert torch.equal(repeated.images, made.images)


def test_a_saved_target_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    made = of_target(CODE)
    for wrong in (
        dataclasses.replace(made, target=CODE[0]),
        dataclasses.replace(made, target=CODE / 0),
        dataclasses.replace(made, photo=PHOTO),
    ):
        wrong.save(tmp_path / "a.safetensors")
        with pytest.raises(InvwidgetsError, match="not a saved reconstruction"):
            Reconstruction.load(tmp_path / "a.safetensors")


def test_the_runs_target_is_its_own() -> None:
    given = CODE.clone()
    run = prepare(target=given, model=PHI, **QUICK)
    given.zero_()
    assert torch.equal(run.target, CODE)
    assert run.photo is None


def test_a_session_takes_one() -> None:
    with Session() as session:
        result = session.start(target=CODE, model=PHI, **QUICK).result(60)
        assert result.psnr is None
        assert torch.equal(result.images, of_photo().images)
        wrong = session.start(target=CODE[:, :2], model=PHI, **QUICK)
        with pytest.raises(BadSettingError, match="gives"):
            wrong.result(60)


def test_the_code_of_a_result_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    target = iw.representation("squeezenet1_1", "features.1", "random").target(iw.read_photo(
        "coffee", (40, 40)))  # fmt: skip
    made = of_target(target, "squeezenet1_1", layer="features.1", weights="random", size=40)
    made.save("result.safetensors")
    scope: dict[str, Any] = {}
    exec(code_for(made).replace("result.gallery()", ""), scope)
    assert torch.equal(scope["result"].images, made.images)


def test_caricature_and_an_objective_of_ones_own() -> None:
    result = of_target(CODE, objective="caricature", start="noise")
    assert torch.equal(result.images, of_photo(objective="caricature", start="noise").images)
    assert "the target" in repr(result)

    class Nearer(iw.Objective):
        def energy(self, features: Tensor, target: Any) -> Tensor:
            return (features - target).abs().flatten(1).mean(1)

    assert torch.equal(
        of_target(CODE, objective=Nearer()).images, of_photo(objective=Nearer()).images
    )


def test_tokens_are_arranged_as_the_layer_shows_them() -> None:
    vit = iw.representation("vit_b_16", "encoder.layers.encoder_layer_0", weights="random")
    code = vit.target(iw.read_photo("coffee", (224, 224)))
    _, width, rows, columns = code.shape
    assert vit.layer_info().tokens == (1, rows - 1, columns)
    grid = code[0, :, :-1].flatten(1).T
    tokens = torch.cat([code[0, :, -1, 0][None], grid])  # the class token first
    for given in (tokens, tokens[None].numpy()):
        assert torch.equal(prepare(target=given, model=vit, **QUICK).target, code)
    turned = tokens.flip(0)
    assert not torch.equal(prepare(target=turned, model=vit, **QUICK).target, code)
    with pytest.raises(BadSettingError, match=rf"or tokens \(197, {width}\)"):
        prepare(target=tokens[1:], model=vit, **QUICK)


# ---- files


def test_files_of_one_tensor(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", CODE[0].numpy())
    save_file({"whatever": CODE}, tmp_path / "b.safetensors")
    save_file({"x": CODE[0] * 0, "target": CODE[0]}, tmp_path / "c.safetensors")
    expected = of_photo().images
    for name in ("a.npy", "b.safetensors", "c.safetensors"):
        assert torch.equal(of_target(tmp_path / name).images, expected)
        assert torch.equal(of_target(str(tmp_path / name)).images, expected)


def test_files_that_are_refused(tmp_path: Path) -> None:
    save_file({"x": CODE, "y": CODE * 2}, tmp_path / "two.safetensors")
    save_file({}, tmp_path / "none.safetensors")
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "text.npy", np.array(["a"]))
    np.save(tmp_path / "cut.npy", CODE.numpy())
    whole = (tmp_path / "cut.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-9])
    (tmp_path / "empty.npy").touch()
    (tmp_path / "other.safetensors").write_bytes(whole)
    (tmp_path / "a.pt").write_bytes(whole)
    (tmp_path / "folder.npy").mkdir()
    for name, words in (
        ("two.safetensors", r"2 tensors \(x, y\).*'target'"),
        ("none.safetensors", r"0 tensors \(none\)"),
        ("object.npy", "cannot be read"),
        ("text.npy", "not consist of numbers"),
        ("cut.npy", "cannot be read"),
        ("empty.npy", "cannot be read"),
        ("other.safetensors", "cannot be read"),
        ("a.pt", r"\.npy or \.safetensors"),
        ("folder.npy", "not an existing file"),
        ("nowhere.npy", "not an existing file"),
    ):
        with pytest.raises(BadSettingError, match=words) as caught:
            of_target(tmp_path / name)
        assert name in str(caught.value)


# ---- refusals


def test_a_shape_that_does_not_fit_is_refused_with_what_the_layer_gives() -> None:
    channels, rows, columns = CODE.shape[1:]
    for wrong in (
        CODE[:, :2], CODE[..., 1:], CODE.repeat(2, 1, 1, 1), CODE[0].flatten(), CODE[0, 0, 0, 0],
        CODE[0].movedim(0, -1), CODE[None],
    ):  # fmt: skip
        with pytest.raises(BadSettingError) as caught:
            of_target(wrong)
        for word in (str(tuple(wrong.shape)), str((channels, rows, columns)), "24x28", "relu_1"):
            assert word in str(caught.value)
    with pytest.raises(BadSettingError, match=r"layer .*relu_1.* has this shape"):
        of_target(CODE, HEAD)
    with pytest.raises(BadSettingError, match=r"head.* has this shape"):
        of_target(VECTOR)
    with pytest.raises(BadSettingError, match="size="):
        of_target(CODE, size=(48, 56))
    assert of_target(CODE, size=(24, 28)).images.shape[-2:] == (24, 28)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e39])
def test_what_is_not_finite_is_refused(value: float) -> None:
    wrong = CODE.double()
    wrong[0, 0, 0, :2] = value
    with pytest.raises(BadSettingError, match=r"2 of its \d+ numbers.*finite"):
        of_target(wrong)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"photo": "coffee"}, "photo 'coffee' with a target"),
        ({"layer": "relu_1", "channels": 2, "objective": "maximize"}, "maximize with a target"),
        ({"start": "photo"}, "no photo to start from.*'noise'"),
        ({"objective": "caricature"}, "no photo to start from.*'noise'"),
        ({"target": [1.0, 2.0]}, "numpy array"),
        ({"target": 3}, "numpy array"),
        ({"target": CODE > 0}, "bool"),
        ({"target": CODE * 1j}, "complex"),
        ({"target": CODE.to_sparse()}, "sparse"),
        ({"target": CODE * 0}, "features are all zero"),
        ({"target": np.array([None])}, "not consist of numbers"),
    ],
)
def test_refusals(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvwidgetsError, match=words):
        iw.invert(**{"target": CODE, "model": PHI} | QUICK | options)


def test_whole_numbers_count() -> None:
    code = (CODE * 20).round()
    assert torch.equal(of_target(code.to(torch.uint8)).images, of_target(code).images)
