"""The gallery of a run in progress: the photo, the images of all seeds, mean and spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import traitlets as t
from numpy.typing import NDArray

from ...figures.canvas import LIGHT
from ...figures.contrast import stretched
from ...figures.gallery import (
    MEAN_SAYS,
    SPREAD_SAYS,
    Gallery,
    heat,
    photo_says,
    seed_caption,
)
from ...figures.grid import Plan, plan_grid
from ...figures.sheet import Sheet
from ...inversion.progress import Frame
from ...inversion.result import steps_in_words
from ..base.loop import Loop
from ..base.picture_view import PictureView, jpeg, toggles
from ..base.tiles import script

MOST_SEEDS = 64
_BESIDE = 104  # pixels: the width of the small pictures while one is compared
_LIST = 0.3  # the part of the width for each list of classes while pictures are compared


class LiveGallery(PictureView):
    """The gallery of a run: the photo, the images of all seeds, their mean and their spread.

    ``show_photo`` sets the layout, and ``show`` shows a frame of the run. A press on an image
    enlarges it. ``compared`` is the key of the picture that is compared with the photo: ``"s0"``
    for the first seed, ``"mean"`` for the mean, or empty. ``boxes`` has the places for the lists of
    classes of the photo and of each seed: left side and width as fractions of the whole width, and
    the row.
    """

    _esm = script("dom", "compare", "sized", "shots", "presenter", "live_gallery")
    field: Any = t.List().tag(sync=True)  # of the region: top, left, bottom, right, as fractions
    fields: Any = t.Dict(None, allow_none=True).tag(sync=True)  # of the cells, as fractions
    compared = t.Unicode("").tag(sync=True)
    boxes: Any = t.List()

    def __init__(self, loop: Loop) -> None:
        self._photo: NDArray[np.uint8] | None = None
        self._name = ""
        self._field: tuple[int, int, int, int] | None = None
        self._stretch = False
        self.weights = ""  # the note about untrained weights and changed settings
        self._seeds: tuple[int, ...] = (0, 1, 2, 3)
        super().__init__(loop)
        self.observe(loop.handler(self.redraw), "compared")
        self.redraw()

    def show_photo(
        self,
        photo: NDArray[np.uint8] | None,
        name: str,
        seeds: Sequence[int],
        field: tuple[int, int, int, int] | None = None,
        stretch: bool = False,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        """Show a photo (H, W, 3) and one empty place for each seed.

        ``field`` is a receptive field that is framed in the photo: top, left, bottom, right, in
        pixels. With ``stretch``, the contrast of the images is stretched. ``fields`` are the
        receptive fields of the layer's cells, see ``cell_fields``.
        """
        new = photo is not self._photo
        self._photo, self._name, self._field, self._stretch = photo, name, field, stretch
        self._seeds = tuple(seeds)[:MOST_SEEDS]
        with self.hold_sync():
            if new:
                self.photo_file = b"" if photo is None else jpeg(photo)
            self.fields = None if fields is None else dict(fields)
            if photo is not None:
                height, width = photo.shape[:2]
                self.shape = [height, width]
                self.field = [] if field is None else [
                    field[0] / height, field[1] / width, field[2] / height, field[3] / width
                ]  # fmt: skip
            self.best = ""
            if self.enlarged >= len(self._seeds):
                self.enlarged = -1
            self.redraw()
            empty = self._lines([(f"seed {seed}", "") for seed in self._seeds])
            self.send({}, empty, "", f"{name or 'no photo'}, and {len(self._seeds)} empty places")

    def show(self, frame: Frame, captions: list[tuple[str, str]] | None = None) -> None:
        """Show a frame of the run; by default the captions are the errors in the frame."""
        if len(frame.images) < len(self._seeds) or not self.comm:
            return  # a frame of a replaced run with fewer seeds
        many = len(self._seeds) > 1
        shown = {f"s{index}": frame.images[index] for index in range(len(self._seeds))}
        if many:
            shown["mean"] = np.round(frame.images.mean(0, dtype=np.float32)).astype(np.uint8)
        if self._stretch:
            shown = {key: stretched(pixels) for key, pixels in shown.items()}
        if many and frame.spread is not None:
            shown["spread"] = heat(frame.spread)
        lines = self._lines(captions or _captions(self._seeds, frame))
        with self.hold_sync():
            self.shape = [*frame.images.shape[1:3]]
            self.best = f"s{frame.best}" if many else ""
            self.send(shown, lines, str(frame.index + 1), self._words(frame))
            self.redraw()

    def redraw(self) -> None:
        """Lay out the pictures again after a change of the width, ``enlarged`` or ``compared``."""
        photo = self._photo is not None
        keys = ["photo"] if photo else []
        seeds = [f"s{index}" for index in range(len(self._seeds))]
        keys += [*seeds, *(["mean", "spread"] if len(seeds) > 1 else [])]
        if self.compared and not photo:
            self.compared = ""
        elif self.compared and self.compared not in keys:
            self.compared = self.best or seeds[0]
        plan, names = self._plan(keys), [self._named(key) for key in keys]
        pressed = self.compared or f"s{self.enlarged}"
        labels = [self._does(key, name, pressed) for key, name in zip(keys, names, strict=True)]
        self.lay(plan, keys, names, labels, pressed)
        self.boxes = self._lists(keys, plan)

    def still(self) -> Sheet:
        """A figure of the photo and empty places, for notebooks without a kernel."""
        gallery = Gallery(
            self._seeds, self._shape, photo=self._photo is not None, theme=LIGHT,
            stretch=self._stretch,
        )  # fmt: skip
        if self._photo is not None:
            gallery.show_photo(self._photo, self._name, self._field)
        return gallery.sheet

    @property
    def _shape(self) -> tuple[int, int]:
        height, width = self.shape
        return height, width

    def _plan(self, keys: Sequence[str]) -> Plan:
        if self.compared:
            columns = min(len(keys), max(1, self.room // _BESIDE))
            return plan_grid(len(keys), self._shape, self.room, columns=columns)
        large: tuple[int, ...] = ()
        if 0 <= self.enlarged < len(self._seeds):
            enlarged = f"s{self.enlarged}"
            large = tuple(keys.index(key) for key in ("photo", enlarged) if key in keys)
        return plan_grid(len(keys), self._shape, self.room, large=large)

    def _lists(self, keys: Sequence[str], plan: Plan) -> list[list[float]]:
        """The places of the lists of classes: below each picture, or of two compared ones only."""
        pictured = [key for key in keys if key not in ("mean", "spread")]
        if self.compared:
            both = ["photo", self.compared]
            return [
                [both.index(key) * 1.1 * _LIST, _LIST, 0] if key in both else [0, 0, 0]
                for key in pictured
            ]
        spots = plan.spots[: len(pictured)]
        rows = sorted({spot.top for spot in spots})
        return [[s.left / plan.width, s.width / plan.width, rows.index(s.top)] for s in spots]

    def _named(self, key: str) -> str:
        if key == "photo":
            return self._name
        return key if key in ("mean", "spread") else f"seed {self._seeds[int(key[1:])]}"

    def _does(self, key: str, name: str, pressed: str) -> str:
        """The effect of a press on a picture; empty if it cannot be pressed."""
        if key in ("photo", "spread", "" if self.compared else "mean"):
            return ""
        if self.compared:
            return f"{name}: compare with the photo"
        return f"{name}: {toggles(key == pressed)}"

    def _lines(self, seeds: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """The two lines of text below each picture."""
        said = [(self._name, photo_says(self._field is not None, self._stretch))]
        said = [] if self._photo is None else said
        said += seeds
        if len(self._seeds) > 1:
            said += [("mean", MEAN_SAYS), ("spread", SPREAD_SAYS)]
        return said

    def _words(self, frame: Frame) -> str:
        said = f" ({self.weights})" if self.weights else ""
        counted = f"{len(self._seeds)} image{'s' * (len(self._seeds) != 1)}"
        words = f"{self._name}: {counted} after {steps_in_words(frame.index + 1)}{said}"
        if frame.scores is not None:
            words += f", the best with {frame.objective.score_text(frame.scores[frame.best])}"
        return words


def _captions(seeds: Sequence[int], frame: Frame) -> list[tuple[str, str]]:
    captions = []
    for index, seed in enumerate(seeds):
        score = "" if frame.scores is None else frame.objective.score_text(frame.scores[index])
        captions.append(
            seed_caption(seed, score, None if frame.psnr is None else frame.psnr[index])
        )
    return captions
