"""Tests of regions and channels: valid selections, and messages for others."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from invwidgets.errors import SelectionError
from invwidgets.selection import (
    Selection,
    center_region,
    colorfulness,
    luminance,
    parse_region,
    select,
)
from tests.saboteurs import kept_colors
from tests.small_networks import phi

PHI = phi("conv2")  # (8, 12, 14)


@given(st.data())
def test_picking_equals_masking(data: st.DataObject) -> None:
    channels, rows, columns = 5, 4, 6
    top = data.draw(st.integers(0, rows - 1))
    left = data.draw(st.integers(0, columns - 1))
    region = (top, data.draw(st.integers(top + 1, rows)),
              left, data.draw(st.integers(left + 1, columns)))  # fmt: skip
    some = tuple(sorted(data.draw(st.sets(st.integers(0, 4), min_size=1))))
    selection = Selection(
        data.draw(st.sampled_from([None, region])), data.draw(st.sampled_from([None, some]))
    )
    features = torch.arange(1.0, 241).reshape(2, channels, rows, columns)
    mask = selection.mask((channels, rows, columns))
    assert selection.of(features).sum() == (features * mask).sum()
    assert selection.of(features)[0].numel() == mask.sum()


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (None, None), ("all", None), (3, (3,)), ("3", (3,)), (slice(2, 5), (2, 3, 4)),
        ([4, 1, 4], (1, 4)), ("0,3,6:8", (0, 3, 6, 7)), (":2", (0, 1)), ("6:", (6, 7)),
        ("::4", (0, 4)), ("-2:", (6, 7)), ("group:1", (0, 1, 2, 3)), ("group:2", (4, 5, 6, 7)),
        ("group:2/4", (2, 3)), (range(2), (0, 1)), (torch.tensor([1, 2]), (1, 2)),
    ],
)  # fmt: skip
def test_channels(spec: object, expected: tuple[int, ...] | None) -> None:
    assert select(PHI, channels=spec).channels == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "spec", [8, -9, "8", "9:", "x", "1,,2", "group:3", "group:0", "group:1/3", "group:x",
             "color:middle", "color:top/0", [], "1:2:3:4",
             "", "::0", ["a"], [1.5]],
)  # fmt: skip
def test_bad_channels_name_what_there_is(spec: object) -> None:
    with pytest.raises(SelectionError) as caught:
        select(PHI, channels=spec)  # type: ignore[arg-type]
    message = str(caught.value)
    assert repr(spec) in message
    assert "write" in message or "0 … 7" in message or "8 channels" in message or "whole" in message


def test_regions() -> None:
    assert parse_region("3:8, 2:4") == (3, 8, 2, 4)
    assert parse_region(None) is None
    assert select(PHI, (1, 3, 0, 14)).region == (1, 3, 0, 14)
    assert center_region(PHI.layer_info(), 5) == (3, 8, 4, 9)
    assert center_region(PHI.layer_info(), 99) == (0, 12, 0, 14)
    assert select(PHI, "0:20,0:20", size=(48, 56)).region == (0, 20, 0, 20)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("3:3,0:2", ("empty", "half-open")), ("5:2,0:2", ("empty",)),
        ("0:13,0:2", ("12 rows", "14 columns", "0:12,0:14")), ("-1:3,0:2", ("not within",)),
        ("0:2,0:15", ("not within",)), ("middle", ("'middle'", "R0:R1,C0:C1")),
        ("1:2", ("R0:R1,C0:C1",)), ((1, 2, 3), ("four numbers",)),
        (("a", 1, 0, 1), ("whole numbers",)),
    ],
)  # fmt: skip
def test_bad_regions(spec: object, words: tuple[str, ...]) -> None:
    with pytest.raises(SelectionError) as caught:
        select(PHI, spec)  # type: ignore[arg-type]
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_vector_has_channels_but_no_regions() -> None:
    vector = PHI.at("head.2")
    assert select(vector, channels="1:3").channels == (1, 2)
    with pytest.raises(SelectionError, match="vector of 5 features"):
        select(vector, "0:1,0:1")
    with pytest.raises(SelectionError, match="no cells"):
        center_region(vector.layer_info())


@pytest.mark.claim(saboteurs=[kept_colors])
def test_colorful_channels_are_those_that_need_color() -> None:
    conv = nn.Conv2d(3, 4, 1, bias=False)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, :, 0, 0] = torch.tensor([0.299, 0.587, 0.114])  # brightness alone
        conv.weight[1, :, 0, 0] = torch.tensor([1.0, -1.0, 0.0])  # color alone
        conv.weight[2, :, 0, 0] = torch.tensor([1.0, 0.0, 0.0])
        conv.weight[3, :, 0, 0] = torch.tensor([0.4, 0.5, 0.1])
    own = phi("0", nn.Sequential(conv))
    order = colorfulness(own).argsort(descending=True).tolist()
    assert order == [1, 2, 3, 0]
    assert float(colorfulness(own)[1]) == pytest.approx(1, abs=1e-3)
    assert select(own, channels="color:top").channels == (1, 2)
    assert select(own, channels="color:bottom").channels == (0, 3)
    assert select(own, channels="color:top/4").channels == (1,)


def test_luminance_keeps_brightness_and_has_no_color() -> None:
    gray = luminance(torch.tensor([1.0, 0.5, 0.0]).reshape(3, 1, 1))
    assert gray.flatten().tolist() == pytest.approx([0.299 + 0.2935] * 3)


def test_in_words() -> None:
    assert Selection().describe() == ""
    assert Selection((0, 2, 1, 3), (4,)).describe() == "region 0:2,1:3, 1 channel"
