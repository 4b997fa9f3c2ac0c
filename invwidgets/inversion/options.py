"""The keyword arguments of a run, listed once for Python, the shell and the widgets.

>>> sorted(RunOptions.__annotations__)[:3]
['alpha', 'alpha_kind', 'alpha_weight']
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..energy.objectives import EnergyFunction, Objective
from ..errors import unknown_name
from ..images import Size
from ..models.spec import Numbers
from ..representations.base import Region
from ..representations.targets import TargetSource
from ..selection import ChannelSpec
from .settings import InversionSettings, SettingChanges

Seeds = int | list[int] | tuple[int, ...] | range
_Function = TypeVar("_Function", bound=Callable[..., Any])


class RunOptions(SettingChanges, total=False):
    """The keyword arguments of ``invert``, except callback, knobs and on_ready."""

    target: TargetSource | None
    weights: str | os.PathLike[str]
    mean: float | Numbers | None
    std: float | Numbers | None
    forward_kwargs: Mapping[str, Any] | None
    region: str | Region | None
    channels: ChannelSpec
    seeds: Seeds | None
    steps: int | None
    size: Size | str | None
    fit: str | None
    preset: str
    objective: str | Objective | EnergyFunction | None
    settings: InversionSettings | None


class _Preset:
    """The default value, in a signature, of an argument that the preset sets."""

    def __repr__(self) -> str:
        return "<the preset's>"


DEFAULTS: Mapping[str, Any] = {
    **dict.fromkeys(RunOptions.__annotations__, _Preset()),
    **dict.fromkeys(
        ("target", "mean", "std", "forward_kwargs", "region", "channels", "size", "settings")
    ),
    "weights": "pretrained",
    "seeds": 4,
    "fit": "crop",
    "preset": "default",
    "objective": "inversion",
    "device": "auto",
    "precision": "auto",
    "frames": 24,
}
"""The default value of each argument, as signatures and help show it."""


def lists_options(function: _Function) -> _Function:
    """A decorator that shows every keyword of ``RunOptions`` in a function's signature."""
    written = inspect.signature(function)
    own = [p for p in written.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    kind = inspect.Parameter.KEYWORD_ONLY
    listed = [
        inspect.Parameter(name, kind, default=DEFAULTS[name], annotation=_words(annotation))
        for name, annotation in _in_order()
    ]
    function.__signature__ = written.replace(parameters=[*own, *listed])  # type: ignore[attr-defined]
    return function


def check_options(options: Mapping[str, Any]) -> None:
    """Raise ``UnknownNameError`` for an unknown keyword, with a list of the known ones."""
    for name in options:
        if name not in RunOptions.__annotations__:
            raise unknown_name("setting", name, [*RunOptions.__annotations__])


def _in_order() -> list[tuple[str, Any]]:
    """The keywords with their types: model and selection first, single settings last."""
    every = RunOptions.__annotations__
    settings = SettingChanges.__annotations__
    first = [name for name in every if name not in settings]
    return [(name, every[name]) for name in (*first, *settings)]


def _words(annotation: Any) -> Any:
    return getattr(annotation, "__forward_arg__", annotation)
