"""The classes of what functions return and callbacks are given."""

from typing import Any

from . import lazy

_HOME = {
    "Run": "inversion.run",
    "Step": "inversion.engine",
    "Layer": "representations.base",
    "Selection": "selection",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    return lazy.load(__name__, _HOME, name)


def __dir__() -> list[str]:
    return lazy.listed(__name__)
