"""The layers in execution order on one slider, with what each of them is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets as w

from ..errors import unknown_name
from ..representations.base import Layer
from .loop import Loop
from .parts import Markup, classed, heading, note


def short_name(layer: Layer) -> str:
    """A layer's shortest name: ``blocks.2`` for ``blocks.2.2.bn3``."""
    return min((layer.name, *layer.aliases), key=len)


def is_stage(layer: Layer) -> bool:
    return short_name(layer).count(".") <= 1


def good_layer(layers: Sequence[Layer]) -> Layer:
    """Where to begin: a stage a third of the way down, that is a map and sees not all at once."""
    maps = [layer for layer in layers if len(layer.shape) == 3 and not layer.is_global]
    stages = [layer for layer in maps if is_stage(layer)] or maps or list(layers)
    wanted = 0.3 * (len(layers) - 1)
    return min(stages, key=lambda layer: abs(layer.index - wanted))


class LayerSlider(w.VBox):
    """A slider over layers; ``moved`` is called with the name of the one chosen."""

    def __init__(self, loop: Loop, moved: Callable[[str], None]) -> None:
        self._moved = moved
        self.layers: tuple[Layer, ...] = ()
        self._listed: list[Layer] = []
        self.title = heading("Layer")
        self.slider = w.SelectionSlider(
            options=["…"], continuous_update=True, readout=False, disabled=True
        )
        self.slider.style.description_width = "0px"
        self.every = w.Checkbox(value=False, description="every layer", indent=False)
        self.every.layout.width = "110px"
        self.caption = note("loading …")
        self.slider.observe(loop.handler(self._slide), "value")
        self.every.observe(loop.handler(self._relist), "value")
        super().__init__([self.title, self.slider, self.caption, self.every])
        classed(self, "iw-section")

    @property
    def layer(self) -> Layer | None:
        """The layer the slider stands at."""
        index = self.slider.index
        return self._listed[index] if self._listed and index is not None else None

    def fill(self, layers: tuple[Layer, ...], name: str) -> Layer:
        """Show these layers, standing at the one called ``name``; the layer that is."""
        self.layers = layers
        chosen = find(layers, name)
        self._list(chosen)
        return chosen

    def stand(self, name: str) -> Layer:
        """Move to a layer by any of its names.

        Raises ``UnknownNameError`` where there is none.
        """
        chosen = find(self.layers, name)
        if chosen not in self._listed:
            self.every.value = True
            self._list(chosen)
        self.slider.index = self._listed.index(chosen)
        self._describe()
        return chosen

    def _list(self, chosen: Layer) -> None:
        stages = [layer for layer in self.layers if is_stage(layer)]
        few = len(stages) >= 4 and not self.every.value
        self._listed = stages if few and chosen in stages else list(self.layers)
        names = [short_name(layer) for layer in self._listed]
        index = self._listed.index(chosen)
        if tuple(names) != tuple(self.slider.options):
            self.slider.options = names
        self.slider.index = index
        self.slider.disabled = False
        self._describe()

    def _relist(self) -> None:
        if self.layer is not None:
            self._list(self.layer)

    def _slide(self) -> None:
        layer = self.layer
        if layer is not None:
            self._describe()
            self._moved(short_name(layer))

    def _describe(self) -> None:
        layer = self.layer
        if layer is None:
            return
        self.title.value = Markup("Layer&ensp;<code>{}</code>").format(short_name(layer))
        count = f"{layer.index + 1} of {len(self.layers)}"
        words = Markup("{}<br>{}, layer {}").format(describe(layer), layer.kind, count)
        self.caption.value = words


def describe(layer: Layer) -> Markup:
    """Shape, stride and receptive field, in words."""
    if len(layer.shape) == 3:
        channels, rows, columns = layer.shape
        words = Markup("<b>{}</b> channels of <b>{} × {}</b> cells{}")
        given = [channels, rows, columns]
    else:
        words, given = Markup("<b>{}</b> numbers{}"), [layer.shape[0]]
    sees = ""
    if layer.assumed:
        sees = ", what each sees is unknown: the whole image is assumed"
    elif layer.is_global:
        sees = ", each sees the whole image"
    elif layer.stride is not None and layer.receptive_field is not None:
        across = " × ".join(str(n) for n in layer.receptive_field)
        sees = f", {layer.stride[0]:g} px apart, each sees {across} px"
    return words.format(*given, sees)


def find(layers: Sequence[Layer], name: str) -> Layer:
    for layer in layers:
        if name == layer.name or name in layer.aliases:
            return layer
    raise unknown_name("layer", name, [short_name(layer) for layer in layers])
