"""What was found out about a representation once, so that the next run need not again.

    >>> cached(phi, ("seed bytes", (224, 224)), lambda: measure(phi))

Kept by the network's trunk, which all cuts at one layer share, and gone with it; for each device
and type by itself, so that a run on a GPU, which moves the network there, need not measure again.
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
TARGETS = 4  # photos' features kept, of all networks together

_facts: weakref.WeakKeyDictionary[nn.Module, dict[Hashable, Any]] = weakref.WeakKeyDictionary()
_targets: OrderedDict[tuple[weakref.ref[nn.Module], bytes], Tensor] = OrderedDict()
_lock = threading.RLock()  # a network may be collected, and its targets let go, within it


def cached(representation: Representation, key: Hashable, find: Callable[[], T]) -> T:
    """What ``find`` finds, found once for each key and trunk: a value that cannot be changed."""
    key, trunk = (key, *_place(representation)), representation.cache_key  # it may be cut now:
    with _lock:  # not under the lock, which a thread that cuts another network may wait for
        facts = _facts.setdefault(trunk, {})
        if key in facts:
            return _own(facts[key])  # type: ignore[no-any-return]
    with own_state():
        found = find()  # not under the lock: it may take seconds
    with _lock:
        return _own(facts.setdefault(key, found))  # type: ignore[no-any-return]


def _forget_targets(of: weakref.ref[nn.Module]) -> None:
    """Let go of the targets of a network that is gone."""
    with _lock:
        for key in [key for key in _targets if key[0] is of or key[0]() is None]:
            del _targets[key]


def _place(representation: Representation) -> tuple[torch.device, torch.dtype]:
    return representation.mean_color.device, representation.mean_color.dtype


def _own(found: Any) -> Any:
    """What nobody else has: a tensor is copied, numbers and names cannot be changed."""
    return found.clone() if isinstance(found, Tensor) else found


def cached_target(representation: Representation, photo: Tensor) -> Tensor:
    """Φ₀ of a photo (3, H, W), (1, …), a copy; the last ``TARGETS`` of them are kept."""
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
