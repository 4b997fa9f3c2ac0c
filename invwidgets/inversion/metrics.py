"""How near images come to a photo: every number a result, a live picture or a benchmark tells.

>>> reference = reference_of(representation, photo, selection, (224, 224))
>>> psnr(images, reference), ssim(images, reference), reference.words
((18.2, 17.9), (0.61, 0.6), 'receptive field')

With a region, Φ says nothing of the pixels outside its receptive field, and where Φ sees only gray
values it says nothing of color: neither is scored.
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
    """What images are compared with: ``photo`` (C, H, W), within ``box``, all of it if None.

    Where Φ sees only gray values, ``photo`` is those, and ``grayscale`` says so.
    """

    photo: Tensor
    box: Box | None = None
    grayscale: bool = False

    @property
    def words(self) -> str:
        """What PSNR and SSIM are of, as ``Reconstruction.scored_on`` says it."""
        return (WHOLE if self.box is None else "receptive field") + (
            ", gray values" if self.grayscale else ""
        )

    def part(self, images: Tensor) -> Tensor:
        """The pixels (…, C, h, w) of images (…, C, H, W) that are compared."""
        return images if self.box is None else self.box.of(images)


class Scores(NamedTuple):
    """What the images that a search ended in are worth; fields as ``Reconstruction`` has them."""

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
    """What images of ``size`` (height, width) are compared with; None where there is no photo."""
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
    """A region's receptive field within the image; None where that is the whole image."""
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
    """Score what a search ended in, in float32: ``raw`` (S, C, H, W) before it is clipped."""
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
    """What the objective tells of images (S, C, H, W) in [0, 1], as ``measure`` does."""
    return _scores(objective, features_of(representation, images), target, selection)


def _scores(
    objective: Objective, features: Tensor, target: Tensor, selection: Selection
) -> tuple[float, ...]:
    if objective.measures_error:
        return to_floats(relative_error(features, target, selection))
    return to_floats(objective.score(bind(objective, target, selection)(features.float())))


def features_of(representation: Representation, images: Tensor) -> Tensor:
    """Φ of images (S, C, H, W), a few at a time, without gradients."""
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
    return to_floats(-10 * mse.log10())  # infinite where they are equal


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
        The mean over the channels, one of each image; 1 where it equals the photo. The window is 7
        pixels wide, and smaller in a smaller picture; NaN where a side has fewer than 3 pixels.

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
    """SSIM of two pictures (C, H, W) in [0, 1], over the windows that lie within them."""

    def mean(values: Tensor) -> Tensor:
        return values.unfold(-2, window, 1).mean(-1).unfold(-1, window, 1).mean(-1)

    unbiased = window**2 / (window**2 - 1)
    a, b = mean(one), mean(other)
    variances = unbiased * (mean(one * one) - a * a + mean(other * other) - b * b)
    covariance = unbiased * (mean(one * other) - a * b)
    light = (2 * a * b + _LIGHT) / (a * a + b * b + _LIGHT)
    return float((light * (2 * covariance + _STRUCTURE) / (variances + _STRUCTURE)).mean())


def chroma_error(images: Tensor, photo: Tensor) -> tuple[float, ...]:
    """How far the colors of images (S, 3, H, W) are off a photo's, per image: 0 are the photo's.

    ‖c(x) − c(x₀)‖ / ‖c(x₀)‖, where c is what an image has beside its gray values.
    """
    wanted = photo.to(images) - luminance(photo.to(images))
    apart = images - luminance(images) - wanted
    return to_floats(apart.flatten(1).norm(dim=1) / wanted.norm().clamp_min(1e-12))


def relative_error(features: Tensor, target: Tensor, selection: Selection) -> Tensor:
    """The distance between features, divided by the norm of the target's.

    >>> phi = representation("efficientnet_lite0", "blocks.2")
    >>> photo = read_photo("coffee", phi.size)
    >>> float(relative_error(phi.target(photo), phi.target(photo), Selection()))
    0.0

    Parameters
    ----------
    features : torch.Tensor
        Φ of images, (S, C, h, w) or (S, D).
    target : torch.Tensor
        Φ₀, (1, C, h, w) or (1, D).
    selection : Selection
        M, the region and the channels that count; ``Selection()`` is all.

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
    """The mean distance between pairs of rows (S, D): root mean square, or by ``norm`` if not 0."""
    if len(vectors) < 2 or not vectors.shape[1]:
        return 0.0
    distances = torch.pdist(vectors.cpu().double())
    scale = norm or vectors.shape[1] ** 0.5
    return float(distances.mean()) / scale


def spread(images: Tensor) -> Tensor:
    """How far seeds (S, C, H, W) differ, (H, W): their standard deviation, the channels' mean."""
    mean = images.mean(0)
    variance = torch.zeros_like(mean)
    for image in images:  # torch's own deviation across images takes forty times as long
        apart = image - mean
        variance.addcmul_(apart, apart, value=1 / len(images))
    return variance.sqrt().mean(0)


def outside_variance(images: Tensor, box: Box) -> tuple[float, ...]:
    """The variance of the pixels outside a box over that inside, per image of (S, C, H, W).

    Of each color about its own mean: one color all over, whatever it is, is blank.
    """
    top, left, bottom, right = box
    inside = torch.zeros(images.shape[-2:], dtype=torch.bool, device=images.device)
    inside[top:bottom, left:right] = True
    within, without = (
        images[..., part].var(-1, correction=0).mean(-1) for part in (inside, ~inside)
    )
    return to_floats(without / within.clamp_min(1e-12))


def outliers(errors: Sequence[float]) -> tuple[int, ...]:
    """The places of the seeds that ended far above the others.

    >>> outliers([0.175, 0.181, 0.398, 0.179])
    (2,)

    Far is more than 1.5 times the median, and 5 percentage points above it at least; of an even
    number of seeds the lower of the two middle errors is the median, for what one seed reaches
    can be reached, and so of two seeds the worse may be one.
    """
    if not errors:
        return ()
    median = lower_median(errors)
    least = max(STRAGGLES * median, median + STRAGGLES_BY)
    return tuple(place for place, error in enumerate(errors) if error > least)


def lower_median(errors: Sequence[float]) -> float:
    """The middle one of the errors, the lower of two."""
    return sorted(errors)[(len(errors) - 1) // 2]


def to_floats(values: Tensor) -> tuple[float, ...]:
    """A tensor (S,) as plain numbers."""
    return tuple(values.tolist())
