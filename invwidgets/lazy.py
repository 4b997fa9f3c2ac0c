"""Public names that load when they are first used, so that importing a namespace costs nothing."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any


def load(namespace: str, homes: Mapping[str, str], name: str) -> Any:
    """What ``name`` means in a namespace; ``homes`` names the module of this package it is in.

    Raises ``AttributeError``, which lists the names there are.
    """
    module = sys.modules[namespace]
    if name not in homes:
        raise AttributeError(f"{namespace} has no {name!r}; it has {', '.join(module.__all__)}")
    value = getattr(import_module(f".{homes[name]}", __package__), name)
    setattr(module, name, value)
    return value


def listed(namespace: str) -> list[str]:
    """What ``dir`` shows of a namespace: names loaded and names that are not loaded yet."""
    module = sys.modules[namespace]
    return sorted({*vars(module), *module.__all__})
