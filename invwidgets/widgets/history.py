"""Every finished run as a thumbnail with its settings: bring one back, look at two, delete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import ipywidgets as w
import numpy as np
from numpy.typing import NDArray

from ..figures.canvas import LIGHT, Theme
from ..figures.contrast import as_shown
from ..figures.gallery import best_seed, title_of
from ..figures.grid import plan_grid
from ..figures.sheet import Sheet
from ..inversion.result import Reconstruction
from .loop import Loop
from .parts import button, classed, note
from .tiles import Tiles


@dataclass(frozen=True)
class Pin:
    """A finished run: its result, and the panel's settings that made it."""

    result: Reconstruction
    settings: dict[str, Any] = field(default_factory=dict)
    moved: frozenset[str] = frozenset()  # the knobs that had left the preset

    @property
    def picture(self) -> NDArray[np.uint8]:
        return as_shown(self.result, best_seed(self.result))

    @property
    def words(self) -> str:
        result = self.result
        lines = [result.layer, result.photo_name or "no photo"]
        if result.relative_error is not None:
            lines.append(f"{100 * min(result.relative_error):.1f} % error")
        if result.selection.describe():
            lines.append(result.selection.describe())
        return "\n".join(lines)


class History(w.VBox):
    """``recall`` is called with a pin to bring it back; two are drawn side by side."""

    def __init__(self, loop: Loop, recall: Callable[[Pin], None]) -> None:
        self._recall = recall
        self.theme = LIGHT
        self.pair = w.Image(format="jpeg")
        self.pair.layout.display = "none"
        self.pair.layout.max_width = "100%"
        self.pins: list[Pin] = []
        self.tiles = Tiles(
            tile=[112, 112], multiple=True, most=2, deletable=True, describes="Finished runs"
        )
        self.caption = note()
        self.bring = button("Bring back", "Its settings and images", loop.handler(self._bring))
        self.side = button("Side by side", "Two runs, best seed each", loop.handler(self._pair))
        self.tiles.observe(loop.handler(self._follow), "selected")
        self.tiles.on_msg(lambda _, content, __: loop.call(self._message, content))
        buttons = classed(w.HBox([self.bring, self.side]), "iw-buttons")
        super().__init__([self.tiles, self.caption, buttons, self.pair])
        classed(self, "iw-section")
        self._follow()

    def pin(self, pin: Pin) -> None:
        self.pins.append(pin)
        self._refill()

    def delete(self, place: int) -> None:
        """Forget a run."""
        if 0 <= place < len(self.pins):
            del self.pins[place]
            self.tiles.selected = []
            self.pair.layout.display = "none"
            self._refill()

    def _refill(self) -> None:
        words = [pin.words for pin in self.pins]
        labels = [f"run {n + 1}: {', '.join(w.splitlines())}" for n, w in enumerate(words)]
        self.tiles.fill([pin.picture for pin in self.pins], labels, words)
        self._follow()

    def _message(self, content: dict[str, Any]) -> None:
        if isinstance(content.get("delete"), int):
            self.delete(content["delete"])

    def _follow(self) -> None:
        chosen = [n for n in self.tiles.selected if n < len(self.pins)]
        self.bring.disabled, self.side.disabled = len(chosen) != 1, len(chosen) != 2
        if not self.pins:
            self.caption.value = "Every finished run is kept here."
        elif not chosen:
            self.caption.value = "Press a run to bring it back, two to see them side by side."
        else:
            self.caption.value = " and ".join(f"run {n + 1}" for n in sorted(chosen)) + " chosen"

    def _bring(self) -> None:
        if len(self.tiles.selected) == 1:
            self._recall(self.pins[self.tiles.selected[0]])

    def _pair(self) -> None:
        if len(self.tiles.selected) == 2:
            first, second = (self.pins[n] for n in sorted(self.tiles.selected))
            self.pair.value = side_by_side(first, second, self.theme)
            self.pair.layout.display = None


def side_by_side(first: Pin, second: Pin, theme: Theme) -> bytes:
    """The best image of each of two runs, large, as a JPEG."""
    pictures = [first.picture, second.picture]
    sheet = Sheet(plan_grid(2, pictures[0].shape[:2], 640, columns=2), theme, scale=1.5)
    for place, (pin, pixels) in enumerate(zip((first, second), pictures, strict=True)):
        error = pin.result.relative_error
        scores = "" if error is None else f"error {100 * min(error):.1f} %"
        sheet.show(place, pixels, title_of(pin.result), scores)
    return sheet.jpeg()
