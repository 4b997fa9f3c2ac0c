"""The reading and checking of target features that a user gives instead of a photo.

>>> given = read_features("code.npy")
>>> fit_features(given, phi, (224, 224)).shape
torch.Size([1, 40, 28, 28])
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import BadSettingError, own_words, shown, shown_path
from .base import Layer, Representation
from .caching import cached_target
from .tracing import Layout

TargetSource = str | os.PathLike[str] | np.ndarray[Any, Any] | Tensor
KEY = "target"  # the name of the tensor that is read from a file with several
_REMEDY = "a tensor, a numpy array, or the path of a file .npy or .safetensors"


def read_features(given: TargetSource) -> Tensor:
    """The given features as a new tensor of real numbers on the CPU.

    From a safetensors file with several tensors, such as a saved result, it reads ``target``.

    Raises ``BadSettingError``.
    """
    if isinstance(given, str | os.PathLike):
        values, name = _read(Path(given)), f"target {shown_path(given)}"
    elif isinstance(given, np.ndarray | Tensor):
        values, name = given, f"target of shape {tuple(given.shape)}"
    else:
        raise BadSettingError(f"target {shown(given)}: give {_REMEDY}")
    try:
        kept: Tensor = torch.as_tensor(values).detach().cpu().clone()
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadSettingError(
            f"{name} does not consist of numbers ({own_words(error)}): give {_REMEDY}"
        ) from None
    if kept.is_complex() or kept.dtype == torch.bool or kept.layout != torch.strided:
        raise BadSettingError(
            f"{name} is {'sparse' if kept.layout != torch.strided else kept.dtype}: give dense "
            "real numbers, such as .abs(), .float() or .to_dense()"
        )
    return kept


def fit_features(given: Tensor, representation: Representation, size: tuple[int, int]) -> Tensor:
    """The features in the shape (1, …) of the layer for one image of ``size`` (height, width).

    The given features may lack the batch axis. For a transformer they may be tokens (N, D), prefix
    tokens first. The result has the representation's device and type.

    Raises ``BadSettingError`` for other shapes and for NaN or infinity.
    """
    layer = representation.layer_info(size)
    features = _arranged(given, layer)
    if features is None:
        raise BadSettingError(_misfit(given, layer, representation, size))
    features = features.to(representation.mean_color)
    wrong = int((~torch.isfinite(features)).sum())
    if wrong:
        raise BadSettingError(
            f"target of shape {tuple(given.shape)}: {wrong} of its {features.numel()} numbers are "
            f"NaN, infinite or too large for {str(features.dtype).removeprefix('torch.')}; give "
            "finite features, such as torch.nan_to_num(target)"
        )
    blank = representation.mean_color[:, None, None].float().expand(-1, *size)
    like = cached_target(representation, blank)  # the same memory layout gives the same rounding
    return torch.empty_like(like).copy_(features)


def _arranged(given: Tensor, layer: Layer) -> Tensor | None:
    """The features with a batch axis of 1; None if they do not fit the layer."""
    for batch in (given[None], given):
        if batch.shape == (1, *layer.shape):
            return batch
        if layer.tokens is not None and batch.shape == (1, _count(layer), layer.shape[0]):
            return Layout("tokens", layer.tokens).arrange(batch)
    return None


def _count(layer: Layer) -> int:
    """The number of tokens of a transformer's layer."""
    assert layer.tokens is not None
    prefix, rows, columns = layer.tokens
    return prefix + rows * columns


def _misfit(
    given: Tensor, layer: Layer, representation: Representation, size: tuple[int, int]
) -> str:
    gives = str(layer.shape)
    if layer.tokens is not None:
        gives += f", or tokens ({_count(layer)}, {layer.shape[0]})"
    fitting = [one for one in representation.layers(size) if _arranged(given, one) is not None]
    remedy = "give the size of their image as size=, or the layer that they are from"
    if fitting:
        remedy = f"layer {fitting[-1].short_name} has this shape"
    return (
        f"target of shape {tuple(given.shape)}: layer {layer.short_name} of "
        f"{representation.name} gives {gives} for one image of {size[0]}x{size[1]} pixels; {remedy}"
    )


def _read(path: Path) -> Any:
    """The content of a file, read without executing anything in it."""
    from safetensors import SafetensorError, safe_open

    if path.suffix.lower() not in (".npy", ".safetensors"):
        raise BadSettingError(f"target {shown_path(path)}: give {_REMEDY}")
    if not path.is_file():
        raise BadSettingError(f"target {shown_path(path)} is not an existing file: give {_REMEDY}")
    try:
        if path.suffix.lower() == ".npy":
            return np.load(path, allow_pickle=False)
        with safe_open(path, "pt") as file:
            names = list(file.keys())
            wanted = names[0] if len(names) == 1 else KEY
            if wanted in names:
                return file.get_tensor(wanted)
    except (OSError, ValueError, EOFError, MemoryError, SafetensorError) as error:
        raise BadSettingError(
            f"target {shown_path(path)} cannot be read ({own_words(error)}); save it with "
            "numpy.save, or with safetensors.torch.save_file"
        ) from None
    listed = ", ".join(names[:5]) + (" …" if len(names) > 5 else "") if names else "none"
    raise BadSettingError(
        f"target {shown_path(path)} contains {len(names)} tensors ({listed}): give a file with one "
        f"tensor, or name the right one {KEY!r}"
    )
