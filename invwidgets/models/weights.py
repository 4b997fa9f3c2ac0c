"""State dicts: read safely, fitted to their network, told apart by a digest."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import WeightsError, own_words, shown_path
from .caffenet import read_matconvnet


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


@lru_cache(maxsize=32)
def digest(module: nn.Module) -> str:
    """A digest of every parameter and buffer of a module, by name."""
    hasher = hashlib.blake2b(digest_size=16)
    for key, tensor in module.state_dict().items():
        hasher.update(key.encode())
        hasher.update(
            tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        )
    return hasher.hexdigest()
