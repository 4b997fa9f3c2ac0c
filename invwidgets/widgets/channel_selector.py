"""Which channels count: all, a group, those of colour or of shape, the strongest, or by eye."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as w
import numpy as np
from torch import Tensor

from .loop import Loop
from .parts import Markup, classed, note
from .tiles import Tiles

_KINDS = {
    "all": "all",
    "first or second half": "halves",
    "one of four groups": "quarters",
    "those that need colour": "color:top",
    "those that see shape": "color:bottom",
    "the strongest in the region": "top",
    "picked by eye": "eye",
}
_SHEET = 256  # channels shown at most


class ChannelSelector(w.VBox):
    """``chosen`` is called with what ``select`` takes: None, a text, or a tuple of channels.

    ``ask`` is called when the photo's responses are needed; they come by ``show_responses``.
    """

    def __init__(self, loop: Loop, chosen: Callable[[Any], None], ask: Callable[[], None]) -> None:
        self._chosen, self._ask = chosen, ask
        self._strength: np.ndarray[Any, Any] | None = None
        self._standing: Any = None
        self.total = 0
        self.kind = w.Dropdown(options=list(_KINDS.items()))
        self.part = w.Dropdown(options=[("first", 1), ("second", 2)], description="which")
        self.many = w.IntSlider(8, min=1, max=64, description="how many")
        self.sheet = Tiles(tile=[40, 40], multiple=True, describes="Channels by their responses")
        self.caption = note()
        self.kind.observe(loop.handler(self._changed_kind), "value")
        self.part.observe(loop.handler(self._tell), "value")
        self.many.observe(loop.handler(self._tell), "value")
        self.sheet.observe(loop.handler(self._tell), "selected")
        super().__init__([self.kind, self.part, self.many, self.sheet, self.caption])
        self.kind.style.description_width = "0px"
        classed(self, "iw-section")
        self._arrange()

    def show_layer(self, total: int) -> None:
        """A layer of ``total`` channels; their responses are asked for where they are seen."""
        self._strength = None
        self.total = total
        self.many.max = max(1, min(total, 512))
        if self.kind.value in ("eye", "top"):
            self._ask()
        self._describe()

    def show_responses(self, features: Tensor) -> None:
        """The photo's features (C, h, w) or (D,) in the region: strengths, and a contact sheet."""
        maps = features.float().cpu().numpy()
        self._strength = np.abs(maps).reshape(len(maps), -1).mean(1)
        if self.kind.value == "eye" and maps.ndim == 3:
            shown = maps[:_SHEET]
            low = shown.min((1, 2), keepdims=True)
            high = shown.max((1, 2), keepdims=True)
            grey = (255 * (shown - low) / np.maximum(high - low, 1e-9)).astype(np.uint8)
            pictures = [np.repeat(one[..., None], 3, 2) for one in grey]
            self.sheet.fill(pictures, [f"channel {c}" for c in range(len(shown))])
        self._tell()

    def stand(self, channels: Any) -> None:
        """Show a choice made in Python."""
        if channels == self._standing:
            return
        self._standing = channels
        kind = "eye"
        if channels in (None, "all"):
            kind = "all"
        elif isinstance(channels, str) and channels in _KINDS.values():
            kind = channels
        elif isinstance(channels, str) and channels.startswith("group:"):
            index, _, of = channels.removeprefix("group:").partition("/")
            kind = "quarters" if of == "4" else "halves"
            self._list_parts(kind)
            self.part.value = int(index) if index.isdigit() else 1
        elif isinstance(channels, tuple | list):
            self.sheet.selected = [int(c) for c in channels if c < _SHEET]
        self.kind.value = kind
        self._arrange()

    def _changed_kind(self) -> None:
        self._list_parts(self.kind.value)
        self._arrange()
        if self.kind.value in ("top", "eye"):
            self._ask()
        else:
            self._tell()

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
                return self._standing
            strongest = np.argsort(-self._strength, kind="stable")[: self.many.value]
            return tuple(sorted(int(c) for c in strongest))
        if kind == "eye":
            return tuple(self.sheet.selected) or None
        return None if kind == "all" else kind

    def _tell(self) -> None:
        spec = self._spec()
        before, self._standing = self._standing, spec
        self._describe()
        if spec != before:
            self._chosen(spec)

    def _describe(self) -> None:
        kind, total = self.kind.value, self.total
        counts = {"all": total, "halves": total // 2, "quarters": total // 4,
                  "color:top": total // 2, "color:bottom": total // 2}  # fmt: skip
        standing = self._standing
        count = len(standing) if isinstance(standing, tuple) else counts.get(kind, total)
        empty = kind == "eye" and not self.sheet.selected
        more = ": press those that count" if empty else ""
        self.caption.value = Markup("<b>{}</b> of {} channels{}").format(count, total, more)
