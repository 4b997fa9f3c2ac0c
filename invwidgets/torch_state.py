"""Contexts that run this package's code in a known state of torch and restore the caller's state.

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
    """Enable gradients and disable autocast; new tensors are on the CPU and in float32.

    This holds inside the block, for the thread that enters it. The block must not stay open across
    a yield.
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
    """Make new tensors on the CPU and in float32 inside the block, unless a call says otherwise."""
    with ExitStack() as stack:
        if torch.get_default_device() != _CPU:
            stack.enter_context(_CPU)
        if torch.get_default_dtype() is not torch.float32:
            stack.enter_context(_Float32())
        yield


def accelerator_kind() -> str:
    """The type of the machine's accelerator, such as ``cuda``; ``cpu`` if there is none."""
    found = torch.accelerator.current_accelerator() if hasattr(torch, "accelerator") else None
    return "cpu" if found is None else found.type


@contextmanager
def own_random(device: torch.device, seed: int | None = None) -> Iterator[None]:
    """Seed torch's global generators inside the block (if ``seed`` is given), and restore them.

    The generators belong to the whole process, so only one such block is open at a time. Random
    numbers that a user's thread draws meanwhile are drawn a second time after the block.
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
    """A mode in which torch computes attention without gradients as it does with gradients.

    Without gradients torch uses a fused kernel, which rounds differently, except while any torch
    function mode is active. Without this class, the caller's default device and dtype, which are
    such modes, would decide about the rounding.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


class _Float32(TorchFunctionMode):
    """A mode in which float32 is the default type of new tensors, for this thread only.

    ``torch.set_default_dtype`` would change the default for the caller's threads too.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        default = torch.get_default_dtype()
        values = (*args, *kwargs.values())
        given = func in _TO_TYPE or any(_has(value, default) for value in values)
        if func in _MADE_OF_REALS and kwargs.get("dtype") is None:
            kwargs["dtype"] = torch.float32  # a later cast would give other random numbers
        output = func(*args, **kwargs)
        if given or type(output) is not Tensor or output.dtype is not default:
            return output
        if func in _MADE_OF_NUMBERS:  # computed again, because a cast cannot undo rounding
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
    """A tensor of whole numbers as float32, so that an operator on it gives float32."""
    return value.float() if isinstance(value, Tensor) and value.dtype in _WHOLE else value


def _has(value: Any, dtype: torch.dtype) -> bool:
    """Whether an argument names ``dtype`` or contains a tensor or array of it."""
    if isinstance(value, Tensor):
        return value.dtype is dtype
    if isinstance(value, list | tuple):
        return any(_has(item, dtype) for item in value)
    return value is dtype or isinstance(value, np.ndarray | np.generic | torch.UntypedStorage)
