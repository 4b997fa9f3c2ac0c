"""An optimizer that runs on several threads, each with a part of the seeds.

>>> SideBySide(lambda part: start_optimizer("adam", part), parameters.split(2), workers)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from torch import Tensor

from .optimizers import Optimizer


class SideBySide(Optimizer):
    """An optimizer for each part of the parameters; ``parts`` are views of them, in order."""

    name = "side by side"

    def __init__(
        self,
        start: Callable[[Tensor], Optimizer],
        parts: Sequence[Tensor],
        workers: ThreadPoolExecutor,
    ) -> None:
        self._rules = [start(part) for part in parts]
        self._sizes = [len(part) for part in parts]
        self._workers = workers

    def update(self, parameters: Tensor, gradient: Tensor, rates: Tensor) -> None:
        parts = [tensor.split(self._sizes) for tensor in (parameters, gradient, rates)]
        updates = [
            self._workers.submit(rule.update, *of)
            for rule, *of in zip(self._rules, *parts, strict=True)
        ]
        for update in updates:
            update.result()

    def forget(self, seeds: Tensor | None = None) -> None:
        each = [None] * len(self._rules) if seeds is None else seeds.split(self._sizes)
        for rule, of in zip(self._rules, each, strict=True):
            rule.forget(of)
