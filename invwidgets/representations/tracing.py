"""The tracing of a network by one pass: its layers in order, their shapes and receptive fields."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from ..models.forward import ForwardArguments
from ..models.refusals import words_of_failures
from .base import Layer, Region
from .outputs import OUTPUT, FeaturePlace, Path, leaves, output_in_words
from .receptive_fields.boxes import EMPTY, least, slim, spacing
from .receptive_fields.tracer import Box, BoxTracer, ReceptiveField

_REGISTERS = 16  # the maximum number of prefix tokens for small grids


@dataclass(frozen=True)
class Layout:
    """The rule that converts a captured tensor to a map (N, C, h, w) or a vector (N, D)."""

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
        """Tokens (…, prefix + rows · columns) as a map.

        The prefix tokens follow below the grid; the rest of their last row is ``blank``.
        """
        assert self.tokens is not None
        prefix, rows, columns = self.tokens
        grid: Tensor = tokens[..., prefix:].unflatten(-1, (rows, columns))
        if not prefix:
            return grid
        below = nn.functional.pad(tokens[..., :prefix], (0, -prefix % columns), value=blank)
        return torch.cat([grid, below.unflatten(-1, (-1, columns))], -2)


class CallNames:
    """The names of the calls of a network's modules: a path, with a number for later calls.

    >>> names = CallNames(nn.ModuleDict({"conv": nn.Identity(), "conv_1": nn.Identity()}))
    >>> [names.of_next(path) for path in ("conv", "conv_1", "conv", "conv")]
    ['conv', 'conv_1', 'conv_2', 'conv_3']
    >>> names.find("conv_2")
    ('conv', 2)

    Numbers begin at 1. A number is skipped if the name would be the path of another module. The
    network's own output is called ``output``.
    """

    def __init__(self, network: nn.Module) -> None:
        self._paths = {path for path, _ in network.named_modules()}
        self._last: dict[str, int] = {}
        self.output = next(name for name in OUTPUT if name not in self._paths)

    def of_next(self, path: str) -> str:
        """The name of the next call of the module at ``path``."""
        if path not in self._last:
            self._last[path] = 0
            return path
        self._last[path] = next(n for n in count(self._last[path] + 1) if self._free(path, n))
        return f"{path}_{self._last[path]}"

    def find(self, name: str) -> tuple[str, int]:
        """The path of a call's module and the number of the call, from 1."""
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
    """A layer with its layout, its place, and the boxes of its cells (see ``boxes``).

    The boxes are (2, 4, h, w) for a map and (2, 4) for a vector.
    """

    info: Layer
    layout: Layout
    boxes: Tensor
    place: FeaturePlace

    def receptive_field(self, region: Region | None) -> ReceptiveField:
        boxes = self.boxes
        if region is not None and boxes.ndim == 4:
            boxes = boxes[:, :, region[0] : region[1], region[2] : region[3]]
        within, endless = boxes.reshape(2, 4, -1).amin(2).tolist()
        return ReceptiveField(_box(endless), _box(within), self.info.assumed)


@dataclass(frozen=True)
class Trace:
    """The layers of a network at one image size.

    ``last`` is the index of the layer of its output. ``refused`` gives, for each name that is not a
    layer, the reason. ``beyond`` describes the network's output if it contains no features.
    """

    layers: tuple[TracedLayer, ...]
    last: int
    refused: Mapping[str, str]
    beyond: str


