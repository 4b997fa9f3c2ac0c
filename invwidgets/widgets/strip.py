"""A widget that reconstructs a photo from several layers, one after another, in one row.

>>> strip = LayerStrip("coffee")
>>> strip                                  # in a notebook cell
>>> results = await strip.start()          # or press Start
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as w
import numpy as np
from numpy.typing import NDArray

from ..errors import BadSettingError, InvwidgetsError, shown
from ..figures.contrast import as_shown, stretched
from ..figures.gallery import best_seed, caption
from ..figures.grid import Plan, plan_grid
from ..figures.sheet import Sheet
from ..figures.strip import strip as strip_figure
from ..images import photo_name
from ..inversion.options import check_options
from ..inversion.progress import Frame, Progress
from ..inversion.result import Reconstruction
from ..inversion.session import Session
from ..models.zoo import DEFAULT_MODEL
from ..pages.page import page_text
from ..representations.base import Layer, Representation
from ..representations.descriptors.named import layer_title
from ..representations.stages import MOST_STAGES, stages
from .base.loading import LoadedModel, load_model
from .base.loop import Awaited, Loop, error_words, retrieve
from .base.parts import Line, button, classed, close_all, heading
from .base.picture_view import WIDTH, PictureView, jpeg, toggles
from .views.export import Export, Made, file_name
from .views.run_controls import duration
from .views.snapshot import Snapshot

_NETWORK = ("weights", "mean", "std", "forward_kwargs")


def main_layers(layers: Sequence[Layer], most: int = MOST_STAGES) -> tuple[str, ...]:
    """The names of a network's main stages in order, at most ``most``, with its last layer."""
    return tuple(layer.short_name for layer in stages(layers, most))


class StripView(PictureView):
    """The pictures of a strip: the photo and the reconstruction from each layer.

    A press on a reconstruction enlarges it. ``pictures`` maps the name of a layer to its image
    (H, W, 3) and the two lines of text below it.
    """

    def __init__(self, loop: Loop) -> None:
        self.layers: tuple[str, ...] = ()
        self.photo: NDArray[np.uint8] | None = None
        self.name = ""
        self.pictures: dict[str, tuple[NDArray[np.uint8], str, str]] = {}
        super().__init__(loop)

    def lay_out(self, photo: NDArray[np.uint8], name: str, layers: Sequence[str]) -> None:
        """Show a photo (H, W, 3) and an empty place for each layer."""
        self.photo, self.name, self.layers = photo, name, tuple(layers)
        self.photo_file, self.shape, self.pictures = jpeg(photo), [*photo.shape[:2]], {}
        self.redraw()

    @property
    def chosen(self) -> str:
        """The name of the enlarged layer; empty if none is enlarged."""
        return self.layers[self.enlarged] if 0 <= self.enlarged < len(self.layers) else ""

    def redraw(self) -> None:
        """Lay out and send all pictures for the current width."""
        if self.photo is None or not self.comm:
            return
        words = f"{self.name} and {len(self.pictures)} of {len(self.layers)} layers"
        if self.chosen:
            words += f", {self.chosen} enlarged"
        keys = {layer: f"s{index}" for index, layer in enumerate(self.layers)}
        does = [f"{layer}: {toggles(layer == self.chosen)}" for layer in self.layers]
        shown = {keys[layer]: pixels for layer, (pixels, *_) in self.pictures.items()}
        lines = [self.pictures[n][1:] if n in self.pictures else (n, "") for n in self.layers]
        with self.hold_sync():
            self.lay(
                self._plan(self.room), ["photo", *keys.values()], [self.name, *self.layers],
                ["", *does], keys.get(self.chosen, ""),
            )  # fmt: skip
            self.send(shown, [(self.name, "the photo"), *lines], str(len(shown)), words)

    def still(self) -> Sheet:
        """A figure of the pictures, for notebooks without a kernel."""
        assert self.photo is not None
        sheet = Sheet(self._plan(WIDTH))
        sheet.show(0, self.photo, self.name, "the photo")
        for place, layer in enumerate(self.layers):
            if layer in self.pictures:
                sheet.show(place + 1, *self.pictures[layer])
            else:
                sheet.caption(place + 1, layer)
        return sheet

    def _plan(self, width: int) -> Plan:
        large = (0, self.enlarged + 1) if self.chosen else ()
        high, wide = self.shape
        return plan_grid(1 + len(self.layers), (high, wide), width, tallest=420, large=large)


