"""The metrics that compare images with a photo: feature error, PSNR, SSIM, diversity and others.

>>> reference = reference_of(representation, photo, selection, (224, 224))
>>> psnr(images, reference), ssim(images, reference), reference.words
((18.2, 17.9), (0.61, 0.6), 'receptive field')

Pixels outside the receptive field of a region do not influence Φ, and neither does color if Φ sees
only gray values. Neither is scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..energy.binding import bind
from ..energy.objectives import Objective
from ..images import luminance
from ..representations.base import Representation
from ..representations.receptive_fields.tracer import Box
from ..selection import Selection

WHOLE = "whole image"
STRAGGLES = 1.5  # times the median error …
STRAGGLES_BY = 0.05  # … and at least as far above it
_LIGHT, _STRUCTURE = 0.01**2, 0.03**2  # of SSIM, for pictures in [0, 1]
_CHUNK = 8  # images whose features are taken together, where no gradient is needed


@dataclass(frozen=True)
class Reference:
    """The reference of a comparison: ``photo`` (C, H, W) within ``box`` (None means all of it).

    If Φ sees only gray values, ``photo`` has these values and ``grayscale`` is True.
    """

    photo: Tensor
    box: Box | None = None
    grayscale: bool = False

    @property
    def words(self) -> str:
        """The part and the colors that PSNR and SSIM compare; see ``Reconstruction.scored_on``."""
        return (WHOLE if self.box is None else "receptive field") + (
            ", gray values" if self.grayscale else ""
        )

    def part(self, images: Tensor) -> Tensor:
        """The pixels (…, C, h, w) of images (…, C, H, W) that are compared."""
        return images if self.box is None else self.box.of(images)


class Scores(NamedTuple):
    """The scores of the final images of a search; ``Reconstruction`` explains the fields."""

    scores: tuple[float, ...]
    relative_error: tuple[float, ...] | None
    raw_relative_error: tuple[float, ...] | None
    psnr: tuple[float, ...] | None
    ssim: tuple[float, ...] | None
    scored_on: str
    diversity: dict[str, float]
    outside_variance: tuple[float, ...] | None


def reference_of(
    representation: Representation,
    photo: Tensor | None,
    selection: Selection,
    size: tuple[int, int],
) -> Reference | None:
    """The ``Reference`` for images of ``size`` (height, width); None if there is no photo."""
    if photo is None:
        return None
    grayscale = representation.grayscale
    return Reference(
        luminance(photo) if grayscale else photo,
        partial_field(representation, selection, size),
        grayscale,
    )


def partial_field(
    representation: Representation, selection: Selection, size: tuple[int, int]
) -> Box | None:
    """The receptive field of a region within the image; None if it is the whole image."""
    if selection.region is None:
        return None
    field = representation.receptive_field(selection.region, size)
    return None if field.covers(size) else field.clipped


def measure(
    representation: Representation,
    objective: Objective,
    target: Tensor,
    selection: Selection,
    reference: Reference | None,
    raw: Tensor,
) -> Scores:
    """Score the final images of a search in float32; ``raw`` (S, C, H, W) is not clipped yet."""
    images = raw.clamp(0, 1)
    features = features_of(representation, images)
    errors = raw_errors = None
    scores = _scores(objective, features, target, selection)
    if objective.measures_error:
        errors = scores
        raw_features = features_of(representation, raw)
        raw_errors = to_floats(relative_error(raw_features, target, selection))
    wanted = selection.of(target) if objective.needs_photo else target
    box = partial_field(representation, selection, (raw.shape[-2], raw.shape[-1]))
    return Scores(
        scores,
        errors,
        raw_errors,
        None if reference is None else psnr(images, reference),
        None if reference is None else ssim(images, reference),
        WHOLE if reference is None else reference.words,
        {
            "pixels": pairwise_distance(images.flatten(1)),
            "features": pairwise_distance(
                selection.of(features).flatten(1), float(torch.linalg.vector_norm(wanted))
            ),
        },
        None if box is None else outside_variance(images, box),
    )


def score(
    representation: Representation,
    objective: Objective,
    target: Tensor,
    selection: Selection,
    images: Tensor,
) -> tuple[float, ...]:
    """The objective's scores of images (S, C, H, W) in [0, 1], as in ``measure``."""
    return _scores(objective, features_of(representation, images), target, selection)


