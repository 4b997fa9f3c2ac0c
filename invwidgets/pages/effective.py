"""The measured effective receptive fields of a page: checked, and one picture per layer.

>>> fields = checked({"blocks.3": [effective_field(phi, region=(6, 7, 6, 7))]}, ["blocks.3"])
>>> fields["blocks.3"].rows, fields["blocks.3"].columns
((6,), (6,))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ..analysis.fields import EffectiveField
from ..errors import BadSettingError, shown
from ..figures.effective_field import smooth
from .pictures import Effort, data_url, webp

_SIDE = 56  # the longer side of one field in pixels
_MOST = 64  # the largest number of rows or columns of measured cells


@dataclass(frozen=True)
class Measured:
    """The effective receptive fields of cells in a grid, row by row."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    fields: tuple[EffectiveField, ...]

    @property
    def size(self) -> tuple[int, int]:
        """The height and width of the image."""
        height, width = self.fields[0].weight.shape
        return int(height), int(width)

    def content(self, effort: Effort) -> dict[str, Any]:
        """The measured cells, the sides of their effective fields, and the picture of all."""
        return {
            "rows": list(self.rows),
            "columns": list(self.columns),
            "sides": [field.side for field in self.fields],
            "sheet": data_url(webp(self.sheet(), effort.quality)),
        }

    def sheet(self) -> Image.Image:
        """All fields side by side: black where a pixel has the largest weight, white at 0."""
        height, width = self.size
        scale = _SIDE / max(height, width)
        small = max(1, round(width * scale)), max(1, round(height * scale))
        sheet = Image.new("L", (small[0] * len(self.columns), small[1] * len(self.rows)), 255)
        for place, field in enumerate(self.fields):
            row, column = divmod(place, len(self.columns))
            veil = np.asarray(255 * (1 - smooth(field).sqrt()).numpy().round(4), np.uint8)
            tile = Image.fromarray(veil).resize(small, Image.Resampling.BOX)
            sheet.paste(tile, (column * small[0], row * small[1]))
        return sheet


def checked(given: Any, layers: Sequence[str]) -> dict[str, Measured]:
    """The fields that a user gave for some of these layers.

    Raises ``BadSettingError`` for other values, for other layers, and for cells that are not a
    grid.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise BadSettingError(
            f"effective_fields {shown(given)}: give a dict from layers to lists of what "
            "iw.analysis.effective_field returns"
        )
    found = {}
    for layer, fields in given.items():
        if layer not in layers:
            raise BadSettingError(
                f"effective_fields of layer {shown(layer)}: the results have the layers "
                f"{', '.join(dict.fromkeys(layers))}"
            )
        found[str(layer)] = _grid(str(layer), fields)
    return found


def _grid(layer: str, fields: Any) -> Measured:
    every = list(fields) if isinstance(fields, Sequence) else [fields]
    for field in every:
        if not isinstance(field, EffectiveField):
            raise BadSettingError(
                f"effective_fields of {layer}: {shown(field)} is none; give a list of what "
                "iw.analysis.effective_field returns"
            )
        top, bottom, left, right = field.region
        if (bottom - top, right - left) != (1, 1):
            raise BadSettingError(
                f"effective_fields of {layer}: region {field.region} has "
                f"{(bottom - top) * (right - left)} cells; measure single cells"
            )
    cells = {(field.region[0], field.region[2]): field for field in every}
    rows, columns = (tuple(sorted({cell[axis] for cell in cells})) for axis in (0, 1))
    missing = [(r, c) for r in rows for c in columns if (r, c) not in cells]
    if not every or missing or len({field.weight.shape for field in every}) > 1:
        words = f"cell {missing[0]} is missing" if missing else "they have several sizes or none"
        raise BadSettingError(
            f"effective_fields of {layer}: {words}; measure every combination of some rows and "
            "some columns, at one image size"
        )
    if max(len(rows), len(columns)) > _MOST:
        raise BadSettingError(
            f"effective_fields of {layer}: {len(rows)} × {len(columns)} cells; measure at most "
            f"{_MOST} × {_MOST}, such as every second row and column"
        )
    return Measured(rows, columns, tuple(cells[r, c] for r in rows for c in columns))
