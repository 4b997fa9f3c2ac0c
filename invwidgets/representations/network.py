"""A network cut at a layer: nothing after the layer is computed."""

from __future__ import annotations

import copy
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, fx, nn

from ..errors import (
    RepresentationError,
    SelectionError,
    UnknownNameError,
    shown,
    unknown_name,
)
from ..models.zoo import Network, frozen_copy
from .base import Layer, Region, Representation
from .fusion import drop_dead_code, fold_batch_norms, fuse_convolutions
from .receptive_fields.tracer import ReceptiveField
from .tracing import TracedLayer, trace_layers

_SAME = 1e-3  # relative difference up to which a rewritten network is the same network


class NetworkRepresentation(Representation):
    """A network of the zoo, or your own, cut at one of its layers.

    >>> phi = NetworkRepresentation(load_network("efficientnet_lite0"), "blocks.2")
    >>> phi(torch.rand(2, 3, 224, 224)).shape
    torch.Size([2, 40, 28, 28])

    Raises ``UnknownNameError`` for a layer that the network does not have.
    """

    def __init__(self, network: Network, layer: str | None = None) -> None:
        super().__init__()
        self.network = network
        self.name, self.size, self.weights = network.name, network.size, network.weights
        self.grayscale, self.handcrafted = network.grayscale, network.handcrafted
        self.smooth_if_hasty = network.smooth_if_hasty
        self.scale: Tensor
        self.shift: Tensor
        mean, std = (torch.tensor(v)[:, None, None] for v in (network.mean, network.std))
        self.register_buffer("scale", 1 / std)
        self.register_buffer("shift", -mean / std)
        self.register_buffer("mean_color", torch.tensor(network.mean_color or network.mean))
        traced = _traced(network, network.size)
        if layer is None and traced[-1].beyond:
            raise RepresentationError(
                f"{network.name} returns {traced[-1].beyond}, not one tensor of features: name a "
                f"layer; it has {traced[0].info.name} … {traced[-1].info.name}"
            )
        self.layer = traced[-1].info.name if layer is None else layer
        self._index = find_layer(self.layer, network, traced).info.index
        name = traced[self._index].info.name
        self.trunk = _trunk(network, name)
        self.eval()

    @property
    def digest(self) -> str:
        return self.network.digest

    @property
    def cache_key(self) -> nn.Module:
        return self.trunk

    @property
    def thread_safe(self) -> bool:
        return not isinstance(self.trunk, Hooked)  # one call's hook would hear another's

    def __deepcopy__(self, memo: dict[int, Any]) -> NetworkRepresentation:
        """A copy with a trunk of its own; the network, which nobody changes, stays shared."""
        memo[id(self.network)] = self.network
        copied = self.__class__.__new__(self.__class__)
        nn.Module.__init__(copied)
        copied.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return copied

    def at(self, layer: str) -> NetworkRepresentation:
        return NetworkRepresentation(self.network, layer)

    def layers(self, size: tuple[int, int] | None = None) -> tuple[Layer, ...]:
        return tuple(t.info for t in _traced(self.network, size or self.size))

    def layer_info(self, size: tuple[int, int] | None = None) -> Layer:
        return self.traced_layer(size or self.size).info

    def receptive_field(
        self, region: Region | None = None, size: tuple[int, int] | None = None
    ) -> ReceptiveField:
        layer = self.traced_layer(size or self.size)
        if region is not None:
            check_region(region, layer.info)
        return layer.receptive_field(region)

    def forward(self, images: Tensor) -> Tensor:
        normal = (images * self.scale).add_(self.shift)  # fastest colour by colour
        features = self.trunk(normal.contiguous(memory_format=torch.channels_last))
        layout = self.traced_layer(self.size).layout
        if layout.kind == "tokens":  # the one kind that depends on the size
            layout = self.traced_layer((images.shape[-2], images.shape[-1])).layout
        return layout.arrange(features)

    def traced_layer(self, size: tuple[int, int]) -> TracedLayer:
        return _traced(self.network, size)[self._index]


def find_layer(name: str, network: Network, traced: tuple[TracedLayer, ...]) -> TracedLayer:
    """A layer by its name, a container that ends in it, or the papers' name."""
    if not isinstance(name, str) or not name:
        first, last = traced[0].info.name, traced[-1].info.name
        raise UnknownNameError(
            f"layer {shown(name)}: give a layer's name; {network.name} has {first} … {last}"
        )
    wanted = network.aliases.get(name, name)
    for layer in traced:
        if wanted == layer.info.name or wanted in layer.info.aliases:
            return layer
    names = [t.info.name for t in traced]
    others = [*network.aliases, *(a for t in traced for a in t.info.aliases)]
    error = unknown_name("layer", name, names, network.name)
    close = unknown_name("layer", name, [*names, *others])
    hint = str(close).split("There are:")[0].removeprefix(f"no layer {shown(name)}").strip("; .")
    hint = f"; {hint}" if hint else ""
    listed = str(error).split("There are: ")[-1]
    raise type(error)(f"no layer {shown(name)} in {network.name}{hint}; its layers are {listed}")


