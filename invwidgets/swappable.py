"""The base class and the lookup of swappable parts: objective, prior, optimizer, parametrization.

>>> chosen("inversion", OBJECTIVES, Objective)
Inversion()

A part is given by the name of a built-in one or as an object; the functions here accept both. A
custom part is saved by its ``repr``. Loading gives a ``SavedPart``, which shows that text and
cannot be run, so a run is never repeated with a different part than it had.
"""

from __future__ import annotations

import hashlib
from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from .errors import (
    BadSettingError,
    CustomPartError,
    InvwidgetsError,
    UnknownNameError,
    shown,
    unknown_name,
)

_LONGEST = 400  # characters of a saved part's text
_LISTED = 16  # a tensor with up to so many numbers is written out


class Part(ABC):
    """The base class of all swappable parts, with a name, a ``repr`` and equality."""

    kind: ClassVar[str]
    """The kind of part in a message: "objective", "prior", …"""
    remedy: ClassVar[str]
    """The methods that a custom part must have, in a message."""

    @property
    def name(self) -> str:
        """Its name in menus, curves and messages: the class's name unless the class sets one."""
        return type(self).__name__

    def __repr__(self) -> str:
        given = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        words = ", ".join(f"{name}={in_full(value)}" for name, value in given.items())
        return f"{type(self).__name__}({words})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


@dataclass(frozen=True)
class SavedPart:
    """The record of a custom part in a file: its kind and its ``repr``."""

    kind: str
    text: str

    def __str__(self) -> str:
        return self.text


def in_full(value: Any) -> str:
    """The ``repr`` of a value in which different tensors, arrays and modules look different.

    >>> in_full(torch.tensor([0.5, 1.0]))
    'tensor([0.5, 1.0])'
    >>> in_full({"basis": torch.zeros(64, 64)})
    "{'basis': tensor(float32 (64, 64), digest 06b5e3d7b593)}"

    Their own ``repr`` omits digits, most numbers of a large tensor, and all numbers of a module.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        return f"array{in_full(torch.from_numpy(np.ascontiguousarray(value)))[6:]}"
    if isinstance(value, Tensor):
        return _tensor_in_full(value)
    if isinstance(value, nn.Module):
        state = {**dict(value.named_parameters()), **dict(value.named_buffers())}
        words = f"{value!r} { ({name: in_full(tensor) for name, tensor in state.items()}) }"
        return f"{type(value).__name__}(digest {_digest(words.encode())})"
    if type(value) in (list, tuple):
        listed = ", ".join(map(in_full, value))
        one = "," if len(value) == 1 else ""
        return f"[{listed}]" if isinstance(value, list) else f"({listed}{one})"
    if type(value) is dict:
        return f"{{{', '.join(f'{in_full(k)}: {in_full(v)}' for k, v in value.items())}}}"
    return repr(value)


def _tensor_in_full(tensor: Tensor) -> str:
    numbers = tensor.detach().cpu()
    if numbers.layout != torch.strided or numbers.is_quantized:
        numbers = numbers.dequantize() if numbers.is_quantized else numbers.to_dense()
    kind = str(numbers.dtype).removeprefix("torch.")
    if numbers.numel() <= _LISTED:
        return f"tensor({numbers.tolist()}{'' if kind == 'float32' else f', {kind}'})"
    content = numbers.contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return f"tensor({kind} {tuple(numbers.shape)}, digest {_digest(content)})"


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=6).hexdigest()


def checked(given: Any, registry: Mapping[str, Any], base: Any) -> Any:
    """The given name, instance of ``base`` or ``SavedPart``, checked and unchanged.

    Raises ``UnknownNameError`` or ``BadSettingError``.
    """
    if isinstance(given, str):
        if given not in registry:
            raise unknown_name(base.kind, given, tuple(registry))
        return given
    if isinstance(given, base) or (isinstance(given, SavedPart) and given.kind == base.kind):
        return given
    if isinstance(given, type) and issubclass(given, base):
        raise BadSettingError(
            f"{base.kind} {given.__name__} is a class: give an object of it, {given.__name__}()"
        )
    names = f"a name ({', '.join(registry)}) or " if registry else ""
    raise UnknownNameError(
        f"no {base.kind} {shown(given)}: give {names}an object of a class derived from "
        f"iw.{base.__name__}, which {base.remedy}"
    )


def chosen(given: Any, registry: Mapping[str, Any], base: Any) -> Any:
    """The part with the given name, or the given instance itself.

    Raises ``UnknownNameError`` or ``BadSettingError``; the latter also for a ``SavedPart``.
    """
    given = checked(given, registry, base)
    if isinstance(given, SavedPart):
        raise BadSettingError(
            f"this was made with a custom {given.kind}, {given}, and a file does not contain its "
            f"code: give it again"
        )
    return registry[given]() if isinstance(given, str) else given


def to_plain(given: str | Part | SavedPart) -> str | dict[str, str]:
    """A part as plain values for JSON: its name, or its kind and its ``repr``."""
    if isinstance(given, str):
        return given
    words = str(given)
    if len(words) > _LONGEST:  # the digest tells apart texts that differ only at the end
        digest = f"… (digest {_digest(words.encode())})"
        words = words[: _LONGEST - len(digest)] + digest
    return {"own": given.kind, "repr": words}


def from_plain(plain: Any) -> Any:
    """The name or the ``SavedPart`` that plain values from JSON stand for."""
    if not isinstance(plain, Mapping):
        return plain
    if set(plain) != {"own", "repr"} or not all(isinstance(v, str) for v in plain.values()):
        raise BadSettingError(f"{shown(plain)} is not a saved part")
    return SavedPart(plain["own"], plain["repr"])


def call_part(part: Part, what: str, ask: Callable[[], Any]) -> Any:
    """Call a method of a custom part; an error in it becomes a ``CustomPartError`` that names it.

    Torch's gradient mode is restored afterwards.

    Raises ``CustomPartError``.
    """
    try:
        with torch.set_grad_enabled(torch.is_grad_enabled()):
            return ask()
    except (InvwidgetsError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise CustomPartError(
            f"{part.kind} {shown(part)}, {what}: {type(error).__name__}: {str(error)[:300]}"
        ) from error
