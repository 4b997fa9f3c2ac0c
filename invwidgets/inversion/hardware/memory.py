"""The choice of device and micro-batch before a run, by the available memory."""

from __future__ import annotations

import ctypes
import math
from functools import lru_cache
from pathlib import Path

import psutil
import torch

from ...errors import BadSettingError, DeviceError, NotEnoughMemoryError, shown
from ...fallbacks import took_slower_path
from ...representations.base import Representation
from ...representations.caching import cached
from ..settings import InversionSettings

DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")
_CANVASES = (
    8  # tensors of an iterate's size per seed: itself, gradient, optimizer, best image, priors
)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
BATCH_BYTES = 2**29  # limit for a micro-batch on a CPU, because a run can only stop between two
_LARGE = 512  # pixels per side; the memory of a larger image is extrapolated from this size
_SLACK = 1.3  # factor for the temporary memory of operators


def resolve_device(name: str) -> torch.device:
    """The device with a name, with its index; ``auto`` means torch's accelerator, if any.

    >>> resolve_device("cpu")
    device(type='cpu')

    Raises ``DeviceError`` if the device is not on this machine, ``BadSettingError`` if there is no
    such kind of device.
    """
    unknown = BadSettingError(f"device {shown(name)}: give one of {', '.join(DEVICES)}")
    current = current_accelerator()
    if name == "auto":
        return current or torch.device("cpu")
    try:
        wanted = torch.device(name)
    except (RuntimeError, TypeError):
        raise unknown from None
    if wanted.type == "cpu":
        return torch.device("cpu")
    if current is not None and wanted.type == current.type:
        count = device_count(current)
        if (wanted.index or 0) < count:
            return wanted if wanted.index is not None else current
        raise DeviceError(
            f"device {shown(name)} is not on this machine, which has {count} of that kind, counted "
            "from 0; use 'auto'"
        )
    if wanted.type not in DEVICES:
        raise unknown
    have = "cpu" if current is None else f"cpu, {current.type}"
    raise DeviceError(f"device {shown(name)} is not on this machine, which has: {have}; use 'auto'")


def current_accelerator() -> torch.device | None:
    """The accelerator that torch would use, with its index; None if there is none."""
    if not hasattr(torch, "accelerator"):  # before torch 2.6
        kinds = {"cuda": torch.cuda, "xpu": torch.xpu, "mps": torch.backends.mps}
        found = next((kind for kind, module in kinds.items() if module.is_available()), None)
        return None if found is None else torch.device(found, 0)
    if not torch.accelerator.is_available():
        return None
    device = torch.accelerator.current_accelerator()
    return device and torch.device(device.type, torch.accelerator.current_device_index())


def device_count(device: torch.device) -> int:
    """The number of devices of the same type."""
    count: int = torch.get_device_module(device).device_count()
    return count


@lru_cache(maxsize=1)
def keep_freed_memory() -> None:
    """Make the C library keep freed memory for the next step (glibc only).

    By default it returns the memory of activations to the system at every step and fetches it
    again, page by page, which takes a fifth of an EfficientNet-Lite0 step. At most 128 MiB are
    kept.
    """
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  # mallopt of other libraries is different
        library.mallopt(_M_MMAP_THRESHOLD, 32 * 2**20)
        library.mallopt(_M_TRIM_THRESHOLD, 128 * 2**20)
    except (OSError, AttributeError, TypeError):  # the last on Windows, which has no such library
        took_slower_path("memory is allocated anew at every step", "the C library is not glibc")


def available_memory(device: torch.device) -> int:
    """The free bytes of the accelerator, or of the machine and its container.

    A container counts its file cache as used; here the part of it that the system can drop counts
    as free.
    """
    if hasattr(module := torch.get_device_module(device), "mem_get_info"):  # CUDA, XPU
        return int(module.mem_get_info(device)[0])
    limits = [int(psutil.virtual_memory().available)]
    folder = Path("/sys/fs/cgroup")  # the limit of a container, which psutil does not read
    for ceiling, used, counts, files in (
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "memory/memory.stat",
            "total_inactive_file",
        ),
    ):
        top, now = limit_lines(folder / ceiling), limit_lines(folder / used)
        if top and now and top[0].isdigit() and now[0].isdigit():
            kept = dict(line.split()[:2] for line in limit_lines(folder / counts) if " " in line)
            limits.append(int(top[0]) - int(now[0]) + int(kept.get(files, 0)))
    return max(0, min(limits))


