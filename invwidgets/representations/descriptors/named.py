"""The named representations HOG, HOGb and dense SIFT, and the titles of models and layers."""

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

SIZE = (192, 256)  # the default size of photos


@dataclasses.dataclass(frozen=True)
class Descriptor:
    """A handcrafted representation in the registry; ``last`` is the name of its output layer."""

    name: str
    about: str
    build: Callable[[], Hog | Dsift]
    title: str
    last: str
    size: tuple[int, int] = SIZE


def network_of(module: nn.Module, size: tuple[int, int] | None = None) -> Network:
    """A network made from a HOG or dense SIFT with a user's parameters.

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
    """The descriptor with a name and default parameters, built once."""
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
    """The title of a model in figures.

    >>> model_title("dsift"), model_title("alexnet")
    ('dense SIFT', 'alexnet')
    """
    return DESCRIPTORS[model].title if model in DESCRIPTORS else model


def layer_title(model: str, layer: str) -> str:
    """The title of a layer in figures; the output of a descriptor has the descriptor's title.

    >>> layer_title("hog", "decompose"), layer_title("hog", "cells")
    ('HOG', 'cells')
    """
    found = DESCRIPTORS.get(model)
    return found.title if found is not None and layer == found.last else layer


def layer_in_words(model: str, layer: str) -> str:
    """The title of a layer within a sentence, where a name that is a number needs the word "layer".

    >>> layer_in_words("hog", "decompose"), layer_in_words("my_network", "2")
    ('HOG', 'layer 2')
    """
    title = layer_title(model, layer)
    return f"layer {title}" if title.isdigit() else title
