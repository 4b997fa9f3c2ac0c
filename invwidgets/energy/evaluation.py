"""The evaluation of the energy of all seeds and its gradient, one micro-batch at a time.

    >>> evaluate = Evaluation(representation, energy, center, (224, 224), micro_batch=2)
    >>> energies = evaluate(z, gradient, [(TotalVariation(), 0.02)], 1.0, shifts)

Only the network and the objective use autograd, and only for the pixels that they see; the built-in
priors add their gradients in closed form. No torch mode is left on when it returns.

On a CPU, micro-batches run in parallel, each on its own thread. This is faster than one operator on
all threads, because no thread waits for the slowest one after every operator.
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
    """The function that a run evaluates at every step: the energy and its gradient.

    ``energy`` maps features to the objective's energies (S,). ``center`` (C,) is the color where z
    is zero, ``size`` is (height, width) of the images, and ``box`` the part of them to compute, all
    by default. ``micro_batch`` is the number of seeds per batch (None means all), ``workers`` are
    the threads for them, and ``cancelled`` is called before each one.
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
        """The terms of the energy by name, each (S,); None if the run was cancelled.

        The gradient of their weighted sum is written to ``gradient``. ``priors`` are pairs of a
        prior and its weight, ``shifts`` (S, 2) are the places of the images on their canvas z, and
        ``bf16`` computes the network in bfloat16.
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
        if z.shape[1] < len(center):  # in a gray search the three colors are one variable
            image_gradient = image_gradient.sum(1, keepdim=True)
        for pixels, change in zip(moved, image_gradient, strict=True):
            pixels.add_(change, alpha=weight / 255)
        return energy.detach()

    def _seen(self, z: Tensor, shifts: Tensor) -> list[Tensor]:
        """Views of the pixels of each seed that the network sees."""
        views = crops(z, shifts, self.size)
        return views if self.box is None else [self.box.of(view) for view in views]
