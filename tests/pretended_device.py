"""A pretended accelerator, ``pretended:0``, with a GPU's restrictions, for any machine.

    >>> install()
    >>> with Waits() as waits:
    ...     torch.ones(2, device=DEVICE).sum().item()
    >>> waits.count
    1

Its tensors hold CPU memory, and every operator on them is computed there. They are as strict as the
strictest of the real ones:

- they refuse to meet a CPU tensor, unless it is a single number (as CUDA, MPS and XPU do);
- they refuse float64 and complex128 (as MPS does);
- ``numpy()`` is refused.

``Waits`` counts what makes the host wait for the device: a number read, a shape that depends on
values (``nonzero``, boolean masks), a check of a matrix inverse, a copy to or from the CPU that is
not ``non_blocking``. The rules are those of ``torch.cuda.set_sync_debug_mode``.

**Only in a process of its own.** The backend is registered for the whole process and cannot be
taken back; autograd must not have run before, because it counts the devices once; and
``device="auto"`` takes this one from then on. ``tests/test_devices.py`` therefore starts
``python -m benchmarks.devices`` once and reads what it prints.
"""

from __future__ import annotations

import threading
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._pytree import tree_leaves, tree_map

KIND = "pretended"
DEVICE = f"{KIND}:0"

_ROOT = Path(__file__).parent.parent
_COPIES = ("aten::copy_", "aten::_to_copy", "aten::_copy_from")
_READS = (
    "aten::_local_scalar_dense",
    "aten::equal",
    "aten::nonzero",
    "aten::masked_select",
    "aten::_unique2",
    "aten::unique_dim",
    "aten::unique_consecutive",
    "aten::bincount",
    "aten::_linalg_check_errors",
)
_INDEXING = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")
_REFUSED = (torch.float64, torch.complex128)

_counters: list[Waits] = []
_libraries: list[torch.library.Library] = []  # what they register ends with them
_lock = threading.Lock()


class Waits:
    """A context that counts the waits of all threads.

    ``places`` says of each line of this repository how often it waited.
    """

    def __init__(self) -> None:
        self.places: Counter[str] = Counter()

    @property
    def count(self) -> int:
        return sum(self.places.values())

    def __enter__(self) -> Waits:
        with _lock:
            _counters.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        with _lock:
            _counters.remove(self)


def install() -> None:
    """Register the device, once in a process.

    Raises ``RuntimeError`` where torch has no such hook: the tests that need it must fail.
    """
    if _libraries:
        return
    setup = getattr(backend_registration, "_setup_privateuseone_for_python_backend", None)
    if setup is None:
        raise RuntimeError(
            f"torch {torch.__version__} has no _setup_privateuseone_for_python_backend: the "
            "pretended device is made for the torch of constraints.txt"
        )
    setup(KIND, backend_module=_Module())
    everything = torch.library.Library("_", "IMPL")
    everything.fallback(
        lambda operator, *args, **kwargs: _run(operator, args, kwargs), "PrivateUse1"
    )
    aten = torch.library.Library("aten", "IMPL")
    for operator in (
        torch.ops.aten._to_copy.default,
        torch.ops.aten.empty.memory_format,
        torch.ops.aten.empty_strided.default,
        torch.ops.aten._copy_from.default,
        torch.ops.aten._local_scalar_dense.default,
    ):
        aten.impl(operator.name().removeprefix("aten::"), _implementation(operator), "PrivateUse1")
    # under autocast: what multiplies does so in bfloat16 or float16, all else as it is
    everything.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    for operator in (torch.ops.aten.conv2d.default, torch.ops.aten.linear.default):
        aten.impl(
            operator.name().removeprefix("aten::"), _narrowed(operator), "AutocastPrivateUse1"
        )
    _libraries.extend([everything, aten])


class _Module:
    """The module ``torch.pretended``."""

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return True

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 1

    def manual_seed_all(self, seed: int) -> None:
        pass

    def _is_in_bad_fork(self) -> bool:
        return False

    def is_bf16_supported(self, including_emulation: bool = True) -> bool:
        return True

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]


