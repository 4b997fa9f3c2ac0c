"""Tables from the papers' names of layers to torchvision's names."""

from __future__ import annotations


def vgg_aliases(depths: tuple[int, ...]) -> dict[str, str]:
    """A table from the VGG paper's names (``conv1_1``, ``pool1`` …) to ``features.N``."""
    names: dict[str, str] = {}
    index = 0
    for block, depth in enumerate(depths, 1):
        for conv in range(1, depth + 1):
            names[f"conv{block}_{conv}"] = f"features.{index}"
            names[f"relu{block}_{conv}"] = f"features.{index + 1}"
            index += 2
        names[f"pool{block}"] = f"features.{index}"
        index += 1
    return names | {f"fc{6 + i}": f"classifier.{3 * i}" for i in range(3)}


ALEXNET_ALIASES = {
    **{f"conv{i}": f"features.{n}" for i, n in zip(range(1, 6), (0, 3, 6, 8, 10), strict=True)},
    **{f"relu{i}": f"features.{n + 1}" for i, n in zip(range(1, 6), (0, 3, 6, 8, 10), strict=True)},
    "pool1": "features.2",
    "pool2": "features.5",
    "pool5": "features.12",
    "fc6": "classifier.1",
    "relu6": "classifier.2",
    "fc7": "classifier.4",
    "relu7": "classifier.5",
    "fc8": "classifier.6",
}