def trace_layers(
    module: nn.Module,
    mean: Tensor,
    std: Tensor,
    size: tuple[int, int],
    arguments: ForwardArguments,
) -> Trace:
    """Find every layer of ``module`` for images of ``size``; the module must not be shared.

    A layer is a tensor with one row per image that a module returns, directly or within a tuple, a
    list, a dict or a dataclass, unless an earlier module has returned it. A container that returns
    its last child's output is an alias of that layer. Modules that are called again have numbered
    names. The network's output is a layer too, unless it is only a view of the last layer. A pass
    of two images distinguishes tokens (L, N, D) from tensors whose rows are not images.
    ``arguments`` are the further arguments of the forward.

    Raises ``RepresentationError``, which quotes the network's error and tells a remedy, if the
    network fails on such an image.
    """
    with words_of_failures(module, size, len(mean)):
        pass_ = _Pass(module, size, arguments)
        pass_.run(mean, std)
        if pass_.unclear:
            second = pass_.batch_second(mean, std)
            if second:
                pass_ = _Pass(module, size, arguments, second)
                pass_.run(mean, std)
    return pass_.trace()


class _Pass:
    """One pass of an image, which records the layers."""

    def __init__(
        self,
        module: nn.Module,
        size: tuple[int, int],
        arguments: ForwardArguments,
        second: Collection[str] = (),
    ) -> None:
        self.module, self.size, self.second = module, size, second
        self.arguments = arguments
        self.unclear: dict[str, tuple[int, ...]] = {}
        self.boxes = BoxTracer()
        self.names = CallNames(module)
        self.found: list[tuple[Tensor, int]] = []  # kept, so that ids stay unique
        self.seen: dict[tuple[int, int], int] = {}
        self.layers: list[TracedLayer] = []
        self.aliases: list[list[str]] = []
        self.grids: list[tuple[int, int]] = []
        self.paths = {path for path, _ in module.named_modules()}
        self.called: dict[str, list[str]] = {}
        self.refused: dict[str, str] = {}
        self.last, self.beyond = -1, ""

    def run(self, mean: Tensor, std: Tensor) -> None:
        image = self.boxes.image(*self.size, like=mean, channels=len(mean))
        with _recorded(self.module, self._on_call), torch.no_grad(), self.boxes:
            self._ends(self._returned((image - mean[:, None, None]) / std[:, None, None]))

    def batch_second(self, mean: Tensor, std: Tensor) -> set[str]:
        """The names of the tensors that are (L, 1, D) for one image and (L, 2, D) for two."""
        names, found = CallNames(self.module), set()

        def look(called: str, output: Any) -> None:
            for path, value in leaves(output):
                name = self._written(called, path)
                one = self.unclear.get(name)
                if one and isinstance(value, Tensor) and value.shape == (one[0], 2, one[2]):
                    found.add(name)

        generator = torch.Generator().manual_seed(0)
        images = torch.rand(2, len(mean), *self.size, generator=generator).to(mean)
        looked_at = _recorded(
            self.module, lambda path, _, output: look(names.of_next(path), output)
        )
        with looked_at, torch.no_grad():
            try:
                normal = (images - mean[:, None, None]) / std[:, None, None]
                look(names.output, self._returned(normal))
            except Exception:  # the network takes only one image at a time
                return set()
        return found

    def _returned(self, images: Tensor) -> Any:
        return self.module(images, **self.arguments.given())

    def trace(self) -> Trace:
        layers = tuple(
            replace(t, info=replace(t.info, aliases=tuple(aliases)))
            for t, aliases in zip(self.layers, self.aliases, strict=True)
        )
        return Trace(layers, self.last, self._reasons(), self.beyond)

    def _on_call(self, path: str, layer: nn.Module, output: Any) -> None:
        called = self.names.of_next(path)
        self.called.setdefault(path, []).append(called)
        with self.boxes.paused():  # the recording itself uses operators
            self._record(called, layer, output)

    def _record(self, called: str, layer: nn.Module, output: Any, end: bool = False) -> list[int]:
        """Record the layers in the output of a call, and return their indices."""
        parts = [(path, value, self._written(called, path)) for path, value in leaves(output)]
        fitting = []
        for path, value, name in parts:
            second = name in self.second
            features = value.transpose(0, 1) if second else value
            if wrong := _no_features(features):
                self.refused[name] = f"is {wrong}"
                if isinstance(value, Tensor) and value.ndim == 3 and value.shape[1] == 1:
                    self.unclear[name] = tuple(value.shape)
                continue
            index = self._enter(
                name, FeaturePlace(called, path, second), layer, value, features, end
            )
            if index >= 0:
                fitting.append((name, index))
        if len(fitting) == 1 and fitting[0][0] != called:
            self.aliases[fitting[0][1]].append(called)
        elif output is None or not (isinstance(output, Tensor) or fitting):
            self.refused[called] = f"returns {output_in_words(output)}, which contains no features"
        elif len(fitting) > 1:
            names = ", ".join(name for name, _ in fitting[:3])
            more = " …" if len(fitting) > 3 else ""
            self.refused[called] = f"returns {output_in_words(output)}: give one of {names}{more}"
        return [index for _, index in fitting]

    def _enter(
        self,
        name: str,
        place: FeaturePlace,
        layer: nn.Module,
        value: Tensor,
        features: Tensor,
        end: bool,
    ) -> int:
        key = (id(value), value._version)
        if key in self.seen:
            if not end or place.path:
                self.aliases[self.seen[key]].append(name)
            return self.seen[key]
        if end and self.found and _is_view(value, *self.found[-1]):
            if place.path:
                self.aliases[-1].append(name)
            return len(self.layers) - 1
        if isinstance(layer, nn.Identity) and not end:
            self.refused[name] = (
                "is an nn.Identity, which only returns what the module around it computes: give "
                "that module"
            )
            return -1  # the output gets the name of the module around it
        index = self.seen[key] = len(self.layers)
        self.found.append((value, value._version))
        made = _describe(index, name, layer, features, self.boxes, self.grids)
        self.layers.append(replace(made, place=place))
        self.aliases.append([])
        return index

    def _ends(self, returned: Any) -> None:
        """Record the output of the network."""
        indices = self._record(self.names.output, self.module, returned, end=True)
        self.last = len(self.layers) - 1
        if not indices:
            wrong = (
                _no_features(returned)
                if isinstance(returned, Tensor)
                else output_in_words(returned)
            )
            self.beyond = wrong
        elif not isinstance(returned, Tensor):
            self.last = indices[0]

    def _written(self, called: str, path: Path) -> str:
        """The name of a place, with ``['key']`` if ``.key`` would be the name of another module."""
        name = called
        for step in path:
            plain = f"{name}{step}"
            name = f"{name}[{step.key!r}]" if plain in self.paths else plain
        return name

    def _reasons(self) -> dict[str, str]:
        """The reasons why names are not layers, by name."""
        reasons = dict(self.refused)
        for path, part in self.module.named_modules():
            if path and path not in self.called:
                reasons.setdefault(path, self._uncalled(path, part))
        for path, _ in [*self.module.named_parameters(), *self.module.named_buffers()]:
            reasons.setdefault(path, "is a parameter or a buffer, the same for every image")
        for path, calls in self.called.items():
            times = "once" if len(calls) == 1 else f"{len(calls)} times"
            listed = ", ".join(calls[:3]) + (" …" if len(calls) > 3 else "")
            reasons[f"{path}_"] = f"is called {times}: {listed}"
        return reasons

    def _uncalled(self, path: str, part: nn.Module) -> str:
        inner = [name for name in self.called if name.startswith(f"{path}.")]
        if not inner:
            return f"(a {type(part).__name__}) is never called in the forward pass"
        direct = [name for name in inner if "." not in name[len(path) + 1 :]] or inner
        ends = direct[0] if len(direct) == 1 else f"{direct[0]} … {direct[-1]}"
        return f"is a {type(part).__name__}, which is not called itself: give one in it, {ends}"


