"""What another network says of a result's images: their class, their features, their colors.

>>> result = invert("coffee", layer="blocks.4")
>>> result.judged_by("efficientnet_lite1").probability_ratio
(0.70, 0.66, 0.72, 0.69)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import BadSettingError, shown
from ..images import luminance, resize
from ..models.weights import Weights
from ..representations.base import Representation
from ..representations.classes import class_names
from ..representations.registry import representation
from .metrics import features_of, to_floats

if TYPE_CHECKING:
    from .result import Reconstruction

COLORFUL = 0.01  # root mean square of what is not gray, in [0, 1]: photos with less have no color


@dataclass(frozen=True)
class Judgment:
    """What a network says of images that were not searched on it.

    A tuple has a number for each image.

    Attributes
    ----------
    judge, label : str
        The network, and its likeliest class of the photo: a name, or ``class 12`` where classes
        have no known names.
    photo_probability : float
        Its probability of that class for the photo.
    probability : tuple of float
        Its probability of that class for each image.
    in_first_five : tuple of bool
        Whether that class is among its five likeliest ones.
    feature_distance : tuple of float
        ‖f(x) − f(x₀)‖ / ‖f(x₀)‖, where f are the features that its classifier reads.
    color : tuple of float or None
        The root mean square of what is not gray, divided by the photo's; None for a gray photo.
    mean_color_off : tuple of float
        The distance of the mean color from the photo's: root mean square of three colors, in
        [0, 1].
    """

    judge: str
    label: str
    photo_probability: float
    probability: tuple[float, ...]
    in_first_five: tuple[bool, ...]
    feature_distance: tuple[float, ...]
    color: tuple[float, ...] | None
    mean_color_off: tuple[float, ...]

    @property
    def probability_ratio(self) -> tuple[float, ...]:
        """Each image's probability of the photo's class, divided by the photo's."""
        return tuple(value / self.photo_probability for value in self.probability)


def judged_by(result: Reconstruction, judge: str | Representation) -> Judgment:
    """What a trained classifier says of a result's images, beside the photo.

    Of a region, judge and photo are shown the pixels that it sees.

    Raises ``BadSettingError`` where there is no photo, or for a judge that is no trained
    classifier or that the images were searched on.
    """
    if result.photo is None:
        raise BadSettingError(
            f"judge {shown(judge)}: these images were made without a photo, so that there is "
            "nothing to compare them with; judge the result of an inversion"
        )
    phi = representation(judge)
    if phi.channels != len(result.photo):
        raise BadSettingError(
            f"judge {phi.name!r} takes images of {phi.channels} channels and these have "
            f"{len(result.photo)}: give a trained classifier of such images"
        )
    if phi.digest == result.digest:
        raise BadSettingError(
            f"judge {phi.name!r}: the images were searched on this network, which reads patterns "
            "in them that no other network reads; give another one, such as "
            f"{another_network(phi.name)!r}"
        )
    box = result.field_box
    images, photo = result.images, result.photo
    if box is not None:
        images, photo = box.of(images), box.of(photo)
    return judgment(phi, images, photo)


def judgment(judge: Representation, images: Tensor, photo: Tensor) -> Judgment:
    """What a trained classifier says of images (S, 3, H, W) in [0, 1], beside a photo (3, H, W).

    Raises ``BadSettingError`` where it is no trained classifier.
    """
    *_, before, last = judge.layers()
    if judge.handcrafted or judge.weights == Weights.RANDOM or len(last.shape) != 1:
        raise BadSettingError(
            f"judge {judge.name!r} ({judge.weights}), whose last layer is {last.short_name}: a "
            "judge is a trained classifier, such as 'efficientnet_lite2'"
        )
    height, width = judge.size
    seen = torch.stack([resize(i, (height, width), "stretch") for i in (photo, *images)])
    seen = seen.to(judge.mean_color.device)
    sure = features_of(judge.at(last.name), seen).float().softmax(1).cpu()
    first = sure[1:].topk(min(5, sure.shape[1])).indices.tolist()
    features = features_of(judge.at(before.name), seen).float().cpu()
    features = features.mean((2, 3)) if features.ndim == 4 else features
    place = int(sure[0].argmax())
    names = class_names(judge)
    distance = torch.linalg.vector_norm(features[1:] - features[0], dim=1)
    chroma = _chroma(torch.cat([photo[None], images]))
    means = images.mean((2, 3)) - photo.mean((1, 2))
    return Judgment(
        judge=judge.name,
        label=names[place] if names else f"class {place}",
        photo_probability=float(sure[0, place]),
        probability=to_floats(sure[1:, place]),
        in_first_five=tuple(place in row for row in first),
        feature_distance=to_floats(distance / torch.linalg.vector_norm(features[0])),
        color=to_floats(chroma[1:] / chroma[0]) if float(chroma[0]) > COLORFUL else None,
        mean_color_off=to_floats(means.square().mean(1).sqrt()),
    )


def _chroma(images: Tensor) -> Tensor:
    """The root mean square of what is not gray in images (S, 3, H, W), (S,)."""
    if images.shape[1] != 3:  # no colors
        return images.new_zeros(len(images))
    return (images - luminance(images)).square().mean((1, 2, 3)).sqrt()


def another_network(name: str) -> str:
    """A bundled trained classifier that is not the network ``name``."""
    return "efficientnet_lite1" if name == "efficientnet_lite2" else "efficientnet_lite2"
