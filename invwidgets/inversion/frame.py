"""A picture of a run under way: what a live view is given, taken between two steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..images import to_uint8
from .engine import Step
from .job import Job
from .metrics import psnr, spread, yardstick_of
from .reconstruction import Reconstruction


@dataclass(frozen=True)
class Frame:
    """Every seed's image (S, H, W, 3) as uint8, and its scores before the update.

    ``errors`` are relative errors ‖M∘ΔΦ‖/‖M∘Φ₀‖, ``responses`` the other objectives' by their
    normalisation, ``psnr`` in dB to the photo as the result's will be, with a region of its
    receptive field; each None where it has no meaning. ``handcrafted``: the pictures are to be
    shown with their contrast stretched. ``spread`` (H, W) is ``metrics.spread`` of many seeds.
    """

    index: int
    images: NDArray[np.uint8]
    errors: tuple[float, ...] | None
    responses: tuple[float, ...] | None
    psnr: tuple[float, ...] | None
    handcrafted: bool = False
    spread: NDArray[np.float32] | None = None

    @property
    def best(self) -> int:
        """The seed whose features come nearest to the photo's, or that responds most."""
        if self.errors is not None:
            return int(np.argmin(self.errors))
        return int(np.argmax(self.responses)) if self.responses is not None else 0


def take_frame(job: Job, step: Step) -> Frame:
    """The step's images and scores, copied: later steps do not change them."""
    images = step.images
    data = step.energies["data"].double().cpu().numpy()
    inversion = job.settings.objective == "inversion"
    yardstick = yardstick_of(job)
    return Frame(
        index=step.index,
        images=to_uint8(images),
        errors=_floats(np.sqrt(np.maximum(data, 0))) if inversion else None,
        responses=None if inversion else _floats(-data),
        psnr=None if yardstick is None else psnr(images, yardstick),
        handcrafted=job.representation.hand_built,
        spread=_spread(images),
    )


def last_frame(result: Reconstruction) -> Frame:
    """A result's images as a frame."""
    return Frame(
        index=result.steps - 1,
        images=to_uint8(result.images),
        errors=result.relative_error,
        responses=None,
        psnr=None,
        handcrafted=result.handcrafted,
        spread=_spread(result.images),
    )


def _spread(images: Tensor) -> NDArray[np.float32] | None:
    return None if len(images) < 2 else spread(images).float().cpu().numpy()


def _floats(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
