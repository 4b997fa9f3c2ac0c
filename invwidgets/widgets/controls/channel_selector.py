"""The selector of channels: all, a group, color or shape channels, the strongest, or by hand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import ipywidgets as w
import numpy as np
import traitlets as t
from markupsafe import Markup

from ...images import parse_size, read_photo
from ...models.zoo import DEFAULT_MODEL
from ...representations.classes import channel_names
from ...representations.registry import representation
from ..base.loop import Loop
from ..base.parts import classed, close_all, note
from ..base.tiles import HandleNames, Tiles
from .name_search import NameSearch

_KINDS = {
    "all": "all",
    "first or second half": "halves",
    "one of four groups": "quarters",
    "those that need color": "color:top",
    "those that see shape": "color:bottom",
    "the strongest in the region": "top",
    "chosen from pictures": "eye",
    "a single channel": "one",
}
_SHEET = 256  # the largest number of channels shown


class ChannelSelector(w.VBox):
    """A control that selects channels: all, a group, color or shape, the strongest, or by hand.

    >>> selector = iw.controls.ChannelSelector("coffee", layer="blocks.2")
    >>> selector.observe(lambda change: print(change["new"]), "value")
    >>> selector.value = "color:top"
    >>> result = iw.invert("coffee", layer="blocks.2", channels=selector.value)

    Parameters
    ----------
    photo, model, layer, weights, size
        The photo, and the network with the layer of the channels. ``photo=None`` leaves the
        selector empty until ``show_layer`` is called.
    value
        The first selection: numbers, a text such as ``"color:top"``, or None for all channels.

    Notes
    -----
    Traits to link and observe: ``value``, the channels as None, a text, or a tuple of numbers;
    ``features``, the photo's features (C, h, w) or (D,), which are needed to find the strongest
    channels and to draw pictures of them; ``wants_features``, which is True while they are missing.
    """

    value: Any = t.Any(None, allow_none=True)
    features: Any = t.Any(None, allow_none=True)
    wants_features = t.Bool(False)

    def __init__(
        self,
        photo: Any = None,
        model: Any = DEFAULT_MODEL,
        layer: str | None = None,
        value: Any = None,
        *,
        weights: str | os.PathLike[str] = "pretrained",
        size: Any = None,
        loop: Loop | None = None,
    ) -> None:
        loop = loop or Loop()
        self._strength: np.ndarray[Any, Any] | None = None
        self._unit = self._updating = False
        self.total = 0
        self.kind = w.Dropdown(options=list(_KINDS.items()), description="Channels")
        self.kind.tooltip = "The channels of the layer that the images must match"
        self.part = w.Dropdown(options=[("first", 1), ("second", 2)], description="Which")
        self.many = w.IntSlider(8, min=1, max=64, description="How many")
        self.one = w.BoundedIntText(0, min=0, max=0, description="Number")
        self.search = NameSearch(label="Class")
        t.link((self.one, "value"), (self.search, "value"))
        self.sheet = Tiles(tile=[36, 36], multiple=True, describes="Channels by their responses")
        self.caption = note()
        self.kind.observe(loop.handler(self._changed_kind), "value")
        self.part.observe(loop.handler(self._set_value), "value")
        self.many.observe(loop.handler(self._set_value), "value")
        self.one.observe(loop.handler(self._set_value), "value")
        self.sheet.observe(loop.handler(self._set_value), "selected")
        alone = [] if photo is None else [HandleNames()]
        choices = [self.kind, self.part, self.many, self.one, self.search, self.sheet]
        super().__init__([*choices, self.caption, *alone])
        classed(self, "iw-section")
        self.observe(self._follow_value, "value")
        self.observe(self._have_features, "features")
        self._arrange()
        if photo is not None:
            phi = representation(model, layer or None, weights)
            wanted = parse_size(size) if size is not None else phi.size
            self.show_layer(phi.layer_info(wanted).shape[0], channel_names(phi))
            self.features = phi.target(read_photo(photo, wanted, channels=phi.channels))[0]
            self.value = value

    def show_layer(self, total: int, names: Sequence[str] = ()) -> None:
        """Show a layer with ``total`` channels, and their names if they have any."""
        self._strength = None
        self.total = total
        self.many.max = max(1, min(total, 512))
        self.one.max = max(0, total - 1)
        self.search.names = list(names)
        self.features, self.wants_features = None, False
        if self.kind.value in ("eye", "top"):
            self.wants_features = True
        self._arrange()

    def refresh(self) -> None:
        """Request new features after a change of the region, if they are needed."""
        if self.kind.value == "top":
            self.features, self.wants_features = None, True

    def show_unit(self, unit: bool) -> None:
        """Select a single channel (True), as a goal about one needs it, or any channels."""
        if unit != self._unit:
            self._unit = unit
            if unit:
                first = self.value[0] if isinstance(self.value, tuple) and self.value else 0
                self.value = (first,)
            elif self.kind.value == "one":
                self.value = None

    def _have_features(self, _: Any) -> None:
        """Find the channels' strengths in new features, and draw the pictures."""
        if self.features is None:
            return
        self.wants_features = False
        maps = self.features.float().cpu().numpy()
        self._strength = np.abs(maps).reshape(len(maps), -1).mean(1)
        self._draw_sheet()
        if self.kind.value in ("top", "eye"):
            self._set_value()

    def _draw_sheet(self) -> None:
        if self.kind.value != "eye" or self.features is None or self.features.ndim != 3:
            return
        shown = self.features[:_SHEET].float().cpu().numpy()
        low = shown.min((1, 2), keepdims=True)
        high = shown.max((1, 2), keepdims=True)
        gray = (255 * (shown - low) / np.maximum(high - low, 1e-9)).astype(np.uint8)
        pictures = [np.repeat(one[..., None], 3, 2) for one in gray]
        self.sheet.fill(pictures, [f"channel {c}" for c in range(len(shown))])

    def close(self) -> None:
        """Close this widget and all widgets in it."""
        close_all(self)

    @t.validate("value")
    def _valid(self, proposal: Any) -> Any:
        value = proposal["value"]
        return tuple(value) if isinstance(value, list) else None if value == "all" else value

    def _follow_value(self, _: Any) -> None:
        """Show the value, which was set by the user or in Python."""
        channels = self.value
        if channels == self._spec():
            self._describe()
            return
        self._updating = True
        kind = "eye"
        if channels is None:
            kind = "all"
        elif isinstance(channels, str) and channels in _KINDS.values():
            kind = channels
        elif isinstance(channels, str) and channels.startswith("group:"):
            index, _, of = channels.removeprefix("group:").partition("/")
            kind = "quarters" if of == "4" else "halves"
            self._list_parts(kind)
            self.part.value = int(index) if index.isdigit() else 1
        elif isinstance(channels, tuple) and len(channels) == 1:
            kind = "one"
            self.one.max = max(self.one.max, int(channels[0]))
            self.one.value = int(channels[0])
        elif isinstance(channels, tuple):
            self.sheet.selected = [int(c) for c in channels if c < _SHEET]
        self.kind.value = kind
        self._updating = False
        self._arrange()

    def _changed_kind(self) -> None:
        if self._updating:
            return
        self._list_parts(self.kind.value)
        self._arrange()
        if self.kind.value in ("top", "eye") and self.features is None:
            self.wants_features = True
        else:
            self._draw_sheet()
            self._set_value()

    def _list_parts(self, kind: str) -> None:
        names = ["first", "second", "third", "fourth"][: 4 if kind == "quarters" else 2]
        options = [(name, n + 1) for n, name in enumerate(names)]
        if tuple(options) != tuple(self.part.options):
            self.part.options = options

    def _arrange(self) -> None:
        kind = self.kind.value
        for widget, shown in (
            (self.part, kind in ("halves", "quarters")),
            (self.many, kind == "top"),
            (self.one, kind == "one" and not self.search.names),
            (self.search, kind == "one" and bool(self.search.names)),
            (self.sheet, kind == "eye"),
        ):
            widget.layout.display = None if shown else "none"
        self._describe()

    def _spec(self) -> Any:
        kind = self.kind.value
        if kind == "halves":
            return f"group:{self.part.value}"
        if kind == "quarters":
            return f"group:{self.part.value}/4"
        if kind == "top":
            if self._strength is None:
                return self.value
            strongest = np.argsort(-self._strength, kind="stable")[: self.many.value]
            return tuple(sorted(int(c) for c in strongest))
        if kind == "one":
            return (self.one.value,)
        if kind == "eye":
            chosen = tuple(self.sheet.selected)
            given = self.value if isinstance(self.value, tuple) else ()
            beyond = any(c >= _SHEET for c in given)  # chosen in Python, beyond the shown ones
            return (
                given
                if beyond and chosen == tuple(c for c in given if c < _SHEET)
                else chosen or None
            )
        return None if kind == "all" else kind

    def _set_value(self) -> None:
        if self._updating:
            return
        self.value = self._spec()
        self._describe()

    def _describe(self) -> None:
        kind, total = self.kind.value, self.total
        counts = {"all": total, "halves": total // 2, "quarters": total // 4,
                  "color:top": total // 2, "color:bottom": total // 2}  # fmt: skip
        value = self.value
        if kind == "one" and self.search.names:
            words = Markup("<b>{}</b> is channel {} of {}")
            name = self.search.names[self.one.value]
            self.caption.value = words.format(name, self.one.value, total)
            return
        count = len(value) if isinstance(value, tuple) else counts.get(kind, total)
        if kind == "eye" and not self.sheet.selected and value is None:
            self.caption.value = (
                f"All {total} channels are selected. Press the pictures of those that you want."
            )
            return
        self.caption.value = Markup("<b>{}</b> of {} channels").format(count, total)
