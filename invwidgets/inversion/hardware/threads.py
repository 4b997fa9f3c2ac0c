"""How many CPU threads are worth having: measured once, not assumed.

Threads that wait spin: beside other work on the machine, two can be slower than one.
"""

from __future__ import annotations

import threading
import time

import torch
from torch import nn

from .memory import cpu_threads

_GAIN = 0.9  # more threads must take at most this share of the time of fewer
_ROUNDS = 5
_lock = threading.Lock()
measured_threads: dict[int, int] = {}


def fastest_threads() -> int:
    """The thread count, from one to all that torch has, at which a convolution is fastest.

    Half as many, as processors that count each core twice like it, is tried too. Measured once a
    process for each number that torch is allowed.
    """
    allowed = torch.get_num_threads()
    with _lock:
        if allowed not in measured_threads:
            measured_threads[allowed] = _fastest(allowed)
        return measured_threads[allowed]


def _fastest(allowed: int) -> int:
    candidates = sorted({1, max(1, allowed // 2), allowed})
    if len(candidates) == 1:
        return allowed
    seconds = dict.fromkeys(candidates, torch.inf)
    layer = nn.Conv2d(32, 32, 3, padding=1).requires_grad_(False)
    layer.weight.data = layer.weight.contiguous(memory_format=torch.channels_last)
    image = torch.rand(1, 32, 96, 96).contiguous(memory_format=torch.channels_last)
    image.requires_grad_(True)
    for _ in range(_ROUNDS):  # in turn: what else the machine does disturbs all alike
        for threads in candidates:
            with cpu_threads(threads), torch.enable_grad():
                torch.autograd.grad(layer(image).sum(), image)  # wakes the threads up
                began = time.perf_counter()
                torch.autograd.grad(layer(image).sum(), image)
                seconds[threads] = min(seconds[threads], time.perf_counter() - began)
    best = candidates[0]
    for threads in candidates[1:]:
        if seconds[threads] <= _GAIN * seconds[best]:
            best = threads
    return best
