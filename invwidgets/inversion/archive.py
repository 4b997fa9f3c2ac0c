"""The file format of results: safetensors with JSON in its header, without executable content.

>>> save(result, "run.safetensors")
>>> load("run.safetensors").relative_error == result.relative_error
True
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import InvwidgetsError, OutputError, own_words, shown, shown_path
from ..files import as_path, written_whole
from ..representations.receptive_fields.tracer import Box, ReceptiveField
from ..selection import Selection
from .settings import InversionSettings

if TYPE_CHECKING:
    from .result import Reconstruction

_KIND, _VERSION = "invwidgets.reconstruction", 2
_ARRAYS = ("images", "photo", "target", "frames")
_PER_SEED = ("scores", "relative_error", "raw_relative_error", "psnr", "ssim", "outside_variance")
_KINDS: dict[str, Any] = {
    **dict.fromkeys(
        ("photo_name", "model", "weights", "layer", "digest", "scored_on", "feature_note"), str
    ),
    **dict.fromkeys(("stopped", "handcrafted"), bool),
    "steps": int,
    "seconds": (int, float),
    "diversity": dict,
    "versions": dict,
}


def save(result: Reconstruction, path: str | os.PathLike[str]) -> None:
    """Write a result into one file, completely or not at all.

    Raises ``OutputError`` if the path cannot be written to.
    """
    content = pack(result)
    with written_whole(path) as partial:
        partial.write_bytes(content)


def pack(result: Reconstruction) -> bytes:
    """The bytes that ``save`` writes; equal results give equal bytes."""
    from safetensors.torch import save as to_bytes

    tensors = {name: t for name in _ARRAYS if (t := getattr(result, name)) is not None}
    tensors |= {f"energies.{name}": curve for name, curve in result.energies.items()}
    flat = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
    plain = {
        field.name: getattr(result, field.name)
        for field in fields(result)
        if field.name not in (*_ARRAYS, "energies", "settings")
    }
    field = result.receptive_field
    header = {
        **plain,
        "format": f"{_KIND}/{_VERSION}",
        "settings": result.settings.to_dict(),
        "selection": asdict(result.selection),
        "receptive_field": None if field is None else asdict(field),
    }
    content: bytes = to_bytes(flat, metadata={"invwidgets": json.dumps(header)})
    return content


def load(kind: type[Reconstruction], path: str | os.PathLike[str]) -> Reconstruction:
    """Read a saved result and check every field, without executing anything in the file.

    Raises ``OutputError`` if the file is not a complete saved result, or is from a newer version.
    """
    from safetensors import SafetensorError, safe_open

    name = as_path(path)
    try:
        if not Path(name).is_file():
            raise OutputError(
                f"no file {shown_path(name)}: give one written by Reconstruction.save"
            )
        with safe_open(name, "pt") as file:
            header = json.loads((file.metadata() or {})["invwidgets"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if not isinstance(header, dict):
            raise TypeError(f"its header is a {type(header).__name__}")
        _check_format(header.pop("format", None), name)
        return kind(**_fields(header, tensors, {field.name for field in fields(kind)}))
    except (
        OSError,
        KeyError,
        TypeError,
        ValueError,
        OverflowError,
        RecursionError,
        SafetensorError,
    ) as error:
        if isinstance(error, OutputError):
            raise
        words = str(error) if isinstance(error, InvwidgetsError) else own_words(error)
        raise OutputError(
            f"{shown_path(name)} is not a saved reconstruction ({words}); give a file written by "
            "Reconstruction.save"
        ) from None


def _check_format(given: Any, name: str) -> None:
    found = re.fullmatch(
        rf"{re.escape(_KIND)}/(\d{{1,9}})", given if isinstance(given, str) else ""
    )
    if found is None:
        raise KeyError("format")
    if int(found[1]) > _VERSION:
        raise OutputError(
            f"{shown_path(name)} was written by a newer version of invwidgets (format {found[1]}, "
            f"this one reads up to {_VERSION}): upgrade with pip install -U invwidgets"
        )
    if int(found[1]) < _VERSION:
        raise OutputError(
            f"{shown_path(name)} was written by invwidgets 0.1, whose files this version does not "
            "read: run it again"
        )


def _fields(header: dict[str, Any], tensors: dict[str, Tensor], known: set[str]) -> dict[str, Any]:
    """The arguments of the constructor; raises ``ValueError`` if they do not fit one another."""
    wanted = known - {*_ARRAYS, "energies"}
    if set(header) != wanted:
        raise ValueError(f"its fields differ: {shown(sorted(set(header) ^ wanted))}")
    for name, kind in _KINDS.items():
        _an(kind, header[name], name)
    settings = InversionSettings.from_dict(_an(dict, header["settings"], "settings"))
    seeds, steps = len(settings.seeds), header["steps"]
    for name in _PER_SEED:
        header[name] = _numbers(header[name], seeds, name)
    _an(tuple, header["scores"], "scores")
    header["seconds"] = float(header["seconds"])
    header["diversity"] = {
        name: float(_an((int, float), value, name)) for name, value in header["diversity"].items()
    }
    header["frame_steps"] = tuple(_an(int, s, "frame_steps") for s in header["frame_steps"])
    for name, length in (("knob_changes", 3), ("reverted", 2)):
        header[name] = tuple(_row(entry, length, name) for entry in _an(list, header[name], name))
    selection = {name: _whole(header["selection"][name], name) for name in ("region", "channels")}
    if selection["region"] is not None and len(selection["region"]) != 4:
        raise ValueError(f"region is {shown(selection['region'])}")
    images = _images(tensors, seeds)
    photo, frames = tensors.pop("photo", None), tensors.pop("frames", None)
    target = tensors.pop("target", None)
    if photo is not None:
        _shaped(photo, images.shape[1:], "photo")
    if target is not None:
        _target(target, photo)
    if frames is None or frames.dtype != torch.uint8 or len(frames) != len(header["frame_steps"]):
        raise ValueError("its frames are missing or do not match frame_steps")
    energies = {}
    for key, curve in tensors.items():
        name = key.removeprefix("energies.")
        if name == key:
            raise ValueError(f"an unknown tensor {shown(key)}")
        energies[name] = _shaped(curve, (steps, seeds), key)
    return {
        **header,
        "settings": settings,
        "selection": Selection(**selection),
        "receptive_field": _field(header["receptive_field"]),
        "images": images,
        "photo": photo,
        "target": target,
        "frames": frames,
        "energies": energies,
    }


def _an(kind: Any, value: Any, name: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{name} is {shown(value)}")
    return value


def _whole(values: Any, name: str) -> Any:
    return None if values is None else tuple(_an(int, n, name) for n in _an(list, values, name))


def _field(given: Any) -> ReceptiveField | None:
    if given is None:
        return None
    boxes = [Box(*_whole(given[name], name)) for name in ("unclipped", "clipped")]
    return ReceptiveField(boxes[0], boxes[1], _an(bool, given["assumed"], "assumed"))


def _numbers(values: Any, count: int, name: str) -> tuple[float, ...] | None:
    if values is None:
        return None
    numbers = tuple(float(_an((int, float), v, name)) for v in _an(list, values, name))
    if len(numbers) != count:
        raise ValueError(f"{name} has {len(numbers)} numbers for {count} seeds")
    if any(number != number for number in numbers) and name not in ("ssim", "psnr", "scores"):
        raise ValueError(f"{name} holds NaN")
    return numbers


def _row(entry: Any, length: int, name: str) -> tuple[Any, ...]:
    if len(_an(list, entry, name)) != length:
        raise ValueError(f"{name} has an entry {shown(entry)}")
    return tuple(entry)


def _images(tensors: dict[str, Tensor], seeds: int) -> Tensor:
    images = tensors.pop("images")
    if images.ndim != 4:
        raise ValueError(f"images of shape {tuple(images.shape)}")
    return _shaped(images, (seeds, max(1, images.shape[1]), *images.shape[-2:]), "images")


def _target(target: Tensor, photo: Tensor | None) -> None:
    if photo is not None:
        raise ValueError("it contains both a photo and a target")
    if target.ndim not in (2, 4):
        raise ValueError(f"target of shape {tuple(target.shape)}")
    _shaped(target, (1, *target.shape[1:]), "target")


def _shaped(tensor: Tensor, shape: Sequence[int], name: str) -> Tensor:
    if tuple(tensor.shape) != tuple(shape) or not tensor.is_floating_point():
        raise ValueError(f"{name} of shape {tuple(tensor.shape)} where {tuple(shape)} belongs")
    if name in ("images", "photo", "target") and not bool(torch.isfinite(tensor).all()):
        raise ValueError(f"{name} holds NaN or infinite values")
    return tensor
