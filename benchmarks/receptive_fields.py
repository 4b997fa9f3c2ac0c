"""A comparison of receptive fields with autograd, on random networks and on those of the zoo.

    python -m benchmarks.receptive_fields --networks 300

It prints the number of tested cells and of mismatches. The box of a cell is compared with the
bounding box of all pixels that have a nonzero gradient for any of several random weights. ReLUs
and similar gates are replaced, so that they let every gradient pass.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.random_networks import random_network
from invwidgets.models.zoo import Network, load_network
from invwidgets.representations.network import NetworkRepresentation
from invwidgets.representations.receptive_fields.tracer import BoxTracer
from tests.reference.input_gradients import merged, opened, pixels_seen, reweighted

Found = tuple[int, int, int, int] | None
ZOO_SIZES = {"efficientnet_lite0": (96, 128), "squeezenet1_1": (95, 127), "alexnet": (99, 131),
             "resnet18": (96, 128), "vgg16": (64, 96), "convnext_tiny": (96, 128),
             "resnet50": (64, 96), "caffenet": (227, 227)}  # fmt: skip


class Tried(NamedTuple):
    """A cell's box by this package's tracer, and by autograd."""

    cell: tuple[int, int]
    ours: Found
    autograd: Found


def check_module(
    module: nn.Module, size: tuple[int, int], rng: Random, cells: int = 5, draws: int = 2
) -> list[Tried]:
    """Test random cells and the corners of a network whose output is a map."""
    boxes = BoxTracer()
    image = boxes.image(*size)
    with torch.no_grad(), boxes:
        features = module.eval()(image)
    carried = boxes.of(features)[0].amin((1, 2))  # over the batch and channels
    rows, columns = carried.shape[-2:]
    chosen = {(0, 0), (rows - 1, columns - 1)}
    chosen |= {(rng.randrange(rows), rng.randrange(columns)) for _ in range(cells - 2)}
    found: dict[tuple[int, int], Found] = dict.fromkeys(chosen)
    wide = opened(module)
    for draw in range(draws):
        reweighted(wide, draw)
        for cell, box in _gradients(wide, size, sorted(chosen), draw):
            found[cell] = merged(found[cell], box)
    return [
        Tried(cell, as_box(carried[:, cell[0], cell[1]]), found[cell]) for cell in sorted(found)
    ]


def _gradients(
    module: nn.Module, size: tuple[int, int], cells: list[tuple[int, int]], draw: int
) -> Iterator[tuple[tuple[int, int], Found]]:
    generator = torch.Generator().manual_seed(100 + draw)
    image = torch.rand(2, 3, *size, generator=generator, dtype=torch.float64).requires_grad_(True)
    features = module(image)
    for cell in cells:
        yield cell, pixels_seen(features, image, cell)


def as_box(values: Tensor) -> Found:
    """(top, left, -bottom, -right) as a box; None for an empty one."""
    if not bool(torch.isfinite(values).all()):
        return None
    top, left, bottom, right = (int(v) for v in values)
    return top, left, -bottom, -right


def check_zoo(name: str, rng: Random, layers: int = 4) -> list[Tried]:
    """Test some cells of some layers of a network of the zoo with random weights."""
    given = load_network(name, "random")
    size = ZOO_SIZES[name]
    small = Network(name, given.module, given.mean, given.std, size, given.weights, given.aliases)
    whole = NetworkRepresentation(small)
    maps = [layer for layer in whole.layers() if len(layer.shape) == 3 and not layer.tokens]
    tried: list[Tried] = []
    wide = opened(given.module)
    reweighted(wide, 0)
    for layer in rng.sample(maps, min(layers, len(maps))):
        phi = whole.at(layer.name)
        shape = phi.layer_info().shape
        cells = [(0, 0), (shape[1] - 1, shape[2] - 1),
                 (rng.randrange(shape[1]), rng.randrange(shape[2]))]  # fmt: skip
        image = torch.rand(1, 3, *size, dtype=torch.float64).requires_grad_(True)
        features = _captured(wide, layer.name, image)
        if features.shape[1] != shape[0]:  # channels last inside
            features = features.permute(0, 3, 1, 2)
        for row, column in cells:
            ours = phi.receptive_field((row, row + 1, column, column + 1)).clipped
            tried.append(
                Tried((row, column), tuple(ours), pixels_seen(features, image, (row, column)))
            )
    return tried


def _captured(module: nn.Module, layer: str, image: Tensor) -> Tensor:
    """The output of a layer with its graph, for the call that the layer's name counts."""
    names = dict(module.named_modules())
    path, call = (layer, 0) if layer in names else (layer.rpartition("_")[0],
                                                    int(layer.rpartition("_")[2]))  # fmt: skip
    found: list[Tensor] = []
    handle = names[path].register_forward_hook(lambda m, a, output: found.append(output))
    try:
        module(image)
    finally:
        handle.remove()
    return found[call]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=200, help="randomized networks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--zoo", default=",".join(ZOO_SIZES), help="names, or nothing")
    options = parser.parse_args()
    rng = Random(options.seed)
    torch.manual_seed(options.seed)
    cells = mismatches = 0
    for index in range(options.networks):
        module, size = random_network(rng)
        tried = check_module(module, size, rng)
        wrong = [t for t in tried if t.ours != t.autograd]
        cells, mismatches = cells + len(tried), mismatches + len(wrong)
        if wrong:
            print(f"network {index} at {size}: {module}\n  {wrong[0]}")
    print(f"{options.networks} randomized networks: {cells} cells tried, {mismatches} mismatches")
    for name in [name for name in options.zoo.split(",") if name]:
        tried = check_zoo(name, rng)
        wrong = [t for t in tried if t.ours != t.autograd]
        print(f"{name}: {len(tried)} cells tried, {len(wrong)} mismatches")
        for one in wrong:
            print(f"  {one}")


if __name__ == "__main__":
    main()
