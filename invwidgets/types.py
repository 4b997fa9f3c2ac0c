"""The classes of what functions return and callbacks are given."""

from importlib import import_module
from typing import Any

_HOME = {
    "Run": "inversion.run",
    "Step": "inversion.engine",
    "Layer": "representations.base",
    "Selection": "selection",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"{__name__} has no {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(f".{_HOME[name]}", "invwidgets"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
