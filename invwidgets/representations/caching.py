"""A cache of measurements and targets of representations.

    >>> cached(phi, ("seed bytes", (224, 224)), lambda: measure(phi))

Entries belong to the trunk of a network, which all representations of one layer share, and are
freed with it. Each device and type has its own entries, so that a run on a GPU, which moves the
network there, does not have to measure again.
"""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..torch_state import own_state
from .base import Representation

T = TypeVar("T")
TARGETS = 4  # the number of targets that are kept, for all networks together

_facts: weakref.WeakKeyDictionary[nn.Module, dict[Hashable, Any]] = weakref.WeakKeyDictionary()
_targets: OrderedDict[tuple[weakref.ref[nn.Module], bytes], Tensor] = OrderedDict()
_lock = threading.RLock()  # reentrant, because a network may be collected while it is held


def cached(representation: Representation, key: Hashable, find: Callable[[], T]) -> T:
    """The value of ``find()``, computed once for each key and trunk; callers cannot change it."""
    # cache_key may cut the network, so it is read before the lock is taken
    key, trunk = (key, *_place(representation)), representation.cache_key
    with _lock:
        facts = _facts.setdefault(trunk, {})
        if key in facts:
            return _private(facts[key])  # type: ignore[no-any-return]
    with own_state():
        found = find()  # without the lock, because it may take seconds
    with _lock:
        return _private(facts.setdefault(key, found))  # type: ignore[no-any-return]


def _forget_targets(of: weakref.ref[nn.Module]) -> None:
    """Remove the targets of a network that was freed."""
    with _lock:
        for key in [key for key in _targets if key[0] is of or key[0]() is None]:
            del _targets[key]


def _place(representation: Representation) -> tuple[torch.device, torch.dtype]:
    return representation.mean_color.device, representation.mean_color.dtype


def _private(found: Any) -> Any:
    """A value that nobody else can change: a copy of a tensor, or an immutable value itself."""
    return found.clone() if isinstance(found, Tensor) else found


def cached_target(representation: Representation, photo: Tensor) -> Tensor:
    """A copy of the features Φ₀ (1, …) of a photo (C, H, W); the last ``TARGETS`` are cached."""
    content = hashlib.blake2b(photo.cpu().contiguous().numpy().tobytes(), digest_size=16)
    content.update(repr(tuple(photo.shape)).encode())
    content.update(repr(_place(representation)).encode())
    key = (weakref.ref(representation.cache_key, _forget_targets), content.digest())
    with _lock:
        if key in _targets:
            _targets.move_to_end(key)
            return _targets[key].clone()
    with own_state():
        target = representation.target(photo)
    with _lock:
        _targets[key] = target
        while len(_targets) > TARGETS:
            _targets.popitem(last=False)
    return target.clone()
