"""The patches of photos that excite a channel most, found without a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from ..arguments import whole_number
from ..images import PhotoSource, photo_name, photos, read_photo
from ..representations.base import Representation
from ..representations.receptive_fields.tracer import Box
from ..torch_state import own_state


class Patch(NamedTuple):
    """A patch of a photo: its pixels (3, h, w), its box, and the channel's ``response``."""

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
    """Find the patch of each photo that excites a channel most, sorted by response.

    >>> phi = representation("efficientnet_lite0", "blocks.3")
    >>> [patch.photo for patch in exciting_patches(phi, 12, ["coffee"])]
    ['coffee']

    Parameters
    ----------
    representation : Representation
        A representation, cut at a map or at a vector.
    channel : int
        The number of the channel, from 0.
    sources : sequence of photos, optional
        Photos: names of bundled ones, paths, PIL images, arrays (H, W, 3) or tensors (3, H, W); by
        default all bundled photos.
    count : int, optional
        The maximum number of patches.

    Returns
    -------
    list of Patch
        Each patch is the receptive field of the cell with the channel's largest value in a photo.
        The patch of a vector is the whole photo.

    Raises
    ------
    BadSettingError
        If the layer does not have the channel.
    """
    layer = representation.layer_info()
    number = whole_number(channel, "channel", 0, layer.shape[0] - 1)
    found = []
    for source in photos() if sources is None else sources:
        photo = read_photo(source, representation.size, channels=representation.channels)
        responses = representation.target(photo)[0, number]
        if layer.grid is None:
            box = Box(0, 0, *photo.shape[1:])
        else:
            responses = responses[: layer.grid[0]]  # patches alone
            row, column = divmod(int(responses.argmax()), responses.shape[1])
            box = representation.receptive_field((row, row + 1, column, column + 1)).clipped
        pixels = box.of(photo)
        found.append(Patch(photo_name(source), box, pixels, float(responses.max())))
    found.sort(key=lambda patch: -patch.response)
    return found[: whole_number(count, "count", 1, 10_000)]
