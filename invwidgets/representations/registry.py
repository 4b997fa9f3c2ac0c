"""Every representation by name: feeds the menu, the shell and the parametrised tests.

>>> representation("efficientnet_lite0", layer="blocks.2").layer_info().shape
(40, 28, 28)
"""

from __future__ import annotations

import os

from torch import nn

from ..errors import UnknownNameError, shown, unknown_name
from ..models.zoo import DEFAULT_MODEL, ZOO, Card, load_network
from .base import Representation
from .descriptors.dsift import Dsift
from .descriptors.hog import Hog
from .descriptors.named import DESCRIPTORS, Descriptor, named_network, network_of
from .network import NetworkRepresentation

REGISTRY: dict[str, Card | Descriptor] = {**ZOO, **DESCRIPTORS}


def representations() -> tuple[str, ...]:
    """The names that ``representation`` takes, besides ``timm/NAME`` and modules of your own."""
    return tuple(REGISTRY)


def list_models() -> tuple[Card | Descriptor, ...]:
    """What there is by name: each has a ``name``, a ``size`` in pixels and an ``about``."""
    return tuple(REGISTRY.values())


def representation(
    model: str | nn.Module | Representation = DEFAULT_MODEL,
    layer: str | None = None,
    weights: str | os.PathLike[str] = "pretrained",
    *,
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
    size: tuple[int, int] | None = None,
) -> Representation:
    """A representation Φ: a network (of the zoo, timm, your own), HOG or dense SIFT.

    >>> mine = nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.ReLU())
    >>> representation(mine, layer="1", mean=(0.5,) * 3, std=(0.5,) * 3).layer_info().stride
    (2.0, 2.0)

    Parameters are those of ``models.load_network``; ``layer`` defaults to the last one. A
    ``Representation`` is handed back, cut at ``layer`` if one is named.
    """
    if isinstance(model, Representation):
        return model.at(layer) if layer is not None else model
    if isinstance(model, Hog | Dsift):
        return NetworkRepresentation(network_of(model, size), layer)
    if isinstance(model, str) and model in DESCRIPTORS:
        return NetworkRepresentation(named_network(model), layer)
    if isinstance(model, str) and model not in REGISTRY and not model.startswith("timm/"):
        raise unknown_name("model", model, [*REGISTRY, "timm/NAME"])
    if not isinstance(model, str | nn.Module):
        raise UnknownNameError(
            f"model {shown(model)}: give a name such as {DEFAULT_MODEL!r} or 'timm/NAME', a module "
            "of your own, or a representation"
        )
    network = load_network(model, weights, mean=mean, std=std, size=size)
    return NetworkRepresentation(network, layer)
