"""A picture of a run under way: what a live view is given, taken between two steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..images import to_uint8
from .engine import Step
from .job import Job


@dataclass(frozen=True)
class Frame:
    """Every seed's image (S, H, W, 3) as uint8, and its scores before the update.

    ``errors`` are relative errors ‖M∘ΔΦ‖/‖M∘Φ₀‖, ``responses`` the other objectives' by their
    normalisation, ``psnr`` in dB to the photo; each None where it has no meaning.
    """

    index: int
    images: NDArray[np.uint8]
    errors: tuple[float, ...] | None
    responses: tuple[float, ...] | None
    psnr: tuple[float, ...] | None

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
    psnr = None
    if job.photo is not None:
        photo = job.photo.to(images.device)
        mse = (images - photo).square_().flatten(1).mean(1).double().cpu().numpy()
        psnr = _floats(-10 * np.log10(np.maximum(mse, 1e-12)))
    return Frame(
        index=step.index,
        images=to_uint8(images),
        errors=_floats(np.sqrt(np.maximum(data, 0))) if inversion else None,
        responses=None if inversion else _floats(-data),
        psnr=psnr,
    )


def _floats(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
