"""Tests of the log of slower code paths, which is empty if the fast ones were taken."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import invwidgets as iw
from invwidgets.fallbacks import took_slower_path
from invwidgets.inversion.hardware import precision
from invwidgets.inversion.window import find_window
from tests.small_networks import HALF, phi, picture, small


@pytest.fixture(autouse=True)
def told(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    took_slower_path.cache_clear()
    with caplog.at_level(logging.INFO, "invwidgets.fallbacks"):
        yield caplog
    took_slower_path.cache_clear()


def test_each_is_told_once(told: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        took_slower_path("this", "of that")
        took_slower_path("this", "of something else")
    assert told.messages == [
        "slower path: this, because of that",
        "slower path: this, because of something else",
    ]
    assert {record.levelname for record in told.records} == {"INFO"}


def test_a_run_without_bfloat16(
    told: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: False)
    for _ in range(2):
        iw.prepare(picture(), phi(), seeds=1, steps=1)
    assert told.messages == [
        "slower path: networks run in float32, because this cpu has no bfloat16 arithmetic"
    ]
    told.clear()
    took_slower_path.cache_clear()
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
    iw.prepare(picture(), phi(), seeds=1, steps=1)
    assert told.messages == []


def test_a_torch_without_onednn(
    told: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = picture()[None]
    with torch.no_grad():
        fast = phi()(image)
        assert told.messages == []
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
        slow = phi()(image)
    torch.testing.assert_close(slow, fast)
    (message,) = told.messages
    assert message.endswith("run one by one, because torch's oneDNN is missing or switched off")


class Centered(nn.Module):
    """A network whose features depend on the size of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = small()
        self.last = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.inner.conv1(x) * x.shape[-1])
        return y


def test_a_region_whose_part_has_other_features(told: pytest.LogCaptureFixture) -> None:
    size = (96, 96)
    selection = iw.types.Selection((20, 24, 20, 24))
    own = iw.representation(Centered(), "last", mean=HALF, std=HALF, size=size)
    assert find_window(own, selection, size) is None
    assert told.messages == [
        "slower path: the whole image is computed for a region, because layer last of Centered "
        "has other features for a crop"
    ]
    told.clear()
    same = iw.representation(small(), "conv1", mean=HALF, std=HALF, size=size)
    assert find_window(same, selection, size) is not None
    assert told.messages == []
