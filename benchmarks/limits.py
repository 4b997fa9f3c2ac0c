"""The time, FLOPs and bytes of a step by kind of operator, compared with the machine's peaks.

    python -m benchmarks limits

A step of one seed runs on one thread in float32, and every operator is timed. The limit of an
operator is the time for its FLOPs at the speed of the fastest large product, or the time for its
bytes (read and written) at the speed of the fastest large copy, whichever is longer (the roofline
model: Williams, Waterman & Patterson, CACM 2009). Operators on data in a cache can be faster than
this limit. *The engine, and between operators* is the rest of the step: bounds, the copy of the
best image, Python and autograd.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

import invwidgets as iw
from invwidgets.energy.priors import AlphaNorm, TotalVariation
from invwidgets.inversion.run import Run
from invwidgets.search.optimizers import start_optimizer

from .share import bytes_moved, copy_peak, product_peak
from .stopwatch import steps_of

CASES = (
    ("efficientnet_lite0", "blocks.0", "pretrained"),
    ("efficientnet_lite0", "blocks.4", "pretrained"),
    ("alexnet", "features.10", "random"),
)
ROUNDS = 15
MASKS = ("hardtanh_backward", "threshold_backward")
PRIOR, RULE = "α-norm and total variation", "the rule: Adam on the pyramid"


def measure() -> dict[str, Any]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {"rows": [row for case in CASES for row in _rows(*case)]}
    finally:
        torch.set_num_threads(threads)


def _rows(model: str, layer: str, weights: str) -> list[dict[str, Any]]:
    run = iw.prepare(
        "coffee", model, layer, weights=weights, seeds=1, phases=[iw.Phase(100_000, 1.0)],
        precision="float32", threads=1,
    )  # fmt: skip
    flops_peak, bytes_peak = product_peak(torch.float32), copy_peak()
    step = _step(run)
    step(_Meter())  # warm
    meters = [_Meter() for _ in range(ROUNDS)]
    for meter in meters:
        step(meter)
    whole = 1e3 * median(steps_of(run, ROUNDS)())
    rows, spent, limits = [], 0.0, 0.0
    for kind in sorted(meters[0].seconds, key=lambda kind: -meters[0].seconds[kind]):
        seconds = median(meter.seconds[kind] for meter in meters)
        flops, moved = meters[0].flops[kind], meters[0].bytes[kind]
        limit = 1e3 * max(flops / flops_peak, moved / bytes_peak)
        spent, limits = spent + 1e3 * seconds, limits + limit
        rows.append(
            {
                "": f"{model} {layer}",
                "kind": kind,
                "ms": f"{1e3 * seconds:.2f}",
                "share %": f"{1e5 * seconds / whole:.0f}",
                "GFLOP/s": f"{flops / seconds / 1e9:.0f}" if flops else "",
                "GB/s": f"{moved / seconds / 1e9:.0f}",
                "at its limit, ms": f"{limit:.2f}",
            }
        )
        print(rows[-1], flush=True)
    rows.append(
        {
            "": f"{model} {layer}",
            "kind": "the engine, and between operators",
            "ms": f"{max(0.0, whole - spent):.2f}",
            "share %": f"{max(0.0, 100 * (whole - spent) / whole):.0f}",
        }
    )
    rows.append(
        {
            "": f"{model} {layer}",
            "kind": "a step",
            "ms": f"{whole:.2f}",
            "share %": "100",
            "GFLOP/s": f"peak {flops_peak / 1e9:.0f}",
            "GB/s": f"peak {bytes_peak / 1e9:.0f}",
            "at its limit, ms": f"{limits:.2f}",
        }
    )
    return rows


def _step(run: Run) -> Callable[[_Meter], None]:
    """Run the parts of a step, each inside the meter: the network, the prior, the optimizer."""
    settings, size = run.settings, run.size
    z = 10 * torch.randn(1, 3, *size)
    gradient, rates = torch.empty_like(z), torch.ones(1)
    priors = (
        (AlphaNorm(settings.alpha, settings.alpha_kind), settings.alpha_weight),
        (TotalVariation(settings.beta, settings.tv_chroma), settings.tv_weight),
    )
    rule = start_optimizer(settings.optimizer, z, settings.steps)
    center = torch.tensor(settings.center)[:, None, None]

    def step(meter: _Meter) -> None:
        image = (z / 255 + center).requires_grad_(True)
        meter.part = ""
        with meter:
            features = run.representation(image)
            (image_grad,) = torch.autograd.grad((features - run.target).square().sum(), image)
        gradient.copy_(image_grad)
        with torch.no_grad():
            meter.part = PRIOR
            with meter:
                for prior, weight in priors:
                    prior.add_gradient(z, gradient, weight)
            meter.part = RULE
            with meter:
                rule.update(z, gradient, rates)

    return step


class _Meter(TorchDispatchMode):
    """A mode that adds up seconds, FLOPs and bytes of operators by kind."""

    def __init__(self) -> None:
        super().__init__()
        self.part = ""
        self.seconds: dict[str, float] = {}
        self.flops: dict[str, float] = {}
        self.bytes: dict[str, float] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        began = time.perf_counter()
        output = func(*args, **(kwargs or {}))
        seconds = time.perf_counter() - began
        convolution, flops = _convolution(func, args, output)
        kind = self.part or convolution or _other(func)
        for table, value in (
            (self.seconds, seconds),
            (self.flops, flops),
            (self.bytes, bytes_moved(func, args, kwargs, output)),
        ):
            table[kind] = table.get(kind, 0.0) + value
        return output


def _convolution(func: Any, args: Any, output: Any) -> tuple[str, float]:
    """The kind and the FLOPs of a convolution; None for other operators."""
    name = func.__name__
    if "convolution" not in name or "reorder" in name:
        return "", 0.0
    x, weight = args[:2]
    taps = weight.shape[2] * weight.shape[3]
    numbers = x.numel() if "transpose" in name else output.numel()
    flops = 2.0 * numbers * weight.shape[1] * taps
    if weight.shape[1] == 1 and taps > 1:
        return "depthwise convolutions", flops
    return ("1×1 convolutions" if taps == 1 else "other convolutions"), flops


def _other(func: Any) -> str:
    name = func.__name__
    if any(mask in name for mask in MASKS):
        return "masks of ReLUs, backward"
    return "sums of branches" if name.startswith("add") else "the rest of the network"
