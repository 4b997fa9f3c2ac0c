"""Paths to tensors within the output of a module: in tuples, lists, dicts and dataclasses.

>>> [(in_name(path), tuple(t.shape)) for path, t in leaves({"a": [torch.ones(1, 2)], "b c": None})]
[('.a[0]', (1, 2))]
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

OUTPUT = ("output", "returned", "network output")
"""The names for a network's output; the first that is not the name of a module is used."""

_DEEPEST = 6  # the maximum depth of nested containers
_MOST = 3  # the number of items in a message


@dataclass(frozen=True)
class PathStep:
    """A step of a path into a container: an item or an attribute."""

    key: str | int
    attribute: bool = False

    def take(self, value: Any) -> Any:
        return getattr(value, str(self.key)) if self.attribute else value[self.key]

    def __str__(self) -> str:
        plain = isinstance(self.key, str) and self.key.isidentifier()
        return f".{self.key}" if plain else f"[{self.key!r}]"


Path = tuple[PathStep, ...]


@dataclass(frozen=True)
class FeaturePlace:
    """The place of a layer's features: the name of a call and the path within its output.

    ``batch_second``: the axes are (L, N, D), and are moved to (N, L, D).
    """

    call: str
    path: Path = ()
    batch_second: bool = False

    def take(self, returned: Any) -> Tensor:
        for step in self.path:
            returned = step.take(returned)
        features: Tensor = returned.transpose(0, 1) if self.batch_second else returned
        return features


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The items within a value that are not containers, with their paths, without None."""
    found = _items(value) if len(path) < _DEEPEST else None
    if found is None:
        yield path, value
        return
    for step, item in found:
        if item is not None:
            yield from leaves(item, (*path, step))


def in_name(path: Path) -> str:
    """The text of a path after a layer's name."""
    return "".join(map(str, path))


def spellings(name: str) -> tuple[str, ...]:
    """A layer's name as given, and in the notation of this package."""
    single = name.replace('"', "'")
    return name, single, re.sub(r"\['([^\W\d]\w*)'\]", r".\1", single)


def output_in_words(value: Any) -> str:
    """The output of a module in a few words.

    >>> output_in_words((torch.ones(1, 4), 2)), output_in_words([])
    ('a tuple of a tensor (1, 4) and an int', 'an empty list')
    """
    if isinstance(value, Tensor):
        return f"a tensor {tuple(value.shape)}"
    kind = type(value).__name__
    found = _items(value)
    if value is None or found is None:
        return "None" if value is None else _a(kind)
    if not found:
        return f"an empty {kind}"
    words = [
        f"a tensor {tuple(v.shape)}"
        if isinstance(v, Tensor)
        else ("None" if v is None else _a(type(v).__name__))
        for _, v in found[:_MOST]
    ]
    if len(found) > _MOST:
        return f"{_a(kind)} of {', '.join(words)} and {len(found) - _MOST} more"
    return f"{_a(kind)} of {' and '.join(filter(None, (', '.join(words[:-1]), words[-1])))}"


def _a(kind: str) -> str:
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"


def _items(value: Any) -> list[tuple[PathStep, Any]] | None:
    """The items of a container; None for other values."""
    if isinstance(value, Mapping):
        return [(PathStep(key), item) for key, item in value.items() if isinstance(key, str | int)]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return [(PathStep(name, True), getattr(value, name)) for name in value._fields]
    if isinstance(value, list | tuple):
        return [(PathStep(place), item) for place, item in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value)]
        return [(PathStep(name, True), getattr(value, name, None)) for name in names]
    return None
