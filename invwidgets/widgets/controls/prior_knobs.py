"""The knobs of the prior, which is what an image must fulfill besides matching the photo.

>>> knobs = PriorKnobs(layer="blocks.2")
>>> knobs.observe(lambda change: print(change["new"]), "value")
>>> knobs                                   # in a notebook cell; "value" holds what was moved
>>> invert("coffee", layer="blocks.2", **knobs.value)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ipywidgets as w
import traitlets as t
from markupsafe import Markup

from ...errors import unknown_name
from ...inversion.presets import preset as preset_of
from ...representations.registry import representation
from ..base.loop import Loop
from ..base.parts import classed, close_all
from ..base.tiles import HandleNames
from .setting import Setting, log_slider, menu, short

NAMES = {"tv_weight": "Smoothness", "alpha_weight": "Pale colors", "data_weight": "Match photo",
         "beta": "Soft edges", "bound": "Value limit", "jitter": "Jitter"}  # fmt: skip
_TIPS = {
    "tv_weight": "The penalty for differences between neighboring pixels (λ_V in the papers)",
    "alpha_weight": "The penalty for strong colors (λ_α in the papers)",
    "data_weight": "The weight of the match with the photo's features (C in the papers)",
    "beta": "1 allows sharp edges, 2 prefers soft ones (β in the papers)",
    "bound": "The range of values that pixels may have",
}
# fmt: off
_MEANINGS = {
    "tv_weight": Markup("Adds <b>λ<sub>V</sub> · R<sub>V</sub></b>, the total variation, "
                        "which measures the differences between neighboring pixels. A small weight "
                        "leaves noise, and a large one removes details."),
    "alpha_weight": Markup("Adds <b>λ<sub>α</sub> · R<sub>α</sub></b>, the α-norm, which "
                           "measures how far pixels are from the middle of the range. A small "
                           "weight leaves glaring colors, and a large one makes them gray."),
    "data_weight": Markup("Multiplies <b>C · ‖Φ(x) − Φ₀‖² / ‖Φ₀‖²</b>, the squared "
                          "feature error. A small weight gives a blank image. With a large one, "
                          "the prior has no effect."),
    "beta": Markup("The <b>β</b> of <b>R<sub>V<sup>β</sup></sub></b>, the exponent of "
                   "each difference. With 1, edges are sharp and the areas between them flat. "
                   "With 2 or more, edges are soft."),
    "bound": "A limit on the values of every pixel. It is not a term, so it has no weight.",
}
# fmt: on
RESPONSE = "Response"  # the weight of the data for goals without a photo
_RESPONSE_TIP = "The weight of the channel's response (C in the papers)"
_BOUNDS = {"displayable colors": "picture", "norm 80": 80.0, "norm 160": 160.0, "none": None}
FIRST = ("tv_weight", "alpha_weight", "data_weight")


class PriorKnobs(w.VBox):
    """A control with the weights of the prior and of the match to the photo.

    >>> knobs = iw.controls.PriorKnobs(layer="blocks.2")
    >>> knobs.observe(lambda change: print(change["new"]), "value")
    >>> knobs.value = {"tv_weight": 0.1}
    >>> result = iw.invert("coffee", layer="blocks.2", **knobs.value)

    Parameters
    ----------
    model, layer, preset
        The network, the layer and the preset that determine the defaults. With ``model=None`` there
        are no defaults until the trait ``defaults`` is set.

    Raises
    ------
    UnknownNameError
        For a knob, a layer or a preset that does not exist.

    Notes
    -----
    Traits to link and observe: ``value``, a dict of the moved knobs, as keywords of ``invert``;
    ``overridden``, their names; ``defaults``, the values of the others. A single knob, such as
    ``knobs.knobs["tv_weight"]``, is a widget with a ``value``.
    """

    value: Any = t.Dict()
    overridden: Any = t.Instance(frozenset, ())
    defaults: Any = t.Dict()

    def __init__(
        self,
        model: Any = "efficientnet_lite0",
        layer: str | None = None,
        preset: str = "default",
        *,
        loop: Loop | None = None,
    ) -> None:
        loop = loop or Loop()
        self._following = False
        slider = {"continuous_update": True, "readout_format": ".1f"}
        controls = {
            "tv_weight": log_slider(NAMES["tv_weight"], -5, 2),
            "alpha_weight": log_slider(NAMES["alpha_weight"], -5, 3),
            "data_weight": log_slider(NAMES["data_weight"], -2, 3),
            "beta": w.FloatSlider(1.0, min=1.0, max=3.0, step=0.1, description=NAMES["beta"],
                                  **slider),
            "bound": menu(NAMES["bound"], _BOUNDS.items()),
        }  # fmt: skip
        self.knobs = {
            name: Setting(loop, name, control, _TIPS[name], self.reset, _MEANINGS[name])
            for name, control in controls.items()
        }
        self.others = classed(w.VBox([self.knobs["beta"], self.knobs["bound"]]), "iw-section")
        first = [self.knobs[name] for name in FIRST]
        super().__init__(first if model is None else [*first, self.others, HandleNames()])
        if model is not None:
            phi = representation(model, layer)
            settings = preset_of(preset, phi)
            self.defaults = {name: getattr(settings, name) for name in self.knobs}
            self._follow_defaults()
        classed(self, "iw-section")
        for knob in self.knobs.values():
            knob.observe(self._on_knob, "value")
        self.observe(self._on_value, "value")
        self.observe(self._on_overridden, "overridden")
        self.observe(self._follow_defaults, "defaults")

    def reset(self, *names: str) -> None:
        """Reset knobs to their defaults; by default all of them."""
        self.overridden = self.overridden - set(names or self.overridden)

    def show_goal(self, matches: bool) -> None:
        """Name the data's weight after what it weights: the match to a photo, or a response."""
        knob = self.knobs["data_weight"]
        knob.rename(NAMES["data_weight"] if matches else RESPONSE,
                    _TIPS["data_weight"] if matches else _RESPONSE_TIP)  # fmt: skip

    def follow(self, defaults: Mapping[str, Any]) -> None:
        """Set the defaults, and move all knobs that are not overridden."""
        self.defaults = dict(defaults)
        self._follow_defaults()

    @property
    def follows(self) -> bool:
        """Whether a knob is being moved to its default, not by the user."""
        return self._following

    @contextmanager
    def following(self) -> Iterator[None]:
        """Do not count knobs that are set inside the block as overridden."""
        before, self._following = self._following, True
        try:
            yield
        finally:
            self._following = before

    def close(self) -> None:
        """Close this widget and all widgets in it."""
        close_all(self, self.others)

    @t.validate("value")
    def _valid(self, proposal: Any) -> dict[str, Any]:
        for name in proposal["value"]:
            if name not in self.knobs:
                raise unknown_name("knob", name, [*self.knobs])
        return dict(proposal["value"])

    def _on_knob(self, change: Any) -> None:
        """Handle a knob that was moved by the user or by a link."""
        if not self._following:
            self.overridden = self.overridden | {change["owner"].name}
            self._set_value()

    def _on_value(self, _: Any) -> None:
        if self.value != self._overridden_values():
            with self.following():
                self._set(self.value)
            self.overridden = frozenset(self.value) | (self.overridden - set(self.knobs))

    def _on_overridden(self, _: Any) -> None:
        self._follow_defaults()
        self._set_value()

    def _follow_defaults(self, _: Any = None) -> None:
        """Set all knobs that are not overridden to their defaults."""
        for name, knob in self.knobs.items():
            knob.overridden = name in self.overridden
        kept = {n: v for n, v in self.defaults.items() if n not in self.overridden}
        with self.following():
            self._set(kept)

    def _set(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            if name in self.knobs:
                self.knobs[name].value = value

    def _overridden_values(self) -> dict[str, Any]:
        return {name: knob.value for name, knob in self.knobs.items() if name in self.overridden}

    def _set_value(self) -> None:
        self.value = self._overridden_values()


def knobs_in_words(values: Mapping[str, Any], matches: bool = True) -> str:
    """Knobs with their values as text; ``matches`` means that the goal is to match a photo.

    >>> knobs_in_words({"tv_weight": 0.2371, "jitter": 4})
    'Smoothness 0.24, Jitter 4'
    """
    names = NAMES if matches else {**NAMES, "data_weight": RESPONSE}
    return ", ".join(
        f"{names.get(name, name)} {short(v) if isinstance(v, float) else v}"
        for name, v in values.items()
    )
