"""A picture of a run under way: what a live view is given, taken between two steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..energy.objectives import Objective, objective_of
from ..images import to_uint8
from .engine import Step
from .metrics import psnr, spread, to_floats, yardstick_of
from .result import Reconstruction
from .run import Job


@dataclass(frozen=True)
class Frame:
    """Every seed's image (S, H, W, 3) as uint8, and its scores before the update.

    ``scores`` are the objective's, as it counts them: of an inversion the relative errors
    ‖M∘ΔΦ‖/‖M∘Φ₀‖, of responses how many times the reference. ``psnr`` is in dB to the photo as the
    result's will be, with a region of its receptive field; each None where it has no meaning.
    ``handcrafted``: the pictures are to be shown with their contrast stretched. ``spread`` (H, W)
    is ``metrics.spread`` of many seeds.
    """

    index: int
    images: NDArray[np.uint8]
    scores: tuple[float, ...] | None
    objective: Objective
    psnr: tuple[float, ...] | None
    handcrafted: bool = False
    spread: NDArray[np.float32] | None = None

    @property
    def best(self) -> int:
        """The seed whose features come nearest to the photo's, or that responds most."""
        if self.scores is None:
            return 0
        return int((np.argmax if self.objective.higher_is_better else np.argmin)(self.scores))

    @property
    def errors(self) -> tuple[float, ...] | None:
        """The scores, where they are relative errors."""
        return self.scores if self.objective.measures_error else None


def take_frame(job: Job, step: Step) -> Frame:
    """The step's images and scores, copied: later steps do not change them."""
    images = step.images
    objective = objective_of(job.settings.objective)
    scores = objective.score(step.energies["data"].double().cpu())
    yardstick = yardstick_of(job)
    return Frame(
        index=step.index,
        images=to_uint8(images),
        scores=to_floats(scores),
        objective=objective,
        psnr=None if yardstick is None else psnr(images, yardstick),
        handcrafted=job.representation.handcrafted,
        spread=_spread(images),
    )


def last_frame(result: Reconstruction) -> Frame:
    """A result's images as a frame."""
    return Frame(
        index=result.steps - 1,
        images=to_uint8(result.images),
        scores=result.scores,
        objective=result.objective,
        psnr=None,
        handcrafted=result.handcrafted,
        spread=_spread(result.images),
    )


def _spread(images: Tensor) -> NDArray[np.float32] | None:
    return None if len(images) < 2 else spread(images).float().cpu().numpy()
