"""The panel's right column: the run's buttons and pictures, the history, what to take home."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets as w
import traitlets as t

from ..figures.gallery import caption
from ..images import to_uint8
from ..inversion.convergence import converged
from ..inversion.judging import another_network
from ..inversion.progress import Progress, last_frame
from ..inversion.result import Reconstruction
from ..inversion.session import Session
from .class_table import ClassTable
from .curves_view import CurvesView
from .export import Export
from .history import History
from .live_gallery import LiveGallery
from .loading import LoadedModel
from .loop import Loop
from .panel_options import PanelOptions, overridden_in_words
from .parts import classed, note
from .run_controls import RunControls
from .snapshot import Snapshot

_CURVES = 1  # their tab
_LEGEND = (
    "error: how far the layer's numbers are from the photo's, 0 % is the same · dB "
    "(PSNR), SSIM: likeness of the pixels, more is nearer"
)


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _said(loaded: LoadedModel, options: PanelOptions) -> str:
    overridden = overridden_in_words(options)
    return _joined(loaded.representation.note, _overridden_note(overridden))


def _overridden_note(words: str) -> str:
    """Of the images: it stands beneath the photo, which no knob changes."""
    return f"moved: {words}" if words else ""


class PanelViews(w.VBox):
    """``controls``, ``gallery``, ``classes`` and, in tabs, ``history``, ``curves``, ``export``;
    ``snapshot`` is what the saved notebook keeps."""

    def __init__(self, loop: Loop) -> None:
        self.controls = RunControls()
        self.gallery = LiveGallery(loop)
        self.classes = ClassTable()
        self.curves = CurvesView()
        self.history = History(loop)
        self.export = Export(loop)
        self.snapshot = Snapshot()
        self.tabs = w.Tab(
            [self.history, self.curves, self.export], titles=["History", "Curves", "Export"]
        )
        self.legend = note(_LEGEND)
        t.dlink((self.gallery, "boxes"), (self.classes, "boxes"))
        super().__init__([self.controls, self.gallery, self.legend, self.classes, self.tabs])
        classed(self, "iw-views")

    def lay_out(self, loaded: LoadedModel, name: str, options: PanelOptions) -> None:
        """The photo and empty places for the seeds, before there are pictures."""
        field = None
        if options.region is not None and not options.asked.needs_unit:
            box = loaded.representation.receptive_field(options.region, loaded.size)
            field = None if box.covers(loaded.size) else box.clipped
        photo = loaded.photo if options.asked.needs_photo else None
        phi, said = loaded.representation, _said(loaded, options)
        self.gallery.show_photo(photo, name, range(options.seeds), field, phi.handcrafted, said)
        self.legend.layout.display = None if options.asked.measures_error else "none"
        self.classes.rows = []

    def show_classes(self, rows: Sequence[Any], result: Reconstruction) -> None:
        """The classes of a result's pictures, as ``ask_classes`` finds them."""
        self.classes.set_trait("judge", another_network(result.model))
        self.classes.rows = list(rows)

    def say_of(self, loaded: LoadedModel | None, options: PanelOptions) -> None:
        """What must be said of weights and knobs, beneath the photo from the next picture on."""
        if loaded is not None:
            self.gallery.say(_said(loaded, options))

    def show_progress(self, reports: Sequence[Progress]) -> None:
        """Where the run stands, and its latest picture."""
        result = reports[-1].result
        self.controls.show_state(reports[-1].state, result is None or converged(result))
        self.controls.show_progress(reports[-1])
        frame = next((p.frame for p in reversed(reports) if p.frame is not None), None)
        if frame is not None:
            self.gallery.show(frame)

    def show_result(
        self,
        result: Reconstruction,
        photo: str,
        upload: tuple[str, bytes] | None,
        overridden: str,
    ) -> None:
        """A run's end: measured captions, and files; ``photo`` is Python that names its photo,
        ``upload`` the file of one that came from the page, ``overridden`` the knobs moved."""
        self.gallery.say(_joined(result.note, _overridden_note(overridden)))
        captions = [caption(result, index) for index in range(len(result.seeds))]
        self.gallery.show(last_frame(result), captions)
        self.export.theme, self.history.theme = self.gallery.colors, self.gallery.figure_theme
        self.export.offer(result, photo, upload, overridden)

    def restore(
        self,
        result: Reconstruction,
        photo: str,
        upload: tuple[str, bytes] | None,
        overridden: str,
    ) -> None:
        """A result of before, with the photo it was made of."""
        pixels = None if result.photo is None else to_uint8(result.photo)
        self.gallery.show_photo(
            pixels,
            result.photo_name,
            result.seeds,
            result.field_box,
            result.handcrafted,
            _joined(result.note, _overridden_note(overridden)),
        )
        self.legend.layout.display = None if result.objective.measures_error else "none"
        self.classes.rows = []
        self.show_result(result, photo, upload, overridden)

    def show_curves(
        self, session: Session, seeds: int, result: Reconstruction | None, now: bool = False
    ) -> None:
        """The energies of the session's run, or of a result brought back, in their tab."""
        if self.tabs.selected_index != _CURVES:
            return
        energies, changes = session.curves()
        shown: Sequence[int] = range(seeds)
        if not energies and result is not None:
            energies, changes, shown = result.energies, result.knob_changes, result.seeds
        self.curves.show(energies, shown, changes, self.gallery.figure_theme, now)
