"""Keeps a panel in step with its network: loads it with the photo, and shows what came of it.

>>> models = PanelModel(loop, options, controls, say, then=lambda: ..., failed=lambda words: ...)
>>> models.ask({"model", "layer"})
>>> models.loaded.layer                    # once ``then`` has been called
'blocks.2'
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import InvwidgetsError
from ..models.downloads import told_to
from ..representations.descriptors.named import model_title
from ..representations.network import check_region
from .loading import LoadedModel, Loader, load_model, responses
from .loop import Loop
from .panel_controls import PanelControls
from .panel_options import PRESET, PanelOptions


class PanelModel:
    """``loaded`` is what was loaded last, of ``model``; ``loading`` whether more is awaited,
    ``refused`` the model that could not be had. All on the loop."""

    def __init__(
        self,
        loop: Loop,
        options: PanelOptions,
        controls: PanelControls,
        say: Callable[[str], None],
        then: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        self._loop, self._options, self._controls = loop, options, controls
        self._say, self._then, self._failed = say, then, failed
        self.loader = Loader(loop)
        self._kept_options: set[str] = set()  # asked for together with it: not to be dropped
        self.model: Any = None
        self.refused: Any = None
        self.loaded: LoadedModel | None = None
        self.loading = False
        controls.channel_selector.observe(self._responses_wanted, "wants_features")

    def ask(self, dirty: set[str]) -> None:
        """Load the network and the photo as the options have them; ``dirty`` has changed."""
        self.loading = True
        self._kept_options |= dirty & {"region", "channels"}
        wanted = self._options
        photo, model, layer = wanted.photo, wanted.model, wanted.layer
        weights, size, crop = wanted.weights, wanted.size, wanted.crop
        fallback = self.loaded is not None and model is not self.model and model != self.model
        if self.loaded is None:
            self._say("Loading the network …")
        elif dirty & {"model", "weights"}:
            self._say(
                f"Loading {model_title(model) if isinstance(model, str) else 'the network'} …"
            )

        def load() -> tuple[Any, LoadedModel]:
            with told_to(lambda words: self._loop.call(self._downloading, words)):
                return model, load_model(photo, model, layer, weights, size, crop, fallback)

        self.loader.ask("model", load, self._have_loaded, self._load_failed)

    def follow_preset(self) -> None:
        """Put what is not overridden where the preset has it, for this layer."""
        if self.loaded is None:
            return
        options, knobs = self._options, self._controls.knobs
        values = options.preset_values(self.loaded.representation)
        with options.quietly():
            knobs.follow({name: values[name] for name in knobs.knobs})
            for name in set(PRESET) - options.overridden - set(knobs.knobs):
                setattr(options, name, values[name])

    def show_changed(self, dirty: set[str]) -> None:
        """Show the network as it is with another region, goal or preset; ``dirty`` has changed."""
        self.follow_preset()
        if "region" in dirty:
            self._controls.channel_selector.refresh()
        if "objective" in dirty and self.loaded is not None:
            self._controls.show_model(self.loaded, self._options.asked.needs_photo)

    def close(self) -> None:
        self.loader.close()
        self.loaded = self.model = self.refused = None

    def _responses_wanted(self, change: Any) -> None:
        """Have the channels' responses shown."""
        loaded, region = self.loaded, self._options.region
        if change["new"] and loaded is not None:

            def show(features: Any) -> None:
                self._controls.channel_selector.features = features

            self.loader.ask("responses", lambda: responses(loaded, region), show, self._loop.failed)

    def _downloading(self, words: str) -> None:
        if self.loading:
            self._say(words)

    def _have_loaded(self, given: tuple[Any, LoadedModel]) -> None:
        before = self.loaded
        self.model, self.loaded = given
        loaded, kept = self.loaded, self._kept_options
        self._kept_options = set()
        options, controls = self._options, self._controls
        region, error = options.region, ""
        with options.quietly():
            controls.show_model(loaded, options.asked.needs_photo)  # another grid drops the region
            options.layer = loaded.layer
            if before is None or "region" in kept:
                try:
                    if region is not None:
                        check_region(region, loaded.representation.layer_info(loaded.size))
                    options.region = region
                except InvwidgetsError as refused:
                    error = str(refused)
            by_number = not isinstance(options.channels, str)
            other = before is not None and before.layer != loaded.layer
            if other and by_number and "channels" not in kept:
                options.channels = (0,) if options.asked.needs_unit else None
        self.loading = False
        self._then()
        if error:
            self._loop.failed(error)

    def _load_failed(self, words: str) -> None:
        self.loading, self.refused = False, self._options.model
        self._failed(words)
