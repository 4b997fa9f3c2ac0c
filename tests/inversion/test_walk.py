"""Between two pre-images: the straight way leaves the photo's features, pulled back it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import invwidgets as iw
from invwidgets.errors import BadSettingError


@pytest.fixture(scope="module")
def run() -> iw.Reconstruction:
    return iw.invert("coffee", layer="blocks.2", size=64, seeds=2, steps=60, frames=0)


def test_a_straight_walk_blends_and_its_ends_are_the_seeds(run: iw.Reconstruction) -> None:
    phi = iw.representation("efficientnet_lite0", "blocks.2")
    path = iw.walk(run, phi, points=3, steps=0)
    assert torch.equal(path.blends[0], run.images[0])
    assert torch.equal(path.blends[2], run.images[1])
    assert torch.allclose(path.blends[1], run.images.mean(0))
    assert path.at == (0, 0.5, 1)
    assert path.blend_error[::2] == pytest.approx(run.relative_error, rel=1e-3)
    assert path.error == path.blend_error
    assert path.strides == pytest.approx([run.diversity["pixels"] / 2] * 2, rel=1e-3)


def test_a_walk_that_is_pulled_back_stays_among_pre_images(run: iw.Reconstruction) -> None:
    phi = iw.representation("efficientnet_lite0", "blocks.2")
    path = iw.walk(run, phi, points=3, steps=30)
    assert path.blend_error[1] > 1.2 * max(run.relative_error)
    assert path.error[1] < max(run.relative_error)
    assert path.images.shape == (3, 3, 64, 64)
    assert max(path.strides) < 3 * run.diversity["pixels"]


def test_a_walk_needs_two_images_of_a_photo(run: iw.Reconstruction) -> None:
    phi = iw.representation("efficientnet_lite0", "blocks.2")
    with pytest.raises(BadSettingError, match=r"ends \(1, 1\)"):
        iw.walk(run, phi, ends=(1, 1))
    with pytest.raises(BadSettingError, match="ends"):
        iw.walk(run, phi, ends=(0, 2))
    with pytest.raises(BadSettingError, match="photo"):
        iw.walk(replace(run, photo=None), phi)
