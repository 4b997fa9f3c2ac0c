"""The parts of photos that excite a channel most: what a unit likes, without any search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from ..arguments import whole_number
from ..errors import SelectionError
from ..images import PhotoSource, photo_name, photos, read_photo
from ..representations.base import Representation
from ..representations.receptive_fields.tracer import Box
from ..torch_state import own_state


class Patch(NamedTuple):
    """A part of a photo: its pixels (3, h, w), where they are, and the channel's ``response``."""

    photo: str
    box: Box
    pixels: Tensor
    response: float


@own_state()
def exciting_patches(
    representation: Representation,
    channel: int,
    sources: Sequence[PhotoSource] | None = None,
    count: int = 4,
) -> list[Patch]:
    """Find what excites a channel most in photos, one patch a photo, the most exciting first.

    >>> phi = representation("efficientnet_lite0", "blocks.3")
    >>> [patch.photo for patch in exciting_patches(phi, 12, ["coffee"])]
    ['coffee']

    Parameters
    ----------
    representation : Representation
        Cut at a layer that is a map.
    channel : int
        Of the layer, from 0.
    sources : sequence of photos, optional
        Each as ``read_photo`` takes it; the bundled ones by default.
    count : int, optional
        How many patches at most.

    Returns
    -------
    list of Patch
        Each is the receptive field, within the photo, of the cell with the channel's largest value.

    Raises
    ------
    SelectionError
        Where the layer is a vector.
    BadSettingError
        Where it has no such channel.
    """
    layer = representation.layer_info()
    if layer.grid is None:
        raise SelectionError(f"layer {layer.name} is a vector: it has no cells that see a part")
    number = whole_number(channel, "channel", 0, layer.shape[0] - 1)
    found = []
    for source in photos() if sources is None else sources:
        photo = read_photo(source, representation.size, channels=representation.channels)
        responses = representation.target(photo)[0, number, : layer.grid[0]]  # patches alone
        row, column = divmod(int(responses.argmax()), responses.shape[1])
        box = representation.receptive_field((row, row + 1, column, column + 1)).clipped
        pixels = box.of(photo)
        found.append(Patch(photo_name(source), box, pixels, float(responses.max())))
    found.sort(key=lambda patch: -patch.response)
    return found[: whole_number(count, "count", 1, 10_000)]
