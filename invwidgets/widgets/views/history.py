"""The list of finished runs as thumbnails, which can be restored, compared and deleted."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as w
import numpy as np
from numpy.typing import NDArray

from ...figures.contrast import as_shown
from ...figures.gallery import best_seed, caption, title_of
from ...figures.grid import plan_grid
from ..base.loop import Loop
from ..base.parts import button, classed, note
from ..base.picture_view import PictureView
from ..base.tiles import Tiles
from ..panel.state import HistoryEntry
from ..panel.words import history_words


class History(w.VBox):
    """Thumbnails of the finished runs, with their settings below.

    ``entries`` are the runs, and ``chosen`` those whose thumbnails are selected. ``bring`` is the
    button that restores the selected run. Two selected runs can be shown side by side. A press on
    the cross of a thumbnail calls ``deleted`` with the run's index.
    """

    def __init__(self, loop: Loop) -> None:
        self.pair = PairView(loop)
        self.pair.layout.display = "none"
        self.entries: tuple[HistoryEntry, ...] = ()
        self.deleted: Callable[[int], Any] = lambda place: None
        self.tiles = Tiles(
            tile=[112, 112], multiple=True, most=2, deletable=True, describes="Finished runs"
        )
        self.caption = note()
        self.bring = w.Button(description="Restore", tooltip="Show its settings and images again")
        self.side = button("Side by side", "Two runs, best image each", loop.handler(self._pair))
        self.tiles.observe(loop.handler(self._follow), "selected")
        self.tiles.on_msg(lambda _, content, __: loop.call(self._message, content))
        buttons = classed(w.HBox([self.bring, self.side]), "iw-buttons")
        super().__init__([self.tiles, self.caption, buttons, self.pair])
        classed(self, "iw-section")
        self._follow()

    @property
    def chosen(self) -> list[HistoryEntry]:
        """The selected runs, oldest first."""
        return [self.entries[n] for n in sorted(self.tiles.selected) if n < len(self.entries)]

    def show(self, entries: tuple[HistoryEntry, ...]) -> None:
        """Show the thumbnails of these runs instead of the previous ones."""
        before, self.entries = [one.result for one in self.entries], entries
        results = [one.result for one in entries]
        if len(results) == len(before) and all(map(operator.is_, results, before)):
            return
        if len(results) < len(before):
            self.tiles.selected = []
            self.pair.layout.display = "none"
        words = [history_words(entry) for entry in entries]
        labels = [f"run {n + 1}: {', '.join(w.splitlines())}" for n, w in enumerate(words)]
        self.tiles.fill([_picture(entry) for entry in entries], labels, words)
        self._follow()

    def _message(self, content: dict[str, Any]) -> None:
        if isinstance(content.get("delete"), int):
            self.deleted(content["delete"])

    def _follow(self) -> None:
        chosen = [n for n in self.tiles.selected if n < len(self.entries)]
        self.bring.disabled, self.side.disabled = len(chosen) != 1, len(chosen) != 2
        if not self.entries:
            self.caption.value = "Every finished run is kept here."
        elif not chosen:
            self.caption.value = "Select one run to restore it, or two to see them side by side."
        else:
            self.caption.value = " and ".join(f"run {n + 1}" for n in sorted(chosen)) + " chosen"

    def _pair(self) -> None:
        if len(self.chosen) == 2:
            self.pair.show(self.chosen)
            self.pair.layout.display = None


class PairView(PictureView):
    """The best images of two runs side by side, each with its title and its error."""

    def show(self, entries: Sequence[HistoryEntry]) -> None:
        """Show the best images of two runs."""
        pictures, lines = {}, []
        for key, result in zip(("left", "right"), (entry.result for entry in entries), strict=True):
            best = best_seed(result)
            pictures[key], (score, _) = as_shown(result, best), caption(result, best)
            said = " · ".join(part for part in (score, result.note) if part)
            lines.append((title_of(result), said))
        with self.hold_sync():
            self.shape = [*pictures["left"].shape[:2]]
            self.names = [title for title, _ in lines]
            self.redraw()
            self.send(pictures, lines, "2", f"{' and '.join(self.names)}, side by side")

    def redraw(self) -> None:
        """Lay out the two images again for the current width."""
        high, wide = self.shape
        plan = plan_grid(2, (high, wide), self.room, columns=2)
        self.lay(plan, ("left", "right"), self.names)


def _picture(entry: HistoryEntry) -> NDArray[np.uint8]:
    return as_shown(entry.result, best_seed(entry.result))
