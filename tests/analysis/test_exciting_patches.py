"""Tests of the search for the patches of photos that excite a channel most."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import invwidgets as iw
from invwidgets.errors import BadSettingError
from tests.saboteurs import faint_photos


def reds() -> iw.Representation:
    """A module with one channel, the redness of an 8×8 square."""
    convolution = nn.Conv2d(3, 1, 8, stride=8, bias=False)
    with torch.no_grad():
        convolution.weight[:] = torch.tensor([1.0, -0.5, -0.5])[None, :, None, None] / 64
    return iw.representation(nn.Sequential(convolution), mean=(0,) * 3, std=(1,) * 3, size=(64, 64))


@pytest.mark.claim(saboteurs=[faint_photos])
def test_a_red_square_is_found_where_it_is() -> None:
    gray = torch.full((3, 64, 64), 0.5)
    photo = gray.clone()
    photo[0, 24:32, 40:48] = 1.0
    best, other = iw.analysis.exciting_patches(reds(), 0, [gray, photo])
    assert tuple(best.box) == (24, 40, 32, 48)
    assert torch.equal(best.pixels, photo[:, 24:32, 40:48])
    assert best.response == pytest.approx(0.5)
    assert other.response == pytest.approx(0, abs=1e-6)


def test_the_bundled_photos_are_asked_and_the_best_come_first() -> None:
    found = iw.analysis.exciting_patches(reds(), 0, count=3)
    assert [patch.response for patch in found] == sorted(
        (patch.response for patch in found), reverse=True
    )
    assert len({patch.photo for patch in found}) == 3
    assert found[0].photo != "camera", "a gray photo is not red"


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(BadSettingError, match="channel 1"):
        iw.analysis.exciting_patches(reds(), 1)


def test_of_a_vector_the_whole_photo_is_the_patch() -> None:
    cup = iw.analysis.exciting_patches(iw.representation("efficientnet_lite0", "classifier"), 967)
    assert (cup[0].photo, tuple(cup[0].box)) == ("coffee", (0, 0, 224, 224))  # 967: espresso
    assert cup[0].pixels.shape == (3, 224, 224)
    assert cup[0].response > 2 * cup[1].response
