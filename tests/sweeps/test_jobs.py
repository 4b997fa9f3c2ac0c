"""Tests of a job's key, which depends on everything that determines its outcome."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import invwidgets as iw
from invwidgets.errors import RepresentationError, UnknownNameError
from invwidgets.sweeps import jobs
from invwidgets.sweeps.grid import Grid
from invwidgets.sweeps.models import cut, network

from ..small_networks import filled, phi, small
from .nets import TINY


def key(**changes: Any) -> str:
    given: dict[str, Any] = {"photos": "coffee", "models": TINY, "layers": "relu", "seeds": 1}
    (job,) = jobs.resolve(Grid.of(**(given | changes)))
    assert not job.reason
    return job.key


@pytest.mark.parametrize(
    "changed",
    [
        {"photos": "rocket"},
        {"layers": "relu_1"},
        {"regions": "3:6,3:6"},
        {"channels": [0, 1]},
        {"seeds": 2},
        {"seeds": [1]},
        {"size": 20},
        {"fit": "stretch"},
        {"settings": {"steps": 7}},
        {"settings": {"tv_weight": 0.5}},
        {"settings": {"preset": "ijcv2016"}},
        {"settings": {"objective": "caricature"}},
        {"settings": {"precision": "bfloat16"}},
        {"settings": {"frames": 3}},
        {"models": "efficientnet_lite0", "layers": "conv_stem"},
    ],
)
def test_the_key_changes_with_whatever_determines_the_outcome(changed: dict[str, Any]) -> None:
    assert key(**changed) != key()


def test_the_key_changes_with_pixels_weights_code_device_and_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = tmp_path / "photo.png"
    image = Image.new("RGB", (30, 30), (10, 20, 30))
    image.save(photo)
    before = key(photos=photo)
    image.putpixel((3, 4), (10, 20, 31))
    image.save(photo)
    assert key(photos=photo) != before

    plain = key()
    monkeypatch.setattr(jobs, "__version__", "9.9")
    assert key() != plain
    monkeypatch.undo()
    monkeypatch.setattr(jobs, "code_digest", lambda model: "another file")
    assert key() != plain
    monkeypatch.undo()
    monkeypatch.setattr(jobs, "cut", lambda *_: phi("relu", filled(small(), 1)))
    assert key() != plain
    monkeypatch.undo()
    monkeypatch.setattr(jobs, "resolve_device", lambda name: torch.device("meta"))
    assert key() != plain


def test_the_key_is_of_pixels_not_of_names(tmp_path: Path) -> None:
    photo, copy = tmp_path / "photo.png", tmp_path / "other name.bmp"
    Image.new("RGB", (30, 30), (10, 20, 30)).save(photo)
    Image.open(photo).save(copy)
    assert key(photos=photo) == key(photos=copy)
    shutil.move(photo, tmp_path / "moved.png")
    assert key(photos=tmp_path / "moved.png") == key(photos=copy)


def test_names_of_one_layer_and_what_is_the_default_are_one_job() -> None:
    efficient = {"models": "efficientnet_lite0"}
    assert key(layers="stage1", **efficient) == key(layers="blocks.0", **efficient)
    steps = iw.preset("default", phi("relu")).steps
    assert key(settings={"steps": steps, "preset": "default"}) == key()


def test_what_cannot_be_done_says_why_and_leaves_the_others(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    grid = Grid.of(
        photos=["coffee", broken, tmp_path / "none.png"], models=TINY, layers=["relu", "relu_2"],
        regions=[None, "6:9,6:9"],
    )  # fmt: skip
    found = {job.point: job.reason for job in jobs.resolve(grid)}
    for point, reason in found.items():
        if point.layer == "relu_2" and point.region is not None:
            assert "region 6:9,6:9" in reason
        elif point.photo == "coffee":
            assert not reason
        else:
            assert str(point.photo) in reason
    assert len({job.key for job in jobs.resolve(grid)}) == 12


def test_names_that_lead_nowhere_are_refused_before_anything_runs() -> None:
    for changed, words in (
        ({"layers": "relu_9"}, "no layer 'relu_9'"),
        ({"models": "alexnett", "layers": None}, "did you mean 'alexnet'"),
        ({"models": "tests.sweeps.nets:tyni"}, "cannot be found .*every worker can import"),
        ({"models": "no.such.package:net"}, "No module named 'no'"),
        ({"models": "tests.sweeps.nets:not_callable"}, "is a int"),
        ({"settings": {"preset": "cvpr2016"}}, "did you mean 'cvpr2015'"),
    ):
        with pytest.raises(UnknownNameError, match=words):
            key(**changed)  # type: ignore[arg-type]
    with pytest.raises(RepresentationError, match=r"return iw.representation\(module, mean="):
        key(models="tests.sweeps.nets:without_preprocessing")
    with pytest.raises(RepresentationError, match="no such file of weights"):
        key(models="tests.sweeps.nets:broken")
    with pytest.raises(iw.errors.InvwidgetsError, match="axis photos is missing"):
        key(photos=())


def test_a_network_is_loaded_once_and_cut_for_each_layer() -> None:
    whole, part = network(TINY, "pretrained"), cut(TINY, "pretrained", "relu")
    assert network(TINY, "pretrained") is whole
    assert cut(TINY, "pretrained", "relu") is part
    assert part.digest == whole.digest
    assert part.at("relu").cache_key is part.cache_key  # cut of one network, not of two
