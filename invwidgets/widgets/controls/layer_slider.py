"""The slider of layers: an overview of the network's stages, and a menu of the layers in each.

>>> slider = LayerSlider("efficientnet_lite0", "blocks.2")
>>> slider.observe(lambda change: print(change["new"]), "value")
>>> slider                                  # in a notebook cell; "value" is the layer's name
>>> invert("coffee", layer=slider.value)
"""

from __future__ import annotations

import os
from typing import Any

import anywidget
import ipywidgets as w
import traitlets as t
from markupsafe import Markup

from ...images import parse_size
from ...representations.base import Layer, Representation
from ...representations.descriptors.named import layer_title
from ...representations.registry import representation
from ...representations.stages import find_layer, inside, stage_of, stages
from ..base.loop import Loop
from ..base.parts import classed, close_all, note
from ..base.tiles import static

_LABEL = 12  # the letters that fit into one line of a stage's column


class NetworkOverview(anywidget.AnyWidget):
    """The stages as columns below a slider; ``at`` is the index of the chosen one."""

    _esm = static("overview.js")
    _css = static("panel.css")
    stages: Any = t.List().tag(sync=True)
    pictures: Any = t.List().tag(sync=True)
    at = t.Int(0).tag(sync=True)


class LayerSlider(w.VBox):
    """A control that selects a layer: a slider over the stages, and a menu of each one's layers.

    >>> slider = iw.controls.LayerSlider("efficientnet_lite0")
    >>> slider.observe(lambda change: print(change["new"]), "value")
    >>> result = iw.invert("coffee", layer=slider.value)

    Parameters
    ----------
    model
        The network: anything that ``representation`` accepts. None leaves the slider empty until
        ``layers`` is set.
    value
        The selected layer, by any of its names; by default the default layer of ``invert``.
    weights, size
        The network's weights, and the (height, width) of its images.

    Raises
    ------
    UnknownNameError
        For a model or a layer that does not exist, also when ``value`` is set.

    Notes
    -----
    Traits to link and observe: ``value``, the layer's short name; ``layers``, a tuple of ``Layer``;
    ``pictures``, a small JPEG file for each stage's name.
    """

    value = t.Unicode("")
    layers: Any = t.Tuple()
    pictures: Any = t.Dict()

    def __init__(
        self,
        model: Any = None,
        value: str = "",
        *,
        weights: str | os.PathLike[str] = "pretrained",
        size: Any = None,
        loop: Loop | None = None,
    ) -> None:
        loop = loop or Loop()
        self._showing = False
        self._model = ""  # the network's name, if a layer has this name
        self._strict = False  # a panel may name a layer of a network that is still being loaded
        self._stages: tuple[Layer, ...] = ()
        self._photo_size: tuple[int, int] | None = None
        self.overview = NetworkOverview()
        self.inner = w.Dropdown(options=[("…", "")], description="Inside", disabled=True)
        self.inner.tooltip = "The layers inside this stage, in order"
        self.caption = note("loading …")
        self.overview.observe(loop.handler(self._slid), "at")
        self.inner.observe(loop.handler(self._picked), "value")
        self.below = classed(w.HBox([self.caption, self.inner]), "iw-row", "iw-layer-words")
        super().__init__([self.overview, self.below])
        classed(self, "iw-section")
        self.observe(self._layers_came, "layers")
        self.observe(self._follow_value, "value")
        self.observe(self._pictured, "pictures")
        if model is not None:
            phi: Representation = representation(model, weights=weights)
            self._photo_size = parse_size(size) if size is not None else phi.size
            self._model = phi.name
            self.layers = phi.layers(self._photo_size)
            self._strict = True
            self.value = value or phi.layer_info(self._photo_size).short_name

    @property
    def layer(self) -> Layer | None:
        """The selected layer; None while there are no layers."""
        for layer in self.layers:
            if self.value == layer.name or self.value in layer.aliases:
                found: Layer = layer
                return found
        return None

    @property
    def stages(self) -> tuple[Layer, ...]:
        """The network's main stages in order."""
        return self._stages

    def show_layers(
        self, layers: tuple[Layer, ...], value: str, size: tuple[int, int], model: str = ""
    ) -> None:
        """Show the layers of a network for photos of ``size``, with one of them selected."""
        other = layers != self.layers or model != self._model
        self._photo_size, self._model = size, model
        if other:
            with self.hold_trait_notifications():
                self.layers, self.value = layers, value
            self.pictures = {}
            self._layers_came(None)
        self.value = value
        self._show()

    def close(self) -> None:
        """Close this widget and all widgets in it."""
        close_all(self)

    @t.validate("value")
    def _valid(self, proposal: Any) -> str:
        name = str(proposal["value"])
        return find_layer(self.layers, name).short_name if self._strict else name

    def _layers_came(self, _: Any) -> None:
        self._stages = stages(self.layers)
        self.overview.stages = [_column(layer, self._model) for layer in self._stages]
        self._pictured(None)
        self._show()

    def _follow_value(self, _: Any) -> None:
        self._show()

    def _pictured(self, _: Any) -> None:
        self.overview.pictures = [
            self.pictures.get(layer.short_name, b"") for layer in self._stages
        ]

    def _slid(self) -> None:
        if self._stages and not self._showing:
            self.value = self._stages[min(self.overview.at, len(self._stages) - 1)].short_name

    def _picked(self) -> None:
        if self.inner.value and not self._showing:
            self.value = self.inner.value

    def _show(self) -> None:
        """Update overview, menu and text after a change of ``value``."""
        layer = self.layer
        if layer is None:
            return
        stage = stage_of(layer, self._stages)
        within = inside(self.layers, stage, self._stages)
        names = [one.short_name for one in within]
        self._showing = True
        self.overview.at = self._stages.index(stage)
        if tuple(names) != tuple(self.inner.options):
            self.inner.options = names
        self.inner.value = layer.short_name
        self._showing = False
        self.inner.disabled = len(names) < 2
        self.inner.layout.display = None if len(names) > 1 else "none"
        name, title = layer.short_name, layer_title(self._model, layer.short_name)
        words = describe(layer, self._photo_size)
        if title == name:
            self.caption.value = Markup("<b><code>{}</code></b>: {}").format(name, words)
        else:
            self.caption.value = Markup("<b>{}</b> (layer <code>{}</code>): {}").format(
                title, name, words
            )