def _scores(
    objective: Objective, features: Tensor, target: Tensor, selection: Selection
) -> tuple[float, ...]:
    if objective.measures_error:
        return to_floats(relative_error(features, target, selection))
    return to_floats(objective.score(bind(objective, target, selection)(features.float())))


def features_of(representation: Representation, images: Tensor) -> Tensor:
    """The features of images (S, C, H, W), computed a few at a time, without gradients."""
    with torch.no_grad():
        return torch.cat([representation(chunk) for chunk in images.split(_CHUNK)])


def psnr(images: Tensor, photo: Tensor | Reference) -> tuple[float, ...]:
    """The peak signal-to-noise ratio of images to a photo.

    >>> photo = read_photo("coffee", (64, 64))
    >>> [round(x) for x in psnr(torch.stack([photo, 0.9 * photo]) * 0.9, photo)]
    [27, 21]

    Parameters
    ----------
    images : torch.Tensor
        (S, C, H, W) in [0, 1].
    photo : torch.Tensor or Reference
        (C, H, W) in [0, 1], or a part of a photo that is compared.

    Returns
    -------
    tuple of float
        In dB, one of each image; infinite where it equals the photo.
    """
    reference = photo if isinstance(photo, Reference) else Reference(photo)
    part = reference.part(images)
    apart = part - reference.part(reference.photo).to(part)
    mse = apart.square_().flatten(1).mean(1).cpu().double()
    return to_floats(-10 * mse.log10())  # infinite for equal images


def ssim(images: Tensor, photo: Tensor | Reference) -> tuple[float, ...]:
    """The structural similarity of images to a photo.

    >>> photo = read_photo("coffee", (64, 64))
    >>> [round(x, 2) for x in ssim(torch.stack([photo, photo.flip(-1)]), photo)]
    [1.0, 0.19]

    Parameters
    ----------
    images : torch.Tensor
        (S, C, H, W) in [0, 1].
    photo : torch.Tensor or Reference
        (C, H, W) in [0, 1], or a part of a photo that is compared.

    Returns
    -------
    tuple of float
        The mean over the channels, one number per image; 1 for an image equal to the photo. The
        window is 7 pixels wide, and smaller in smaller pictures; NaN for sides below 3 pixels.

    Notes
    -----
    Source: Wang et al., *Image Quality Assessment*, 2004, with a uniform window, as in
    scikit-image.
    """
    reference = photo if isinstance(photo, Reference) else Reference(photo)
    original = reference.part(reference.photo).cpu().double()
    least = min(7, *original.shape[-2:])
    if least < 3:
        return (float("nan"),) * len(images)
    window = least - (least + 1) % 2
    parts = reference.part(images).cpu()
    return tuple(_similarity(original, image.double(), window) for image in parts)


def _similarity(one: Tensor, other: Tensor, window: int) -> float:
    """The SSIM of two pictures (C, H, W) in [0, 1], over the windows inside them."""

    def mean(values: Tensor) -> Tensor:
        return values.unfold(-2, window, 1).mean(-1).unfold(-1, window, 1).mean(-1)

    unbiased = window**2 / (window**2 - 1)
    a, b = mean(one), mean(other)
    variances = unbiased * (mean(one * one) - a * a + mean(other * other) - b * b)
    covariance = unbiased * (mean(one * other) - a * b)
    light = (2 * a * b + _LIGHT) / (a * a + b * b + _LIGHT)
    return float((light * (2 * covariance + _STRUCTURE) / (variances + _STRUCTURE)).mean())


