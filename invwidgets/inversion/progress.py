"""Where a run stands, and its picture: what ``on_progress`` of a session is given.

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
    """Every seed's image (S, H, W, 3) as uint8, as it is drawn, copied, with its scores.

    ``scores`` and ``psnr`` are measured of these very images, as a result's are: a step's energies
    are of the iterate before its update. ``psnr`` is to the photo, None where it has no meaning.
    ``handcrafted``: the pictures are to be shown with their contrast stretched.
    ``spread`` (H, W) is ``metrics.spread`` of many seeds.
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


@own_state()
def frame_of(run: Run, step: Step) -> Frame:
    """A step's images, copied, so that later steps do not change them, and their own scores."""
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
    """A result's images, the channels ``rgb`` of them, and its measured scores as a frame."""
    return Frame(
        index=result.steps - 1,
        images=to_uint8(result.images, rgb),
        scores=result.scores,
        objective=result.objective,
        psnr=result.psnr,
        handcrafted=result.handcrafted,
        spread=_spread(result.images),
    )


@dataclass(frozen=True)
class Progress:
    """Where a run stands: what ``on_progress`` is called with.

    ``number`` counts the runs of the session; ``step`` steps are done of ``steps``, in ``seconds``
    of search. ``frame`` is there when a new picture is due, ``result`` once the run has been
    measured, ``error`` in words if it failed. ``run`` is there from the moment it is made ready.
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
        """How long the steps to come will take, by those that are done; 0 before the first."""
        return self.seconds / self.step * (self.steps - self.step) if self.step else 0.0


def _spread(images: Tensor) -> NDArray[np.float32] | None:
    return None if len(images) < 2 else spread(images).float().cpu().numpy()
