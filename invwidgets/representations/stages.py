"""The main stages of a network, the lookup of a layer by name, and the default layer.

>>> layers = representation("efficientnet_lite0").layers()
>>> [stage.short_name for stage in stages(layers)][1:4]
['blocks.0', 'blocks.1', 'blocks.2']
>>> default_layer(layers).short_name, find_layer(layers, "stage3").short_name
('blocks.2', 'blocks.2')
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from ..errors import unknown_name
from .base import Layer

MOST_STAGES = 14
_MINOR = re.compile(r"(bn|norm|act|relu|drop|dropout|flatten)\d*")  # minor layers, ends of blocks
_SECOND = re.compile(r"\[(?!0\])[^]]*\]$")  # a part of an output other than the first
_BEGIN = 0.3  # the depth of the default layer, as a part of the whole depth


def find_layer(layers: Sequence[Layer], name: str) -> Layer:
    """The layer with a name, which may be any of its names.

    Raises ``UnknownNameError`` with a list of the existing names.
    """
    for layer in layers:
        if name == layer.name or name in layer.aliases:
            return layer
    raise unknown_name("layer", name, [layer.short_name for layer in layers])


def stages(layers: Sequence[Layer], most: int = MOST_STAGES) -> tuple[Layer, ...]:
    """The main stages of a network in order, including its last layer.

    These are the numbered blocks of its trunk (``blocks.2``, ``layer3``) and all top-level layers.
    Consecutive top-level layers with outputs of the same shape (a convolution, its normalization,
    its activation) count as one stage. If there are more than ``most`` blocks, evenly spaced ones
    are chosen.
    """
    blocks = _blocks(layers)
    if not blocks and len(layers) <= most:
        return tuple(layers)
    plain = [layer for layer in layers if layer not in blocks and _dots(layer) <= 1]
    plain = [layer for layer in plain if not _SECOND.search(layer.short_name)]
    if blocks:
        inner = {name for block in blocks for name in (block.name, block.short_name)}
        plain = [layer for layer in plain if not inner & set(_prefixes(layer.name))]
        outer = max(map(_dots, blocks))
        plain = [layer for layer in plain if _dots(layer) <= min(outer, 1)]
    chosen = sorted({*blocks, *plain}, key=lambda layer: layer.index)
    kept: list[Layer] = []
    for _, same in groupby(chosen, key=_size):
        run = list(same)
        own = [layer for layer in run if layer in blocks]
        said = [layer for layer in run if not _MINOR.fullmatch(layer.short_name)]
        kept += own or [(said or run)[-1]]
    return _thinned(kept or list(layers), most)


def default_layer(layers: Sequence[Layer], last: int = -1) -> Layer:
    """The default layer of a network, for Python, shell and widgets.

    ``last`` is the index of the network's output. If it is a map, as for a descriptor or a
    truncated network, it is the default. For a network that ends in a vector, such as a classifier,
    the default is a stage at about a third of the depth. It is a map, if possible one whose cells
    do not see the whole image.
    """
    if layers[last].shape[1:] not in ((), (1, 1)):
        return layers[last]
    found = [layer for layer in stages(layers) if len(layer.shape) == 3]
    local = [layer for layer in found if not layer.is_global]
    blocks = _blocks(layers)
    if len(local) < 2 and blocks:
        local = list(blocks)
    wanted = _BEGIN * (len(layers) - 1)
    return min(local or found or layers, key=lambda layer: abs(layer.index - wanted))


def inside(layers: Sequence[Layer], stage: Layer, all_stages: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers after the previous stage up to and including this stage."""
    before = [other.index for other in all_stages if other.index < stage.index]
    first = max(before, default=-1)
    last = layers[-1].index if stage == all_stages[-1] else stage.index
    return tuple(layer for layer in layers if first < layer.index <= last)


def stage_of(layer: Layer, all_stages: Sequence[Layer]) -> Layer:
    """The stage that contains a layer."""
    return next((stage for stage in all_stages if stage.index >= layer.index), all_stages[-1])


def _dots(layer: Layer) -> int:
    return layer.short_name.count(".")


def _blocks(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The last layers of the numbered modules of a trunk, at the outermost level with three."""
    modules = {prefix for layer in layers for prefix in _prefixes(layer.name)}
    numbered = [
        layer
        for layer in layers
        if (name := layer.short_name.removesuffix("[0]")) in modules
        and name[-1].isdigit()
        and not _MINOR.fullmatch(name.rpartition(".")[2])
    ]
    counted = Counter(_dots(layer) for layer in numbered)
    depth = min((depth for depth, count in counted.items() if count >= 3), default=0)
    return tuple(layer for layer in numbered if _dots(layer) == depth)


def _prefixes(name: str) -> list[str]:
    """The names of the modules that contain a layer, such as ``a`` and ``a.b`` for ``a.b.c``."""
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def _size(layer: Layer) -> tuple[int, ...]:
    """The shape of a layer, where a vector has the shape of a map with one cell."""
    return layer.shape if layer.shape[1:] != (1, 1) else layer.shape[:1]


def _thinned(found: list[Layer], most: int) -> tuple[Layer, ...]:
    if len(found) <= most:
        return tuple(found)
    places = {round(i * (len(found) - 1) / (most - 1)) for i in range(most)}
    return tuple(layer for place, layer in enumerate(found) if place in places)
