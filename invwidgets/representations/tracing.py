"""Run a network once and see: its layers in execution order, their shapes and receptive fields."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from ..models.refusals import words_of_failures
from .base import Layer, Region
from .receptive_fields.boxes import EMPTY, spacing
from .receptive_fields.tracer import Box, BoxTracer, ReceptiveField

_OUTPUT = ("output", "returned", "network output")  # the first that is no module's name
_REGISTERS = 16  # tokens beside the patches, however few these are


@dataclass(frozen=True)
class Layout:
    """How a captured tensor is turned into a map (N, C, h, w) or a vector (N, D)."""

    kind: str  # "map", "channels_last", "tokens" or "vector"
    tokens: tuple[int, int, int] | None = None  # prefix tokens, rows, columns

    def arrange(self, captured: Tensor) -> Tensor:
        if self.kind == "map":
            return captured
        if self.kind == "channels_last":
            return captured.permute(0, 3, 1, 2)
        if self.kind == "vector":
            return captured.flatten(1)
        return self.arrange_tokens(captured.transpose(1, 2), 0.0)

    def arrange_tokens(self, tokens: Tensor, blank: float) -> Tensor:
        """Tokens (…, prefix + rows · columns) as a map: the grid, below it the prefix tokens in as
        many rows as they need, ``blank`` beyond them."""
        assert self.tokens is not None
        prefix, rows, columns = self.tokens
        grid: Tensor = tokens[..., prefix:].unflatten(-1, (rows, columns))
        if not prefix:
            return grid
        below = nn.functional.pad(tokens[..., :prefix], (0, -prefix % columns), value=blank)
        return torch.cat([grid, below.unflatten(-1, (-1, columns))], -2)


class CallNames:
    """The names of the calls of a network's modules: a path, and of later calls a number with it.

    >>> names = CallNames(nn.ModuleDict({"conv": nn.Identity(), "conv_1": nn.Identity()}))
    >>> [names.of_next(path) for path in ("conv", "conv_1", "conv", "conv")]
    ['conv', 'conv_1', 'conv_2', 'conv_3']
    >>> names.find("conv_2")
    ('conv', 2)

    Numbers begin at 1; those are left out with which a name would be another module's path. What
    the network itself gives is its ``output``.
    """

    def __init__(self, network: nn.Module) -> None:
        self._paths = {path for path, _ in network.named_modules()}
        self._last: dict[str, int] = {}
        self.output = next(name for name in _OUTPUT if name not in self._paths)

    def of_next(self, path: str) -> str:
        """The name of the next call of the module at ``path``."""
        if path not in self._last:
            self._last[path] = 0
            return path
        self._last[path] = next(n for n in count(self._last[path] + 1) if self._free(path, n))
        return f"{path}_{self._last[path]}"

    def find(self, name: str) -> tuple[str, int]:
        """The path of a call's module, and which of its calls it is, from 1."""
        if name == self.output:
            return "", 1
        if name in self._paths:
            return name, 1
        path, _, number = name.rpartition("_")
        return path, 1 + sum(self._free(path, n) for n in range(1, int(number) + 1))

    def _free(self, path: str, number: int) -> bool:
        return f"{path}_{number}" not in self._paths


@dataclass(frozen=True)
class TracedLayer:
    """A layer, its layout, and its cells' boxes (2, 4, h, w), of a vector (2, 4), see ``boxes``.

    ``beyond``: at the last one, what the network itself returns where that is no features.
    """

    info: Layer
    layout: Layout
    boxes: Tensor
    beyond: str = ""

    def receptive_field(self, region: Region | None) -> ReceptiveField:
        boxes = self.boxes
        if region is not None and boxes.ndim == 4:
            boxes = boxes[:, :, region[0] : region[1], region[2] : region[3]]
        within, endless = boxes.reshape(2, 4, -1).amin(2).tolist()
        return ReceptiveField(_box(endless), _box(within), self.info.assumed)


def trace_layers(
    module: nn.Module, mean: Tensor, std: Tensor, size: tuple[int, int]
) -> tuple[TracedLayer, ...]:
    """Every layer of ``module`` at ``size`` of input; a copy nobody else has, for it is hooked.

    A layer is a module whose output, one for each image, no earlier one has given; a container
    that hands on its last child's output lends that layer an alias. Names count the calls of a
    module called again. What the network makes of the last one's features, more than a view of
    them, is a layer of its own.

    Raises ``RepresentationError``, in the network's own words and with the remedy for the cause,
    if it fails on such an image.
    """
    boxes = BoxTracer()
    names = CallNames(module)
    found: list[tuple[Tensor, int]] = []  # kept alive, so that ids stay unique
    aliases: dict[int, list[str]] = {}
    seen: dict[tuple[int, int], int] = {}
    traced: list[TracedLayer] = []
    grids: list[tuple[int, int]] = []

    def hook(name: str) -> Any:
        def record(layer: nn.Module, _: Any, output: Any) -> None:
            called = names.of_next(name)
            if _no_features(output):
                return
            key = (id(output), output._version)
            if key in seen:
                aliases[seen[key]].append(called)
                return
            if isinstance(layer, nn.Identity):
                return  # a place holder: the module around it gives this output its name
            index = len(traced)
            seen[key] = index
            aliases[index] = []
            found.append((output, output._version))
            traced.append(_describe(index, called, layer, output, boxes, grids))

        return record

    image = boxes.image(*size, like=mean, channels=len(mean))
    with ExitStack() as stack:
        for name, layer in module.named_modules():
            if name:
                stack.callback(layer.register_forward_hook(hook(name)).remove)
        stack.enter_context(words_of_failures(module, size, len(mean)))
        with torch.no_grad(), boxes:
            returned = module((image - mean[:, None, None]) / std[:, None, None])
    beyond = _no_features(returned)
    given = beyond or (id(returned), returned._version) in seen
    if not given and not (found and _is_view(returned, *found[-1])):
        traced.append(_describe(len(traced), names.output, module, returned, boxes, grids))
        aliases[len(aliases)] = []
    return tuple(
        TracedLayer(
            Layer(**{**vars(t.info), "aliases": tuple(aliases[t.info.index])}),
            t.layout,
            t.boxes,
            beyond if t is traced[-1] else "",
        )
        for t in traced
    )


