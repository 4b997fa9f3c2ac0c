"""Every finished run as a thumbnail with its settings: bring one back, look at two, delete."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import ipywidgets as w
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..figures.canvas import LIGHT, Theme
from ..figures.contrast import as_shown
from ..figures.gallery import best_seed, title_of
from ..figures.grid import plan_grid
from ..figures.sheet import Sheet
from ..inversion.convergence import converged
from ..inversion.result import Reconstruction
from ..models.zoo import DEFAULT_MODEL
from ..representations.descriptors.named import layer_title
from .loop import Loop
from .panel_options import KNOBS, matches_photo
from .parts import button, classed, note
from .prior_knobs import in_words
from .tiles import Tiles


@dataclass(frozen=True)
class HistoryEntry:
    """A finished run: its result, and the panel's settings that made it."""

    result: Reconstruction
    settings: dict[str, Any] = field(default_factory=dict)
    overridden: frozenset[str] = frozenset()  # what had left the preset
    classes: tuple[Any, ...] = ()  # of its pictures, as ``ClassTable`` has them

    @property
    def picture(self) -> NDArray[np.uint8]:
        return as_shown(self.result, best_seed(self.result))

    @property
    def words(self) -> str:
        result = self.result
        layer = layer_title(result.model, result.layer)
        lines = [layer, result.photo_name or "no photo"]
        if result.model != DEFAULT_MODEL and layer == result.layer:
            lines.insert(0, result.model)
        if result.scores is not None:
            index = best_seed(result)
            lines.append(result.objective.score_text(result.scores[index]))
        if not result.objective.measures_error:
            lines.insert(0, result.objective.name)
        if not converged(result):
            lines.append("did not come near")
        if result.note:
            lines.append(result.note)
        if result.selection.in_words():
            lines.append(result.selection.in_words())
        knobs = {name: self.settings[name] for name in KNOBS if name in self.overridden}
        if knobs:
            lines.append(in_words(knobs, matches_photo(result.objective)))
        return "\n".join(lines)


class History(w.VBox):
    """``entries`` are the finished runs; ``chosen`` those that are pressed.

    ``bring`` is the button that restores the one chosen; two are drawn side by side.
    """

    def __init__(self, loop: Loop) -> None:
        self.theme = LIGHT
        self.pair = w.Image(format="jpeg")
        self.pair.layout.display = "none"
        self.pair.layout.max_width = "100%"
        self.entries: list[HistoryEntry] = []
        self.tiles = Tiles(
            tile=[112, 112], multiple=True, most=2, deletable=True, describes="Finished runs"
        )
        self.caption = note()
        self.bring = w.Button(description="Bring back", tooltip="Its settings and images, again")
        self.side = button("Side by side", "Two runs, best image each", loop.handler(self._pair))
        self.tiles.observe(loop.handler(self._follow), "selected")
        self.tiles.on_msg(lambda _, content, __: loop.call(self._message, content))
        buttons = classed(w.HBox([self.bring, self.side]), "iw-buttons")
        super().__init__([self.tiles, self.caption, buttons, self.pair])
        classed(self, "iw-section")
        self._follow()

    @property
    def chosen(self) -> list[HistoryEntry]:
        """The runs that are pressed, in order."""
        return [self.entries[n] for n in sorted(self.tiles.selected) if n < len(self.entries)]

    def add(self, entry: HistoryEntry) -> None:
        self.entries.append(entry)
        self._refill()

    def number(self, entry: HistoryEntry) -> int:
        """A run's number among those kept, from 1; 0 where it is not among them."""
        return next((n for n, one in enumerate(self.entries, 1) if one is entry), 0)

    def replace(self, old: HistoryEntry, new: HistoryEntry) -> None:
        """Know more of a run, where it is still kept."""
        self.entries = [new if entry is old else entry for entry in self.entries]

    def delete(self, place: int) -> None:
        """Forget a run."""
        if 0 <= place < len(self.entries):
            del self.entries[place]
            self.tiles.selected = []
            self.pair.layout.display = "none"
            self._refill()

    def _refill(self) -> None:
        words = [entry.words for entry in self.entries]
        labels = [f"run {n + 1}: {', '.join(w.splitlines())}" for n, w in enumerate(words)]
        self.tiles.fill([entry.picture for entry in self.entries], labels, words)
        self._follow()

    def _message(self, content: dict[str, Any]) -> None:
        if isinstance(content.get("delete"), int):
            self.delete(content["delete"])

    def _follow(self) -> None:
        chosen = [n for n in self.tiles.selected if n < len(self.entries)]
        self.bring.disabled, self.side.disabled = len(chosen) != 1, len(chosen) != 2
        if not self.entries:
            self.caption.value = "Every finished run is kept here."
        elif not chosen:
            self.caption.value = "Press a run to bring it back, two to see them side by side."
        else:
            self.caption.value = " and ".join(f"run {n + 1}" for n in sorted(chosen)) + " chosen"

    def _pair(self) -> None:
        if len(self.chosen) == 2:
            first, second = self.chosen
            self.pair.value = side_by_side(first, second, self.theme)
            self.pair.layout.display = None


def side_by_side(first: HistoryEntry, second: HistoryEntry, theme: Theme) -> bytes:
    """The best image of each of two runs, large, as a JPEG; neither is squashed."""
    pictures = [first.picture, second.picture]
    shape = pictures[0].shape[:2]
    sheet = Sheet(plan_grid(2, shape, 640, columns=2), theme, scale=1.5)
    for place, (entry, pixels) in enumerate(zip((first, second), pictures, strict=True)):
        result = entry.result
        best = best_seed(result)
        score = "" if result.scores is None else result.objective.score_text(result.scores[best])
        said = " · ".join(part for part in (score, result.note) if part)
        sheet.show(place, padded(pixels, shape, theme.face), title_of(result), said)
    return sheet.jpeg()


def padded(pixels: NDArray[np.uint8], shape: tuple[int, int], ground: str) -> NDArray[np.uint8]:
    """A picture (H, W, 3) with the proportions of ``shape``, the rest of it ``ground``."""
    height, width = pixels.shape[:2]
    if height * shape[1] == width * shape[0]:
        return pixels
    size = (max(width, round(height * shape[1] / shape[0])),
            max(height, round(width * shape[0] / shape[1])))  # fmt: skip
    return np.asarray(ImageOps.pad(Image.fromarray(pixels), size, color=ground))
