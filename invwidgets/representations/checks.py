"""Checks that features can be inverted: they depend on the image, are finite, have a gradient.

>>> check_layer(phi, (224, 224))
>>> check_target(phi, phi.target(photo))
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import RepresentationError, own_words
from .base import Representation
from .caching import cached

_LARGE = 512  # pixels per side; a larger image is checked at this size


def check_layer(representation: Representation, size: tuple[int, int]) -> None:
    """Raise an error for a layer that does not depend on the image or has no gradient.

    The check is done once for each layer and ``size`` (height, width) of the images.

    Raises ``RepresentationError``.
    """
    small = (min(size[0], _LARGE), min(size[1], _LARGE))
    wrong = cached(representation, ("reacts", small), lambda: _wrong(representation, small))
    if wrong:
        raise RepresentationError(wrong)


def check_target(representation: Representation, target: Tensor) -> None:
    """Raise an error if the features of a photo contain NaN or infinity.

    Raises ``RepresentationError``.
    """
    if not bool(torch.isfinite(target).all()):
        raise RepresentationError(
            f"{_place(representation)} gives {_kind(target)} for this photo: check its weights and "
            "its preprocessing (mean, std), or choose an earlier layer"
        )


def no_gradient(representation: Representation) -> RepresentationError:
    """The error for features without a gradient."""
    return RepresentationError(
        f"{_place(representation)} gives features without a gradient, which cannot be inverted: it "
        "detaches them, rounds them or computes them outside torch; choose an earlier layer, or a "
        "module that torch can differentiate"
    )


def _wrong(representation: Representation, size: tuple[int, int]) -> str:
    """A message about a problem of a layer for every photo; empty if there is none."""
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
        except Exception as error:  # such as errors in user functions or a reentrant checkpoint
            return (
                f"{_place(representation)} has no gradient that can be computed "
                f"({own_words(error)}); choose an earlier layer, or correct its backward pass"
            )
    with torch.no_grad():
        pair = representation(torch.cat([noise, noise.flip(-1) * 0.8]))
    if pair.shape != (2, *features.shape[1:]):
        return (
            f"{_place(representation)} gives features of shape {tuple(pair.shape)} for two images "
            f"and {tuple(features.shape)} for one: it must give separate features to each image of "
            "a batch"
        )
    if not bool((gradient != 0).any()):
        if torch.equal(pair[1:], features):
            return (
                f"{_place(representation)} gives the same features for every image, so they cannot "
                "be inverted: check its preprocessing (mean, std) and its weights"
            )
        return str(no_gradient(representation))
    return ""


def _place(representation: Representation) -> str:
    return f"layer {representation.layer} of {representation.name}"


def _kind(values: Tensor) -> str:
    return "NaN" if bool(torch.isnan(values).any()) else "infinite features"
