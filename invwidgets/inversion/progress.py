"""The progress reports and preview frames that a session passes to ``on_progress``.

>>> updates = []
>>> with Session(updates.append) as session:
...     result = session.start("coffee", layer="blocks.2").result()
>>> updates[-1].state, updates[-1].result is result
('finished', True)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..energy.objectives import Objective
from ..images import to_uint8
from ..torch_state import own_state
from .engine import Step
from .metrics import psnr, score, spread
from .result import Reconstruction
from .run import Run

State = Literal["idle", "preparing", "running", "paused", "finished", "stopped", "failed"]
BUSY = ("preparing", "running", "paused")


@dataclass(frozen=True)
class Frame:
    """A preview of a run: the images of all seeds (S, H, W, 3) as uint8, with their scores.

    ``scores`` and ``psnr`` are measured on these images, as for a result, because a step's energies
    belong to the iterate before its update. ``psnr`` is None without a photo. If ``handcrafted`` is
    True, the contrast of the pictures should be stretched. ``spread`` (H, W) is the standard
    deviation across seeds; see ``metrics.spread``.
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
        """The index of the seed with the best score."""
        if self.scores is None:
            return 0
        return int((np.argmax if self.objective.higher_is_better else np.argmin)(self.scores))

    @property
    def errors(self) -> tuple[float, ...] | None:
        """The scores if they are feature errors; else None."""
        return self.scores if self.objective.measures_error else None


@own_state()
def frame_of(run: Run, step: Step) -> Frame:
    """The frame of a step, with copies of its images."""
    images = step.images
    return Frame(
        index=step.index,
        images=to_uint8(images),
        scores=score(run.representation, run.objective, run.target, run.selection, images),
        objective=run.objective,
        psnr=None if run.reference is None else psnr(images, run.reference),
        handcrafted=run.representation.handcrafted,
        spread=_spread(images),
    )


def last_frame(result: Reconstruction, rgb: Sequence[int] | None = None) -> Frame:
    """The frame of a result, with its measured scores; ``rgb`` are the channels to draw."""
    return Frame(
        index=result.steps - 1,
        images=to_uint8(result.images, rgb),
        scores=result.scores,
        objective=result.objective,
        psnr=result.psnr,
        handcrafted=result.handcrafted,
        spread=_spread(result.images),
    )


@own_state()
def kept_frame(result: Reconstruction, place: int) -> Frame:
    """A frame that was kept of a run, by its place among them, as large as the result's images."""
    small = result.frames[place].float() / 255
    size = [*result.images.shape[-2:]]
    images = small
    if [*small.shape[-2:]] != size:
        images = torch.nn.functional.interpolate(small, size, mode="bilinear")
    return Frame(
        index=result.frame_steps[place],
        images=to_uint8(images),
        scores=None,
        objective=result.objective,
        psnr=None,
        handcrafted=result.handcrafted,
        spread=_spread(images),
    )


@dataclass(frozen=True)
class Progress:
    """A progress report of a run; ``on_progress`` of a session is called with it.

    ``number`` counts the runs of the session; ``step`` of ``steps`` steps are done, in ``seconds``
    of search. ``frame`` is set when there is a new picture, ``result`` after the run has been
    measured, ``error`` to a message if it failed, and ``run`` as soon as the run is prepared.
    """

    number: int
    state: State
    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    frame: Frame | None = None
    result: Reconstruction | None = None
    error: str = ""
    run: Run | None = None

    @property
    def seconds_left(self) -> float:
        """The estimated seconds of the remaining steps; 0 before the first step."""
        return self.seconds / self.step * (self.steps - self.step) if self.step else 0.0


def _spread(images: Tensor) -> NDArray[np.float32] | None:
    return None if len(images) < 2 else spread(images).float().cpu().numpy()
