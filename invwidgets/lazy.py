"""The loading of public names on first use, which makes importing a namespace fast."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any


def load_name(namespace: str, homes: Mapping[str, str], name: str) -> Any:
    """The object called ``name`` in a namespace, loaded from the module that ``homes`` names.

    Raises ``AttributeError`` with a list of the existing names.
    """
    module = sys.modules[namespace]
    if name not in homes:
        raise AttributeError(f"{namespace} has no {name!r}; it has {', '.join(module.__all__)}")
    value = getattr(import_module(f".{homes[name]}", __package__), name)
    setattr(module, name, value)
    return value


def listed(namespace: str) -> list[str]:
    """The names that ``dir`` shows of a namespace, both loaded and not yet loaded."""
    module = sys.modules[namespace]
    return sorted({*vars(module), *module.__all__})
