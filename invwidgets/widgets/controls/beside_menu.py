"""The menu of the second column: none, another layer, other weights, or another model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets as w
import traitlets as t

from ..base.loop import Loop
from ..base.parts import classed


class BesideMenu(w.HBox):
    """The menu of the second column; ``value`` has its differences, None for no second column.

    >>> menu = BesideMenu(loop, [("HOG", "hog")])
    >>> menu.value = {"layer": "blocks.4"}

    ``show`` sets the choices of layers, and the options of the first column.
    """

    value: Any = t.Any(None, allow_none=True)

    def __init__(self, loop: Loop, models: Sequence[tuple[str, str]]) -> None:
        self._layers: tuple[str, ...] = ()
        self._first: dict[str, Any] = {}
        self._following = False
        self._models = list(models)
        self.kind = w.Dropdown(options=_kinds(""), description="Beside")
        self.kind.tooltip = "Open a second column with the same photo and seeds"
        self.layer = w.Dropdown(options=[], description="Layer beside")
        self.model = w.Dropdown(options=self._models, description="Model beside")
        self.kind.observe(loop.handler(self._chosen), "value")
        self.layer.observe(loop.handler(self._picked), "value")
        self.model.observe(loop.handler(self._picked), "value")
        super().__init__([self.kind, self.layer, self.model])
        classed(self, "iw-beside-menu")
        self.observe(self._follow, "value")
        self._follow(None)

    def show(self, layers: Sequence[str], layer: str, model: Any, weights: str) -> None:
        """Take the names of the stages, and layer, model and weights of the first column."""
        first, names = {"layer": layer, "model": model, "weights": weights}, tuple(layers)
        if (first, names) != (self._first, self._layers):  # a repeated call keeps a new choice
            self._first, self._layers = first, names
            self._follow(None)

    def _follow(self, _: Any) -> None:
        """Show the value, which was set by the user or in Python."""
        value = self.value or {}
        kind = _kind_of(value)
        self._following = True
        self.kind.options = _kinds(value.get("weights") or self._other_weights)
        self.kind.value = kind
        _offer(self.layer, [(name, name) for name in self._layers], value.get("layer"))
        _offer(self.model, self._models, value.get("model"))
        self._following = False
        self.layer.layout.display = None if kind == "layer" else "none"
        self.model.layout.display = None if kind == "model" else "none"

    def _chosen(self) -> None:
        kind = self.kind.value
        if self._following or kind == _kind_of(self.value):
            return
        others = {
            "": None,
            "layer": self._other_layer,
            "weights": self._other_weights,
            "model": next((n for _, n in self._models if n != self._first.get("model")), None),
        }
        self.value = {kind: others[kind]} if others[kind] else None
        self._follow(None)

    def _picked(self) -> None:
        kind = self.kind.value
        chosen = {"layer": self.layer, "model": self.model}.get(kind)
        if self._following or chosen is None or not chosen.value:
            return
        if (self.value or {}).get(kind) != chosen.value:
            self.value = {kind: chosen.value}

    @property
    def _other_weights(self) -> str:
        return "pretrained" if self._first.get("weights") == "random" else "random"

    @property
    def _other_layer(self) -> str | None:
        """The stage after that of the first column, or the one before the last."""
        layers, layer = self._layers, self._first.get("layer")
        if len(layers) < 2:
            return None
        place = layers.index(layer) if layer in layers else 0
        return layers[place + 1] if place + 1 < len(layers) else layers[place - 1]


def _kinds(weights: str) -> list[tuple[str, str]]:
    words = "trained weights" if weights == "pretrained" else "random weights"
    return [("nothing", ""), ("another layer", "layer"), (words, "weights"),
            ("another model", "model")]  # fmt: skip


def _kind_of(value: Any) -> str:
    return next((name for name in ("model", "layer", "weights") if name in (value or {})), "")


def _offer(menu: w.Dropdown, options: list[tuple[str, str]], value: Any) -> None:
    """Set a menu's choices, including a value that is not among them."""
    if value is not None and value not in [name for _, name in options]:
        options = [*options, (str(getattr(value, "name", value)), value)]
    if tuple(menu.options) != tuple(options):
        menu.options = options
    if value is not None:
        menu.value = value
