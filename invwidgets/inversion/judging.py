"""The judgment of a result's images by another network: class, features and colors.

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

COLORFUL = 0.01  # root mean square chroma, in [0, 1]; a photo with less counts as gray


@dataclass(frozen=True)
class Judgment:
    """The judgment of images by a network that was not used to search for them.

    Tuples have one entry per image.

    Attributes
    ----------
    judge, label : str
        The network, and the class that it finds likeliest for the photo: a name, or ``class 12`` if
        the names of its classes are not known.
    photo_probability : float
        Its probability of that class for the photo.
    probability : tuple of float
        Its probability of that class for each image.
    in_first_five : tuple of bool
        Whether that class is among its five likeliest classes for the image.
    feature_distance : tuple of float
        ‖f(x) − f(x₀)‖ / ‖f(x₀)‖, where f are the features before its classifier.
    color : tuple of float or None
        The root mean square chroma of the image, divided by the photo's; None for a gray photo.
    mean_color_off : tuple of float
        The distance between the mean colors of image and photo: the root mean square difference of
        their three values, in [0, 1].
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
        """The probability of the photo's class for each image, divided by that for the photo."""
        return tuple(value / self.photo_probability for value in self.probability)


def judged_by(result: Reconstruction, judge: str | Representation) -> Judgment:
    """The judgment of a result's images by a trained classifier, compared with the photo.

    If a region was inverted, only the pixels of its receptive field are compared.

    Raises ``BadSettingError`` if there is no photo, or if the judge is not a trained classifier or
    is the network of the search.
    """
    if result.photo is None:
        raise BadSettingError(
            f"judge {shown(judge)}: these images were made without a photo to compare them with; "
            "give the result of an inversion of a photo"
        )
    phi = representation(judge)
    if phi.channels != len(result.photo):
        raise BadSettingError(
            f"judge {phi.name!r} takes images with {phi.channels} channels, but these have "
            f"{len(result.photo)}: give a trained classifier of such images"
        )
    if phi.digest == result.digest:
        raise BadSettingError(
            f"judge {phi.name!r}: the images were searched with this network, which finds patterns "
            "in them that no other network finds; give another one, such as "
            f"{another_network(phi.name)!r}"
        )
    box = result.field_box
    images, photo = result.images, result.photo
    if box is not None:
        images, photo = box.of(images), box.of(photo)
    return judgment(phi, images, photo)


def judgment(judge: Representation, images: Tensor, photo: Tensor) -> Judgment:
    """The judgment of images (S, 3, H, W) in [0, 1], compared with a photo (3, H, W).

    Raises ``BadSettingError`` if the judge is not a trained classifier.
    """
    *_, before, last = judge.layers()
    if judge.handcrafted or judge.weights == Weights.RANDOM or len(last.shape) != 1:
        raise BadSettingError(
            f"judge {judge.name!r} ({judge.weights}, last layer {last.short_name}) is not a "
            "trained classifier: give one, such as 'efficientnet_lite2'"
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
    """The root mean square chroma (S,) of images (S, 3, H, W)."""
    if images.shape[1] != 3:  # images without colors
        return images.new_zeros(len(images))
    return (images - luminance(images)).square().mean((1, 2, 3)).sqrt()


def another_network(name: str) -> str:
    """The name of a bundled trained classifier other than ``name``."""
    return "efficientnet_lite1" if name == "efficientnet_lite2" else "efficientnet_lite2"
