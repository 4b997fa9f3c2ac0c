"""What the network of a panel says of a result's pictures, found beside the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..inversion.result import Reconstruction
from ..representations.base import Representation
from ..representations.classes import likeliest
from .loading import Loader

MANY = 16  # images that are asked about at most


def ask_classes(
    loader: Loader,
    representation: Representation,
    result: Reconstruction,
    then: Callable[[tuple[Any, ...]], None],
) -> None:
    """Have ``then`` told the likeliest classes of the photo and of every image, on the loop.

    Nothing is told where the network is no classifier, or its classes have no known names.
    """
    names = [f"seed {seed}" for seed in result.seeds[:MANY]]
    images = result.images[:MANY]
    if result.photo is not None:
        names.insert(0, result.photo_name)
        images = torch.cat([result.photo[None], images])

    def deliver(rows: list[Any]) -> None:
        if all(rows):
            then(tuple(zip(names, rows, strict=True)))

    loader.ask("classes", lambda: likeliest(representation, images), deliver, lambda words: None)