class StripExport(Export):
    """The downloads of a strip: pictures and page of all layers; animation, file, code of one.

    The page shows receptive fields if ``network`` is set.
    """

    network: Representation | None = None

    def __init__(self, loop: Loop) -> None:
        self._results: dict[str, Reconstruction] = {}
        super().__init__(loop)

    def offer_all(self, results: Mapping[str, Reconstruction], chosen: str) -> None:
        """Offer the downloads of the results, which are given by layer.

        Animation, file and code are those of the layer ``chosen``, or of the last one if ``chosen``
        has no result.
        """
        self._results = dict(results)
        layer = chosen if chosen in self._results else next(reversed(self._results), "")
        self.offer(self._results.get(layer))
        if layer:
            what = "Pictures and page show all layers; animation, file and code"
            self.note = f"{what} are of {layer}."

    def maker(self, kind: str) -> Callable[[], Made]:
        if kind not in ("png", "pdf", "html"):
            return super().maker(kind)
        results, network = list(self._results.values()), self.network
        name = file_name(results[0].photo_name, "layers", kind)
        if kind == "html":
            return lambda: (name, page_text(results, network=network).encode())
        return lambda: (name, _figure(results, kind))

    def show_code(self) -> None:
        note = self.note
        super().show_code()
        self.note = note


def _figure(results: Sequence[Reconstruction], kind: str) -> bytes:
    file = io.BytesIO()
    strip_figure(list(results)).savefig(file, format=kind, dpi=192)
    return file.getvalue()


