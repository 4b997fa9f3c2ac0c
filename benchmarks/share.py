"""The use of the machine by a step: FLOP/s compared with a product, bytes compared with a copy.

    python -m benchmarks share

A step has 4 seeds at 224 pixels. The FLOPs of the network's convolutions and products, forward and
backward, are counted while they run. The peaks are measured in the same process: the faster of
two large products of the same type, and a large copy (bytes read and written). The bytes of every
operator's inputs and outputs explain low FLOP/s.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from invwidgets.inversion.prepare import prepare
from invwidgets.inversion.run import Run

from .plain import layer_by_layer
from .stopwatch import steps_of

CASES = (
    ("vgg16", "features.22", "random", 4),
    ("alexnet", "features.10", "random", 9),
    ("efficientnet_lite0", "blocks.4", "pretrained", 9),
)


def measure() -> dict[str, Any]:
    rows = []
    for model, layer, weights, count in CASES:
        for precision in ("float32", "bfloat16"):
            job = prepare(
                "coffee", model, layer, weights=weights, seeds=4, steps=10_000, precision=precision
            )
            seconds = median(steps_of(job, count)())
            kind = getattr(torch, precision)
            peak, copied = product_peak(kind), copy_peak()
            flops, moved = counts(job)
            rate = flops / seconds
            row: dict[str, Any] = {
                "": f"{model} {layer}",
                "in": precision,
                "step, ms": f"{1e3 * seconds:.0f}",
                "GFLOP": f"{flops / 1e9:.1f}",
                "GFLOP/s": f"{rate / 1e9:.0f}",
                "product peak": f"{peak / 1e9:.0f}",
                "share %": f"{100 * rate / peak:.0f}",
                "GB moved": f"{moved / 1e9:.2f}",
                "GB/s": f"{moved / seconds / 1e9:.0f}",
                "copy GB/s": f"{copied / 1e9:.0f}",
            }
            rows.append(row)
            print(row, flush=True)
    return {"rows": rows}


def product_peak(kind: torch.dtype) -> float:
    """FLOP/s of the faster of two large products, a matrix product and a convolution."""
    n, side, channels = 2048, 56, 256
    a, b = (torch.randn(n, n).to(kind) for _ in range(2))
    image, kernel = torch.randn(4, channels, side, side), torch.randn(channels, channels, 3, 3)
    image, kernel = (t.to(kind, memory_format=torch.channels_last) for t in (image, kernel))
    sides = (
        (2 * n**3, lambda: a @ b),
        (2 * 4 * side**2 * 9 * channels**2, lambda: functional.conv2d(image, kernel, padding=1)),
    )
    best = 0.0
    for flops, product in sides:
        product()
        for _ in range(6):
            began = time.perf_counter()
            product()
            best = max(best, flops / (time.perf_counter() - began))
    return best


def copy_peak(count: int = 2**26) -> float:
    """The bytes per second, read and written, of a large copy."""
    source, to = torch.ones(count), torch.zeros(count)
    best = 0.0
    for _ in range(5):
        began = time.perf_counter()
        to.copy_(source)
        best = max(best, 8 * count / (time.perf_counter() - began))
    return best


class _Bytes(TorchDispatchMode):
    """A mode that adds up the bytes that operators read and write; views count nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        self.total += bytes_moved(func, args, kwargs, output)
        return output


def bytes_moved(func: Any, args: Any, kwargs: Any, output: Any) -> int:
    """The bytes that an operator reads and writes."""
    if func.is_view:
        return 0
    leaves = tree_leaves((args, kwargs, args if output is None else output))
    return sum(t.numel() * t.element_size() for t in leaves if isinstance(t, torch.Tensor))


def counts(job: Run) -> tuple[float, float]:
    """The FLOPs and bytes of the network for all seeds, forward and backward."""
    image = torch.rand(1, 3, *job.size).contiguous(memory_format=torch.channels_last)
    half = job.settings.precision == "bfloat16"
    counter, moved = FlopCounterMode(display=False), _Bytes()
    with counter, layer_by_layer():  # by operators that it knows
        _there_and_back(job, image, half)
    with moved:
        _there_and_back(job, image, half)
    seeds = len(job.settings.seeds)
    return seeds * float(counter.get_total_flops()), seeds * float(moved.total)


def _there_and_back(job: Run, image: torch.Tensor, half: bool) -> None:
    image.requires_grad_(True)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        features = job.representation(image)
    features.float().square().sum().backward()  # type: ignore[no-untyped-call]
