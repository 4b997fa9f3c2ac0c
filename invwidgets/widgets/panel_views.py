"""The panel's right column: the run's buttons and pictures, the history, what to take away."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets as w

from ..figures.gallery import caption
from ..images import to_uint8
from ..inversion.progress import Progress, last_frame
from ..inversion.result import Reconstruction
from ..inversion.session import Session
from .curves_view import CurvesView
from .history import History, Pin
from .live_gallery import LiveGallery
from .lookup import Look
from .loop import Loop
from .panel_options import PanelOptions
from .parts import classed
from .run_controls import RunControls
from .take_away import TakeAway

_CURVES = 1  # their tab


class PanelViews(w.VBox):
    """``act`` is called with a button's name, ``recall`` with a pin, ``opened`` with a new tab."""

    def __init__(
        self,
        loop: Loop,
        act: Callable[[str], None],
        recall: Callable[[Pin], None],
        opened: Callable[[], None],
    ) -> None:
        self.controls = RunControls(loop, act)
        self.gallery = LiveGallery(loop)
        self.curves = CurvesView()
        self.history = History(loop, recall)
        self.take_away = TakeAway(loop)
        self.tabs = w.Tab(
            [self.history, self.curves, self.take_away], titles=["History", "Curves", "Take away"]
        )
        self.tabs.observe(loop.handler(opened), "selected_index")
        super().__init__([self.controls, self.gallery, self.tabs])
        classed(self, "iw-views")

    def lay_out(self, looked: Look, name: str, options: PanelOptions) -> None:
        """The photo and empty places for the seeds, before there are pictures."""
        field = None
        if options.region is not None and not options.asked.needs_unit:
            box = looked.representation.receptive_field(options.region, looked.size)
            field = None if box.covers(looked.size) else box.clipped
        photo = looked.photo if options.asked.needs_photo else None
        stretch = looked.representation.handcrafted
        self.gallery.show_photo(photo, name, range(options.seeds), field, stretch)

    def show_news(self, news: Sequence[Progress]) -> None:
        """Where the run stands, and its latest picture."""
        self.controls.show_state(news[-1].state)
        self.controls.show_progress(news[-1])
        frame = next((p.frame for p in reversed(news) if p.frame is not None), None)
        if frame is not None:
            self.gallery.show(frame)

    def show_result(self, result: Reconstruction, photo: str) -> None:
        """A run's end: measured captions, and files; ``photo`` is Python that names its photo."""
        captions = [caption(result, index) for index in range(len(result.seeds))]
        self.gallery.show(last_frame(result), captions)
        self.take_away.theme, self.history.theme = self.gallery.colors, self.gallery.look
        self.take_away.offer(result, photo)

    def bring_back(self, result: Reconstruction, photo: str) -> None:
        """A result of before, with the photo it was made of."""
        pixels = None if result.photo is None else to_uint8(result.photo)
        self.gallery.show_photo(
            pixels, result.photo_name, result.seeds, result.field_box, result.handcrafted
        )
        self.show_result(result, photo)

    def show_curves(self, session: Session, seeds: int, now: bool = False) -> None:
        """The energies of the session's run, where their tab is open."""
        if self.tabs.selected_index == _CURVES:
            energies, changes = session.curves()
            self.curves.show(energies, range(seeds), changes, self.gallery.look, now)
