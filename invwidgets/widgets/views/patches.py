"""The patches of photos that excite a channel most, each with its photo and activation."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import anywidget
import traitlets as t
from PIL import Image

from ...analysis.patches import Patch
from ...images import to_uint8
from ..base.tiles import static


class PatchesView(anywidget.AnyWidget):
    """A line of text and patches below it; nothing is shown while the text is empty.

    >>> view = PatchesView()
    >>> view.show(exciting_patches(phi, 12), "The patches that excite channel 12 most")
    """

    _esm = static("patches.js")
    _css = static("panel.css")
    words = t.Unicode("").tag(sync=True)
    pictures: Any = t.List().tag(sync=True)
    names: Any = t.List(t.Unicode()).tag(sync=True)
    says: Any = t.List(t.Unicode()).tag(sync=True)

    def show(self, patches: Sequence[Patch], words: str) -> None:
        """Show these patches with their activations.

        Activations are also given as parts of the largest, like those of the seeds.
        """
        best = patches[0].response if patches else 1.0
        with self.hold_sync():
            self.words = words
            self.names = [patch.photo for patch in patches]
            self.says = [f"{p.response:.3g} (×{p.response / best:.2f})" for p in patches]
            self.pictures = [_png(patch) for patch in patches]


def _png(patch: Patch) -> bytes:
    file = io.BytesIO()
    Image.fromarray(to_uint8(patch.pixels)).save(file, "PNG")
    return file.getvalue()
