"""State dicts: read safely, fitted to their network, told apart by a digest."""

from __future__ import annotations

import hashlib
import pickle
import types
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import WeightsError, own_words, shown_path
from .caffenet import read_matconvnet
from .isolate import LIBRARIES


def fit(module: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    try:
        module.load_state_dict(state)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise WeightsError(
            f"{source} do not fit {type(module).__name__}: {str(error)[:600]}; "
            "give the state dict of this very architecture"
        ) from None


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
            reason = "it holds more than tensors, or is no such file; other objects may run code"
        raise WeightsError(
            f"weights file {shown_path(path)} cannot be loaded safely ({reason}); a state dict "
            "holds tensors only: save one with torch.save(model.state_dict(), …) or as safetensors"
        ) from None
    state = unwrapped(state)
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(
            f"weights file {shown_path(path)} holds a {type(state).__name__}, not a state dict of "
            f"tensors for {model}"
        )
    for name, tensor in state.items():
        if tensor.is_complex():
            raise WeightsError(
                f"weights file {shown_path(path)}: {name} is complex; {model} takes real numbers"
            )
    return state


def unwrapped(state: Any) -> Any:
    """The state dict within what training scripts save around it.

    >>> unwrapped({"epoch": 3, "state_dict": {"module.fc.bias": torch.zeros(2)}}).keys()
    dict_keys(['fc.bias'])

    Taken off: ``state_dict``, ``model_state_dict`` and ``model`` around it, and the prefix
    ``module.`` that DataParallel gives every name.
    """
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            return unwrapped(state[wrapper])
    if not isinstance(state, Mapping) or not state:
        return state
    if all(isinstance(name, str) and name.startswith("module.") for name in state):
        return {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return state


def digest(module: nn.Module, *more: Any) -> str:
    """A digest of what a module computes: its structure, its numbers, the code of a user's own.

    ``more`` are plain values that the outcome depends on too.
    """
    hasher = hashlib.blake2b(repr(more).encode(), digest_size=16)
    for path, part in module.named_modules():
        kind = type(part)
        hasher.update(f"{path}: {kind.__qualname__}({part.extra_repr()})".encode())
        if kind.__module__.split(".")[0] not in LIBRARIES:  # theirs has versions
            _add(hasher, kind.forward)
        for name, value in sorted(vars(part).items()):
            if name != "training" and not name.startswith("_"):
                hasher.update(name.encode())
                _add(hasher, value)
    for name, tensor in module.state_dict().items():
        hasher.update(name.encode())
        _add(hasher, tensor)
    return hasher.hexdigest()


def _add(hasher: Any, value: Any) -> None:
    """A tensor's numbers, a function's code and what it closes over, a plain value; else its kind.

    Other objects are not looked into: how they are written may differ from process to process.
    """
    if isinstance(value, Tensor):
        content = value.detach().cpu().contiguous().flatten()
        hasher.update(f"{value.dtype}{tuple(value.shape)}".encode())
        hasher.update(content.view(torch.uint8).numpy().tobytes())
    elif isinstance(value, types.FunctionType):
        closed = [cell.cell_contents for cell in value.__closure__ or ()]
        _add(hasher, value.__code__)
        _add(hasher, [closed, value.__defaults__, value.__kwdefaults__])
    elif isinstance(value, types.CodeType):
        hasher.update(value.co_code + repr(value.co_names).encode())
        _add(hasher, value.co_consts)
    elif isinstance(value, list | tuple | dict):
        hasher.update(f"{type(value).__name__}{len(value)}".encode())
        for item in value.items() if isinstance(value, dict) else value:
            _add(hasher, item)
    elif value is None or isinstance(value, bool | int | float | complex | str | bytes):
        hasher.update(repr(value).encode())
    else:
        hasher.update(type(value).__qualname__.encode())
