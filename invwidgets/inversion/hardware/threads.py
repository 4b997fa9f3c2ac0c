"""The number of CPU threads of torch: set inside a block, and the fastest number, measured.

Waiting threads use processor time, so two threads can be slower than one on a busy machine.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ...torch_state import own_random

_GAIN = 0.9  # more threads must take at most this part of the time of fewer
_ROUNDS = 5
_lock, _setting = threading.Lock(), threading.Lock()
measured_threads: dict[int, int] = {}


@contextmanager
def cpu_threads(threads: int | None) -> Iterator[int]:
    """Set the number of torch's CPU threads inside the block; None leaves it unchanged.

    This affects only the calling thread, not other threads that start meanwhile.
    """
    before = torch.get_num_threads()
    try:
        if threads is not None and threads != before:
            set_own_threads(threads)
        yield torch.get_num_threads()
    finally:
        if torch.get_num_threads() != before:
            set_own_threads(before)


def set_own_threads(threads: int) -> None:
    """Set the number of torch's CPU threads for the calling thread only.

    ``torch.set_num_threads`` sets two numbers: that of the calling thread, and that of the process,
    which a new thread takes at its first use of torch. So this function reads the second number in
    a new thread, and restores it there.
    """
    with _setting:
        process = _in_new_thread(torch.get_num_threads)
        torch.set_num_threads(threads)
        if process is not None:
            _in_new_thread(lambda: torch.set_num_threads(process))


def _in_new_thread(call: Callable[[], int | None]) -> int | None:
    answers: list[int | None] = []
    thread = threading.Thread(target=lambda: answers.append(call()), name="invwidgets-threads")
    try:
        thread.start()
    except RuntimeError:  # a program that ends cannot start threads
        return None
    thread.join()
    return answers[0]


def fastest_threads() -> int:
    """The number of threads, up to torch's, at which a convolution is fastest.

    Half of torch's number is tried too, because many processors count each core twice. It is
    measured once per process for each number of torch's threads.
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
    with own_random(torch.device("cpu")):
        layer = nn.Conv2d(32, 32, 3, padding=1).requires_grad_(False)
        image = torch.rand(1, 32, 96, 96).contiguous(memory_format=torch.channels_last)
    layer.weight.data = layer.weight.contiguous(memory_format=torch.channels_last)
    image.requires_grad_(True)
    for _ in range(_ROUNDS):  # in turn, so that other work on the machine disturbs all equally
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
