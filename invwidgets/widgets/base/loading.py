"""The loading of a network and a photo for a panel or a strip."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import BadSettingError, InvwidgetsError
from ...images import parse_size, read_photo, resize, to_uint8
from ...inversion.presets import preset, region_coverage
from ...inversion.settings import InversionSettings
from ...pages.content import cell_fields
from ...representations.base import Layer, Region, Representation
from ...representations.classes import channel_names
from ...representations.network import check_region
from ...representations.registry import representation
from ...selection import Selection, select


@dataclass(frozen=True)
class LoadedModel:
    """A loaded network and photo, with the facts that the controls show.

    ``representation`` is cut at ``layer``. ``size`` is the (height, width) of ``photo``, which is
    cropped and resized.
    """

    representation: Representation
    layers: tuple[Layer, ...]
    layer: str
    size: tuple[int, int]
    photo: NDArray[np.uint8]
    cut: float  # the fraction of the photo that the crop removes
    fields: Mapping[str, Any] | None = None  # receptive fields of the cells, see ``cell_fields``

    @property
    def grid(self) -> tuple[int, int] | None:
        """The number of rows and columns of the layer's cells; None if it has none."""
        return self.representation.layer_info(self.size).grid

    @cached_property
    def channel_names(self) -> tuple[str, ...]:
        """The names of the layer's channels; empty if they have none."""
        return channel_names(self.representation)

    def channel_name(self, channel: int) -> str:
        """The name of a channel; empty if it has none."""
        return self.channel_names[channel] if 0 <= channel < len(self.channel_names) else ""

    def preset(
        self, name: str, objective: Any, steps: int | None, region: Region | None
    ) -> InversionSettings:
        """The settings of a preset for this layer and for the part of the photo in a region."""
        phi, coverage = self.representation, 1.0
        with suppress(InvwidgetsError):  # an invalid region; ``region_error`` has the message
            coverage = region_coverage(phi, select(phi, region, None, self.size).region, self.size)
        return preset(name, phi, objective, steps, coverage, self.size)

    def region_error(self, region: Region | None) -> str:
        """The error message for a region that the layer does not have; empty for a valid one."""
        try:
            if region is not None:
                check_region(region, self.representation.layer_info(self.size))
        except InvwidgetsError as error:
            return str(error)
        return ""


def load_model(
    photo: Any,
    model: Any,
    layer: str,
    size: Any,
    *,
    crop: float = 0.5,
    fit: str = "crop",
    fallback: bool = False,
    **network: Any,
) -> LoadedModel:
    """Load a network, cut it at a layer, and read, crop and resize a photo.

    With ``fallback``, the network's default layer is used if it does not have ``layer``; otherwise
    this is an error. ``network`` are keywords of ``representation``.
    """
    phi = representation(model, **network)
    wanted = parse_size(size) if size is not None else phi.size
    if phi.channels not in (1, 3):
        raise BadSettingError(
            f"{phi.name} takes images of {phi.channels} channels, and the panel shows those of 1 "
            "and 3: use invwidgets.invert, which takes arrays of any number of channels"
        )
    whole = read_photo(photo, channels=phi.channels)
    pixels = to_uint8(resize(whole, wanted, fit, crop))
    layers = phi.layers(wanted)
    try:
        cut = phi.at(layer) if layer else phi
    except InvwidgetsError:
        if not fallback:
            raise
        cut = phi
    height, width = whole.shape[-2:]
    shape = height * wanted[1] / (width * wanted[0]) if fit == "crop" else 1
    info = cut.layer_info(wanted)
    fields = None if info.grid is None else cell_fields(cut, info, wanted)
    part = 1 - min(shape, 1 / shape)
    return LoadedModel(cut, layers, info.short_name, wanted, pixels, part, fields)


def responses(loaded: LoadedModel, region: Region | None) -> Tensor:
    """The features (C, h, w) or (D,) of the photo in a region."""
    photo = torch.from_numpy(loaded.photo).movedim(-1, 0).float() / 255
    photo = photo[: loaded.representation.channels]  # a gray photo has three equal channels
    return Selection(region=region).of(loaded.representation.target(photo))[0]
