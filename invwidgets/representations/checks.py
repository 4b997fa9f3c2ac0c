"""What features must be for a search to mean anything; what is wrong with them, in words.

>>> check_layer(phi, (224, 224))
>>> check_target(phi, phi.target(photo))
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import RepresentationError, own_words
from .base import Representation
from .caching import cached

_LARGE = 512  # pixels a side: of a larger image a part tells as much


def check_layer(representation: Representation, size: tuple[int, int]) -> None:
    """Refuse a layer that nothing changes or that has no gradient.

    It is looked at once for each layer and ``size`` (height, width) of the images.

    Raises ``RepresentationError``.
    """
    small = (min(size[0], _LARGE), min(size[1], _LARGE))
    wrong = cached(representation, ("reacts", small), lambda: _wrong(representation, small))
    if wrong:
        raise RepresentationError(wrong)


def check_target(representation: Representation, target: Tensor) -> None:
    """Refuse a photo's features that are no numbers.

    Raises ``RepresentationError``.
    """
    if not bool(torch.isfinite(target).all()):
        raise RepresentationError(
            f"{_place(representation)} gives {_kind(target)} for this photo; its weights or its "
            "preprocessing (mean, std) are out of range, or an earlier layer overflows"
        )


def no_gradient(representation: Representation) -> RepresentationError:
    """The error for features that autograd knows nothing of."""
    return RepresentationError(
        f"{_place(representation)} gives features without a gradient, so that nothing can be "
        "searched for: it detaches them, rounds them or computes them outside torch; choose an "
        "earlier layer, or a module that torch can differentiate"
    )


def _wrong(representation: Representation, size: tuple[int, int]) -> str:
    """What is wrong with a layer whatever the photo; empty if nothing is."""
    noise = torch.rand(
        1, representation.channels, *size, generator=torch.Generator().manual_seed(0)
    )
    noise = noise.to(representation.mean_color)
    with torch.enable_grad():
        image = noise.clone().requires_grad_(True)
        try:
            features = representation(image)
        except RuntimeError as error:
            if "numpy" in str(error):
                return str(no_gradient(representation))
            raise
        if not features.requires_grad:
            return str(no_gradient(representation))
        weights = torch.randn(features.shape, generator=torch.Generator().manual_seed(1))
        try:
            (gradient,) = torch.autograd.grad((features * weights.to(features)).sum(), image)
        except Exception as error:  # of a user's own functions, or a reentrant checkpoint
            return (
                f"{_place(representation)} has no gradient that can be computed "
                f"({own_words(error)}); choose an earlier layer, or mend its backward pass"
            )
    with torch.no_grad():
        pair = representation(torch.cat([noise, noise.flip(-1) * 0.8]))
    if pair.shape != (2, *features.shape[1:]):
        return (
            f"{_place(representation)} gives features of shape {tuple(pair.shape)} for two images "
            f"and {tuple(features.shape)} for one: seeds run side by side, so that it must give "
            "each image its own"
        )
    if not bool((gradient != 0).any()):
        if torch.equal(pair[1:], features):
            return (
                f"{_place(representation)} gives the same features for every image: there is "
                "nothing to find; its preprocessing (mean, std) or its weights erase the image"
            )
        return str(no_gradient(representation))
    return ""


def _place(representation: Representation) -> str:
    return f"layer {representation.layer} of {representation.name}"


def _kind(values: Tensor) -> str:
    return "NaN" if bool(torch.isnan(values).any()) else "infinite features"
