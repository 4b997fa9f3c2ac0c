"""The reading of state dicts, their loading into networks, and the digests of networks."""

from __future__ import annotations

import hashlib
import pickle
import re
import types
import warnings
from collections import Counter
from collections.abc import Collection, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import WeightsError, own_words, shown_path
from .caffenet import read_matconvnet
from .isolate import LIBRARIES

WRAPPERS = ("_orig_mod", "module", "model", "net", "backbone", "encoder")
"""Attributes that training scripts, torch.compile and DataParallel keep a network under."""


class Weights(StrEnum):
    """The labels of a network's weights in pictures; weights from a file have the file's name."""

    PRETRAINED = "pretrained"
    RANDOM = "random weights"
    GIVEN = "as given"  # with a module of the user's own
    HANDCRAFTED = "handcrafted"

    @staticmethod
    def of_file(path: Path) -> str:
        """The label of a file's weights, which is never equal to a member of this class.

        >>> Weights.of_file(Path("runs/best.pt")), Weights.of_file(Path("runs/pretrained"))
        ('best.pt', './pretrained')
        """
        return f"./{path.name}" if path.name in set(Weights) else path.name

    @staticmethod
    def option(label: str) -> str:
        """The option ``weights`` that gives a network with this label."""
        return "random" if label == Weights.RANDOM else label


