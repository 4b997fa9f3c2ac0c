"""One reconstruction a layer, side by side as they arrive: the paper's main figure, live.

>>> strip = LayerStrip("coffee")
>>> strip                                  # in a notebook cell
>>> results = await strip.start()          # or press Start
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ipywidgets as w
import numpy as np
from numpy.typing import NDArray

from ..errors import BadSettingError, InvwidgetsError, unknown_name
from ..figures.canvas import Theme
from ..figures.contrast import as_shown, stretched
from ..figures.gallery import best_seed, caption
from ..figures.grid import plan_grid
from ..figures.sheet import Sheet
from ..images import photo_name
from ..inversion.progress import Frame, Progress
from ..inversion.result import Reconstruction
from ..inversion.session import Session
from ..models.zoo import DEFAULT_MODEL
from ..representations.base import Layer
from ..representations.stages import stages
from .closing import close_all
from .loading import Loader, load_model
from .loop import Loop
from .parts import Line, button, classed
from .picture_view import PictureView

_OPTIONS = ("weights", "seeds", "steps", "size", "preset", "tv_weight", "alpha_weight",
            "data_weight", "beta", "bound", "objective", "channels")  # fmt: skip
_MOST = 12


def main_layers(layers: Sequence[Layer], most: int = _MOST) -> tuple[str, ...]:
    """A network's stages in order, its last layer among them."""
    return tuple(layer.short_name for layer in stages(layers, most))


class _Strip(PictureView):
    """The photo, and a place for each layer."""

    def __init__(self, loop: Loop) -> None:
        self.layers: tuple[str, ...] = ()
        self.photo: NDArray[np.uint8] | None = None
        self.name = ""
        self.pictures: dict[str, tuple[NDArray[np.uint8], str, str]] = {}
        super().__init__(loop)

    def redraw(self) -> None:
        if self.photo is None or not self.comm:
            return
        sheet = self.sheet(self.look, max(240, self.width), self.pixel_ratio)
        words = f"{self.name} and {len(self.pictures)} of {len(self.layers)} layers"
        self.send_sheet(sheet, sheet.plan, str(len(self.pictures)), words)

    def sheet(self, theme: Theme, width: int, scale: float) -> Sheet:
        assert self.photo is not None
        plan = plan_grid(1 + len(self.layers), self.photo.shape[:2], width, tallest=420)
        sheet = Sheet(plan, theme, scale)
        sheet.show(0, self.photo, self.name, "the photo")
        for place, layer in enumerate(self.layers):
            if layer in self.pictures:
                sheet.show(place + 1, *self.pictures[layer])
            else:
                sheet.caption(place + 1, layer)
        return sheet


class LayerStrip(w.VBox):
    """``layers`` are the network's stages by default; ``results`` maps those done to their result.

    Keywords are ``invert``'s; unknown ones are refused.
    """

    def __init__(
        self,
        photo: Any = "coffee",
        model: Any = DEFAULT_MODEL,
        layers: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        for name in options:
            if name not in _OPTIONS:
                raise unknown_name("option of the strip", name, _OPTIONS)
        self._photo, self._model, self._layers = photo, model, layers
        self._options = {"seeds": 1, **options}
        self._closing = False
        self._work: asyncio.Task[dict[str, Reconstruction]] | None = None
        self._current = ""
        self.results: dict[str, Reconstruction] = {}
        self.loop = Loop()
        self.loader = Loader(self.loop)
        self.session = Session(self._heard)
        self.view = _Strip(self.loop)
        self.begin = button("Start", "Layer by layer", self.loop.handler(self._press), "primary")
        self.halt = button("Stop", "Keep what there is", self.loop.handler(self.stop))
        self.status = Line("Loading the network …", "iw-status")
        buttons = classed(w.HBox([self.begin, self.halt]), "iw-buttons")
        column = classed(w.VBox([buttons, self.status, self.view]), "iw-views")
        super().__init__([column])
        classed(self, "iw-panel")
        self._buttons(False)
        self._ready: list[asyncio.Future[None]] = []
        self._failure = ""
        weights, size = options.get("weights", "pretrained"), options.get("size")
        first = layers[0] if layers else ""
        self.loader.ask(
            "model",
            lambda: load_model(photo, model, first, weights, size, 0.5, False),
            self._looked,
            self._failed,
        )

    def start(self) -> asyncio.Task[dict[str, Reconstruction]]:
        """Run layer by layer; the task gives the results by layer."""
        if self.loop.loop is None:
            raise BadSettingError("a strip runs in a notebook; in a script use iw.Session")
        if self._work is None or self._work.done():
            self._work = self.loop.loop.create_task(self._run())
            self._work.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._work

    def stop(self) -> None:
        if self._work is not None:
            self._work.cancel()
        self.session.stop()

    def close(self) -> None:
        """Stop, and close every widget and thread; twice is fine."""
        if self._closing:
            return
        self._closing = self.loop.closed = True
        if self._work is not None and not self._work.get_loop().is_closed():
            self._work.cancel()
        self.loader.close()
        self.session.close()
        close_all(self)
        self.results, self.view.pictures = {}, {}

    def _press(self) -> None:
        if self.loop.loop is not None:
            self.start()

    async def _run(self) -> dict[str, Reconstruction]:
        while not self.view.layers and not self._failure:
            await asyncio.sleep(0.05)
        if self._failure:
            raise InvwidgetsError(self._failure)
        self.results, self.view.pictures = {}, {}
        with self._running():
            for place, layer in enumerate(self.view.layers):
                self._current = layer
                count = f"{place + 1} of {len(self.view.layers)}"
                self.status.value = f"Layer {layer}, {count} …"
                self.session.start(self._photo, self._model, layer, **self._options)
                while self.session.busy:
                    await asyncio.sleep(0.05)
                result = self.session.result
                if result is None:
                    self.status.value = self.session.error
                    raise InvwidgetsError(self.session.error)
                self.results[layer] = result
                self._show(layer, result)
        self.status.value = f"Done: {len(self.results)} layers."
        return self.results

    @contextmanager
    def _running(self) -> Iterator[None]:
        self._buttons(True)
        try:
            yield
        except asyncio.CancelledError:
            self.session.stop()
            if not self._closing:
                self.status.value = f"Stopped after {len(self.results)} layers."
            raise
        finally:
            if not self._closing:
                self._buttons(False)

    def _buttons(self, running: bool) -> None:
        self.begin.disabled, self.halt.disabled = running, not running

    def _looked(self, looked: Any) -> None:
        self.view.layers = tuple(self._layers or main_layers(looked.layers))
        self.view.photo = looked.photo
        self.view.name = photo_name(self._photo)
        self.status.value = "Ready. Press Start: each layer in turn shows what it still knows."
        self.view.redraw()

    def _failed(self, words: str) -> None:
        self._failure = self.status.value = words

    def _heard(self, progress: Progress) -> None:
        if progress.frame is not None:
            self.loop.call(self._live, self._current, progress.frame)

    def _live(self, layer: str, frame: Frame) -> None:
        if layer not in self.results:
            scores = frame.scores
            first = "" if scores is None else frame.objective.score_text(scores[frame.best])
            pixels = frame.images[frame.best]
            shown = stretched(pixels) if frame.handcrafted else pixels
            self.view.pictures[layer] = (shown, layer, first)
            self.view.redraw()
            self.session.frame_seconds = self.view.pause

    def _show(self, layer: str, result: Reconstruction) -> None:
        best = best_seed(result)
        first, _ = caption(result, best)
        self.view.pictures[layer] = (as_shown(result, best), layer, first)
        self.view.redraw()
