"""Tests of the statements in docs/edit-a-code.md, each with an edit for which it is false."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import invwidgets as iw
from tests.test_site import examples

PAGE = Path(__file__).parents[1] / "docs" / "edit-a-code.md"
Found = dict[str, Any]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """The names that the page's code defines, with fewer steps and one seed."""

    class Short:
        def __getattr__(self, name: str) -> Any:
            return getattr(iw, name)

        def invert(self, **options: Any) -> iw.Reconstruction:
            return iw.invert(**options | {"seeds": 1, "steps": 40, "threads": 1, "frames": 0})

    code = "\n".join(examples(PAGE))
    known: Found = {"iw": Short()}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        exec(code.replace("import invwidgets as iw\n", ""), known)
    return known


def error(result: iw.Reconstruction) -> float:
    assert result.relative_error is not None
    return min(result.relative_error)


def red(images: Tensor) -> float:
    """The mean difference between the red and green values of images."""
    return float((images[:, 0] - images[:, 1]).mean())


def test_half_way_the_images_are_nearer_to_both_and_the_error_is_larger(found: Found) -> None:
    phi, coffee, cat, half = (found[name] for name in ("phi", "coffee", "cat", "half"))
    apart = float((coffee - cat).norm())
    features = phi(half.images)
    for end in (coffee, cat):
        assert 0.3 * apart < float((features - end).norm()) < 0.75 * apart
    original = phi(found["original"].images)
    assert float((original - cat).norm()) > 0.9 * apart
    assert error(half) > 1.2 * max(error(found["original"]), error(found["look"](cat)))


def test_the_red_is_in_one_channel_and_not_in_a_larger_one(found: Found) -> None:
    coffee, look = found["coffee"], found["look"]
    share = coffee.square().sum((0, 2, 3)) / coffee.square().sum()
    assert float(share[12]) > float(share[15])
    other = coffee.clone()
    other[:, 12] = 0
    whole = red(found["original"].images)
    assert red(found["pale"].images) < 0.4 * whole
    assert red(look(other).images) > 0.8 * whole
    assert 0.05 < float(found["kept"]) < 0.5


def test_eight_bits_are_enough_and_two_are_not(found: Found) -> None:
    original, eight, two = (found[name] for name in ("original", "eight", "two"))
    assert not torch.equal(original.images, eight.images)
    assert error(eight) == pytest.approx(error(original), abs=0.01)
    apart = (eight.images - original.images).square().mean().sqrt()
    assert float(apart) < 0.03
    assert error(two) > 2 * error(original)
    assert red(two.images) < 0.3 * red(original.images)
