"""The public names of the classes that functions return and that callbacks receive."""

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
    return lazy.load_name(__name__, _HOME, name)


def __dir__() -> list[str]:
    return lazy.listed(__name__)
