"""Tests of effective receptive fields: the known field of a linear network, and its limits."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

import invwidgets as iw
from invwidgets.errors import SelectionError
from invwidgets.figures.effective_field import blur, effective_fields
from tests.saboteurs import even_field, one_pixel


def linear(layers: int) -> iw.Representation:
    """A chain of 3×3 convolutions of ones, from three colors to one channel."""
    channels = [3, *[1] * layers]
    parts = [nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in pairwise(channels)]
    for part in parts:
        nn.init.ones_(part.weight)
    return iw.representation(nn.Sequential(*parts), mean=(0,) * 3, std=(1,) * 3, size=(16, 16))


@pytest.mark.claim(saboteurs=[even_field, one_pixel])
def test_convolutions_of_ones_make_a_binomial_field() -> None:
    phi = linear(2)
    field = iw.analysis.effective_field(phi, ["coffee"])
    triangle = torch.tensor([1.0, 2, 3, 2, 1])
    expected = torch.zeros(16, 16)
    expected[6:11, 6:11] = torch.outer(triangle, triangle) / 9
    torch.testing.assert_close(field.weight, expected)
    assert tuple(field.box) == (6, 6, 11, 11)
    assert field.side == 5
    assert field.coverage == 1


@pytest.mark.claim(saboteurs=[even_field])
def test_the_field_shrinks_in_its_box_as_layers_grow() -> None:
    few, many = (iw.analysis.effective_field(linear(layers), ["coffee"]) for layers in (2, 6))
    assert many.box.width == 13
    assert many.side < many.box.width
    assert many.coverage < few.coverage


@pytest.mark.claim(saboteurs=[even_field, one_pixel])
def test_nothing_outside_the_box_has_weight() -> None:
    phi = iw.representation("efficientnet_lite0", "blocks.1")
    field = iw.analysis.effective_field(phi, ["chelsea"], region=(10, 12, 30, 31), probes=2)
    top, left, bottom, right = field.box
    outside = field.weight.clone()
    outside[top:bottom, left:right] = 0
    assert float(outside.max()) == 0
    assert float(field.weight.max()) == 1
    assert 3 < field.side < field.box.width
    figure = effective_fields(iw.read_photo("chelsea", 224), [field], ["blocks.1"])
    assert len(figure.axes) == 1
    (line,) = [part for part in figure.axes[0].collections if hasattr(part, "levels")]
    drawn = line.get_paths()[0].vertices
    assert drawn[:, 0].min() >= left - 1
    assert drawn[:, 0].max() <= right
    assert drawn[:, 1].min() >= top - 1
    assert drawn[:, 1].max() <= bottom
    x, y = drawn.T
    area = abs(float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum())) / 2
    assert area == pytest.approx(field.side**2, rel=0.25)


def test_a_vector_has_no_middle() -> None:
    with pytest.raises(SelectionError, match="vector"):
        iw.analysis.effective_field(
            iw.representation("efficientnet_lite0", "classifier"), ["coffee"]
        )
    with pytest.raises(SelectionError, match="region"):
        iw.analysis.effective_field(linear(2), ["coffee"], region=(0, 17, 0, 1))


@pytest.mark.parametrize(("shape", "deviation"), [((40, 30), 2.7), ((5, 7), 3.0), ((3, 3), 0.5)])
def test_the_blur_is_scipys(shape: tuple[int, int], deviation: float) -> None:
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    expected = torch.from_numpy(gaussian_filter(image.numpy(), deviation))
    torch.testing.assert_close(blur(image, deviation), expected)
    assert not torch.allclose(blur(image, 1.2 * deviation), expected, atol=1e-3)