def _is_view(output: Tensor, features: Tensor, version: int) -> bool:
    """Whether an output is all the numbers that features had at a version, in another shape."""
    where = features.untyped_storage().data_ptr()
    same = output.untyped_storage().data_ptr() == where and output._version == version
    return same and output.numel() == features.numel()


def _no_features(output: Any) -> str:
    """What an output of one image is if it is no features; empty if it is."""
    if not isinstance(output, Tensor):
        return f"a {type(output).__name__}"
    if output.layout != torch.strided:
        return "a sparse tensor"
    if not output.is_floating_point():
        return f"a tensor of {str(output.dtype).removeprefix('torch.')}"
    if not output.ndim:
        return "a single number"
    if output.shape[0] != 1:  # windows or tokens of one image beside each other
        return f"{output.shape[0]} rows for one image"
    return ""


def _describe(
    index: int,
    name: str,
    module: nn.Module,
    output: Tensor,
    tracer: BoxTracer,
    grids: list[tuple[int, int]],
) -> TracedLayer:
    values = tracer.seen(output)
    layout = _layout(output, values, module, grids)
    if layout.kind == "map":
        grids.append((output.shape[2], output.shape[3]))
    arranged = _arrange_boxes(layout, values)
    shape = tuple(layout.arrange(output).shape[1:])
    cells = arranged.amin(2)  # the union over channels
    jump = tracer.jump(output)
    everywhere = True
    if len(shape) == 3:
        seen = cells[1][:, torch.isfinite(cells[1]).all(0)]
        everywhere = bool((seen == seen[:, :1]).all())
    stride = field = offset = None
    if len(shape) == 3:
        rows = layout.tokens[1] if layout.tokens else shape[1]
        middle = [float(v) for v in cells[1, :, rows // 2, shape[2] // 2]]
        corner = [float(v) for v in cells[1, :, 0, 0]]
        stride = (
            _stride(cells[1, 0, :rows, shape[2] // 2], jump[0], tracer.size[0] / rows),
            _stride(cells[1, 1, rows // 2], jump[1], tracer.size[1] / shape[2]),
        )
        if all(math.isfinite(v) for v in (*middle, *corner)):
            field = (int(-middle[2] - middle[0]), int(-middle[3] - middle[1]))
            offset = (int(corner[0]), int(corner[1]))
    info = Layer(
        index=index,
        name=name,
        kind=type(module).__name__,
        shape=shape,
        stride=stride,
        receptive_field=field,
        offset=offset,
        is_global=everywhere,
        tokens=layout.tokens,
        assumed=tracer.assumed(output),
    )
    return TracedLayer(info, layout, cells.to(torch.float32).contiguous())


def _stride(near: Tensor, jump: float, even: float) -> float:
    """Pixels from cell to cell, by their near sides; where these do not say, as counted.

    What views do to a map's grid is not counted: a count far from ``even``, the image's pixels by
    its cells, gives way to it.
    """
    step = spacing(near, 0.0)
    if step:
        return step
    return jump if 0.5 < even / jump < 1.75 or len(near) < 2 else even


def _layout(
    output: Tensor, values: Tensor, module: nn.Module, grids: list[tuple[int, int]]
) -> Layout:
    if output.ndim == 4:
        varies = [bool((values[1] != values[1].narrow(d, 0, 1)).any()) for d in range(1, 5)]
        if varies[1] and not varies[3]:
            return Layout("channels_last")
        if not any(varies) and type(module) in (nn.Linear, nn.LayerNorm):
            return Layout("channels_last")
        return Layout("map")
    if output.ndim == 3:
        tokens = output.shape[1]
        fitting = [grid for grid in reversed(grids) if math.prod(grid) <= tokens]
        if fitting:
            rows, columns = max(fitting, key=math.prod)
            prefix = tokens - rows * columns
            if prefix <= max(rows * columns, _REGISTERS):
                return Layout("tokens", (prefix, rows, columns))
    return Layout("vector")


def _arrange_boxes(layout: Layout, values: Tensor) -> Tensor:
    """(2, 4, 1, *shape) as (2, 4, C, h, w) or (2, 4, D)."""
    flat = values.flatten(0, 1)[:, 0]  # the eight numbers take the batch's place
    if layout.kind == "tokens":
        flat = layout.arrange_tokens(flat.transpose(1, 2), EMPTY)
    else:
        flat = layout.arrange(flat)
    arranged: Tensor = flat.unflatten(0, (2, 4))
    return arranged


def _box(values: list[float]) -> Box:
    top, left, bottom, right = values
    if not math.isfinite(top + left + bottom + right):
        return Box(0, 0, 0, 0)
    return Box(int(top), int(left), int(-bottom), int(-right))
