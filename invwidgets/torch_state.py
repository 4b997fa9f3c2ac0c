"""A state of torch for our own work, which does not depend on the caller's and leaves it as it was.

>>> with torch.autocast("cpu"), torch.no_grad(), own_state():
...     torch.is_autocast_enabled("cpu"), torch.is_grad_enabled()
(False, True)
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_CPU = torch.device("cpu")
_generators = threading.RLock()


@contextmanager
def own_state() -> Iterator[None]:
    """Gradients on, no autocast, new tensors on the CPU and in float32 inside the block.

    It holds for the thread that enters it, and must not stay open across a yield.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in {"cpu", accelerator_kind()}:
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        stack.enter_context(own_defaults())
        yield


@contextmanager
def own_defaults() -> Iterator[None]:
    """New tensors on the CPU and in float32 inside the block, where nothing else is asked for."""
    with ExitStack() as stack:
        if torch.get_default_device() != _CPU:
            stack.enter_context(_CPU)
        if torch.get_default_dtype() is not torch.float32:
            stack.enter_context(_Float32())
        yield


def accelerator_kind() -> str:
    """The type of the machine's accelerator, such as ``cuda``; ``cpu`` where there is none."""
    found = torch.accelerator.current_accelerator() if hasattr(torch, "accelerator") else None
    return "cpu" if found is None else found.type


@contextmanager
def own_random(device: torch.device, seed: int | None = None) -> Iterator[None]:
    """Torch's global generators inside the block, seeded if ``seed`` is given, as before after it.

    The generators belong to the whole process: one such block is open at a time, and what a thread
    of the user's draws meanwhile, it will draw again.
    """
    devices = [] if device.type in ("cpu", "meta") else [device]
    module = getattr(torch, device.type, None)
    if devices and not hasattr(module, "get_rng_state"):
        devices = []
    kind = device.type if devices else "cuda"
    with _generators, torch.random.fork_rng(devices=devices, device_type=kind):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
            if devices and module is not None:
                module.manual_seed(seed)
        yield


class OneAttention(TorchFunctionMode):
    """Torch's attention as it is computed with gradients, also without them.

    Without gradients torch takes a fused way, which rounds otherwise, but not under any mode: the
    default device and dtype of the caller would decide which.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


class _Float32(TorchFunctionMode):
    """Float32 as the default type of new tensors, for this thread.

    ``torch.set_default_dtype`` would change it for the threads of the caller too.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        default = torch.get_default_dtype()
        values = (*args, *kwargs.values())
        given = func in _TO_TYPE or any(_has(value, default) for value in values)
        if func in _MADE_OF_REALS and kwargs.get("dtype") is None:
            kwargs["dtype"] = torch.float32  # not cast afterwards: random numbers would be others
        output = func(*args, **kwargs)
        if given or type(output) is not Tensor or output.dtype is not default:
            return output
        if func in _MADE_OF_NUMBERS:  # again: what a narrower type rounded stays rounded
            output = func(*args, **kwargs | {"dtype": torch.float32})
        elif any(isinstance(value, Tensor) and value.dtype in _WHOLE for value in values):
            output = func(*map(_as_real, args), **{k: _as_real(v) for k, v in kwargs.items()})
        leaf = output.requires_grad and output.is_leaf
        return output.detach().float().requires_grad_() if leaf else output.float()


_MADE_OF_REALS = {
    torch.empty, torch.zeros, torch.ones, torch.eye, torch.rand, torch.randn, torch.linspace,
    torch.logspace, torch.fft.fftfreq, torch.fft.rfftfreq, torch.hann_window, torch.hamming_window,
    torch.blackman_window, torch.bartlett_window, torch.kaiser_window,
}  # fmt: skip
_MADE_OF_NUMBERS = {
    torch.tensor, torch.as_tensor, torch.asarray, torch.scalar_tensor, torch.full, torch.arange,
}  # fmt: skip
_WHOLE = {torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}
_TO_TYPE = {Tensor.double, Tensor.half, Tensor.bfloat16}


def _as_real(value: Any) -> Any:
    """Whole numbers as float32, so that an operator gives that instead of the default type."""
    return value.float() if isinstance(value, Tensor) and value.dtype in _WHOLE else value


def _has(value: Any, dtype: torch.dtype) -> bool:
    """Whether an argument asks for ``dtype`` or brings it along."""
    if isinstance(value, Tensor):
        return value.dtype is dtype
    if isinstance(value, list | tuple):
        return any(_has(item, dtype) for item in value)
    return value is dtype or isinstance(value, np.ndarray | np.generic | torch.UntypedStorage)
