"""The energy of all seeds and its gradient, a micro-batch at a time.

    >>> evaluate = Evaluation(representation, energy, center, (224, 224), micro_batch=2)
    >>> energies = evaluate(z, gradient, [(TotalVariation(), 0.02)], 1.0, shifts)

Only the network and the objective go through autograd, and only over the pixels that they see; our
priors add their gradients in closed form. No torch mode is left on when it returns.

On a CPU, seeds run side by side, each on a thread of its own, rather than one operator on all
threads: nobody waits for the slowest at every operator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from ..representations.base import Representation
from ..representations.checks import no_gradient
from ..representations.receptive_fields.tracer import Box
from .priors import Prior, crops
from .waking import Waking


@dataclass(frozen=True)
class Evaluation:
    """What a run evaluates at every step.

    ``energy`` is the objective's, (S,) of features. ``center`` (C,) is the color where z is zero;
    ``size`` (height, width) is the images';
    ``box`` what of them to compute, all by default; ``micro_batch`` how many seeds at once (None:
    all); ``cancelled`` is asked before each micro-batch; ``workers`` run them side by side.
    """

    representation: Representation | Waking
    energy: Callable[[Tensor], Tensor]
    center: Tensor
    size: tuple[int, int]
    box: Box | None = None
    micro_batch: int | None = None
    cancelled: Callable[[], bool] | None = None
    workers: ThreadPoolExecutor | None = None

    def __call__(
        self,
        z: Tensor,
        gradient: Tensor,
        priors: Sequence[tuple[Prior, float]],
        data_weight: float,
        shifts: Tensor,
        bf16: bool = False,
    ) -> dict[str, Tensor] | None:
        """Every term, (S,); the gradient of their weighted sum is left in ``gradient``.

        ``priors`` come with their weights, ``shifts`` (S, 2) is where each seed's image begins on
        its canvas z, ``bf16`` computes the network in bfloat16. None if cancelled.
        """
        micro_batch = self.micro_batch or len(z)
        gradient.zero_()

        def part(start: int) -> dict[str, Tensor] | None:
            if self.cancelled is not None and self.cancelled():
                return None
            seeds = slice(start, start + micro_batch)
            terms: dict[str, Tensor] = {}
            for prior, weight in priors:
                if weight:
                    terms[prior.name] = prior.add_gradient(z[seeds], gradient[seeds], weight)
            data = self._data(z[seeds], gradient[seeds], shifts[seeds], bf16, data_weight)
            total = data * data_weight
            for prior, weight in priors:
                if weight:
                    total = total + terms[prior.name] * weight
            return {"data": data, **terms, "total": total}

        starts = range(0, len(z), micro_batch)
        run = map if self.workers is None else self.workers.map
        parts = [found for found in run(part, starts) if found is not None]
        if len(parts) < len(starts):
            return None
        return {name: torch.cat([found[name] for found in parts]) for name in parts[0]}

    def _data(
        self, z: Tensor, gradient: Tensor, shifts: Tensor, bf16: bool, weight: float
    ) -> Tensor:
        seen, moved = self._seen(z, shifts), self._seen(gradient, shifts)
        center = self.center[:, None, None]
        shape = (len(z), len(self.center), *seen[0].shape[-2:])
        images = z.new_empty(shape)
        for image, pixels in zip(images, seen, strict=True):
            torch.add(center, pixels, alpha=1 / 255, out=image)
        with torch.enable_grad():
            images.requires_grad_(True)
            with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=bf16):
                features = self.representation(images)
            if not features.requires_grad:
                phi = self.representation
                raise no_gradient(phi.representation if isinstance(phi, Waking) else phi)
            energy = self.energy(features.float())
            (image_gradient,) = torch.autograd.grad(energy.sum(), images)
        if z.shape[1] < len(center):  # a gray search: the three colors move as one
            image_gradient = image_gradient.sum(1, keepdim=True)
        for pixels, change in zip(moved, image_gradient, strict=True):
            pixels.add_(change, alpha=weight / 255)
        return energy.detach()

    def _seen(self, z: Tensor, shifts: Tensor) -> list[Tensor]:
        """Views of what the network sees of each seed."""
        views = crops(z, shifts, self.size)
        return views if self.box is None else [self.box.of(view) for view in views]
