"""Every representation by name: feeds the menu, the shell and the parametrised tests.

>>> representation("efficientnet_lite0", layer="blocks.2").layer_info().shape
(40, 28, 28)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor, nn

from ..errors import UnknownNameError, shown, unknown_name
from ..models.zoo import DEFAULT_MODEL, IMAGENET_MEAN, ZOO, Card, load_network
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


class _Called(nn.Module):
    """A function as a module of one layer."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.features = _Function(function)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.features(images)
        return features


class _Function(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> Tensor:
        return self.function(images)


def from_callable(
    function: Callable[[Tensor], Tensor],
    *,
    name: str = "",
    size: tuple[int, int] = (224, 224),
    mean_color: tuple[float, float, float] = IMAGENET_MEAN,
) -> Representation:
    """A representation of any differentiable function of images.

    >>> def thumbnail(images):                       # (N, 3, H, W) in [0, 1] -> (N, 3, h, w)
    ...     return torch.nn.functional.avg_pool2d(images, 16)
    >>> invert("coffee", from_callable(thumbnail)).gallery()

    The function gives each image its own features, maps (N, C, h, w) or vectors (N, D), computed
    with torch. ``size`` (height, width) is what photos are resized to by default, ``mean_color``
    what the papers' presets subtract. The receptive fields are found as a network's are.

    Raises ``UnknownNameError`` for what cannot be called, ``RepresentationError`` for features that
    cannot be inverted.
    """
    if not callable(function) or isinstance(function, type):
        raise UnknownNameError(f"function {shown(function)}: give a function of images")
    words = name or getattr(function, "__name__", type(function).__name__)
    network = load_network(_Called(function), mean=(0.0,) * 3, std=(1.0,) * 3, size=size)
    return NetworkRepresentation(replace(network, name=words, mean_color=mean_color))


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
