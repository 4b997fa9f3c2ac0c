"""HOG, HOGb and dense SIFT by name, as networks that need no preprocessing and have no weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache

from torch import nn

from ...models.isolate import isolate
from ...models.weights import Weights
from ...models.zoo import Network
from .dsift import Dsift, dsift
from .hog import Hog, hog, hogb

SIZE = (192, 256)  # of photos, where nothing else is asked


@dataclasses.dataclass(frozen=True)
class Descriptor:
    """A handcrafted representation of the registry; ``last`` is its last layer, the descriptor."""

    name: str
    about: str
    build: Callable[[], Hog | Dsift]
    title: str
    last: str
    size: tuple[int, int] = SIZE


def network_of(module: nn.Module, size: tuple[int, int] | None = None) -> Network:
    """A HOG or dense SIFT of your own parameters as a network.

    >>> network_of(hog(cell_size=6)).weights
    'handcrafted'
    """
    size = size or SIZE
    return Network(
        type(module).__name__.lower(),
        isolate(module, size),
        (0.0, 0.0, 0.0),
        (1.0, 1.0, 1.0),
        size,
        str(Weights.HANDCRAFTED),
        mean_color=module.mean_color,  # type: ignore[arg-type]
        grayscale=bool(module.grayscale),
        handcrafted=True,
        raises_noise=bool(module.raises_noise),
    )


@lru_cache(maxsize=8)
def named_network(name: str) -> Network:
    """A descriptor of ``DESCRIPTORS`` with its default parameters, built once."""
    return dataclasses.replace(network_of(DESCRIPTORS[name].build()), name=name)


DESCRIPTORS = {
    descriptor.name: descriptor
    for descriptor in (
        Descriptor("hog", "HOG, oriented gradients (UoCTTI)", hog, "HOG", "decompose"),
        Descriptor("hogb", "HOG with bilinear orientations", hogb, "HOGb", "decompose"),
        Descriptor("dsift", "dense SIFT", dsift, "dense SIFT", "renormalize"),
    )
}


def model_title(model: str) -> str:
    """What people call a model.

    >>> model_title("dsift"), model_title("alexnet")
    ('dense SIFT', 'alexnet')
    """
    return DESCRIPTORS[model].title if model in DESCRIPTORS else model


def layer_title(model: str, layer: str) -> str:
    """What people call a layer: a descriptor's last one by the descriptor's name.

    >>> layer_title("hog", "decompose"), layer_title("hog", "cells")
    ('HOG', 'cells')
    """
    found = DESCRIPTORS.get(model)
    return found.title if found is not None and layer == found.last else layer


def layer_in_words(model: str, layer: str) -> str:
    """The same within a sentence, where a bare number says nothing.

    >>> layer_in_words("hog", "decompose"), layer_in_words("my_network", "2")
    ('HOG', 'layer 2')
    """
    title = layer_title(model, layer)
    return f"layer {title}" if title.isdigit() else title
