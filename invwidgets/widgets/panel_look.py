"""Keeps a panel in step with its network: asks for a look at it, and shows what came of it.

>>> looks = PanelLook(loop, options, controls, say, then=lambda: ..., failed=lambda words: ...)
>>> looks.ask({"model", "layer"})
>>> looks.looked.layer                     # once ``then`` has been called
'blocks.2'
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import InvwidgetsError
from .lookup import Look, Lookup, look, responses
from .loop import Loop
from .panel_controls import PanelControls
from .panel_options import PanelOptions


class PanelLook:
    """``looked`` is the last look, ``looking`` whether another is awaited; all run on the loop."""

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
        self._lookup = Lookup(loop)
        self._given: set[str] = set()  # asked for together with a look, which must not drop it
        self.looked: Look | None = None
        self.looking = False

    def ask(self, dirty: set[str]) -> None:
        """Look at the network and the photo as the options have them; ``dirty`` has changed."""
        self.looking = True
        self._given |= dirty & {"region", "channels"}
        wanted = self._options
        photo, model, layer = wanted.photo, wanted.model, wanted.layer
        weights, size = wanted.weights, wanted.size
        fallback = "model" in dirty and self.looked is not None
        if self.looked is None:
            self._say("Loading the network …")
        elif dirty & {"model", "weights"}:
            self._say(f"Loading {model if isinstance(model, str) else 'the network'} …")
        self._lookup.ask(
            "look",
            lambda: look(photo, model, layer, weights, size, fallback),
            self._have_looked,
            self._look_failed,
        )

    def ask_responses(self) -> None:
        """Have the channels' responses shown."""
        looked, photo, region = self.looked, self._options.photo, self._options.region
        if looked is not None:
            self._lookup.ask(
                "responses",
                lambda: responses(looked, photo, region),
                self._controls.channel_selector.show_responses,
                self._loop.failed,
            )

    def close(self) -> None:
        self._lookup.close()
        self.looked = None

    def _have_looked(self, looked: Look) -> None:
        before, self.looked = self.looked, looked
        given, self._given = self._given, set()
        options, controls = self._options, self._controls
        region, error = options.region, ""
        with options.quietly():
            options.layer = looked.layer
            controls.show_look(looked)  # a region of another grid is dropped
            if before is None or "region" in given:
                try:
                    options.region = controls.region_picker.region = region
                except InvwidgetsError as refused:
                    error = str(refused)
            by_number = not isinstance(options.channels, str)
            other = before is not None and before.layer != looked.layer
            if other and by_number and "channels" not in given:
                options.channels = None
        controls.channel_selector.stand(options.channels)
        self.looking = False
        self._then()
        if error:
            self._loop.failed(error)

    def _look_failed(self, words: str) -> None:
        self.looking = False
        self._failed(words)
