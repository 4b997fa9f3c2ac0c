"""From one pre-image to another: is everything between them a pre-image too?

>>> result = invert("coffee", layer="blocks.4", seeds=2)
>>> path = interpolate(result, representation("efficientnet_lite0", "blocks.4"), points=5)
>>> path.blend_error, path.error
((0.16, 0.32, 0.45, 0.32, 0.16), (0.16, 0.16, 0.16, 0.16, 0.16))

The straight way blends pixels. The search then pulls every blend back, from where it is, to images
with the photo's features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..arguments import whole_number
from ..errors import BadSettingError, shown
from ..inversion.metrics import relative_error, to_floats
from ..inversion.phase import Phase
from ..inversion.prepare import prepare
from ..inversion.result import Reconstruction
from ..inversion.run import Run
from ..representations.base import Representation
from ..torch_state import own_state

RATE, LAST_RATE = 2.0, 0.05  # 0-255 units a step: a nudge beside the search's own 10


@dataclass(frozen=True)
class Interpolation:
    """``points`` images in even steps from one seed's image to another's.

    ``blends`` (P, 3, H, W) in [0, 1] lie on the straight line, ``images`` are the same pulled back;
    ``blend_error`` and ``error`` are their relative errors ‖M∘ΔΦ‖/‖M∘Φ₀‖.
    """

    blends: Tensor
    images: Tensor
    blend_error: tuple[float, ...]
    error: tuple[float, ...]

    @property
    def at(self) -> tuple[float, ...]:
        """How far along each image is, from 0 to 1."""
        return to_floats(torch.linspace(0, 1, len(self.blends)))

    @property
    def strides(self) -> tuple[float, ...]:
        """Between neighbors of ``images``, the root mean square difference of their pixels."""
        return to_floats(self.images.diff(dim=0).square().flatten(1).mean(1).sqrt())


@own_state()
def interpolate(
    result: Reconstruction,
    representation: Representation,
    *,
    ends: tuple[int, int] = (0, 1),
    points: int = 7,
    steps: int = 60,
) -> Interpolation:
    """Interpolation between the images of two of a result's seeds, straight and pulled back.

    >>> path = interpolate(result, phi, ends=(0, 3), steps=0)  # doctest: +SKIP
    >>> path.blend_error  # doctest: +SKIP

    Parameters
    ----------
    result : Reconstruction
        Of a run with a photo and two seeds at least.
    representation : Representation
        What was inverted, cut at the layer of the result.
    ends : tuple of int, optional
        Places of two images in ``result.images``.
    points : int, optional
        How many images, the ends included.
    steps : int, optional
        Of the search that pulls the blends back; with 0 they are left as they are.

    Returns
    -------
    Interpolation
        Blends and pulled-back images with their errors.

    Raises
    ------
    BadSettingError
        For a result without a photo, or ends that it does not have.
    """
    count = len(result.images)
    first, last = (whole_number(end, "ends", 0, count - 1) for end in ends)
    if result.photo is None or first == last:
        raise BadSettingError(f"ends {shown(ends)}: a walk needs a photo's result, and two images")
    number = whole_number(points, "points", 2, 1000)
    steps = whole_number(steps, "steps", 0, 100_000)
    t = torch.linspace(0, 1, number)[:, None, None, None]
    blends = (1 - t) * result.images[first] + t * result.images[last]

    def errors(images: Tensor) -> tuple[float, ...]:
        with torch.no_grad():
            features = representation(images.to(representation.mean_color))
        target = representation.target(result.photo)  # type: ignore[arg-type]
        return to_floats(relative_error(features, target, result.selection))

    straight = errors(blends)
    if steps == 0:
        return Interpolation(blends, blends, straight, straight)
    size = (result.photo.shape[-2], result.photo.shape[-1])
    run = prepare(
        result.photo, representation, region=result.selection.region,
        channels=result.selection.channels, size=size, seeds=1, start="photo",
        phases=[Phase(steps, RATE, LAST_RATE)], tv_weight=result.settings.tv_weight, tv_boost=1.0,
        alpha_weight=result.settings.alpha_weight, alpha=result.settings.alpha,
        device=str(representation.mean_color.device),
    )  # fmt: skip
    pulled = torch.cat([_pulled_back(run, blend) for blend in blends])
    return Interpolation(blends, pulled, straight, errors(pulled))


def _pulled_back(run: Run, blend: Tensor) -> Tensor:
    """The image (1, 3, H, W) that a search ends in which begins at ``blend``."""
    with run.cpu_threads():
        *_, last = run.steps(origin=blend)
    return last.images.cpu()
