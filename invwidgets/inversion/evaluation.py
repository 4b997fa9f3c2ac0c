"""The energy of all seeds and its gradient, a micro-batch at a time.

    >>> evaluate = Evaluation(representation, objective, settings, (224, 224))
    >>> energies = evaluate(z, gradient, weights, shifts)

Only the network and the objective go through autograd, and only over the pixels that they see; the
priors add their gradients in closed form. No torch mode is left on when it returns.

On a CPU, seeds run side by side, each on a thread of its own, rather than one operator on all
threads: nobody waits for the slowest at every operator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .. import priors
from ..objectives import Objective
from ..representations.base import Representation
from ..representations.checks import no_gradient
from .settings import InversionSettings
from .window import Window


@dataclass(frozen=True)
class Evaluation:
    """What a run evaluates at every step.

    ``size`` (height, width) is the images'; ``window`` what of them to compute, all by default;
    ``cancelled`` is asked before each micro-batch; ``workers`` run micro-batches side by side.
    """

    representation: Representation
    objective: Objective
    settings: InversionSettings
    size: tuple[int, int]
    window: Window | None = None
    cancelled: Callable[[], bool] | None = None
    workers: ThreadPoolExecutor | None = None

    def __call__(
        self,
        z: Tensor,
        gradient: Tensor,
        weights: Mapping[str, Any],
        shifts: Tensor,
        half: bool = False,
    ) -> dict[str, Tensor] | None:
        """Every term, (S,); the gradient of their weighted sum is left in ``gradient``.

        ``weights`` are the knobs' values, ``shifts`` (S, 2) where each seed's image begins on its
        canvas z, ``half`` computes the network in bfloat16. None if cancelled.
        """
        many = self.settings.micro_batch or len(z)
        gradient.zero_()

        def part(start: int) -> dict[str, Tensor] | None:
            if self.cancelled is not None and self.cancelled():
                return None
            seeds = slice(start, start + many)
            return self._terms(z[seeds], gradient[seeds], weights, shifts[seeds], half)

        starts = range(0, len(z), many)
        run = map if self.workers is None else self.workers.map
        parts = [found for found in run(part, starts) if found is not None]
        if len(parts) < len(starts):
            return None
        return {name: torch.cat([found[name] for found in parts]) for name in parts[0]}

    def _terms(
        self, z: Tensor, gradient: Tensor, weights: Mapping[str, Any], shifts: Tensor, half: bool
    ) -> dict[str, Tensor]:
        """Every term; their weighted gradients are added to ``gradient``."""
        terms: dict[str, Tensor] = {}
        if weight := weights["alpha_weight"]:
            kind = self.settings.alpha_kind
            terms["alpha"] = priors.alpha_norm(z, weights["alpha"], kind, gradient, weight)
        if weight := weights["tv_weight"]:
            terms["tv"] = priors.total_variation(z, weights["beta"], gradient, weight)
        data = self._data(z, gradient, shifts, half, weights["data_weight"])
        total = data * weights["data_weight"]
        for name, term in terms.items():
            total = total + term * weights[f"{name}_weight"]
        return {"data": data, **terms, "total": total}

    def _data(
        self, z: Tensor, gradient: Tensor, shifts: Tensor, half: bool, weight: float
    ) -> Tensor:
        seen, moved = self._seen(z, shifts), self._seen(gradient, shifts)
        mean = self.representation.mean_color[:, None, None]
        shape = (len(z), 3, *seen[0].shape[-2:])
        images = z.new_empty(shape).contiguous(memory_format=torch.channels_last)
        for image, pixels in zip(images, seen, strict=True):
            torch.add(mean, pixels, alpha=1 / 255, out=image)
        with torch.enable_grad():
            images.requires_grad_(True)
            with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=half):
                features = self.representation(images)
            if not features.requires_grad:
                raise no_gradient(self.representation)
            energy = self.objective.energy(features.float())
            (slope,) = torch.autograd.grad(energy.sum(), images)
        if z.shape[1] == 1:  # a grey search: the three colours move as one
            slope = slope.sum(1, keepdim=True)
        for pixels, change in zip(moved, slope, strict=True):
            pixels.add_(change, alpha=weight / 255)
        return energy.detach()

    def _seen(self, z: Tensor, shifts: Tensor) -> list[Tensor]:
        """Views of what the network sees of each seed."""
        views = priors.crops(z, shifts, self.size)
        return views if self.window is None else [self.window.of(view) for view in views]
