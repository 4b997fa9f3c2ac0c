"""What to take home of a strip: the picture of all layers, and one layer's files and code."""

from __future__ import annotations

import io
from collections.abc import Mapping

from ..figures.strip import strip
from ..inversion.result import Reconstruction
from .export import Export, file_name
from .loop import Loop


class StripExport(Export):
    """The panel's buttons: pictures are of all layers; animation, file and code of one of them."""

    def __init__(self, loop: Loop) -> None:
        self._results: dict[str, Reconstruction] = {}
        super().__init__(loop)

    def offer_all(self, results: Mapping[str, Reconstruction], chosen: str) -> None:
        """Offer the results of layers; ``chosen`` is the one whose own files are meant, the last
        by default."""
        self._results = dict(results)
        layer = chosen if chosen in self._results else next(reversed(self._results), "")
        self.offer(self._results.get(layer))
        if layer:
            self.note = f"Pictures show all layers; animation, file and code are of {layer}."

    def file(self, result: Reconstruction, kind: str, overridden: str = "") -> tuple[str, bytes]:
        if kind not in ("png", "pdf"):
            return super().file(result, kind, overridden)
        file = io.BytesIO()
        strip(list(self._results.values())).savefig(file, format=kind, dpi=192)
        return file_name(result.photo_name, "layers", kind), file.getvalue()

    def show_code(self) -> None:
        note = self.note
        super().show_code()
        self.note = note
