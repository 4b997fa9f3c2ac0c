"""The public names of the panel's controls, each of which also works alone in a notebook cell."""

from typing import Any

from . import lazy

_HOME = {
    "LayerSlider": "widgets.controls.layer_slider",
    "RegionPicker": "widgets.controls.region_picker",
    "ChannelSelector": "widgets.controls.channel_selector",
    "PriorKnobs": "widgets.controls.prior_knobs",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    return lazy.load_name(__name__, _HOME, name)


def __dir__() -> list[str]:
    return lazy.listed(__name__)