def describe(layer: Layer, size: tuple[int, int] | None = None) -> Markup:
    """A layer's shape and the part of a photo of ``size`` that each cell sees, in words."""
    if layer.grid is not None:
        words = Markup("<b>{}</b> channels of <b>{} × {}</b> cells{}")
        given = [layer.shape[0], *layer.grid]
    else:
        words, given = Markup("<b>{}</b> numbers{}"), [layer.shape[0]]
    return words.format(*given, _sees(layer, size))


def _sees(layer: Layer, size: tuple[int, int] | None) -> str:
    if layer.assumed:
        return "; their receptive fields are unknown, so each is assumed to see the whole photo"
    if len(layer.shape) != 3:
        return "; each sees the whole photo"
    if layer.is_global:
        return "; each sees the whole photo"
    if layer.stride is None or layer.receptive_field is None:
        return ""
    high, wide = layer.receptive_field
    apart = f"; {layer.stride[0]:g} pixels apart"
    if size is not None and high >= 2 * size[0] and wide >= 2 * size[1]:
        return f"{apart}, each sees the whole photo and beyond its edges ({high} × {wide} pixels)"
    if size is not None and (high > size[0] or wide > size[1]):
        return f"{apart}, each sees most of the photo and beyond its edges ({high} × {wide} pixels)"
    return f"{apart}, each sees {high} × {wide} pixels"


def _label(name: str) -> str:
    """A stage's name, without its parent modules if it is too long for its column."""
    parts = name.split(".")
    while len(parts) > 1 and len(".".join(parts)) > _LABEL and not parts[1][0].isdigit():
        parts = parts[1:]
    return ".".join(parts)


def _column(layer: Layer, model: str) -> dict[str, Any]:
    """The data of a stage for the overview."""
    name = layer.short_name
    title = layer_title(model, name)
    label = _label(name) if title == name else title
    shape = (layer.shape[0], *(layer.grid or ()))
    size = " × ".join(str(n) for n in shape[1:]) or "1"
    tip = f"{shape[0]} channels of {size} cells" if len(shape) == 3 else f"{shape[0]} numbers"
    return {
        "name": name,
        "label": label,
        "size": f"{shape[1]}² · {shape[0]}"
        if len({*shape[1:]}) == 1
        else f"{size} · {shape[0]}"
        if len(shape) == 3
        else f"{shape[0]}",
        "tip": f"{name}: {tip}" if name != label else tip,
        "side": max(shape[1:]) if len(shape) == 3 else 1,
        "channels": shape[0],
    }