@contextmanager
def _recorded(module: nn.Module, record: Callable[[str, nn.Module, Any], None]) -> Iterator[None]:
    """Call ``record`` with path, module and output after every call inside a module."""
    with ExitStack() as stack:
        for path, part in module.named_modules():
            if path:
                hook = partial(lambda path, part, _, output: record(path, part, output), path)
                stack.callback(part.register_forward_hook(hook).remove)
        yield


def _is_view(output: Tensor, features: Tensor, version: int) -> bool:
    """Whether an output is a view of features as they were at a version, with all their numbers."""
    where = features.untyped_storage().data_ptr()
    same = output.untyped_storage().data_ptr() == where and output._version == version
    return same and output.numel() == features.numel()


def _no_features(output: Any) -> str:
    """The kind of an output that contains no features; empty if it does."""
    if not isinstance(output, Tensor):
        return output_in_words(output)
    if output.layout != torch.strided:
        return "a sparse tensor"
    if not output.is_floating_point():
        return f"a tensor of {str(output.dtype).removeprefix('torch.')}"
    if not output.ndim:
        return "a single number"
    if output.shape[0] != 1:  # windows or tokens of one image along the first axis
        return f"a tensor of {output.shape[0]} rows for one image, such as windows of it"
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
    elif layout.tokens is not None and layout.tokens[1:] not in grids:
        grids.append(layout.tokens[1:])
    shape = tuple(layout.arrange(output).shape[1:])
    cells = _cells(layout, values)
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
    return TracedLayer(info, layout, cells.to(torch.float32).contiguous(), FeaturePlace(name))


