"""The likeliest classes of a picture according to a classifier, by name.

>>> phi = representation("efficientnet_lite0")
>>> likeliest(phi, read_photo("coffee", phi.size)[None], 1)
[[('espresso', 0.8810...)]]
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from ..models.torchvision_import import import_torchvision
from ..models.weights import Weights
from ..torch_state import own_state
from .base import Representation
from .registry import REGISTRY

IMAGENET = 1000


def class_names(representation: Representation) -> tuple[str, ...]:
    """The names of a network's classes; empty if they are not known.

    They are known for trained networks given by name that end in ImageNet's thousand classes, but
    not for a user's module or a descriptor.
    """
    return _imagenet() if has_class_names(representation) else ()


def channel_names(representation: Representation) -> tuple[str, ...]:
    """The names of the channels of the layer at which a network is cut.

    They are ``class_names`` at the network's last layer, and empty at the others.

    >>> channel_names(representation("efficientnet_lite0", "classifier"))[281]
    'tabby'
    """
    last = representation.layers()[-1].name
    at_end = representation.layer_info().name == last
    return class_names(representation) if at_end else ()


def has_class_names(representation: Representation) -> bool:
    """Whether the names of a network's classes are known."""
    named = representation.name in REGISTRY or representation.name.startswith("timm/")
    trained = representation.weights not in (Weights.RANDOM, Weights.GIVEN)
    if not (named and trained) or representation.handcrafted:
        return False
    shape = representation.layers()[-1].shape
    return bool(shape[0] == IMAGENET and set(shape[1:]) <= {1})


@own_state()
def likeliest(
    representation: Representation, images: Tensor, count: int = 5
) -> list[list[tuple[str, float]]]:
    """The ``count`` likeliest classes of each image (N, 3, H, W) with their probabilities.

    Returns empty lists if the names of the classes are not known.
    """
    names = class_names(representation)
    if not names:
        return [[] for _ in images]
    with torch.no_grad():
        whole = representation.at(representation.layers()[-1].name)
        whole = whole.on(representation.mean_color.device)
        sure = whole(images.to(whole.mean_color)).flatten(1).softmax(1)
    values, places = sure.cpu().topk(count)
    return [
        [(names[int(place)], float(value)) for value, place in zip(row, where, strict=True)]
        for row, where in zip(values, places, strict=True)
    ]


@cache
def _imagenet() -> tuple[str, ...]:
    import_torchvision()
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    return tuple(info.index_to_description(place).split(",")[0] for place in range(IMAGENET))
