"""What is found out once is kept, by the trunk, and goes with it."""

from __future__ import annotations

import gc
import weakref

import torch

from invwidgets.representations import caching as room
from invwidgets.representations.caching import cached, cached_target
from invwidgets.representations.registry import representation
from tests.small_networks import phi, picture


def test_found_once_for_all_cuts_at_a_layer() -> None:
    calls = []
    for _ in range(2):
        full = representation("efficientnet_lite0", "blocks.0")
        assert cached(full, "test", lambda: calls.append(1) or 7) == 7  # type: ignore[func-returns-value]
    assert calls == [1]
    other = representation("efficientnet_lite0", "blocks.1")
    assert cached(other, "test", lambda: 8) == 8


def test_targets_are_the_photos_own_and_few_are_kept() -> None:
    full = phi()
    photos = [torch.rand(3, 24, 28) for _ in range(room.TARGETS + 2)]
    for photo in photos:
        assert torch.equal(cached_target(full, photo), full.target(photo))
    assert cached_target(full, photos[-1]) is cached_target(full, photos[-1].clone())
    assert len(room._targets) == room.TARGETS


def test_nothing_outlives_the_network() -> None:
    full = phi(module=torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()), layer="1")
    copied = full.on(torch.device("cpu"))
    assert copied is full
    trunk = weakref.ref(full.cache_key)
    cached(full, "test", lambda: torch.zeros(3))
    cached_target(full, picture())
    from invwidgets.representations import network as cnn

    cnn._trunk_by_id.cache_clear()
    cnn._traced_by_id.cache_clear()
    del full, copied
    gc.collect()
    assert trunk() is None
