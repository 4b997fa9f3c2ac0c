"""The selection of features, by region and channels, that an objective uses.

>>> selection = Selection(region=(3, 8, 3, 8), channels=(0, 2))
>>> selection.of(torch.zeros(4, 16, 14, 14)).shape
torch.Size([4, 2, 5, 5])
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from .arguments import as_whole, is_flag, items, whole_numbers
from .errors import SelectionError, shown
from .images import luminance, photos, read_photo
from .representations.base import Layer, Region, Representation
from .representations.caching import cached
from .representations.network import check_region

ChannelSpec = str | int | slice | Iterable[int] | None


@dataclass(frozen=True)
class Selection:
    """A selection of features (the mask M of the papers): a region of cells, channels, or both.

    >>> Selection(region=(3, 8, 3, 8), channels=(0, 2)).of(torch.zeros(4, 16, 14, 14)).shape
    torch.Size([4, 2, 5, 5])

    ``of`` returns the selected features, so that sums over them equal sums over M∘Φ. ``select``
    makes a selection that is checked against a representation.

    Parameters
    ----------
    region : (int, int, int, int), optional
        (r0, r1, c0, c1): the rows r0:r1 and the columns c0:c1 of cells, half-open; all by default.
    channels : tuple of int, optional
        The channels; all by default.

    References
    ----------
    CVPR15, section 2 ("the mask M") and figures 7, 9 and 10.
    """

    region: Region | None = None
    channels: tuple[int, ...] | None = None

    def of(self, features: Tensor) -> Tensor:
        """The selected part of features (N, C, h, w) or (N, D)."""
        if self.channels is not None:
            features = features[:, _places(self.channels, features.device)]
        if self.region is not None:
            top, bottom, left, right = self.region
            features = features[:, :, top:bottom, left:right]
        return features

    def mask(self, shape: tuple[int, ...]) -> Tensor:
        """The mask M for features of ``shape`` (C, h, w) or (D,): True where selected."""
        mask = torch.zeros(1, *shape, dtype=torch.bool)
        channels = list(range(shape[0])) if self.channels is None else list(self.channels)
        if self.region is None:
            mask[:, channels] = True
        else:
            top, bottom, left, right = self.region
            for channel in channels:
                mask[:, channel, top:bottom, left:right] = True
        return mask[0]

    def describe(self) -> str:
        """The selection in one line, in the notation of code; empty if everything is selected."""
        return self._described(["region {}:{},{}:{}".format(*self.region)] if self.region else [])

    def in_words(self) -> str:
        """The selection for a figure, with the last row and column included; empty for all."""
        return self._described([*cells_in_words(self.region)] if self.region else [])

    def _described(self, parts: list[str]) -> str:
        if self.channels is not None:
            parts.append(f"{len(self.channels)} channel{'s' * (len(self.channels) != 1)}")
        return ", ".join(parts)


@lru_cache(maxsize=32)
def _places(channels: tuple[int, ...], device: torch.device) -> Tensor:
    """Channels as an index tensor on a device, cached so that a step copies nothing to it."""
    with torch.inference_mode(False):
        return torch.tensor(channels, device=device)


def cells_in_words(region: Region) -> tuple[str, str]:
    """The rows and columns of a region in words, with the last ones included.

    >>> cells_in_words((2, 6, 2, 3))
    ('rows 2–5', 'column 2')
    """

    def words(name: str, first: int, end: int) -> str:
        return f"{name}s {first}–{end - 1}" if end - first > 1 else f"{name} {first}"

    top, bottom, left, right = region
    return words("row", top, bottom), words("column", left, right)


def parse_region(spec: str | Region | None) -> Region | None:
    """A region as numbers (r0, r1, c0, c1), read from text ``"R0:R1,C0:C1"`` (half-open, in cells).

    >>> parse_region("3:8,3:8")
    (3, 8, 3, 8)
    """
    if spec is None:
        return None
    if isinstance(spec, str):
        found = re.fullmatch(r"\s*(-?\d{1,9}):(-?\d{1,9})\s*,\s*(-?\d{1,9}):(-?\d{1,9})\s*", spec)
        if not found:
            raise SelectionError(
                f"region {shown(spec)}: write rows and columns of cells as R0:R1,C0:C1"
            )
        numbers = [int(group) for group in found.groups()]
    else:
        remedy = "four of them, (r0, r1, c0, c1), half-open, in cells"
        numbers = whole_numbers(spec, "region", remedy, SelectionError)
    if len(numbers) != 4:
        raise SelectionError(
            f"region {shown(spec)}: four numbers (r0, r1, c0, c1), half-open, in cells"
        )
    return numbers[0], numbers[1], numbers[2], numbers[3]


def center_region(layer: Layer, cells: int = 5) -> Region:
    """A square region with a side of ``cells`` cells in the middle of the image."""
    if layer.grid is None:
        raise SelectionError(
            f"layer {layer.name} is a vector, so it has no cells: leave the region out"
        )
    rows, columns = layer.grid
    height, width = min(cells, rows), min(cells, columns)
    top, left = (rows - height) // 2, (columns - width) // 2
    return top, top + height, left, left + width


def select(
    representation: Representation,
    region: str | Region | None = None,
    channels: ChannelSpec = None,
    size: tuple[int, int] | None = None,
) -> Selection:
    """Make a selection of a representation's features, checked against its layer.

    >>> select(representation("efficientnet_lite0", "blocks.2"), "3:8,3:8", "group:1").describe()
    'region 3:8,3:8, 20 channels'

    Parameters
    ----------
    representation : Representation
        The representation whose features are selected.
    region : str or (int, int, int, int), optional
        ``"R0:R1,C0:C1"`` or (r0, r1, c0, c1), half-open, in cells; all cells by default.
    channels : str, int, slice or sequence, optional
        An index, a slice, a sequence of indices, a mask with a value for each channel, or text:
        ``"0,3,8:16"``, ``"group:1"`` (the first of two equal groups; ``"group:2/4"`` is the second
        of four), ``"color:top"`` or ``"color:bottom"`` (the more or the less colorful half;
        ``"color:top/8"`` is the most colorful eighth). All channels by default.
    size : (int, int), optional
        (height, width) of the images; the representation's own by default.

    Returns
    -------
    Selection
        Its channels are counted from 0 and sorted.

    Raises
    ------
    SelectionError
        For a region outside the map, or channels that the layer does not have.

    References
    ----------
    CVPR15, section 2 and figures 7, 9 and 10.
    """
    layer = representation.layer_info(size)
    cells = parse_region(region)
    if cells is not None:
        check_region(cells, layer)
    return Selection(cells, _channels(representation, layer, channels))


def _channels(
    representation: Representation, layer: Layer, spec: ChannelSpec
) -> tuple[int, ...] | None:
    total = layer.shape[0]
    if spec is None or (isinstance(spec, str) and spec == "all"):
        return None
    if is_flag(spec) and getattr(spec, "ndim", 0) == 0:
        raise SelectionError(
            f"channels {spec!r}: give an index, or a mask of {total} values, one per channel"
        )
    if (index := as_whole(spec)) is not None:
        chosen = [index]
    elif isinstance(spec, slice):
        chosen = _sliced(spec, total)
    elif not isinstance(spec, str):
        chosen = _given(spec, total)
    elif spec.startswith("group:"):
        chosen = _group(spec, layer)
    elif spec.startswith("color:"):
        chosen = _by_color(spec, representation)
    else:
        chosen = _listed(spec, total)
    outside = [c for c in chosen if not -total <= c < total]
    if outside or not chosen:
        what = f"channel {outside[0]} does not exist" if outside else "no channel is selected"
        raise SelectionError(
            f"channels {shown(spec)}: {what}; layer {layer.name} has channels 0 … {total - 1}"
        )
    return tuple(sorted({c % total for c in chosen}))  # -1 is the last, as in Python


def _sliced(spec: slice, total: int) -> list[int]:
    try:
        return list(range(total)[spec])
    except (TypeError, ValueError) as error:
        raise SelectionError(f"channels {spec!r}: {error}; write it like slice(0, 8)") from None


def _given(spec: Any, total: int) -> list[int]:
    """The indices of the channels that a sequence of indices or a mask selects."""
    values = items(spec)
    if values and all(is_flag(value) for value in values):
        if len(values) != total:
            raise SelectionError(
                f"channels {shown(spec)}: a mask of {len(values)} values for {total} channels; "
                "give one value per channel, or the indices"
            )
        return [index for index, value in enumerate(values) if value]
    return whole_numbers(
        spec, "channels", "a mask with one value per channel also works", SelectionError
    )


def _listed(spec: str, total: int) -> list[int]:
    chosen: list[int] = []
    for part in spec.split(","):
        numbers = part.strip()[:60].split(":")
        try:
            parsed = [int(n) if n.strip() else None for n in numbers]
        except ValueError:
            parsed = []
        if len(parsed) == 1 and parsed[0] is not None:
            chosen.append(parsed[0])
        elif len(parsed) == 2 or (len(parsed) == 3 and parsed[2] != 0):
            chosen.extend(range(total)[slice(*parsed)])
        else:
            raise SelectionError(
                f"channels {shown(spec)}: write indices and slices like 0,3,8:16, or group:1, "
                "group:2/4, color:top, color:bottom"
            )
    return chosen


def _group(spec: str, layer: Layer) -> list[int]:
    found = re.fullmatch(r"group:(\d{1,9})(?:/(\d{1,9}))?", spec)
    index, groups = (int(found[1]), int(found[2] or 2)) if found else (0, 0)
    total = layer.shape[0]
    if not 1 <= index <= groups or total % groups:
        raise SelectionError(
            f"channels {shown(spec)}: write group:I/K, the I-th (from 1) of K equal groups; K "
            f"must divide the {total} channels of layer {layer.name}"
        )
    each = total // groups
    return list(range((index - 1) * each, index * each))


def _by_color(spec: str, representation: Representation) -> list[int]:
    found = re.fullmatch(r"color:(top|bottom)(?:/(\d{1,9}))?", spec)
    if not found or int(found[2] or 2) < 1:
        raise SelectionError(
            f"channels {shown(spec)}: write color:top or color:bottom; /K selects one K-th of them"
        )
    if representation.channels != 3:
        raise SelectionError(
            f"channels {shown(spec)}: {representation.name} takes images of "
            f"{representation.channels} channel{'s' * (representation.channels != 1)}, which have "
            "no colors; give channels by index or by group"
        )
    order = colorfulness(representation).argsort(descending=found[1] == "top", stable=True)
    return [int(c) for c in order[: max(1, len(order) // int(found[2] or 2))]]


def colorfulness(representation: Representation) -> Tensor:
    """The part of each channel's response that depends on color, (C,), from 0 (none) upwards.

    It is ‖Φ_c(x) − Φ_c(gray x)‖ / ‖Φ_c(x)‖ over the bundled photos: the relative change of a
    channel's response when the photo is turned gray at the same brightness.
    """
    return cached(representation, "colorfulness", lambda: _colorfulness(representation))


def _colorfulness(representation: Representation) -> Tensor:
    changed = total = torch.zeros(1)
    for name in photos():
        photo = read_photo(name, representation.size)
        features = representation.target(photo)[0]
        features = features.reshape(features.shape[0], -1)
        gray = representation.target(luminance(photo))[0].reshape(features.shape)
        changed = changed + (features - gray).square().sum(1).cpu()
        total = total + features.square().sum(1).cpu()
    return (changed / total.clamp_min(1e-20)).sqrt()
