"""The further arguments of a network's forward, checked, copied, and moved with the network.

>>> arguments = forward_arguments(module, {"mask": torch.ones(1, 49)})
>>> module(images, **arguments.given())
"""

from __future__ import annotations

import copy
import hashlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..errors import BadSettingError, own_words, shown
from .isolate import copy_tensors
from .weights import add_to_digest

_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class ForwardArguments(nn.Module):
    """A module with the keyword arguments of a forward, so that its tensors move with it.

    >>> ForwardArguments({"scale": 2.0}).given()
    {'scale': 2.0}
    """

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        tensors: list[Tensor] = []
        self._values = _mapped(dict(values or {}), lambda value: _slot(value, tensors))
        for place, tensor in enumerate(tensors):
            self.register_buffer(f"tensor_{place}", tensor)

    def __bool__(self) -> bool:
        return bool(self._values)

    def given(self) -> dict[str, Any]:
        """The arguments of one call, with copies of tensors, because the call may write to them."""
        found: dict[str, Any] = _mapped(self._values, self._filled)
        return found

    def _filled(self, value: Any) -> Any:
        if isinstance(value, _Slot):
            return getattr(self, f"tensor_{value.place}").clone()
        return value

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._values)

    @property
    def digest(self) -> str:
        """A digest of names and values; other objects enter by their ``repr`` without address."""
        hasher = hashlib.blake2b(digest_size=16)
        for name, value in sorted(self.given().items()):
            words = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
            add_to_digest(hasher, [name, value, words])
        return hasher.hexdigest()


@dataclass(frozen=True)
class _Slot:
    """A placeholder for a tensor."""

    place: int


def _slot(value: Any, tensors: list[Tensor]) -> Any:
    """A placeholder for a tensor, which is appended to ``tensors``; other values unchanged."""
    if not isinstance(value, Tensor):
        return value
    tensors.append(value)
    return _Slot(len(tensors) - 1)


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """A value with ``change`` applied to each item within dicts, lists and tuples."""
    if type(value) is dict:
        return {name: _mapped(item, change) for name, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_mapped(item, change) for item in value)
    return change(value)


class Filled(nn.Module):
    """A network whose forward takes only images, with the other arguments filled in."""

    def __init__(self, module: nn.Module, arguments: ForwardArguments) -> None:
        super().__init__()
        self.module, self.arguments = module, arguments

    def forward(self, images: Tensor) -> Any:
        return self.module(images, **self.arguments.given())


def forward_arguments(module: nn.Module, given: Mapping[str, Any] | None) -> ForwardArguments:
    """A checked copy of the further arguments for a module's forward.

    Raises ``BadSettingError``, which names the forward's arguments.
    """
    if given is None:
        return ForwardArguments()
    names, image, more = _parameters(module)
    kind = type(module).__name__
    there = f"the forward of {kind} takes {', '.join(names) or 'nothing'} besides images"
    if names and more:
        there += f", and **{more}"
    elif more:
        there = f"the forward of {kind} takes **{more} besides images"
    if not isinstance(given, Mapping):
        raise BadSettingError(
            f"forward_kwargs {shown(given)}: give a dict of arguments by name; {there}"
        )
    for name in given:
        if not isinstance(name, str):
            raise BadSettingError(
                f"forward_kwargs {shown(given)}: {shown(name)} is not a name of an argument; "
                f"{there}"
            )
        if name == image:
            raise BadSettingError(
                f"forward_kwargs {shown(name)}: this argument receives the images, leave it out; "
                f"{there}"
            )
        if name not in names and not more:
            raise BadSettingError(f"forward_kwargs has no argument {shown(name)}: {there}")
    memo: dict[int, Any] = {}
    try:
        copy_tensors(dict(given), memo)
        return ForwardArguments(copy.deepcopy(dict(given), memo))
    except Exception as error:
        raise BadSettingError(
            f"forward_kwargs {shown(given)} cannot be copied ({own_words(error)}): give values "
            "that copy.deepcopy can copy"
        ) from error


def _parameters(module: nn.Module) -> tuple[list[str], str, str]:
    """The arguments of a forward: the names after the first, the first, and the ``**`` one."""
    try:
        parameters = [*inspect.signature(module.forward).parameters.values()]
    except (TypeError, ValueError):  # functions written in C may have no signature
        return [], "", "kwargs"
    more = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), "")
    image = next((p.name for p in parameters if p.kind in _BY_PLACE), "")
    names = [p.name for p in parameters if p.kind in _BY_NAME and p.name != image]
    return names, image, more
