"""The content of a page about a result: numbers with definitions, classes, fields, settings, code.

>>> described = Describer().of(entry, result)
>>> described["numbers"][0]
[{'name': 'feature error', 'value': '12.7 %', 'means': '…'}, …]
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

from torch import Tensor

from ..errors import InvwidgetsError
from ..figures.gallery import best_seed, note_of, title_of
from ..inversion.metrics import WHOLE
from ..inversion.replay import code_for
from ..inversion.result import Reconstruction
from ..representations.base import Layer, Representation
from ..representations.classes import likeliest
from ..representations.descriptors.named import layer_title
from .entries import Entry
from .pictures import MOST_SEEDS

_CLASSES = 5
_MOST_CELLS = 256  # the largest number of rows or columns of a layer whose fields a page has

ERROR = "feature error"
MEANS = {
    ERROR: (
        "‖Φ(x) − Φ(x₀)‖ / ‖Φ(x₀)‖: the distance between the features of this picture and those of "
        "the photo, divided by the norm of the photo's features. 0 % means that both have the "
        "same features."
    ),
    "response": (
        "How strongly the picture excites the unit or features that were searched for, divided by "
        "the reference: for a unit its largest response to the bundled photos, for a caricature "
        "the response to the photo itself."
    ),
    "PSNR": (
        "Peak signal-to-noise ratio of the pixels against the photo's, in decibels. A higher value "
        "means a smaller difference."
    ),
    "SSIM": (
        "Structural similarity to the photo: 1 for equal pictures, near 0 for unrelated ones."
    ),
    "diversity": (
        "The root mean square difference between the pixels of two seeds, averaged over all pairs "
        "of seeds, as a part of the range from black to white. A high value means that the layer "
        "keeps little."
    ),
    "feature diversity": (
        "The distance between the features of two seeds, averaged over all pairs, divided by the "
        "norm of the photo's features."
    ),
}


class Describer:
    """The maker of descriptions of results, which computes what several results share once."""

    def __init__(self) -> None:
        self._classes: dict[Any, list[list[Any]]] = {}
        self._fields: dict[Any, dict[str, Any] | None] = {}

    def of(self, entry: Entry, result: Reconstruction) -> dict[str, Any]:
        """The complete description of a result, as plain values."""
        network = entry.network(result)
        summary = result.summary()
        del summary["seconds"]  # it differs between equal runs
        size = (int(result.images.shape[-2]), int(result.images.shape[-1]))
        info = None if network is None else network.layer_info(size)
        seeds = list(result.seeds[:MOST_SEEDS])
        return {
            "title": title_of(result),
            "note": note_of(result),
            "layer": layer_title(result.model, result.layer),
            "shape": _shape(info),
            "seeds": seeds,
            "more": len(result.seeds) - len(seeds),
            "best": min(best_seed(result), len(seeds) - 1),
            "errors": _errors(result, len(seeds)),
            "captions": [_caption(result, index) for index in range(len(seeds))],
            "numbers": [_numbers(result, index) for index in range(len(seeds))],
            "classes": self._said(network, result, len(seeds)),
            "field": self._field(network, info, size),
            "region": None if result.field_box is None else _parts(result.field_box, size),
            "size": list(size),
            "code": _code(entry, result),
            "summary": summary,
        }

    def _said(
        self, network: Representation | None, result: Reconstruction, count: int
    ) -> list[list[list[Any]]]:
        """The likeliest classes of photo and seeds; empty if the names of classes are unknown."""
        if network is None:
            return []
        first = [self._of_photo(network, result.photo)] if result.photo is not None else [[]]
        rows = [_rounded(row) for row in likeliest(network, result.images[:count], _CLASSES)]
        return [*first, *rows] if all(rows) else []

    def _of_photo(self, network: Representation, photo: Tensor) -> list[list[Any]]:
        key = (network.digest, pixels_key(photo))
        if key not in self._classes:
            self._classes[key] = _rounded(likeliest(network, photo[None], _CLASSES)[0])
        return self._classes[key]

    def _field(
        self, network: Representation | None, info: Layer | None, size: tuple[int, int]
    ) -> dict[str, Any] | None:
        if network is None or info is None or info.grid is None:
            return None
        key = (network.digest, info.name, size)
        if key not in self._fields:
            self._fields[key] = cell_fields(network, info, size)
        return self._fields[key]


def pixels_key(photo: Tensor) -> str:
    """The key of a photo's pixels; different photos have different keys."""
    hasher = hashlib.blake2b(repr(tuple(photo.shape)).encode(), digest_size=16)
    hasher.update(photo.contiguous().cpu().numpy().tobytes())
    return hasher.hexdigest()