def chroma_error(images: Tensor, photo: Tensor) -> tuple[float, ...]:
    """The relative error of the colors of images (S, 3, H, W), per image; 0 for the photo's colors.

    It is ‖c(x) − c(x₀)‖ / ‖c(x₀)‖, where c is the chroma: an image minus its gray values.
    """
    wanted = photo.to(images) - luminance(photo.to(images))
    apart = images - luminance(images) - wanted
    return to_floats(apart.flatten(1).norm(dim=1) / wanted.norm().clamp_min(1e-12))


def relative_error(features: Tensor, target: Tensor, selection: Selection) -> Tensor:
    """Compute the feature error: the distance between features, divided by the target's norm.

    >>> phi = representation("efficientnet_lite0", "blocks.2")
    >>> photo = read_photo("coffee", phi.size)
    >>> float(relative_error(phi.target(photo), phi.target(photo), Selection()))
    0.0

    Parameters
    ----------
    features : torch.Tensor
        The features Φ of images, (S, C, h, w) or (S, D).
    target : torch.Tensor
        The target Φ₀, (1, C, h, w) or (1, D).
    selection : Selection
        The mask M, the region and channels to compare; ``Selection()`` means all.

    Returns
    -------
    torch.Tensor
        ‖M∘(Φ − Φ₀)‖ / ‖M∘Φ₀‖ of each image, (S,), in float32.
    """
    wanted = selection.of(target).float()
    difference = selection.of(features).float() - wanted
    distance: Tensor = torch.linalg.vector_norm(difference.flatten(1), dim=1)
    norm: Tensor = torch.linalg.vector_norm(wanted)
    return distance / norm


def pairwise_distance(vectors: Tensor, norm: float | None = None) -> float:
    """The mean root mean square distance between pairs of rows (S, D).

    With a nonzero ``norm``, it is their mean Euclidean distance divided by ``norm``.
    """
    if len(vectors) < 2 or not vectors.shape[1]:
        return 0.0
    distances = torch.pdist(vectors.cpu().double())
    scale = norm or vectors.shape[1] ** 0.5
    return float(distances.mean()) / scale


def spread(images: Tensor) -> Tensor:
    """The standard deviation (H, W) across images (S, C, H, W), averaged over channels."""
    mean = images.mean(0)
    variance = torch.zeros_like(mean)
    for image in images:  # torch's standard deviation across images takes forty times as long
        apart = image - mean
        variance.addcmul_(apart, apart, value=1 / len(images))
    return variance.sqrt().mean(0)


def outside_variance(images: Tensor, box: Box) -> tuple[float, ...]:
    """The variance of the pixels outside a box, divided by that inside, per image of (S, C, H, W).

    The variance of each color is taken around its own mean, so any uniform color counts as blank.
    """
    top, left, bottom, right = box
    inside = torch.zeros(images.shape[-2:], dtype=torch.bool, device=images.device)
    inside[top:bottom, left:right] = True
    within, without = (
        images[..., part].var(-1, correction=0).mean(-1) for part in (inside, ~inside)
    )
    return to_floats(without / within.clamp_min(1e-12))


def outliers(errors: Sequence[float]) -> tuple[int, ...]:
    """The places of the outliers: errors far above the others.

    >>> outliers([0.175, 0.181, 0.398, 0.179])
    (2,)

    An error is an outlier if it is more than 1.5 times the median, and at least 5 percentage points
    above it. For an even number of seeds the median is the lower of the two middle errors, because
    an error that one seed reaches is possible; so the worse of two seeds can be an outlier.
    """
    if not errors:
        return ()
    median = lower_median(errors)
    least = max(STRAGGLES * median, median + STRAGGLES_BY)
    return tuple(place for place, error in enumerate(errors) if error > least)


def lower_median(errors: Sequence[float]) -> float:
    """The median of the errors; for an even number, the lower of the two middle ones."""
    return sorted(errors)[(len(errors) - 1) // 2]


def to_floats(values: Tensor) -> tuple[float, ...]:
    """A tensor (S,) as plain numbers."""
    return tuple(values.tolist())
