"""The live picture: the gallery's own figure, kept up to date and sent as a JPEG."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets as t
from numpy.typing import NDArray

from ...figures.gallery import Gallery, seed_caption
from ...inversion.progress import Frame
from ...inversion.result import steps_in_words
from ..base.loop import Loop
from ..base.picture_view import PictureView

MANY = 64


class LiveGallery(PictureView):
    """The photo and every seed's image; a press on a seed enlarges it beside the photo.

    ``show_photo`` lays out, ``show`` draws a frame of the run. ``boxes`` says where the photo and
    each seed lie: left and width as parts of the whole width, and the row.
    """

    boxes: Any = t.List()

    def __init__(self, loop: Loop) -> None:
        self._gallery: Gallery | None = None
        self._key: tuple[Any, ...] = ()
        self._photo: NDArray[np.uint8] | None = None
        self._name = ""
        self._laid_out: tuple[Any, ...] = ()
        self._field: tuple[int, int, int, int] | None = None
        self._stretch = False
        self.weights = ""  # what must be said of the pictures
        self._seeds: tuple[int, ...] = (0, 1, 2, 3)
        self._frame: Frame | None = None
        self._captions: list[tuple[str, str]] | None = None
        super().__init__(loop)

    def show_photo(
        self,
        photo: NDArray[np.uint8] | None,
        name: str,
        seeds: Sequence[int],
        field: tuple[int, int, int, int] | None = None,
        stretch: bool = False,
    ) -> None:
        """A photo (H, W, 3) and as many empty places as seeds, until pictures come.

        ``field`` is framed in the photo; ``stretch``: the pictures' contrast is stretched.
        """
        new = (None if photo is None else photo.tobytes(), name, field, stretch)
        if new != self._laid_out:
            self._key = ()
        self._laid_out = new
        self._photo, self._name, self._field, self._stretch = photo, name, field, stretch
        self._seeds = tuple(seeds)[:MANY]
        self._frame = None
        if self.enlarged >= len(self._seeds):
            self.enlarged = -1
        if self._gallery is not None:
            self._gallery.clear()
        self.redraw()

    def show(self, frame: Frame, captions: list[tuple[str, str]] | None = None) -> None:
        """A frame of the run; ``captions`` in place of its own once the run has been measured."""
        if len(frame.images) < len(self._seeds):
            return  # of a run that has given way to one of more seeds
        self._frame, self._captions = frame, captions
        self.redraw()

    def redraw(self) -> None:
        if not self.comm:
            return
        began = time.perf_counter()
        gallery = self._laid()
        frame = self._frame
        if frame is not None:
            captions = self._captions or _captions(self._seeds, frame)
            gallery.show_seeds(frame.images, captions, frame.best, frame.spread)
        shown = "" if frame is None else str(frame.index + 1)
        self.send_sheet(gallery.sheet, gallery.plan, shown, self._words(frame))
        self.seconds = time.perf_counter() - began

    def drawn(self) -> Gallery:
        """The gallery as it stands."""
        return self._laid()

    def _laid(self) -> Gallery:
        theme = self.figure_theme
        shape = (224, 224) if self._photo is None else self._photo.shape[:2]
        if self._frame is not None:
            shape = self._frame.images.shape[1:3]
        enlarged = self.enlarged if 0 <= self.enlarged < len(self._seeds) else None
        scale = self.pixel_ratio
        key = (theme, shape, self._seeds, enlarged, max(240, self.width), scale,
               self._photo is not None, self._stretch)  # fmt: skip
        if self._gallery is None or key != self._key:
            self._gallery = Gallery(
                self._seeds,
                shape,
                photo=self._photo is not None,
                width=key[4],
                theme=theme,
                scale=scale,
                enlarged=enlarged,
                stretch=self._stretch,
            )
            self._key = key
            if self._photo is not None:
                self._gallery.show_photo(self._photo, self._name, self._field)
            self._offer(self._gallery)
        return self._gallery

    def _offer(self, gallery: Gallery) -> None:
        """Say where the seeds are to be pressed, and where the photo and they lie."""
        plan, place = gallery.plan, gallery.place
        spots = [plan.spots[place[index]] for index in range(len(self._seeds))]
        self.offer_places(plan, spots, [f"seed {seed}" for seed in self._seeds])
        if "photo" in place:
            spots.insert(0, plan.spots[place["photo"]])
        rows = sorted({spot.top for spot in spots})
        self.boxes = [[s.left / plan.width, s.width / plan.width, rows.index(s.top)] for s in spots]

    def _words(self, frame: Frame | None) -> str:
        if frame is None:
            return f"{self._name or 'no photo'}, and {len(self._seeds)} empty places"
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