def cell_fields(
    network: Representation, info: Layer, size: tuple[int, int]
) -> dict[str, Any] | None:
    """The receptive fields of all cells, in fractions of the image.

    It has the top and bottom for each row of cells and the left and right for each column. It is
    None if the fields are unknown or not of this form.
    """
    rows, columns = info.grid or (0, 0)
    if not 0 < rows <= _MOST_CELLS or not 0 < columns <= _MOST_CELLS:
        return None

    def box(row: int, column: int) -> tuple[int, int, int, int]:
        found = network.receptive_field((row, row + 1, column, column + 1), size).clipped
        return found.top, found.left, found.bottom, found.right

    try:
        down = [box(row, columns // 2) for row in range(rows)]
        across = [box(rows // 2, column) for column in range(columns)]
        for row in {0, rows // 3, rows - 1}:
            for column in {0, columns // 3, columns - 1}:
                top, left, bottom, right = box(row, column)
                if (top, bottom, left, right) != (*down[row][::2], *across[column][1::2]):
                    return None
    except InvwidgetsError:
        return None
    height, width = size
    return {
        "rows": [[_part(b[0], height), _part(b[2], height)] for b in down],
        "columns": [[_part(b[1], width), _part(b[3], width)] for b in across],
        "side": None if info.receptive_field is None else list(info.receptive_field),
        "assumed": info.assumed,
    }


def _part(pixel: int, side: int) -> float:
    return round(pixel / side, 4)


def _parts(box: Any, size: tuple[int, int]) -> list[float]:
    """The top, left, bottom and right of a box, in fractions of the image."""
    return [_part(pixel, size[place % 2]) for place, pixel in enumerate(box)]


def _shape(info: Layer | None) -> dict[str, Any] | None:
    if info is None:
        return None
    words = "×".join(str(n) for n in info.shape)
    return {"words": words, "channels": info.shape[0], "name": info.short_name}


def _errors(result: Reconstruction, count: int) -> list[float] | None:
    """The numbers in the chart: feature errors, or responses."""
    scores = result.relative_error if result.relative_error is not None else result.scores
    return None if not scores else [_finite(score) for score in scores[:count]]


def _finite(number: float) -> Any:
    return round(number, 6) if math.isfinite(number) else None


def _caption(result: Reconstruction, index: int) -> str:
    return result.objective.score_text(result.scores[index]) if result.scores else ""


def _numbers(result: Reconstruction, index: int) -> list[dict[str, str]]:
    """The numbers of one seed's picture, and of all seeds together."""
    numbers = []
    if result.relative_error is not None:
        numbers.append(_number(ERROR, f"{100 * result.relative_error[index]:.1f} %"))
    elif result.scores:
        objective = result.objective
        text = objective.score_text(result.scores[index])
        name, _, value = text.rpartition(" ")
        means = MEANS["response"] if objective.higher_is_better else (
            f"What the objective {objective.name} reached; "
            f"{'higher' if objective.higher_is_better else 'lower'} is better."
        )  # fmt: skip
        numbers.append({"name": name or objective.name, "value": value, "means": means})
    where = "" if result.scored_on == WHOLE else f" It is of the {result.scored_on}."
    if result.psnr is not None:
        psnr = result.psnr[index]
        words = f"{psnr:.1f} dB" if math.isfinite(psnr) else "∞ dB"
        numbers.append(_number("PSNR", words, where))
    if result.ssim is not None and math.isfinite(result.ssim[index]):
        numbers.append(_number("SSIM", f"{result.ssim[index]:.2f}", where))
    if len(result.seeds) > 1:
        numbers.append(_number("diversity", f"{100 * result.diversity['pixels']:.1f} %"))
        if math.isfinite(features := result.diversity.get("features", math.nan)):
            numbers.append(_number("feature diversity", f"{100 * features:.1f} %"))
    return numbers


def _number(name: str, value: str, where: str = "") -> dict[str, str]:
    return {"name": name, "value": value, "means": MEANS[name] + where}


def _rounded(rows: list[tuple[str, float]]) -> list[list[Any]]:
    return [[name, round(sure, 3)] for name, sure in rows]


def _code(entry: Entry, result: Reconstruction) -> str:
    """The Python code that repeats the run.

    A network that a sweep knows as ``package.module:function`` is imported, and photos are named
    without their folders.
    """
    code = code_for(result, entry.photo if result.target is None else None)
    module, _, function = entry.model.partition(":")
    if not function:
        return code
    lines = code.split("\n")
    place = next((i for i, line in enumerate(lines) if repr(result.model) in line), None)
    if place is not None:
        lines[place] = lines[place].replace(repr(result.model), f"{function}()")
    return "\n".join([lines[0], f"from {module} import {function}", *lines[1:]])
