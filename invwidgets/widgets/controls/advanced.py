"""The advanced settings: preset, steps, photo size, weights, optimizer, device and others.

>>> settings = AdvancedSettings(loop, reset)
>>> traitlets.link((panel, "steps"), (settings.settings["steps"], "value"))
"""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as w

from ...inversion.hardware.memory import DEVICES
from ...inversion.presets import PRESETS
from ...inversion.settings import PRECISIONS
from ...search.optimizers import OPTIMIZERS
from ..base.loop import Loop
from ..base.parts import classed
from .setting import Setting, menu

SIZES = {"the network's own": None, "64 pixels": 64, "96 pixels": 96, "128 pixels": 128,
         "160 pixels": 160, "224 pixels": 224, "320 pixels": 320, "448 pixels": 448}  # fmt: skip
_TIPS = {
    "preset": "A group of settings: the default, or those of a paper",
    "steps": "The number of steps of a search",
    "size": "The side of the photo after resizing, in pixels",
    "weights": "The trained weights, or random numbers instead",
    "optimizer": "The rule that improves the images in each step",
    "jitter": "The largest random shift of the images before each step, in pixels",
    "device": "The processor that computes the run",
    "precision": "The type of the numbers in the network",
}
_BACK = ("steps", "optimizer", "jitter")  # follow the preset until the user changes them


class AdvancedSettings(w.VBox):
    """The controls of the advanced settings.

    ``settings`` maps a name to its ``Setting``. ``reset(name)`` is called to reset one to the
    preset.
    """

    def __init__(self, loop: Loop, reset: Callable[[str], None]) -> None:
        slider = {"continuous_update": False}
        controls = {
            "preset": w.Dropdown(options=list(PRESETS), description="Preset"),
            "steps": w.IntSlider(200, min=10, max=1000, step=10, description="Steps", **slider),
            "size": menu("Photo size", SIZES.items()),
            "weights": w.Dropdown(options=["pretrained", "random"], description="Weights"),
            "optimizer": w.Dropdown(options=list(OPTIMIZERS), description="Optimizer"),
            "jitter": w.IntSlider(0, min=0, max=32, description="Jitter", **slider),
            "device": w.Dropdown(options=list(DEVICES), description="Device"),
            "precision": w.Dropdown(options=list(PRECISIONS), description="Precision"),
        }
        self.settings = {
            name: Setting(loop, name, control, _TIPS[name], reset if name in _BACK else None)
            for name, control in controls.items()
        }
        super().__init__([*self.settings.values()])
        classed(self, "iw-section")

    def show_size(self, size: tuple[int, int]) -> None:
        """Show the (height, width) of the photo in use."""
        self.settings["size"].rename(f"Photo size: {size[0]} × {size[1]}", _TIPS["size"])
