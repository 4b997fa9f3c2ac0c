"""Every representation by name: feeds the menu, the shell and the parametrised tests.

>>> representation("efficientnet_lite0", layer="blocks.2").layer_info().shape
(40, 28, 28)
"""

from __future__ import annotations

import os

from torch import nn

from ..models import DEFAULT_MODEL, ZOO, load_network
from .base import Representation
from .cnn import NetworkRepresentation


def representations() -> tuple[str, ...]:
    """The names that ``representation`` takes, besides ``timm/NAME`` and modules of your own."""
    return tuple(ZOO)


def representation(
    model: str | nn.Module | Representation = DEFAULT_MODEL,
    layer: str | None = None,
    weights: str | os.PathLike[str] = "pretrained",
    *,
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
    size: tuple[int, int] | None = None,
) -> Representation:
    """A representation Φ: a network of the zoo, of timm, or your own, cut at a layer.

    >>> mine = nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.ReLU())
    >>> representation(mine, layer="1", mean=(0.5,) * 3, std=(0.5,) * 3).layer_info().stride
    (2.0, 2.0)

    Parameters are those of ``models.load_network``; ``layer`` defaults to the last one. A
    ``Representation`` is handed back, cut at ``layer`` if one is named.
    """
    if isinstance(model, Representation):
        return model.at(layer) if layer is not None else model
    network = load_network(model, weights, mean=mean, std=std, size=size)
    return NetworkRepresentation(network, layer)
