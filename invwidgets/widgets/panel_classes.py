"""The classes of a result's pictures, by a panel's network and by another, found off the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..images import resize
from ..inversion.judging import another_network
from ..inversion.result import Reconstruction
from ..representations.base import Representation
from ..representations.classes import likeliest
from ..representations.registry import representation as named
from .loading import Loader

MANY = 16  # images that are asked about at most
JUDGED = 2  # classes by the other network


def ask_classes(
    loader: Loader,
    representation: Representation,
    result: Reconstruction,
    then: Callable[[tuple[Any, ...]], None],
) -> None:
    """Have ``then`` told the likeliest classes of the photo and of every image, on the loop.

    Nothing is told where the network is no classifier, or its classes have no known names.
    """
    titles = [f"seed {seed}" for seed in result.seeds[:MANY]]
    images = result.images[:MANY]
    if result.photo is not None:
        titles.insert(0, result.photo_name)
        images = torch.cat([result.photo[None], images])

    def find() -> list[Any]:
        own = likeliest(representation, images)
        if not all(own):
            return []
        judge = named(another_network(representation.name))
        seen = torch.stack([resize(image, judge.size, "stretch") for image in images])
        return [*zip(titles, own, likeliest(judge, seen, JUDGED), strict=True)]

    def deliver(rows: list[Any]) -> None:
        if rows:
            then(tuple(rows))

    loader.ask("classes", find, deliver, lambda words: None)
