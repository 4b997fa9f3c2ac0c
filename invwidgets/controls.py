"""The panel's controls, each usable alone in a notebook cell."""

from importlib import import_module
from typing import Any

_HOME = {
    "LayerSlider": "widgets.layer_slider",
    "RegionPicker": "widgets.region_picker",
    "ChannelSelector": "widgets.channel_selector",
    "PriorKnobs": "widgets.prior_knobs",
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