def fit(module: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Load a state dict into a network, after removing the prefixes that wrappers add to names.

    >>> fit(nn.Linear(2, 1), {"module.weight": torch.ones(1, 2), "module.bias": torch.ones(1)}, "w")

    A prefix is removed if all names have it, if it consists of ``WRAPPERS``, and if more names fit
    without it.

    Raises ``WeightsError``, which names ``source`` and the prefix or the tensors that do not fit.
    """
    names = module.state_dict().keys()
    inner = {name.replace("_orig_mod.", ""): tensor for name, tensor in state.items()}
    if len(names & inner.keys()) > len(names & state.keys()):  # if a part was compiled
        state = inner
    fitting = {p: len(names & _without(p, state).keys()) for p in ("", *_shared_prefixes(state))}
    prefix = max(fitting, key=lambda p: fitting[p])  # if equal, the empty prefix
    if all(part in WRAPPERS for part in prefix.split(".")[:-1]):
        state = _without(prefix, state)
    try:
        module.load_state_dict(state)
    except (RuntimeError, AttributeError, TypeError) as error:
        reason = _other_prefix(names, state) or _differences(module, state)
        raise WeightsError(
            f"{source} do not fit {type(module).__name__}: {reason or own_words(error)}"
        ) from None


def _shared_prefixes(names: Collection[str]) -> list[str]:
    """The prefixes ending in a dot that all names have, the shortest first."""
    parts = next(iter(names), "").split(".")
    prefixes = ["".join(f"{part}." for part in parts[:n]) for n in range(1, len(parts))]
    return [prefix for prefix in prefixes if all(name.startswith(prefix) for name in names)]


def _without(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items()}


def _other_prefix(names: Collection[str], state: Mapping[str, Tensor]) -> str:
    """A message about a prefix that makes names differ; empty if there is no such prefix.

    It may be a prefix of all or some names in the file, or of the network's names.
    """
    ends = Counter(
        name[:dot]
        for name in state
        for dot in (m.end() for m in re.finditer(r"\.", name))
        if name[dot:] in names
    )
    fit_now = sum(name in names for name in state)
    if ends and ends.most_common(1)[0][1] > fit_now:
        prefix, count = ends.most_common(1)[0]
        others = [name for name in state if not name.startswith(prefix)]
        beside = f"; {_listed(others)} belong to something else" if others else ""
        return (
            f"without the prefix {prefix!r}, {count} of its {len(state)} names fit the "
            f"network's{beside}; save only the network's, "
            f"{{k.removeprefix({prefix!r}): v for k, v in state.items() "
            f"if k.startswith({prefix!r})}}"
        )
    for prefix in _shared_prefixes(names):
        if sum(f"{prefix}{name}" in names for name in state) > fit_now:
            return (
                f"with the prefix {prefix!r}, its names fit the network's; give the inner network, "
                "or save them as "
                f"{{{prefix!r} + k: v for k, v in state.items()}}"
            )
    return ""


def _differences(module: nn.Module, state: Mapping[str, Tensor]) -> str:
    wanted = module.state_dict()
    missing = [name for name in wanted if name not in state]
    unknown = [name for name in state if name not in wanted]
    other = [
        f"{name} {tuple(state[name].shape)} for {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and isinstance(tensor, Tensor) and state[name].shape != tensor.shape
    ]
    found = [("missing", missing), ("not in the network", unknown), ("of another shape", other)]
    words = [f"{what}: {_listed(names)}" for what, names in found if names]
    return f"{'; '.join(words)}; give the state dict of this very architecture" if words else ""


def _listed(names: list[str], most: int = 3) -> str:
    more = f", … ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def read_weights(path: Path, model: str) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise WeightsError(
            f"no weights file {shown_path(path)}; weights are 'pretrained', 'random' or the path "
            "of a state dict (.pt, .pth or .safetensors)"
        )
    try:
        if path.suffix == ".mat":
            return read_matconvnet(path)
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what cannot be loaded is an error of its own
                state = torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:
        reason = own_words(error)
        if isinstance(error, pickle.UnpicklingError):  # torch's words advise to trust the file
            reason = "it contains other objects than tensors, which may run code, or is damaged"
        raise WeightsError(
            f"weights file {shown_path(path)} cannot be loaded safely ({reason}): save a state "
            "dict with torch.save(model.state_dict(), …) or as safetensors"
        ) from None
    state = inner_state(state)
    if not isinstance(state, Mapping) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()
    ):
        held = f" of {_listed([str(key)[:40] for key in state])}" if isinstance(state, dict) else ""
        raise WeightsError(
            f"weights file {shown_path(path)} contains a {type(state).__name__}{held}, not a state "
            f"dict of tensors for {model}"
        )
    for name, tensor in state.items():
        if tensor.is_complex():
            raise WeightsError(
                f"weights file {shown_path(path)}: {name} is complex; {model} needs real numbers"
            )
    return state


def inner_state(state: Any) -> Any:
    """The state dict within the dict that a training script saved.

    >>> inner_state({"epoch": 3, "state_dict": {"fc.bias": torch.zeros(2)}}).keys()
    dict_keys(['fc.bias'])
    """
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            return inner_state(state[wrapper])
    return state


def digest(module: nn.Module, *more: Any) -> str:
    """A digest of what a module computes: its structure, its numbers, and the code of user classes.

    ``more`` are further plain values that determine the outcome.
    """
    hasher = hashlib.blake2b(repr(more).encode(), digest_size=16)
    for path, part in module.named_modules():
        kind = type(part)
        hasher.update(f"{path}: {kind.__qualname__}({part.extra_repr()})".encode())
        if kind.__module__.split(".")[0] not in LIBRARIES:  # user code has no version number
            add_to_digest(hasher, kind.forward)
        own = {name: value for name, value in vars(part).items() if name not in _TORCHS}
        hooks = [*part._forward_pre_hooks.values(), *part._forward_hooks.values()]
        add_to_digest(hasher, [*sorted(own.items()), *hooks])
    for name, tensor in module.state_dict().items():
        hasher.update(name.encode())
        add_to_digest(hasher, tensor)
    return hasher.hexdigest()


_TORCHS = vars(nn.Module()).keys()  # the attributes that torch gives every module


def add_to_digest(hasher: Any, value: Any, parents: tuple[int, ...] = ()) -> None:
    """Add a value to a digest: a tensor's numbers, a function's code and closure, a plain value.

    Of other objects only the class enters, because their ``repr`` may differ between processes.
    ``parents`` are the ids of the values that contain this one, because a function may refer to
    itself.
    """
    if id(value) in parents:
        return
    inner = (*parents, id(value))
    if isinstance(value, Tensor):
        content = value.detach().cpu().contiguous().flatten()
        hasher.update(f"{value.dtype}{tuple(value.shape)}".encode())
        hasher.update(content.view(torch.uint8).numpy().tobytes())
    elif isinstance(value, types.FunctionType):
        closed = [cell.cell_contents for cell in value.__closure__ or ()]
        add_to_digest(hasher, value.__code__)
        add_to_digest(hasher, [closed, value.__defaults__, value.__kwdefaults__], inner)
    elif isinstance(value, types.CodeType):
        hasher.update(value.co_code + repr(value.co_names).encode())
        add_to_digest(hasher, value.co_consts)
    elif isinstance(value, list | tuple | dict):
        hasher.update(f"{type(value).__name__}{len(value)}".encode())
        for item in value.items() if isinstance(value, dict) else value:
            add_to_digest(hasher, item, inner)
    elif value is None or isinstance(value, bool | int | float | complex | str | bytes):
        hasher.update(repr(value).encode())
    else:
        hasher.update(type(value).__qualname__.encode())