class LayerStrip(w.VBox):
    """A row of reconstructions in a notebook cell, one for each layer, each shown when it is done.

    >>> strip = iw.LayerStrip("coffee", steps=100)
    >>> strip                                    # in a cell; press Start
    >>> results = await strip.start()            # or start it from Python

    Parameters
    ----------
    photo : str, path, array or PIL image
        The photo: the name of a bundled one, a file, or pixels.
    model : str or Module
        The network, by its name or as a module.
    layers : sequence of str, optional
        The layers, by their names; by default the network's stages and its last layer.
    **options
        Keywords of ``invert``, such as ``steps``, ``seeds`` and ``size``, used for every layer.
        ``target`` is refused, because features belong to one layer.

    Raises
    ------
    UnknownNameError
        For a keyword that ``invert`` does not have.
    BadSettingError
        For a ``target``.

    Notes
    -----
    ``results`` maps the names of the layers that are done to their ``Reconstruction``. A press on a
    layer enlarges it beside the photo. ``stop`` keeps what is done.
    """

    _closing = True  # until the constructor ends, there is nothing to close

    def __init__(
        self,
        photo: Any = "coffee",
        model: Any = DEFAULT_MODEL,
        layers: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        check_options(options)
        if options.get("target") is not None:
            raise BadSettingError(
                f"target={shown(options['target'])}: features are of one layer, and a strip "
                "searches at many; give a photo, or use invwidgets.invert(target=…)"
            )
        self._photo, self._model, self._layers = photo, model, layers
        self._options = {"seeds": 1, **options}
        self._closing = False
        self._work: asyncio.Task[dict[str, Reconstruction]] | None = None
        self._current = ""
        self.results: dict[str, Reconstruction] = {}
        self.loop = Loop()
        self.session = Session(self._on_progress)
        self.view = StripView(self.loop)
        self.snapshot = Snapshot(self.loop)
        self.begin = button("Start", "Run all layers", self.loop.handler(self._press), "primary")
        self.halt = button("Stop", "Keep the finished layers", self.loop.handler(self.stop))
        self.status = Line("Loading the network …", "iw-status")
        self.title = heading(f"What each layer keeps of {photo_name(photo)}")
        self.export = StripExport(self.loop)
        self.loop.failed = self._say
        self.view.observe(self.loop.handler(self._offer), "enlarged")
        buttons = classed(w.HBox([self.begin, self.halt]), "iw-buttons")
        parts = [self.title, buttons, self.status, self.view, self.export]
        super().__init__([classed(w.VBox(parts), "iw-views")])
        classed(self, "iw-panel")
        self._buttons(False)
        self._failure = self._network_name = ""
        self._loaded: Awaited[None] = Awaited()
        network = {name: options[name] for name in _NETWORK if name in options}
        first, size, fit = layers[0] if layers else "", options.get("size"), options.get("fit")
        self.loop.background(
            lambda: load_model(photo, model, first, size, fit=fit or "crop", **network),
            self._have_loaded,
            self._load_failed,
        )

    def start(self) -> asyncio.Task[dict[str, Reconstruction]]:
        """Run the layers one after another; the task returns the results by layer.

        During a run, this returns the task of that run. Raises ``BadSettingError`` without an event
        loop and after ``close``.
        """
        loop = self.loop.needed("strip", "iw.Session")
        if self._work is None or self._work.done():
            self._work = loop.create_task(self._run_and_keep())
            self._work.add_done_callback(retrieve)
        return self._work

    def stop(self) -> None:
        """Stop the run and keep the finished layers."""
        if self._work is not None:
            self._work.cancel()
        self.session.stop()

    def close(self) -> None:
        """Stop the run and close all widgets and threads. A second call has no effect."""
        if self._closing:
            return
        self._closing = self.loop.closed = True
        if self._work is not None and not self._work.get_loop().is_closed():
            self._work.cancel()
        self._loaded.cancel()
        self.session.close()
        self.snapshot.close()
        close_all(self)
        self.results, self.view.pictures, self.export.network = {}, {}, None

    # ---- loading and running

    async def _run_and_keep(self) -> dict[str, Reconstruction]:
        results = await self._run()
        await self.snapshot.written()
        return results

    async def _run(self) -> dict[str, Reconstruction]:
        if not self.view.layers and not self._failure:
            await self._loaded.task(self.loop.needed("strip", "iw.Session"))
        if self._failure:
            raise InvwidgetsError(self._failure)
        self.results, self.view.pictures = {}, {}
        self._buttons(True)
        self._offer()
        try:
            for layer in self.view.layers:
                self._current = layer
                self._say(self._words(""))
                future = self.session.start(self._photo, self._model, layer, **self._options)
                result = await asyncio.wrap_future(future)
                self.results[layer] = result
                self._show(layer, result)
            self._say(f"Done: {len(self.results)} layers. Press one to enlarge it.")
            return self.results
        except asyncio.CancelledError:
            self.session.stop()
            self._say(f"Stopped after {len(self.results)} layers.")
            raise
        except Exception as error:
            self._say(error_words(error))
            raise
        finally:
            if not self._closing:
                self._buttons(False)
                self._offer()
                if self.results:
                    self.snapshot.keep(self.view.still)

    def _press(self) -> None:
        if self.loop.loop is not None:
            self.start()

    def _have_loaded(self, loaded: LoadedModel) -> None:
        layers = self._layers or main_layers(loaded.layers)
        phi = loaded.representation
        self._network_name, self.export.network = phi.name, phi
        name = photo_name(self._photo)
        self.view.lay_out(loaded.photo, name, layers)
        note = f", {phi.note}" if phi.note else ""
        self.title.value = f"What each layer keeps of {name}, by {phi.name}{note}"
        self._say("Ready. Press Start: each layer in turn shows what it keeps.")
        self._loaded.set_result(None)

    def _load_failed(self, error: Exception) -> None:
        self._failure = error_words(error)
        self._say(self._failure)
        self._loaded.set_result(None)

    # ---- showing progress and results

    def _on_progress(self, progress: Progress) -> None:
        """Pass a progress report from the session's thread to the event loop."""
        self.loop.call(self._heard, self._current, progress)

    def _heard(self, layer: str, progress: Progress) -> None:
        if layer in self.results or progress.number != self.session.number:
            return
        if progress.step and progress.state == "running" and self.session.busy:
            self._say_left(progress.seconds, progress.seconds_left)
        if progress.frame is not None:
            self._live(layer, progress.frame)

    def _say(self, words: str) -> None:
        if not self._closing:
            self.status.value = words

    def _words(self, left: str) -> str:
        layer, place = self._title_of(self._current), self.view.layers.index(self._current)
        return f"Layer {layer}, {place + 1} of {len(self.view.layers)}{left or ' …'}"

    def _say_left(self, seconds: float, left: float) -> None:
        """Show the estimated time until all layers are finished.

        Each layer that has not begun is assumed to take the mean time of the others.
        """
        taken = [seconds + left, *(result.seconds for result in self.results.values())]
        after = len(self.view.layers) - self.view.layers.index(self._current) - 1
        left += after * sum(taken) / len(taken)
        self._say(self._words(f" · about {duration(max(1, left))} left"))

    def _buttons(self, running: bool) -> None:
        self.begin.disabled, self.halt.disabled = running, not running

    def _offer(self) -> None:
        """Offer the finished layers for download, except during a run."""
        ready = self.results if self.begin.disabled is False else {}
        self.export.theme = self.view.colors
        self.export.offer_all(ready, self.view.chosen)

    def _live(self, layer: str, frame: Frame) -> None:
        scores = frame.scores
        first = "" if scores is None else frame.objective.score_text(scores[frame.best])
        pixels = frame.images[frame.best]
        shown = stretched(pixels) if frame.handcrafted else pixels
        self.view.pictures[layer] = (shown, self._title_of(layer), first)
        self.view.redraw()
        self.session.frame_seconds = self.view.pause

    def _show(self, layer: str, result: Reconstruction) -> None:
        best = best_seed(result)
        first, _ = caption(result, best)
        self.view.pictures[layer] = (as_shown(result, best), self._title_of(layer), first)
        self.view.redraw()

    def _title_of(self, layer: str) -> str:
        return layer_title(self._network_name, layer)

    def _ipython_display_(self, **_: Any) -> None:
        self.snapshot.display(self)