def _stride(near: Tensor, jump: float, even: float) -> float:
    """The stride in pixels, from the top or left sides of the cells' boxes.

    If these are not evenly spaced, it is the counted stride ``jump``. Views may change a map's grid
    without being counted, so if ``jump`` is far from ``even`` (pixels divided by cells), ``even``
    is used.
    """
    step = spacing(near, 0.0)
    if step:
        return step
    return jump if 0.5 < even / jump < 1.75 or len(near) < 2 else even


def _layout(
    output: Tensor, values: Tensor, module: nn.Module, grids: list[tuple[int, int]]
) -> Layout:
    if output.ndim == 4:
        endless = slim(values)[1]  # a dimension that repeats one number is kept once
        varies = [bool((endless != endless.narrow(d, 0, 1)).any()) for d in range(1, 5)]
        if varies[1] and not varies[3]:
            return Layout("channels_last")
        if not any(varies) and type(module) in (nn.Linear, nn.LayerNorm):
            return Layout("channels_last")
        return Layout("map")
    if output.ndim == 3 and output.shape[2] > 1:  # otherwise it is a pooled map (N, C, 1)
        tokens = output.shape[1]
        halved = [(-(-rows // 2), -(-columns // 2)) for rows, columns in reversed(grids)]
        for rows, columns in [*reversed(grids), *halved]:  # for merged patches
            if rows * columns == tokens:
                return Layout("tokens", (0, rows, columns))
        fitting = [grid for grid in reversed(grids) if math.prod(grid) <= tokens]
        if fitting:
            rows, columns = max(fitting, key=math.prod)
            prefix = tokens - rows * columns
            if prefix <= max(rows * columns, _REGISTERS):
                return Layout("tokens", (prefix, rows, columns))
    return Layout("vector")


def _cells(layout: Layout, values: Tensor) -> Tensor:
    """The boxes of cells, (2, 4, h, w) or (2, 4): the union over channels of (2, 4, 1, *shape)."""
    if layout.kind == "vector":
        return slim(values).flatten(2).amin(2)
    channels = -3 if layout.kind == "map" else -1
    cells = least(values, [channels]).squeeze(channels)[:, :, 0]
    shape = list(values.shape[3:])
    del shape[channels]
    cells = cells.expand(2, 4, *shape)
    return layout.arrange_tokens(cells, EMPTY) if layout.kind == "tokens" else cells


def _box(values: list[float]) -> Box:
    top, left, bottom, right = values
    if not math.isfinite(top + left + bottom + right):
        return Box(0, 0, 0, 0)
    return Box(int(top), int(left), int(-bottom), int(-right))