def check_region(region: Region, layer: Layer) -> None:
    """Refuse a region of cells that the layer's map does not have."""
    top, bottom, left, right = region
    asked = f"region {top}:{bottom},{left}:{right}"
    if len(layer.shape) != 3:
        raise SelectionError(
            f"{asked}: layer {layer.name} is a vector of {layer.shape[0]} features without cells; "
            "leave the region out, or choose a layer that is a map"
        )
    rows, columns = layer.shape[1:]
    if top >= bottom or left >= right:
        raise SelectionError(f"{asked} is empty: regions are half-open, such as 3:8,3:8")
    if top < 0 or left < 0 or bottom > rows or right > columns:
        raise SelectionError(
            f"{asked} leaves the map of layer {layer.name}, which has {rows} rows and {columns} "
            f"columns of cells; choose within 0:{rows},0:{columns}"
        )


@lru_cache(maxsize=64)
def _traced_by_id(network: _ById, size: tuple[int, int]) -> tuple[TracedLayer, ...]:
    module, mean, std = network.network.module, network.network.mean, network.network.std
    parameter = next(module.parameters(), torch.empty(0))
    mean_, std_ = (torch.tensor(v).to(parameter) for v in (mean, std))
    traced = trace_layers(frozen_copy(module), mean_, std_, size)  # others may run it meanwhile
    if not traced:
        raise RepresentationError(
            f"{network.network.name} calls no module inside it, so that it has no layers; "
            "give a module made of modules"
        )
    return traced


class _ById:
    """A network as a cache's key: it is read-only, and holds dicts, so its identity is the key."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def __hash__(self) -> int:
        return id(self.network.module)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and other.network.module is self.network.module


def _traced(network: Network, size: tuple[int, int]) -> tuple[TracedLayer, ...]:
    return _traced_by_id(_ById(network), size)


def _trunk(network: Network, layer: str) -> nn.Module:
    """The network up to a layer, as fast as it goes: rewritten if that is the same, hooked else."""
    return _trunk_by_id(_ById(network), layer)


@lru_cache(maxsize=32)
def _trunk_by_id(network: _ById, layer: str) -> nn.Module:
    module = network.network.module
    hooked = Hooked(frozen_copy(module), layer)
    size = network.network.size
    parameter = next(module.parameters(), torch.empty(0))
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0)).to(parameter)
    with torch.no_grad():
        wanted = hooked(image.clone())
        try:
            graph = _traced_graph(frozen_copy(module), layer)
            fold_batch_norms(graph)
            fuse_convolutions(graph)
            given = graph(image.clone())
        except Exception:  # whatever a foreign network does to symbolic tracing, hooks take it
            return hooked
    same = given.shape == wanted.shape and (given - wanted).norm() <= _SAME * wanted.norm() + 1e-12
    return graph if same else hooked


_tracing = threading.Lock()  # fx patches nn.Module itself: two traces at once would undo each other


class _LayerTracer(fx.Tracer):
    """A symbolic trace that remembers which node each call of each module ended in.

    While it lasts, fx has patched every module of the process: what other threads call then (a
    search under way, say) is none of the trace's business.
    """

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.get_ident()
        self.calls: Counter[str] = Counter()
        self.ends: dict[str, fx.Node] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        ours = type(m).__module__.startswith(
            f"{__package__}."
        )  # stages of a descriptor: as a whole
        return ours or super().is_leaf_module(m, module_qualified_name)

    def call_module(
        self, m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if threading.get_ident() != self.thread:
            return forward(*args, **kwargs)
        output = super().call_module(m, forward, args, kwargs)
        name = self.path_of_module(m)
        self.calls[name] += 1
        called = name if self.calls[name] == 1 else f"{name}_{self.calls[name] - 1}"
        if isinstance(output, fx.Proxy):
            self.ends[called] = output.node
        return output

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if threading.get_ident() != self.thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


def _traced_graph(module: nn.Module, layer: str) -> fx.GraphModule:
    with _tracing:
        tracer = _LayerTracer()
        graph = tracer.trace(module)
    for node in graph.nodes:
        if node.op == "output":
            node.args = (tracer.ends[layer],)
    cut = fx.GraphModule(module, graph)
    drop_dead_code(cut)
    return cut.eval()


_reaching = threading.Lock()


class _Reached(Exception):
    """Ends a forward pass at the layer wanted, carrying its output."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output


class Hooked(nn.Module):
    """Runs a network until a layer has its output; a hook is open only during the call.

    One call at a time: another thread's would hear the same hook.
    """

    def __init__(self, module: nn.Module, layer: str) -> None:
        super().__init__()
        self.module = module
        names = dict(module.named_modules())
        path, _, count = layer.rpartition("_")
        if layer in names:
            self.path, self.call = layer, 1
        else:
            self.path, self.call = path, int(count) + 1

    def forward(self, images: Tensor) -> Tensor:
        try:
            with _reaching, self._hook():
                self.module(images)
        except _Reached as reached:
            return reached.output
        raise RepresentationError(
            f"layer {self.path} was not reached; the network took another way"
        )

    @contextmanager
    def _hook(self) -> Iterator[None]:
        calls = 0

        def stop(module: nn.Module, args: Any, output: Any) -> None:
            nonlocal calls
            calls += 1
            if calls == self.call:
                raise _Reached(output)

        handle = self.module.get_submodule(self.path).register_forward_hook(stop)
        try:
            yield
        finally:
            handle.remove()
