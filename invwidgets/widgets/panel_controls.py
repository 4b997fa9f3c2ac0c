"""The panel's left column: what is asked of which photo, which layer, and with what prior."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as w

from ..representations.registry import representations
from .channel_selector import ChannelSelector
from .layer_slider import LayerSlider
from .lookup import Look
from .loop import Loop
from .more_settings import MoreSettings
from .parts import classed, heading
from .photo_chooser import PhotoChooser
from .prior_knobs import PriorKnobs
from .region_picker import RegionPicker


class PanelControls(w.VBox):
    """``moved(name, value)`` is called for every option, ``photo(source, name)`` for the photo.

    ``reset(name)`` gives a knob back to the preset, ``failed`` is told what is wrong with an
    upload, ``ask`` is called when the channels' responses are needed.
    """

    def __init__(
        self,
        loop: Loop,
        moved: Callable[[str, Any], None],
        photo: Callable[[Any, str], None],
        reset: Callable[[str], None],
        failed: Callable[[str], None],
        ask: Callable[[], None],
    ) -> None:
        self._moved = moved
        self._model: Any = None
        self.photos = PhotoChooser(loop, photo, failed)
        self.model_menu = w.Dropdown(options=list(representations()), description="Model")
        self.model_menu.observe(loop.handler(self._model_chosen), "value")
        self.layer_slider = LayerSlider(loop, lambda name: moved("layer", name))
        self.region_picker = RegionPicker(loop)
        self.region_picker.observe(lambda change: moved("region", change["new"]), "region")
        self.channel_selector = ChannelSelector(loop, lambda spec: moved("channels", spec), ask)
        self.knobs = PriorKnobs(loop, moved, reset, lambda name: moved("preset", name))
        self.more = MoreSettings(loop, moved)
        folds = w.Accordion([self.channel_selector, self.more], titles=["Channels", "More"])
        prior = classed(w.VBox([heading("Data and prior"), self.knobs]), "iw-section")
        model = classed(w.VBox([self.model_menu, self.layer_slider]), "iw-section")
        super().__init__([self.photos, model, self.region_picker, prior, folds])
        classed(self, "iw-controls")

    def show(self, values: Mapping[str, Any], moved: set[str]) -> None:
        """Stand at these options; ``moved`` are those that have left the preset."""
        self.knobs.show(values, moved)
        self.more.show(values)
        self._model = values["model"]
        if not isinstance(self._model, str):
            self.model_menu.value = None
            return
        if self._model not in self.model_menu.options:
            self.model_menu.options = (*self.model_menu.options, self._model)
        self.model_menu.value = self._model

    def show_look(self, looked: Look) -> None:
        """The layers and the photo of a look at a network; a region of another grid is dropped."""
        info = looked.representation.layer_info(looked.size)
        self.layer_slider.fill(looked.layers, looked.layer)
        self.region_picker.show_photo(looked.photo)
        self.region_picker.show_layer(looked.representation, looked.size)
        self.channel_selector.show_layer(info.shape[0])

    def _model_chosen(self) -> None:
        if self.model_menu.value is not None and self.model_menu.value != self._model:
            self._moved("model", self.model_menu.value)
