"""Tools that show what a layer of a neural network keeps of a photo, by inverting the layer.

    >>> import invwidgets as iw
    >>> r = iw.invert("coffee", layer="blocks.2", seeds=4)
    >>> r.gallery()

Names load on first use, so importing this package is fast.
"""

from importlib import import_module
from typing import Any

from . import lazy

__version__ = "0.2.0"

_HOME = {
    "invert": "inversion.invert",
    "prepare": "inversion.prepare",
    "InversionSettings": "inversion.settings",
    "Phase": "inversion.phase",
    "preset": "inversion.presets",
    "Session": "inversion.session",
    "replay": "inversion.replay",
    "InversionPanel": "widgets.panel.panel",
    "LayerStrip": "widgets.strip",
    "Sweep": "sweeps.sweep",
    "SweepPanel": "widgets.sweep.panel",
    "page": "pages.page",
    "load_page": "pages.page",
    "Reconstruction": "inversion.result",
    "representation": "representations.registry",
    "from_callable": "representations.registry",
    "check_representation": "representations.check",
    "select": "selection",
    "photos": "images",
    "read_photo": "images",
    "list_models": "representations.registry",
    "Objective": "energy.objectives",
    "Prior": "energy.priors",
    "Optimizer": "search.optimizers",
    "TorchOptimizer": "search.optimizers",
    "Parametrization": "search.parametrizations",
    "Representation": "representations.base",
}
_SPACES = ("analysis", "controls", "descriptors", "errors", "lessons", "types")
__all__ = sorted([*_HOME, *_SPACES])


def __getattr__(name: str) -> Any:
    if name in _SPACES:
        return import_module(f".{name}", __name__)
    return lazy.load_name(__name__, _HOME, name)


def __dir__() -> list[str]:
    return lazy.listed(__name__)
