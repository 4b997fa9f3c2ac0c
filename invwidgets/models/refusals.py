"""The error messages for modules that cannot be run and for failing passes, with remedies.

>>> check_module(nn.Conv2d(3, 8, 3))
>>> with words_of_failures(module, (32, 32)):
...     module(torch.rand(1, 3, 32, 32))
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InvwidgetsError, RepresentationError, own_words

_CLIPS = (
    "it takes clips (N, 3, frames, H, W), not images: give a module that makes a clip of each "
    "image, such as one that calls it on images[:, :, None].expand(-1, -1, 16, -1, -1)"
)
_QUANTIZED = "its layers are quantized and have no gradient: give the original float network"
_ONE_SIZE = (
    "it takes only images of certain sizes, such as its training size or multiples of its stride: "
    "give one with size=(HEIGHT, WIDTH)"
)

_REMEDIES = (
    (r"missing the required \"forward\"", "it has no forward: give a module that can be called"),
    (r"weight of size \[\d+(, \d+){4}\]|conv3d|[Ee]xpected 5D", _CLIPS),
    (
        r"conv1d|2D or 3D|unbatched 2D",
        "it takes sequences, not images: give a module that makes a sequence of each image",
    ),
    (
        r"'indices'|tensors used as indices must be",
        "it takes whole numbers, such as the ids of tokens, not images: give the part of it that "
        "takes images",
    ),
    (
        r"expected input\[\d+, GIVEN, .* to have (\d+) channels"
        r"|should contain GIVEN elements not (\d+)",
        "it takes images with {} channels, but mean and std have GIVEN numbers: give mean and std "
        "of length {}",
    ),
    (
        r"'Tensor' object has no attribute|too many indices|only integers, slices",
        "its forward may need something else than a tensor of images, such as a dict: give a "
        "module whose forward takes (N, C, H, W) and converts it",
    ),
    (
        r"[Kk]ernel size can't be greater|[Oo]utput size is too small|[Pp]adding size should be"
        r"|more than 1 spatial element|sizes should be greater than 0|smaller than kernel",
        "the image is too small for it: give a larger one with size=(HEIGHT, WIDTH)",
    ),
    (
        r"cannot be multiplied|invalid for input of size|must match|match model|[Ww]rong image"
        r"|normalized_shape|divisible|don't multiply|does not broadcast|elements not \d+",
        _ONE_SIZE,
    ),
    (
        r"[Ii]nference ?[Tt]ensor|InferenceMode|inference_mode",
        "it contains or makes tensors of torch.inference_mode(), which have no gradient: make them "
        "under torch.no_grad()",
    ),
    (r"[Qq]uantized|QUInt8|QInt8", _QUANTIZED),
    (
        r"dtype|scalar type|should be the same",
        "it is run in float32, but a tensor in it that is neither a parameter nor a buffer has "
        "another type: make it a buffer with register_buffer, or create it with dtype=x.dtype",
    ),
    (
        r"same device|expected device|on device",
        "a tensor in it that is neither a parameter nor a buffer is on another device: make it a "
        "buffer with register_buffer, or create it with device=x.device",
    ),
    (
        r"not enough memory|out of memory|allocate memory",
        "the image is too large for this machine: give a smaller one with size=(HEIGHT, WIDTH)",
    ),
    (
        r"when training",
        "it switches to training mode when called: leave self.train() out of its forward",
    ),
)  # pairs of a pattern in an error's message and a remedy; the first match is used


def check_module(module: nn.Module, given: Collection[str] = ()) -> None:
    """Raise an error for a module that cannot be inverted with any image.

    It is a ``RepresentationError`` for TorchScript, for quantized modules, for modules on the meta
    device, and if ``forward`` takes no image or needs arguments that are not ``given``.
    """
    name = type(module).__name__
    for part in module.modules():
        if isinstance(part, torch.jit.ScriptModule):
            raise RepresentationError(
                f"{name} is TorchScript, whose layers cannot be traced: give the Python module "
                "from which torch.jit made it"
            )
        if ".quantized" in type(part).__module__ and type(part).__module__.startswith("torch."):
            raise RepresentationError(f"{name}: {_QUANTIZED}")
    for path, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_quantized:
            raise RepresentationError(f"{name}: {_QUANTIZED}")
        if tensor.is_meta:
            raise RepresentationError(
                f"{name}: {path} is on the meta device and has no values: build the network "
                "outside of torch.device('meta'), and load its weights"
            )
    if wrong := _arguments(module, given):
        raise RepresentationError(f"{name}: {wrong}")


@contextmanager
def words_of_failures(
    module: nn.Module, size: tuple[int, int], channels: int = 3
) -> Iterator[None]:
    """Turn an error of a pass of ``module`` inside the block into a ``RepresentationError``.

    The message quotes the error, names its layer, and tells the remedy for its cause. ``module``
    has hooks meanwhile, so nobody else may run it. The pass is of an image of ``size`` (height,
    width) and ``channels``.
    """
    running: list[tuple[str, nn.Module, tuple[int, ...]]] = []

    def enter(path: str) -> Any:
        def record(part: nn.Module, args: tuple[Any, ...]) -> None:
            shape = tuple(args[0].shape) if args and isinstance(args[0], Tensor) else ()
            running.append((path, part, shape))
            theirs = type(part).__module__.startswith("torch.nn.")
            if theirs and type(part).__name__.endswith("3d") and len(shape) == 4:
                raise RepresentationError(f"{type(module).__name__}: {_CLIPS}")  # even if it runs

        return record

    def leave(part: nn.Module, _: Any, __: Any) -> None:
        while running and running.pop()[1] is not part:
            pass

    with ExitStack() as stack:
        for path, part in module.named_modules():
            if path:
                stack.callback(part.register_forward_pre_hook(enter(path)).remove)
                stack.callback(part.register_forward_hook(leave).remove)
        try:
            yield
        except InvwidgetsError:
            raise
        except Exception as error:
            path, part, shape = running[-1] if running else ("", module, ())
            place = f"in layer {path} ({type(part).__name__}), " if path else ""
            if isinstance(part, nn.Linear) and len(shape) == 4 and "multiplied" in str(error):
                remedy = f"{path} takes vectors but gets a map: put nn.Flatten() before it"
            else:
                remedy = _remedy(str(error), channels) or (
                    f"it also fails without this package: call it on "
                    f"torch.rand(1, {channels}, {size[0]}, {size[1]}) to see"
                )
            raise RepresentationError(
                f"{type(module).__name__} failed on an image of {size[0]}x{size[1]} pixels: "
                f"{place}{own_words(error)}; {remedy}"
            ) from error


def _remedy(said: str, channels: int) -> str:
    for pattern, remedy in _REMEDIES:
        given = str(channels)
        if found := re.search(pattern.replace("GIVEN", given), said):
            number = next((group for group in found.groups() if group), "")
            return remedy.replace("GIVEN", given).replace("{}", number)
    return ""


def _arguments(module: nn.Module, given: Collection[str]) -> str:
    """A message about arguments that a module's ``forward`` lacks; empty if it lacks none."""
    try:
        signature = inspect.signature(module.forward)
    except (TypeError, ValueError):  # functions written in C may have no signature
        return ""
    if wrong := _images_elsewhere(module, [*signature.parameters]):
        return wrong
    try:
        signature.bind(None, **dict.fromkeys(given))
    except TypeError:
        more = [
            p
            for p in signature.parameters.values()
            if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
        positional = [p for p in signature.parameters.values() if p.kind is not p.KEYWORD_ONLY]
        more = [p for p in (more[1:] if positional else more) if p.name not in given]
        if not positional:
            return "its forward takes no image: give a module whose forward takes (N, C, H, W)"
        needed = f"its forward needs {' and '.join(p.name for p in more)} besides images"
        if all(p.kind is not p.POSITIONAL_ONLY for p in more):
            values = ", ".join(f"{p.name!r}: …" for p in more)
            return f"{needed}: give forward_kwargs={{{values}}}{' too' if given else ''}"
        return (
            f"{needed}: give a module that calls it with {'it' if len(more) == 1 else 'them'}, "
            "whose forward takes only images"
        )
    return ""


def _images_elsewhere(module: nn.Module, names: list[str]) -> str:
    """A message about a transformers module whose first argument is not the images; else empty."""
    if "pixel_values" not in names[1:]:
        return ""
    parts = [
        name
        for name, part in module.named_children()
        if [*inspect.signature(part.forward).parameters][:1] == ["pixel_values"]
    ]
    part = f", {parts[0]}" if parts else ""
    return (
        f"its forward takes {names[0]} before pixel_values: give the part of it whose forward "
        f"takes only images{part}"
    )
