"""Small reconstructions of every stage, made one after the other during the panel's run.

>>> pictures = StagePictures(loop)
>>> pictures.observe(lambda change: print(change["new"]), "done")
>>> pictures.run(["blocks.0", "blocks.1"], "coffee", {"photo": "coffee"})
"""

from __future__ import annotations

import io
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import traitlets as t
from PIL import Image

from ...figures.contrast import as_shown
from ...figures.gallery import best_seed
from ...inversion.result import Reconstruction
from ...inversion.session import Session
from ..base.loop import Loop

STEPS = 60
_SIDE = 100  # pixels of a picture, twice its size on the page
_KEPT = 400  # the largest number of cached pictures


class StagePictures(t.HasTraits):
    """The maker of these pictures; ``done`` maps a stage to its picture, a JPEG file.

    ``busy`` is True until all are made. Finished pictures are cached by what they were made from.
    """

    done: Any = t.Dict()
    busy = t.Bool(False)
    error = t.Unicode("")

    def __init__(self, loop: Loop) -> None:
        super().__init__()
        self._loop = loop
        self._session: Session | None = None
        self._kept: dict[tuple[str, Hashable], bytes] = {}
        self.key: Hashable = None
        self._left: list[str] = []
        self._arguments: Mapping[str, Any] = {}
        self._resting = False

    def show(self, stages: Sequence[str], key: Hashable) -> None:
        """Show the cached pictures of these stages; ``key`` identifies photo and network."""
        if key != self.key or self.busy:
            self.stop()
        self.key = key
        found = {stage: self._kept.get((stage, key)) for stage in stages}
        self.done = {stage: picture for stage, picture in found.items() if picture is not None}

    def run(self, stages: Sequence[str], key: Hashable, arguments: Mapping[str, Any]) -> None:
        """Make the missing pictures; ``arguments`` are for ``Session.start``, without layer."""
        self.show(stages, key)
        self._arguments = dict(arguments)
        self._left = [stage for stage in stages if stage not in self.done]
        self.error = ""
        if self._left:
            self._session = self._session or Session()
            self.busy = True
            self._next()

    def stop(self) -> None:
        """Stop making pictures, and keep the finished ones."""
        self._left = []
        self.busy = False
        if self._session is not None:
            self._session.forget()

    def rest(self, resting: bool) -> None:
        """Pause while the panel's run is in progress."""
        if self._session is not None and resting != self._resting:
            (self._session.pause if resting else self._session.resume)()
        self._resting = resting

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
        self._left, self.done, self._kept = [], {}, {}

    def _next(self) -> None:
        if not self._left or self._session is None:
            self.busy = False
            return
        stage = self._left[0]
        future = self._session.start(
            layer=stage, seeds=1, steps=STEPS, frames=0, paused=self._resting, **self._arguments
        )
        key = self.key
        future.add_done_callback(lambda ended: self._loop.call(self._have, key, stage, ended))

    def _have(self, key: Hashable, stage: str, ended: Future[Reconstruction]) -> None:
        if ended.cancelled() or key != self.key or self._left[:1] != [stage]:
            return
        self._left.pop(0)
        error = ended.exception()
        if error is not None:
            self.error = f"{stage}: {error}"
        else:
            self._kept = dict([*self._kept.items()][1 - _KEPT :])
            self._kept[stage, key] = small_jpeg(ended.result())
            self.done = {**self.done, stage: self._kept[stage, key]}
        self._loop.call(self._next)


def small_jpeg(result: Reconstruction) -> bytes:
    """The best image of a result as a small JPEG file."""
    picture = Image.fromarray(as_shown(result, best_seed(result)))
    picture.thumbnail((2 * _SIDE, _SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=88)
    return file.getvalue()
