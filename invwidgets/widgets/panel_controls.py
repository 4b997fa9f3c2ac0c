"""What a panel asks: of which photo, model and layer, of which part, and with what prior.

Every control has a typed ``value``; ``link`` ties each to the option of the same name.
"""

from __future__ import annotations

from typing import Any

import ipywidgets as w
import traitlets as t

from .advanced_settings import AdvancedSettings
from .channel_selector import ChannelSelector
from .layer_slider import LayerSlider
from .loading import LoadedModel
from .loop import Loop
from .panel_options import PanelOptions, matches_photo
from .parts import classed, note
from .photo_chooser import PhotoChooser
from .prior_knobs import PriorKnobs
from .region_picker import RegionPicker
from .setting import Setting
from .wording import cut_in_words, goals, models


class PanelControls:
    """``top`` holds photo, model and goal, ``side`` what lies beside the pictures."""

    def __init__(self, loop: Loop, options: PanelOptions) -> None:
        self.photos = PhotoChooser(loop)
        self.model_menu = w.Dropdown(options=models(), description="Model")
        self.model = Setting(loop, "model", self.model_menu, "Which network, or descriptor")
        goal = w.Dropdown(options=goals(), description="Goal")
        self.goal = Setting(loop, "objective", goal, "What the images are to do")
        self.goal_note = note(options.asked.about)
        seeds = w.IntSlider(4, min=1, max=64, description="Images", continuous_update=False)
        self.seeds = Setting(loop, "seeds", seeds, "How many images, each from noise of its own")
        crop = w.FloatSlider(0.5, min=0, max=1, step=0.02, description="Crop", readout=False)
        self.crop = Setting(loop, "crop", crop, "")
        self.layer_slider = LayerSlider(loop=loop)
        self.every = w.Button(
            description="Show every stage", tooltip="A small reconstruction of each stage, in turn"
        )
        below = self.layer_slider.below
        below.children = (*below.children, self.every)
        self.region_picker = RegionPicker(loop=loop)
        self.channel_selector = ChannelSelector(loop=loop)
        self.knobs = PriorKnobs(None, loop=loop)

        def reset(name: str) -> None:
            options.overridden = options.overridden - {name}

        self.advanced = AdvancedSettings(loop, reset)
        more = classed(
            w.VBox([self.seeds, self.knobs.others, self.advanced, self.region_picker.exact]),
            "iw-section",
        )
        self.fold = w.Accordion([more], titles=["Advanced"], selected_index=None)
        menus = classed(w.HBox([self.model, self.goal]), "iw-menus")
        menus = classed(w.VBox([menus, self.goal_note]), "iw-asked")
        self.top = classed(w.HBox([self.photos, menus]), "iw-top")
        where = classed(w.VBox([self.region_picker, self.crop]), "iw-section", "iw-where")
        how = classed(
            w.VBox([self.knobs, self.channel_selector, self.fold]), "iw-section", "iw-how"
        )
        self.side = classed(w.VBox([where, how]), "iw-controls")
        self._link(options)

    def _link(self, options: PanelOptions) -> None:
        """Each option stands where its control does, and the other way round."""
        settings = {
            "model": self.model,
            "objective": self.goal,
            "seeds": self.seeds,
            "crop": self.crop,
            **self.knobs.knobs,
            **self.advanced.settings,
        }
        for name, setting in settings.items():
            t.link((options, name), (setting, "value"))
        t.link((options, "photo_name"), (self.photos, "name"))
        self._link_photo(options)
        t.link((options, "layer"), (self.layer_slider, "value"))
        t.link((options, "region"), (self.region_picker, "value"))
        t.link((options, "channels"), (self.channel_selector, "value"))
        t.link((options, "overridden"), (self.knobs, "overridden"))
        options.observe(self._mark, "overridden")
        options.observe(self._suit, "objective")

    def _link_photo(self, options: PanelOptions) -> None:
        """By hand: an array, which a link would compare, has no place among the thumbnails."""

        def show(_: Any) -> None:
            given = options.photo
            self.photos.value = given if isinstance(given, str | bytes) else ""

        def choose(_: Any) -> None:
            if self.photos.value:
                options.photo = self.photos.value

        options.observe(show, "photo")
        self.photos.observe(choose, "value")
        show(None)

    def _mark(self, change: Any) -> None:
        for name, setting in self.advanced.settings.items():
            setting.overridden = name in change["new"]

    def _suit(self, change: Any) -> None:
        """Show what a goal needs: a photo, or one channel."""
        asked = change["owner"].asked
        self.goal_note.value = asked.about
        self.knobs.show_goal(matches_photo(asked))
        self.photos.layout.display = None if asked.needs_photo else "none"
        self.channel_selector.show_unit(asked.needs_unit)

    def show_model(self, loaded: LoadedModel, needs_photo: bool) -> None:
        """The layers and the photo of a network; a region of another grid is dropped."""
        info = loaded.representation.layer_info(loaded.size)
        name = loaded.representation.name
        self.layer_slider.show_layers(loaded.layers, loaded.layer, loaded.size, name)
        self.region_picker.show_photo(loaded.photo if needs_photo else None)
        self.region_picker.show_layer(loaded.representation, loaded.size)
        self.channel_selector.show_layer(info.shape[0])
        shown = loaded.cut > 0.02 and needs_photo
        self.crop.rename(*cut_in_words(loaded.cut, loaded.size))
        self.crop.layout.display = None if shown else "none"