class PretendedTensor(Tensor):
    """A tensor on the device; ``held`` is the CPU tensor that it stands for."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> PretendedTensor:
        made: PretendedTensor = Tensor._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(),
            dtype=held.dtype, device=torch.device(DEVICE),
        )  # fmt: skip
        made.held = held
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(
        cls, operator: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return _run(operator, args, kwargs or {})

    # torch answers these without dispatching an operator, and not for subclasses

    def untyped_storage(self) -> torch.UntypedStorage:
        return self.held.untyped_storage()

    def data_ptr(self) -> int:
        return self.held.data_ptr()

    def tolist(self) -> Any:
        _wait("tolist")
        return self.held.tolist()

    def numpy(self, *, force: bool = False) -> Any:
        raise TypeError(f"can't convert {DEVICE} tensor to numpy: use Tensor.cpu() first")


def _implementation(operator: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: _run(operator, args, kwargs)


def _narrowed(operator: Any) -> Callable[..., Any]:
    autocast = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)

    def run(*args: Any, **kwargs: Any) -> Any:
        narrow = torch.get_autocast_dtype(KIND)
        with torch._C._ExcludeDispatchKeyGuard(autocast):
            return operator(
                *(arg.to(narrow) if isinstance(arg, Tensor) else arg for arg in args), **kwargs
            )

    return run


def _run(operator: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run an operator on the CPU, after refusing what the device refuses."""
    name = operator._schema.name
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    ours = [tensor for tensor in tensors if isinstance(tensor, PretendedTensor)]
    device = kwargs.get("device")
    there = bool(ours) if device is None else torch.device(device).type == KIND
    if name in _COPIES:
        target = (
            args[1] if name == "aten::_copy_from" else args[0] if name == "aten::copy_" else None
        )
        there = there if target is None else isinstance(target, PretendedTensor)
        blocking = not (kwargs.get("non_blocking") or (target is not None and args[2:3] == (True,)))
        if blocking and (there != bool(ours) or len(ours) != len(tensors)):
            _wait(name)
    else:
        _refuse_mixing(name, args, tensors, ours)
        if ours and (name in _READS or _masks(name, args)):
            _wait(name)

    def bare(leaf: Any) -> Any:
        if isinstance(leaf, PretendedTensor):
            return leaf.held
        pretended = isinstance(leaf, torch.device) and leaf.type == KIND
        return torch.device("cpu") if pretended else leaf

    output = operator(*tree_map(bare, args), **tree_map(bare, kwargs))
    if name == "aten::copy_":
        return args[0]
    known = {id(tensor.held): tensor for tensor in ours}  # changed in place: the same object

    def dressed(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or isinstance(leaf, PretendedTensor) or not there:
            return leaf
        if leaf.dtype in _REFUSED:
            raise TypeError(f"{DEVICE} has no {leaf.dtype}, as MPS has none: {name}")
        return known[id(leaf)] if id(leaf) in known else PretendedTensor(leaf)

    return tree_map(dressed, output)


def _refuse_mixing(name: str, args: Any, tensors: list[Tensor], ours: list[Any]) -> None:
    if not ours:
        return
    indexed = name in _INDEXING and isinstance(args[0], PretendedTensor)
    allowed = [id(leaf) for leaf in tree_leaves(args[1])] if indexed else []
    for tensor in tensors:
        if isinstance(tensor, PretendedTensor):
            continue
        if id(tensor) in allowed:
            _wait(f"{name} with an index on the CPU")
        elif tensor.ndim:
            raise RuntimeError(
                f"expected all tensors to be on the same device, found {DEVICE} and cpu: {name} "
                f"was given {tuple(tensor.shape)} of {tensor.dtype} on the CPU"
            )


def _masks(name: str, args: Any) -> bool:
    """Whether an index is a boolean mask, whose True values must be counted first."""
    if name not in _INDEXING:
        return False
    indices = [leaf for leaf in tree_leaves(args[1]) if isinstance(leaf, Tensor)]
    if name != "aten::index" and len(indices) == 1 and args[2].numel() == 1:
        return False  # torch fills instead
    return any(index.dtype in (torch.bool, torch.uint8) for index in indices)


def _wait(what: str) -> None:
    if not _counters:
        return
    frames = [f for f in traceback.extract_stack() if Path(f.filename).is_relative_to(_ROOT)]
    frames = [f for f in frames if Path(f.filename) != Path(__file__)]
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "torch"
    with _lock:
        for waits in _counters:
            waits.places[f"{where} ({what.removeprefix('aten::')})"] += 1
