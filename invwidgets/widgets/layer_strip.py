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

from ..errors import InvwidgetsError, unknown_name
from ..figures.contrast import as_shown, stretched
from ..figures.gallery import best_seed, caption
from ..images import photo_name
from ..inversion.progress import Frame, Progress
from ..inversion.result import Reconstruction
from ..inversion.session import Session
from ..models.zoo import DEFAULT_MODEL
from ..representations.base import Layer
from ..representations.descriptors.named import layer_title
from ..representations.stages import MOST_STAGES, stages
from .closing import close_all
from .loading import LoadedModel, Loader, load_model
from .loop import Loop
from .parts import Line, button, classed, heading
from .run_controls import duration
from .snapshot import Snapshot
from .strip_export import StripExport
from .strip_view import StripView

_OPTIONS = ("weights", "seeds", "steps", "size", "preset", "tv_weight", "alpha_weight",
            "data_weight", "beta", "bound", "objective", "channels")  # fmt: skip


def main_layers(layers: Sequence[Layer], most: int = MOST_STAGES) -> tuple[str, ...]:
    """A network's stages in order, its last layer among them."""
    return tuple(layer.short_name for layer in stages(layers, most))


class LayerStrip(w.VBox):
    """``layers`` are the network's stages by default, its last layer among them; ``results`` maps
    those done to their result. A press on a layer enlarges it beside the photo.

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
        self._place = 0  # of the layer under way
        self.results: dict[str, Reconstruction] = {}
        self.loop = Loop()
        self.loader = Loader(self.loop)
        self.session = Session(self._on_progress)
        self.view = StripView(self.loop)
        self.snapshot = Snapshot()
        self.begin = button("Start", "Layer by layer", self.loop.handler(self._press), "primary")
        self.halt = button("Stop", "Keep what there is", self.loop.handler(self.stop))
        self.status = Line("Loading the network …", "iw-status")
        self.title = heading(f"What each layer still knows of {photo_name(photo)}")
        self.export = StripExport(self.loop)
        self.view.observe(self.loop.handler(self._offer), "enlarged")
        buttons = classed(w.HBox([self.begin, self.halt]), "iw-buttons")
        parts = [self.title, buttons, self.status, self.view, self.export]
        column = classed(w.VBox(parts), "iw-views")
        super().__init__([column])
        classed(self, "iw-panel")
        self._buttons(False)
        self._ready: list[asyncio.Future[None]] = []
        self._failure = self._network_name = ""
        weights, size = options.get("weights", "pretrained"), options.get("size")
        first = layers[0] if layers else ""
        self.loader.ask(
            "model",
            lambda: load_model(photo, model, first, weights, size, 0.5, False),
            self._have_loaded,
            self._load_failed,
        )

    def start(self) -> asyncio.Task[dict[str, Reconstruction]]:
        """Run layer by layer; the task gives the results by layer.

        Raises ``BadSettingError`` without a loop, or once the strip is closed.
        """
        loop = self.loop.needed("strip", "iw.Session")
        if self._work is None or self._work.done():
            self._work = loop.create_task(self._run())
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
        self.snapshot.close()
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
        self._offer()
        with self._running():
            for place, layer in enumerate(self.view.layers):
                self._current, self._place = layer, place
                self.status.value = self._words("")
                self.session.start(self._photo, self._model, layer, **self._options)
                while self.session.busy:
                    await asyncio.sleep(0.05)
                result = self.session.result
                if result is None:
                    self.status.value = self.session.error
                    raise InvwidgetsError(self.session.error)
                self.results[layer] = result
                self._show(layer, result)
        self.status.value = f"Done: {len(self.results)} layers. Press one to enlarge it."
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
                self._offer()
                if self.results:
                    self.snapshot.keep_view(self.view)

    def _ipython_display_(self, **_: Any) -> None:
        self.snapshot.display(self)

    def _buttons(self, running: bool) -> None:
        self.begin.disabled, self.halt.disabled = running, not running

    def _have_loaded(self, loaded: LoadedModel) -> None:
        layers = self._layers or main_layers(loaded.layers)
        self._network_name = loaded.representation.name
        self.view.lay_out(loaded.photo, photo_name(self._photo), layers)
        self.title.value = f"{self.title.value}, by {self._network_name}"
        if loaded.representation.note:
            self.title.value = f"{self.title.value}, {loaded.representation.note}"
        self.status.value = "Ready. Press Start: each layer in turn shows what it still knows."

    def _load_failed(self, words: str) -> None:
        self._failure = self.status.value = words

    def _on_progress(self, progress: Progress) -> None:
        if progress.step and progress.state == "running":
            self.loop.call(self._say, progress.seconds, progress.seconds_left)
        if progress.frame is not None:
            self.loop.call(self._live, self._current, progress.frame)

    def _words(self, left: str) -> str:
        layer = self._title_of(self._current)
        return f"Layer {layer}, {self._place + 1} of {len(self.view.layers)}{left or ' …'}"

    def _say(self, seconds: float, left: float) -> None:
        """How long this layer and those after it will take, by this one and those before."""
        if self.session.busy and self._current not in self.results:
            taken = [seconds + left, *(result.seconds for result in self.results.values())]
            after = len(self.view.layers) - self._place - 1
            left += after * sum(taken) / len(taken)
            self.status.value = self._words(f" · about {duration(max(1, left))} left")

    def _offer(self) -> None:
        """Offer the files of what there is, where nothing runs."""
        ready = self.results if self.begin.disabled is False else {}
        self.export.theme = self.view.colors
        self.export.offer_all(ready, self.view.chosen)

    def _live(self, layer: str, frame: Frame) -> None:
        if layer not in self.results:
            scores = frame.scores
            first = "" if scores is None else frame.objective.score_text(scores[frame.best])
            pixels = frame.images[frame.best]
            shown = stretched(pixels) if frame.handcrafted else pixels
            self.view.pictures[layer] = (shown, self._title_of(layer), first)
            self.view.redraw()
            self.session.frame_seconds = self.view.pause

    def _title_of(self, layer: str) -> str:
        return layer_title(self._network_name, layer)

    def _show(self, layer: str, result: Reconstruction) -> None:
        best = best_seed(result)
        first, _ = caption(result, best)
        self.view.pictures[layer] = (as_shown(result, best), self._title_of(layer), first)
        self.view.redraw()
