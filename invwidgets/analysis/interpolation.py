"""The interpolation between two reconstructions, straight and pulled back to the same features.

>>> result = invert("coffee", layer="blocks.4", seeds=2)
>>> path = interpolate(result, representation("efficientnet_lite0", "blocks.4"), points=5)
>>> path.blend_error, path.error
((0.16, 0.32, 0.45, 0.32, 0.16), (0.16, 0.16, 0.16, 0.16, 0.16))

The straight path blends pixels. Then a search starts at each blend and pulls it back to an image
with the photo's features (a pre-image). The errors show whether images between two pre-images are
pre-images too.
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

RATE, LAST_RATE = 2.0, 0.05  # 0-255 units per step, small compared with the usual 10


@dataclass(frozen=True)
class Interpolation:
    """An interpolation: P images in even steps from one seed's image to another's.

    ``blends`` (P, 3, H, W) in [0, 1] lie on the straight line, ``images`` are the blends after they
    were pulled back. ``blend_error`` and ``error`` are their feature errors ‖M∘ΔΦ‖/‖M∘Φ₀‖.
    """

    blends: Tensor
    images: Tensor
    blend_error: tuple[float, ...]
    error: tuple[float, ...]

    @property
    def at(self) -> tuple[float, ...]:
        """The position of each image on the path, from 0 to 1."""
        return to_floats(torch.linspace(0, 1, len(self.blends)))

    @property
    def strides(self) -> tuple[float, ...]:
        """The root mean square differences between the pixels of consecutive ``images``."""
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
    """Interpolate between the images of two seeds, straight and pulled back.

    >>> path = interpolate(result, phi, ends=(0, 3), steps=0)  # doctest: +SKIP
    >>> path.blend_error  # doctest: +SKIP

    Parameters
    ----------
    result : Reconstruction
        The result of a run with a photo and at least two seeds.
    representation : Representation
        The inverted representation, cut at the layer of the result.
    ends : tuple of int, optional
        The indices of two images in ``result.images``.
    points : int, optional
        The number of images, including the ends.
    steps : int, optional
        The steps of the search that pulls the blends back; with 0 they stay unchanged.

    Returns
    -------
    Interpolation
        The blends and the pulled-back images with their errors.

    Raises
    ------
    BadSettingError
        For a result without a photo, or ends that it does not have.
    """
    count = len(result.images)
    first, last = (whole_number(end, "ends", 0, count - 1) for end in ends)
    if result.photo is None or first == last:
        raise BadSettingError(
            f"ends {shown(ends)}: give two of the images of a result that was made with a photo"
        )
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
    """The image (1, 3, H, W) at which a search that starts at ``blend`` ends."""
    with run.cpu_threads():
        *_, last = run.steps(origin=blend)
    return last.images.cpu()
