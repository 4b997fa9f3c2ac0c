"""What a layer of a network still knows of a photo, found by inverting it.

    >>> import invwidgets as iw
    >>> r = iw.invert("coffee", layer="blocks.2", seeds=4)
    >>> r.gallery()

Names load on first use, so that importing this package costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

_HOME = {
    "invert": "inversion.invert",
    "prepare": "inversion.prepare",
    "InversionSettings": "inversion.settings",
    "Phase": "inversion.phase",
    "preset": "inversion.presets",
    "Run": "inversion.run",
    "Session": "inversion.session",
    "replay": "inversion.replay",
    "InversionPanel": "widgets.inversion_panel",
    "LayerStrip": "widgets.layer_strip",
    "Sweep": "sweeps.sweep",
    "LayerSlider": "widgets.layer_slider",
    "RegionPicker": "widgets.region_picker",
    "ChannelSelector": "widgets.channel_selector",
    "PriorKnobs": "widgets.prior_knobs",
    "SweepPanel": "widgets.sweep_panel",
    "page": "pages.page",
    "load_page": "pages.page",
    "Reconstruction": "inversion.result",
    "recomposition": "inversion.recomposition",
    "walk": "inversion.walk",
    "effective_field": "representations.effective",
    "exciting_patches": "representations.patches",
    "representation": "representations.registry",
    "from_callable": "representations.registry",
    "check_representation": "representations.check",
    "hog": "representations.descriptors.hog",
    "hogb": "representations.descriptors.hog",
    "dsift": "representations.descriptors.dsift",
    "Selection": "selection",
    "select": "selection",
    "photos": "images",
    "read_photo": "images",
    "list_models": "representations.registry",
    "InvwidgetsError": "errors",
    "Objective": "energy.objectives",
    "Prior": "energy.priors",
    "Optimizer": "search.optimizers",
    "TorchOptimizer": "search.optimizers",
    "Parametrization": "search.parametrizations",
    "Representation": "representations.base",
    "Layer": "representations.base",
    "Step": "inversion.engine",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"invwidgets has no {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
