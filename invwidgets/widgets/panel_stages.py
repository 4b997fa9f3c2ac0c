"""Every stage's own small reconstruction, as a panel has it: asked for by a button, on its slider.

>>> stages = PanelStages(loop, options, models, asked)
>>> stages.toggle()                        # or press "Show every stage"
>>> stages.pictures.done                   # a stage -> its picture, a JPEG
"""

from __future__ import annotations

from typing import Any

from .loop import Loop
from .panel_controls import PanelControls
from .panel_model import PanelModel
from .panel_options import PanelOptions, stage_arguments, stage_key
from .stage_pictures import StagePictures


class PanelStages:
    """``pictures`` makes them and keeps them."""

    def __init__(
        self, loop: Loop, options: PanelOptions, models: PanelModel, asked: PanelControls
    ) -> None:
        self._options, self._models = options, models
        self._every, self._slider = asked.every, asked.layer_slider
        self.pictures = StagePictures(loop)
        self.pictures.observe(lambda change: loop.failed(change["new"]), "error")
        self.pictures.observe(self._have_more, ["done", "busy"])
        self._every.on_click(loop.handler(self.toggle))

    def toggle(self) -> None:
        """Make every stage's, in turn; asked again meanwhile, stop."""
        if self.pictures.busy:
            self.pictures.stop()
        elif self._models.loaded is not None:
            arguments = stage_arguments(self._options, self._models.loaded.representation)
            self.pictures.run(self._names, stage_key(self._options), arguments)

    def have_loaded(self) -> None:
        """Of another photo or network, show only what was made of it before."""
        key = stage_key(self._options)
        if key != self.pictures.key:
            self.pictures.show(self._names, key)

    @property
    def _names(self) -> list[str]:
        return [stage.short_name for stage in self._slider.stages]

    def _have_more(self, _: Any) -> None:
        busy, done = self.pictures.busy, self.pictures.done
        count = f"{len(done)} of {len(self._slider.stages)}"
        self._every.description = f"Stop ({count})" if busy else "Show every stage"
        self._slider.pictures = done
