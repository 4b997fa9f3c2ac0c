"""The choice between float32 and bfloat16 by a measurement on this machine.

    >>> with cpu_threads(2):
    ...     resolve_precision("auto", phi, (224, 224))
    'float32'

Only the network's operators use bfloat16 (torch's autocast). The image, the loss, the prior and the
optimizer use float32, and so do the last steps of every phase and all reported errors.
"""

from __future__ import annotations

import time
from typing import Literal, cast

import torch
from torch import Tensor

from ...errors import BadSettingError, DeviceError, own_words, unknown_name
from ...fallbacks import took_slower_path
from ...representations.base import Representation
from ...representations.caching import cached
from ..settings import PRECISIONS

Precision = Literal["float32", "bfloat16"]

_GAIN = 0.8  # bfloat16 must take at most this part of float32's time
_CLOSE = 0.05  # and the relative error of its features must be at most this
_QUICK = 0.1  # seconds; faster steps are timed several times
measured_precisions: dict[tuple[object, ...], Precision] = {}


def resolve_precision(
    wanted: str, representation: Representation, size: tuple[int, int]
) -> Precision:
    """The precision that ``wanted`` means for a representation at ``size`` on this machine.

    ``auto`` times a step of one seed in both, once per process for each network, layer, size
    (height, width) and thread count. A panel and a script therefore use the same precision, also
    with two copies of a network.

    Raises ``UnknownNameError``; ``DeviceError`` for bfloat16 on hardware without it;
    ``BadSettingError`` for bfloat16 with a descriptor made of comparisons, or with a network that
    does not run in it.
    """
    if wanted not in PRECISIONS:
        raise unknown_name("precision", wanted, PRECISIONS)
    device = representation.mean_color.device
    if wanted == "bfloat16":
        if representation.handcrafted:
            raise BadSettingError(
                f"precision 'bfloat16': {representation.name} compares numbers that bfloat16 "
                "cannot tell apart; use 'auto', which takes float32"
            )
        if not has_bfloat16(device):
            raise DeviceError(
                f"precision 'bfloat16': this {device.type} has no bfloat16 arithmetic; use "
                "'auto', which takes float32"
            )
        if reason := cached(representation, ("bf16", size), lambda: _fails(representation, size)):
            raise BadSettingError(
                f"precision 'bfloat16': layer {representation.layer} of {representation.name} "
                f"cannot run in it ({reason}); use 'auto', which takes float32"
            )
    if wanted != "auto":
        return cast(Precision, wanted)
    if representation.handcrafted:
        return "float32"
    if not has_bfloat16(device):
        took_slower_path(
            "networks run in float32", f"this {device.type} has no bfloat16 arithmetic"
        )
        return "float32"
    key = ("precision", size, torch.get_num_threads())
    return cached(representation, key, lambda: _measured(representation, key))


def _measured(representation: Representation, key: tuple[str, tuple[int, int], int]) -> Precision:
    """The first measurement of a network with these weights, shared by all its copies."""
    device = str(representation.mean_color.device)
    content = (representation.name, representation.digest, representation.layer, device, *key)
    if content not in measured_precisions:
        measured_precisions.setdefault(content, _faster(representation, key[1]))
    return measured_precisions[content]


def has_bfloat16(device: torch.device) -> bool:
    """Whether the hardware has bfloat16 arithmetic: AVX512-BF16, AMX, or such a GPU."""
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    supported = getattr(torch.get_device_module(device), "is_bf16_supported", None)
    return supported is not None and bool(supported(including_emulation=False))


def _image(representation: Representation, size: tuple[int, int]) -> Tensor:
    image = torch.rand(
        1, representation.channels, *size, generator=torch.Generator().manual_seed(0)
    )
    return image.to(representation.mean_color).contiguous(memory_format=torch.channels_last)


def _fails(representation: Representation, size: tuple[int, int]) -> str:
    """The reason why a network cannot run in bfloat16; empty if it can."""
    try:
        timed_step(representation, _image(representation, size), bf16=True)
    except (RuntimeError, TypeError) as error:
        return own_words(error)
    return ""


def _faster(representation: Representation, size: tuple[int, int]) -> Precision:
    if _fails(representation, size):
        return "float32"
    image = _image(representation, size)
    exact, _ = timed_step(representation, image, bf16=False)
    rough, _ = timed_step(representation, image, bf16=True)  # both are now warmed up
    if not (rough - exact).norm() <= _CLOSE * exact.norm():
        return "float32"
    seconds: dict[bool, float] = {False: torch.inf, True: torch.inf}
    for _ in range(3):
        for bf16 in seconds:
            seconds[bf16] = min(seconds[bf16], timed_step(representation, image, bf16)[1])
        if seconds[False] > _QUICK:
            break
    return "bfloat16" if seconds[True] <= _GAIN * seconds[False] else "float32"


def timed_step(representation: Representation, image: Tensor, bf16: bool) -> tuple[Tensor, float]:
    """The features in float32, and the seconds for features and gradient."""
    began = time.perf_counter()
    with torch.enable_grad():
        leaf = image.detach().requires_grad_(True)
        with torch.autocast(leaf.device.type, dtype=torch.bfloat16, enabled=bf16):
            features = representation(leaf)
        total = features.float().square().sum()
        (gradient,) = torch.autograd.grad(total, leaf)
    float(gradient[0, 0, 0, 0])  # reading a number waits until a GPU has finished
    return features.detach().float(), time.perf_counter() - began
