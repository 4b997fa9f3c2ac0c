"""Tests of interpolation: its images keep the photo's features, the blends do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

import invwidgets as iw
from invwidgets.analysis.interpolation import Interpolation
from invwidgets.errors import BadSettingError
from invwidgets.inversion.run import Run

STEPS = 30


@pytest.fixture(scope="module")
def run() -> iw.Reconstruction:
    return iw.invert("chelsea", layer="blocks.4", size=64, seeds=2, steps=60, frames=0, threads=1)


@pytest.fixture(scope="module")
def path(run: iw.Reconstruction) -> Interpolation:
    return walked(run, STEPS)


def walked(run: iw.Reconstruction, steps: int) -> Interpolation:
    phi = iw.representation("efficientnet_lite0", "blocks.4")
    return iw.analysis.interpolate(run, phi, points=5, steps=steps)


def check_walk(path: Interpolation, run: iw.Reconstruction) -> None:
    """Check that a path goes from one seed's image to the other's in steps of similar size.

    By the straight way's stride, neighbors lie more than 0.6 and less than 3 apart. Along the line
    between the seeds every image lies further on, from one half to the other, and near the line.
    """
    straight = run.diversity["pixels"] / (len(path.images) - 1)
    assert min(path.strides) > 0.6 * straight
    assert max(path.strides) < 3 * straight
    first, last = run.images.flatten(1)
    line = (last - first) / (last - first).square().sum()
    along = ((path.images.flatten(1) - first) @ line).tolist()
    assert along == sorted(along)
    assert along[0] < 0.5 < along[-1]
    assert along[-1] - along[0] > 0.4
    off = (path.images - path.blends).square().flatten(1).mean(1).sqrt()
    assert float(off.max()) < 0.6 * run.diversity["pixels"]
    assert 0.7 * max(run.relative_error or ()) < min(path.error)
    assert max(path.error) < 1.1 * max(run.relative_error or ())
    assert max(path.error[1:-1]) < 0.6 * max(path.blend_error)
    assert len(set(path.error)) == len(path.error)


def test_a_straight_walk_blends_and_its_ends_are_the_seeds(run: iw.Reconstruction) -> None:
    phi = iw.representation("efficientnet_lite0", "blocks.4")
    path = iw.analysis.interpolate(run, phi, points=3, steps=0)
    assert torch.equal(path.blends[0], run.images[0])
    assert torch.equal(path.blends[2], run.images[1])
    assert torch.allclose(path.blends[1], run.images.mean(0))
    assert path.at == (0, 0.5, 1)
    assert path.blend_error[::2] == pytest.approx(run.relative_error, rel=1e-3)
    assert path.error == path.blend_error
    assert path.strides == pytest.approx([run.diversity["pixels"] / 2] * 2, rel=1e-3)


def test_a_walk_that_is_pulled_back_stays_among_pre_images(
    run: iw.Reconstruction, path: Interpolation
) -> None:
    assert path.blend_error[2] > 2.5 * max(run.relative_error or ())
    check_walk(path, run)


def test_a_walk_that_stands_still_fails(
    run: iw.Reconstruction, path: Interpolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every image is pulled back from the photo, whatever its blend."""
    steps = Run.steps
    monkeypatch.setattr(Run, "steps", lambda self, **_: steps(self))
    still = walked(run, STEPS)
    assert still.strides == (0,) * 4
    with pytest.raises(AssertionError):
        check_walk(still, run)


SABOTAGED: dict[str, Any] = {
    "straight": lambda path: {"images": path.blends, "error": path.blend_error},
    "a leap": lambda path: {"images": path.images[[0, 0, 0, 4, 4]]},
    "backwards": lambda path: {"images": path.images.flip(0)},
    "elsewhere": lambda path: {"images": path.images + 0.1},
    "one error": lambda path: {"error": path.error[:1] * 5},
}


@pytest.mark.parametrize("name", SABOTAGED)
def test_a_walk_that_is_none_fails(name: str, run: iw.Reconstruction, path: Interpolation) -> None:
    with pytest.raises(AssertionError):
        check_walk(replace(path, **SABOTAGED[name](path)), run)


def test_a_walk_needs_two_images_of_a_photo(run: iw.Reconstruction) -> None:
    phi = iw.representation("efficientnet_lite0", "blocks.4")
    with pytest.raises(BadSettingError, match=r"ends \(1, 1\)"):
        iw.analysis.interpolate(run, phi, ends=(1, 1))
    with pytest.raises(BadSettingError, match="ends"):
        iw.analysis.interpolate(run, phi, ends=(0, 2))
    with pytest.raises(BadSettingError, match="photo"):
        iw.analysis.interpolate(replace(run, photo=None), phi)