def seed_bytes(representation: Representation, size: tuple[int, int]) -> int:
    """The bytes that a forward and backward pass of one seed need at once, measured by one pass."""
    key = ("seed bytes", size)
    return cached(representation, key, lambda: _seed_bytes(representation, size))


def _seed_bytes(representation: Representation, size: tuple[int, int]) -> int:
    held: dict[int, int] = {}

    def count(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if not isinstance(tensor, torch.nn.Parameter):
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    scale = 1.0
    if size[0] * size[1] > _LARGE**2:  # the pass of a huge image might not fit, so a part is used
        part = (min(size[0], _LARGE), min(size[1], _LARGE))
        scale, size = size[0] * size[1] / (part[0] * part[1]), part
    image = torch.zeros(1, representation.channels, *size, device=representation.mean_color.device)
    image = image.contiguous(memory_format=torch.channels_last).requires_grad_(True)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(count, lambda t: t):
        features = count(representation(image))
    return int(scale * _SLACK * (sum(held.values()) + features.nbytes))  # and their gradient


def plan_memory(
    representation: Representation,
    settings: InversionSettings,
    size: tuple[int, int],
    threads: int | None = None,
    window_size: tuple[int, int] | None = None,
) -> int:
    """The number of seeds per micro-batch; raises an error if the run does not fit in memory.

    On one CPU thread it is one by default, because matrix products round differently in a larger
    batch, and a seed would give other images alone than among others. On several threads,
    micro-batches run in parallel, with two seeds each if there are enough, because small operators
    are then faster. ``window_size`` is the (height, width) of the part of an image of ``size`` that
    the network sees.

    Raises ``NotEnoughMemoryError``, naming the number of seeds that would fit.
    """
    seeds = len(settings.seeds)
    device = representation.mean_color.device
    pixels = (size[0] + settings.jitter) * (size[1] + settings.jitter)
    frames = min(9, seeds) * settings.frames * 3 * min(pixels, 160 * 160)
    canvas = _CANVASES * 3 * 4 * pixels
    working = seed_bytes(representation, window_size or size) + 4 * canvas
    room = int(0.9 * available_memory(device)) - frames
    workers = num_workers(representation, seeds, threads or 1)
    spare = room - seeds * canvas
    if device.type == "cpu":
        spare = min(spare, BATCH_BYTES)  # larger batches gain no time there
    most = seeds
    if device.type == "cpu" and (threads == 1 or workers > 1):
        most = 1 if threads == 1 else min(2, math.ceil(seeds / workers))
    batch = settings.micro_batch or min(most, max(1, spare // working))
    needed = seeds * canvas + min(seeds, workers * batch) * working
    if needed > room:
        fit = max(0, (room - workers * working) // canvas)
        remedy = (
            f"about {fit} seeds would fit" if fit and not settings.micro_batch
            else "a smaller size, micro_batch=1, threads=1 or an earlier layer may fit"
        )  # fmt: skip
        raise NotEnoughMemoryError(
            f"{seeds} seeds of {size[0]}x{size[1]} pixels at layer {representation.layer} of "
            f"{representation.name} need about {needed / 2**30:.2g} GiB, and "
            f"{max(0, room) / 2**30:.2g} GiB are free: {remedy}"
        )
    return int(batch)


def num_workers(representation: Representation, parts: int, threads: int) -> int:
    """How many of ``parts`` micro-batches run in parallel, each on its own CPU threads."""
    if representation.mean_color.device.type != "cpu" or not representation.thread_safe:
        return 1
    return max(1, min(parts, threads))


def limit_lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
