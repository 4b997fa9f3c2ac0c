"""What is asked less often: objective, seeds, steps, size, weights, optimiser, device and so on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import ipywidgets as w

from ..energy.objectives import OBJECTIVES
from ..inversion.hardware.memory import DEVICES
from ..inversion.settings import PRECISIONS
from ..search.optimizers import OPTIMIZERS
from ..swappable import Part
from .loop import Loop

SIZES = {"the network's own": None, "64 px": 64, "96 px": 96, "128 px": 128, "160 px": 160,
         "224 px": 224, "320 px": 320, "448 px": 448}  # fmt: skip


class MoreSettings(w.VBox):
    """``moved(name, value)`` is called; ``show`` sets all."""

    def __init__(self, loop: Loop, moved: Callable[[str, Any], None]) -> None:
        self._moved = moved
        self._values: dict[str, Any] = {}
        slider = {"continuous_update": False}
        self.controls: dict[str, Any] = {
            "objective": w.Dropdown(options=list(OBJECTIVES), description="Objective"),
            "seeds": w.IntSlider(4, min=1, max=64, description="Seeds", **slider),
            "steps": w.IntSlider(200, min=10, max=1000, step=10, description="Steps", **slider),
            "size": w.Dropdown(options=list(SIZES.items()), description="Size"),
            "weights": w.Dropdown(options=["pretrained", "random"], description="Weights"),
            "optimizer": w.Dropdown(options=list(OPTIMIZERS), description="Optimiser"),
            "device": w.Dropdown(options=list(DEVICES), description="Device"),
            "precision": w.Dropdown(options=list(PRECISIONS), description="Precision"),
        }
        for name, control in self.controls.items():
            control.observe(loop.handler(partial(self._turned, name)), "value")
        super().__init__(list(self.controls.values()))

    def show(self, values: Mapping[str, Any]) -> None:
        """Stand at these values; a control that cannot show one gets it as another choice."""
        for name, control in self.controls.items():
            value = values[name]
            self._values[name] = value
            options = getattr(control, "options", None)
            known = [o[1] if isinstance(o, tuple) else o for o in options or ()]
            if options is not None and value not in known:
                own = isinstance(options[0], tuple) or isinstance(value, Part)
                extra = (str(value), value) if own else value
                control.options = (*options, extra)
            elif options is None:
                control.max = max(control.max, value)
                control.min = min(control.min, value)
            control.value = value

    def _turned(self, name: str) -> None:
        value = self.controls[name].value
        if value != self._values.get(name):
            self._values[name] = value
            self._moved(name, value)
