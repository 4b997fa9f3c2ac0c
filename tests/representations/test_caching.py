"""Tests of cached facts, which belong to a network's trunk and are freed with it."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import torch

from invwidgets.representations.caching import TARGETS, cached, cached_target
from invwidgets.representations.registry import representation
from invwidgets.torch_state import own_random
from tests.small_networks import HALF, phi, picture, small


def test_found_once_for_all_cuts_at_a_layer() -> None:
    calls = []
    for _ in range(2):
        full = representation("efficientnet_lite0", "blocks.0")
        assert cached(full, "test", lambda: calls.append(1) or 7) == 7  # type: ignore[func-returns-value]
    assert calls == [1]
    other = representation("efficientnet_lite0", "blocks.1")
    assert cached(other, "test", lambda: 8) == 8


def test_a_network_is_not_cut_under_the_lock_of_what_is_kept() -> None:
    """One thread that cuts a network lets go of what is kept; another finds out of a new one."""
    full = representation(small(), mean=HALF, std=HALF, size=(32, 32))  # not cut yet
    cutting, done = threading.Event(), []

    def cut() -> None:
        with own_random(torch.device("cpu")):  # as while a network is cut
            cutting.set()
            time.sleep(0.5)
            cached(kept, "another", lambda: 1)

    kept = phi()
    assert cached(kept, "test", lambda: 7) == 7
    threads = [
        threading.Thread(target=cut, daemon=True),
        threading.Thread(target=lambda: done.append(cached(full, "new", lambda: 3)), daemon=True),
    ]
    threads[0].start()
    assert cutting.wait(60)
    threads[1].start()
    for thread in threads:
        thread.join(60)
    assert done == [3], "they wait for each other"
    assert not threads[0].is_alive()


def test_found_once_for_each_type_and_device() -> None:
    full, calls = phi(), []
    for number in range(3):
        moved = full.double()
        assert moved.cache_key is full.cache_key
        assert cached(moved, "test", lambda: calls.append(1) or 7) == 7  # type: ignore[func-returns-value]
        assert cached(full, "test", lambda: 8) == 8
        assert cached_target(moved, picture()).dtype == torch.float64, number
        assert cached_target(full, picture()).dtype == torch.float32
    assert calls == [1]


def test_targets_are_the_photos_own_and_few_are_kept() -> None:
    full, calls = phi(), []
    photos = [torch.rand(3, 24, 28) for _ in range(TARGETS + 2)]
    for photo in photos:
        assert torch.equal(cached_target(full, photo), full.target(photo))
    full.cache_key.register_forward_pre_hook(lambda *_: calls.append(1))
    assert cached_target(full, photos[-1]) is not cached_target(full, photos[-1].clone())
    asked = len(calls)
    for photo in photos[-TARGETS:]:
        cached_target(full, photo)
    assert len(calls) == asked
    cached_target(full, photos[0])  # the oldest was let go of
    assert len(calls) == asked + 1


def test_nothing_outlives_the_network() -> None:
    own = phi()
    key = weakref.ref(own.cache_key)
    cached(own, "test", lambda: torch.zeros(3))
    cached_target(own, picture())
    del own
    gc.collect()
    assert key() is None
