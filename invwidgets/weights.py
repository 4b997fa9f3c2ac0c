"""State dicts: read safely, fitted to their network, told apart by a digest."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .caffenet import read_matconvnet
from .errors import WeightsError


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
            f"no weights file {str(path)!r}; weights are 'pretrained', 'random' or the path of a "
            "state dict (.pt, .pth or .safetensors)"
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
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"weights file {str(path)!r} cannot be loaded safely ({reason}); a state dict holds "
            "tensors only: save one with torch.save(model.state_dict(), ...) or as safetensors"
        ) from None
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(
            f"weights file {str(path)!r} holds a {type(state).__name__}, not a state dict of "
            f"tensors for {model}"
        )
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
