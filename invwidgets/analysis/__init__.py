"""Analyses of results and representations: paths between seeds, moved parts, fields, errors."""

from importlib import import_module
from typing import Any

_HOME = {
    "interpolate": "analysis.interpolation",
    "recomposition": "analysis.matching",
    "effective_field": "analysis.fields",
    "exciting_patches": "analysis.patches",
    "relative_error": "inversion.metrics",
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
