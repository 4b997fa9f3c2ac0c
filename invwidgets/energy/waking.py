"""A gradient for silent ReLU units, taken from the layer before the ReLU.

>>> waking = waking_of(representation("efficientnet_lite0", "blocks.5.1.bn2.act"), selection, size)
>>> features = waking(images)      # the same numbers; silent images have another gradient

Where a ReLU gives zero, its derivative is zero too, so a search that starts there has no gradient.
The layer before the ReLU has one, because the unit is max(0, a·x + b) of the same channel x of that
layer (a and b include a BatchNorm, if there is one). a and b are fitted to the responses to the
bundled photos that excite the unit, and are used only if the fit reproduces these responses.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..images import sample_images
from ..representations.base import Representation
from ..selection import Selection

_BACK = 3  # how many layers before the unit's layer are tried
_NEAR = 1e-3  # the largest error of the fit, relative to the largest response
_FEWEST = 4  # the smallest number of cells to fit to


@dataclass(frozen=True)
class Waking:
    """A representation that has the gradient of ``slope · x + offset`` where its unit is silent."""

    representation: Representation
    before: Representation
    slope: float
    offset: float
    selection: Selection

    def __call__(self, images: Tensor) -> Tensor:
        features: Tensor = self.representation(images)
        selected = self.selection.of(features)
        silent = (selected == 0).flatten(1).all(1)
        if silent.device.type == "cpu" and not bool(silent.any()):  # reading it would stall a GPU
            return features
        x = self.slope * self.before(images) + self.offset
        x = x * silent.reshape(-1, *[1] * (x.ndim - 1))
        features = features + (x - x.detach())
        return features


def waking_of(
    representation: Representation,
    selection: Selection,
    size: tuple[int, int],
    window_selection: Selection | None = None,
) -> Waking | None:
    """The ``Waking`` of a selection of one channel; None if no earlier layer fits the unit."""
    if len(selection.channels or ()) != 1:
        return None
    layer, layers = representation.layer_info(size), representation.layers(size)
    place = next((k for k, known in enumerate(layers) if known.name == layer.name), 0)
    channel = Selection(channels=selection.channels)
    images = sample_images(size, representation.channels)
    response = torch.cat([channel.of(representation.target(i)).flatten() for i in images])
    for known in reversed(layers[max(0, place - _BACK) : place]):
        if known.shape != layer.shape:
            continue
        before = representation.at(known.name).on(representation.mean_color.device)
        x = torch.cat([channel.of(before.target(image)).flatten() for image in images])
        if (fit := _fit(x.double().cpu(), response.double().cpu())) is not None:
            return Waking(representation, before, *fit, window_selection or selection)
    return None


def _fit(x: Tensor, response: Tensor) -> tuple[float, float] | None:
    """a and b of response = max(0, a·x + b), also with an upper limit; None if it does not fit."""
    largest = response.max()
    excited = (response > 0) & (response < 0.99 * largest)  # some ReLUs have an upper limit
    if int(excited.sum()) < _FEWEST:
        return None
    of = torch.stack([x[excited], torch.ones_like(x[excited])], 1)
    slope, offset = torch.linalg.lstsq(of, response[excited, None]).solution.flatten().tolist()
    found = (slope * x + offset).clamp(min=0)
    close = (found - response).abs() <= _NEAR * largest
    close |= (response >= 0.99 * largest) & (found >= 0.99 * largest)
    return (slope, offset) if bool(close.all()) else None
