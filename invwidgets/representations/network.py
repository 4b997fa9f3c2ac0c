"""The representation of a network cut at a layer, which computes nothing after the layer."""

from __future__ import annotations

import copy
import operator
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call

from ..errors import (
    RepresentationError,
    SelectionError,
    UnknownNameError,
    own_words,
    shown,
    unknown_name,
)
from ..fallbacks import took_slower_path
from ..models.forward import Filled, ForwardArguments
from ..models.isolate import module_copy, written_tensors
from ..models.zoo import Network
from ..torch_state import OneAttention, own_defaults, own_random, own_state
from .base import Layer, Region, Representation
from .fusion import drop_dead_code, fold_batch_norms, fuse_convolutions
from .outputs import FeaturePlace, in_name, spellings
from .receptive_fields.tracer import ReceptiveField
from .stages import default_layer
from .tracing import CallNames, Trace, TracedLayer, trace_layers

_SAME = 1e-3  # the relative difference up to which a rewritten network counts as the same
_EQUAL = 1e-4  # the same for two passes of one image, alone or with others in a batch
_TRUNKS = 32  # the number of trunks that are kept for each network
_FAINT = 0.01  # below this relative difference two images have almost the same features
_DRAW = 0  # the seed of random numbers that a network draws


class NetworkRepresentation(Representation):
    """A representation by a network, of the zoo or your own, cut at one of its layers.

    >>> phi = NetworkRepresentation(load_network("efficientnet_lite0"), "blocks.2")
    >>> phi(torch.rand(2, 3, 224, 224)).shape
    torch.Size([2, 40, 28, 28])

    Raises ``UnknownNameError`` for a layer that the network does not have.
    """

    _network: Network

    @own_state()
    def __init__(self, network: Network, layer: str | None = None) -> None:
        super().__init__()
        self.name, self.size, self.weights = network.name, network.size, network.weights
        self.grayscale, self.handcrafted = network.grayscale, network.handcrafted
        self.raises_noise = network.raises_noise
        self.scale: Tensor
        self.shift: Tensor
        like = _like(network)
        mean, std = (torch.tensor(v)[:, None, None].to(like) for v in (network.mean, network.std))
        self.register_buffer("scale", 1 / std)
        self.register_buffer("shift", -mean / std)
        color = torch.tensor(network.mean_color or network.mean)
        self.register_buffer("mean_color", color.to(like))
        trace = _trace_of(network, network.size)
        traced = trace.layers
        if layer is None and trace.beyond:
            raise RepresentationError(
                f"{network.name} returns {trace.beyond}, not one tensor of features: give a "
                f"layer; it has {traced[0].info.name} … {traced[-1].info.name}"
            )
        stage = default_layer([t.info for t in traced], trace.last).short_name
        self.layer = stage if layer is None else layer
        self._index = traced_layer(self.layer, network, trace).info.index
        # neither is registered as a submodule, because several representations share them
        self.__dict__["_network"] = network
        if layer is not None:  # without a layer, often only the list of layers is needed
            self._cut()
        self.eval()

    def _cut(self) -> Trunk:
        """The network up to the layer."""
        trunk: Trunk | None = self.__dict__.get("_trunk")
        if trunk is None:
            trunk = self.__dict__["_trunk"] = trunk_of(self._network, self.traced_layer(self.size))
        return trunk

    @property
    def digest(self) -> str:
        return self._network.digest

    @property
    def preprocessing(self) -> str:
        return self._network.preprocessing

    @property
    def forward_kwargs(self) -> dict[str, Any]:
        return copy.deepcopy(self._network.arguments.given())

    @property
    def cache_key(self) -> nn.Module:
        trunk = self._cut()
        return trunk.origin or trunk.module

    @property
    def thread_safe(self) -> bool:
        trunk = self._cut()
        hooked = isinstance(trunk.module, Hooked)  # hooks of two calls would mix
        return not (hooked or trunk.random)

    @property
    def notes(self) -> tuple[str, ...]:
        return self._cut().notes

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """Copies of the weights up to the layer; other representations share the originals."""
        for name, parameter in self._cut().module.named_parameters(*args, **kwargs):
            yield name, nn.Parameter(parameter.clone(), requires_grad=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> NetworkRepresentation:
        """A new representation, which shares network and trunk, because they are immutable."""
        for shared in (self._network, self._cut()):
            memo[id(shared)] = shared
        copied = self.__class__.__new__(self.__class__)
        nn.Module.__init__(copied)
        copied.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        place = (self.mean_color.device, self.mean_color.dtype)
        return _rebuilt, (type(self), self._network, self.layer, *place)

    def _apply(self, fn: Any, recurse: bool = True) -> NetworkRepresentation:
        moved: NetworkRepresentation = super()._apply(fn, recurse)
        module = module_copy(self._cut().module, share=False)._apply(fn)
        moved.__dict__["_trunk"] = replace(self._cut(), module=module, origin=self.cache_key)
        return moved

    def at(self, layer: str) -> NetworkRepresentation:
        other = NetworkRepresentation(self._network, layer)
        place = (self.mean_color.device, self.mean_color.dtype)
        same = place == (other.mean_color.device, other.mean_color.dtype)
        return other if same else other.to(*place)

    def layers(self, size: tuple[int, int] | None = None) -> tuple[Layer, ...]:
        return tuple(t.info for t in _trace_of(self._network, size or self.size).layers)

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
        with own_defaults():
            if not self._cut().alone or len(images) < 2:
                return self._features(images)
            return torch.cat([self._features(image) for image in images.split(1)])

    def _features(self, images: Tensor) -> Tensor:
        normal = (images * self.scale).add_(self.shift)  # fastest color by color
        features = self._cut()(normal.contiguous(memory_format=torch.channels_last))
        layout = self.traced_layer(self.size).layout
        if layout.kind == "tokens":  # the only layout that depends on the size
            layout = self.traced_layer((images.shape[-2], images.shape[-1])).layout
        return layout.arrange(features)

    def traced_layer(self, size: tuple[int, int]) -> TracedLayer:
        return _trace_of(self._network, size).layers[self._index]


def _rebuilt(
    kind: type[NetworkRepresentation],
    network: Network,
    layer: str,
    device: torch.device,
    dtype: torch.dtype,
) -> NetworkRepresentation:
    made = kind(network, layer)
    same = (made.mean_color.device, made.mean_color.dtype) == (device, dtype)
    return made if same else made.to(device, dtype)


def traced_layer(name: str, network: Network, trace: Trace) -> TracedLayer:
    """The layer with a name, which may also be that of a container that ends in it, or an alias.

    Raises ``RepresentationError`` with the reason for a module that is not a layer, and
    ``UnknownNameError`` for a name that does not exist.
    """
    traced = trace.layers
    if not isinstance(name, str) or not name:
        first, last = traced[0].info.name, traced[-1].info.name
        raise UnknownNameError(
            f"layer {shown(name)}: give the name of a layer; {network.name} has {first} … {last}"
        )
    wanted = network.aliases.get(name, name)
    ends = f"its layers are {traced[0].info.name} … {traced[-1].info.name} ({len(traced)})"
    for written in spellings(wanted):
        for layer in traced:
            if written == layer.info.name or written in layer.info.aliases:
                return layer
        if reason := trace.refused.get(written):
            raise RepresentationError(
                f"layer {shown(name)} of {network.name} cannot be inverted: it {reason}; {ends}"
            )
        counted = re.sub(r"_\d+$", "_", written)
        if reason := trace.refused.get(counted):
            raise UnknownNameError(
                f"no layer {shown(name)} in {network.name}: {counted[:-1]} {reason}; {ends}"
            )
    names = [t.info.name for t in traced]
    others = [*network.aliases, *(a for t in traced for a in t.info.aliases)]
    error = unknown_name("layer", name, names, network.name)
    close = unknown_name("layer", name, [*names, *others])
    hint = str(close).split("There are:")[0].removeprefix(f"no layer {shown(name)}").strip("; .")
    hint = f"; {hint}" if hint else ""
    listed = str(error).split("There are: ")[-1]
    raise type(error)(f"no layer {shown(name)} in {network.name}{hint}; its layers are {listed}")


def check_region(region: Region, layer: Layer) -> None:
    """Raise an error for a region of cells outside the layer's map."""
    top, bottom, left, right = region
    given = f"region {top}:{bottom},{left}:{right}"
    if len(layer.shape) != 3:
        raise SelectionError(
            f"{given}: layer {layer.name} is a vector of {layer.shape[0]} features without cells; "
            "leave the region out, or choose a layer that is a map"
        )
    rows, columns = layer.shape[1:]
    if top >= bottom or left >= right:
        raise SelectionError(f"{given} is empty: regions are half-open, such as 3:8,3:8")
    if top < 0 or left < 0 or bottom > rows or right > columns:
        raise SelectionError(
            f"{given} is not within the map of layer {layer.name}, which has {rows} rows and "
            f"{columns} columns of cells; choose within 0:{rows},0:{columns}"
        )


def _like(network: Network) -> Tensor:
    """A tensor with the network's device and type."""
    tensors = [*network.module.parameters(), *network.module.buffers()]
    found = next((t for t in tensors if t.is_floating_point()), torch.empty(0))
    return found.new_empty(0)


@own_state()
def _trace_of(network: Network, size: tuple[int, int]) -> Trace:
    found = network.found
    if size not in found.traces:
        with own_random(_like(network).device, _DRAW), found.lock:  # always in this order
            if size not in found.traces:
                found.traces[size] = _trace(network, size)
    trace: Trace = found.traces[size]
    return trace


def _trace(network: Network, size: tuple[int, int]) -> Trace:
    """The layers at ``size``, and the tensors that a forward pass writes to, by one pass."""
    found, like = network.found, _like(network)
    mean, std = (torch.tensor(v).to(like) for v in (network.mean, network.std))
    module = module_copy(network.module, share=found.written == ())
    traces: list[Trace] = []

    def run() -> None:
        traces.append(trace_layers(module, mean, std, size, network.arguments))

    written = written_tensors(module, run)
    if found.written is None:
        found.written = written
    if not traces[0].layers:
        raise RepresentationError(
            f"{network.name} calls no submodule, so it has no layers; give a module that consists "
            "of modules"
        )
    return traces[0]


@dataclass(frozen=True)
class Trunk:
    """The part of a network up to a layer, as a function that treats each image separately.

    ``random``: each call draws random numbers, so one draw is kept. ``unsteady``: two calls differ
    nevertheless. ``alone``: the features of an image depend on the rest of the batch, so images are
    passed one by one. ``change``: the relative difference between the features of two very
    different images. ``origin`` is the module from which this one was moved to a device or type.
    """

    module: nn.Module
    random: bool = False
    unsteady: bool = False
    alone: bool = False
    change: float = 1.0
    origin: nn.Module | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes about its features that pictures show."""
        notes = []
        if self.random:
            kept = "different in each call" if self.unsteady else "one draw is kept"
            notes.append(f"random features: {kept}")
        if self.change < _FAINT:
            notes.append(
                f"features that hardly depend on the image: two images differ by {self.change:.2g}"
                " of their norm, so a small error means little"
            )
        return tuple(notes)

    @cached_property
    def attends(self) -> bool:
        """Whether it contains torch's attention, which has two implementations."""
        return any(isinstance(part, nn.MultiheadAttention) for part in self.module.modules())

    def __call__(self, images: Tensor) -> Tensor:
        with ExitStack() as stack:
            if self.attends:
                stack.enter_context(OneAttention())
            if self.random:
                stack.enter_context(own_random(images.device, _DRAW))
            features: Tensor = self.module(images)
        return features


@own_state()
def trunk_of(network: Network, traced: TracedLayer) -> Trunk:
    """The trunk of a network up to a layer: a rewritten graph if it computes the same, else hooks.

    It is made once for each layer, and tested on images alone and in a batch.
    """
    found, layer = network.found, traced.info.name
    with found.lock:
        if layer in found.trunks:
            found.trunks.move_to_end(layer)
            kept: Trunk = found.trunks[layer]
            return kept
    with own_random(_like(network).device, _DRAW), found.lock:  # always in this order
        if layer not in found.trunks:
            made = made_trunk(network, traced.place)
            found.trunks[layer] = replace(made, change=_change(network, made))
            while len(found.trunks) > _TRUNKS:
                found.trunks.popitem(last=False)
        found.trunks.move_to_end(layer)
        trunk: Trunk = found.trunks[layer]
        return trunk


def made_trunk(network: Network, place: FeaturePlace) -> Trunk:
    hooked = Hooked(
        module_copy(network.module, share=True),
        place,
        network.found.written or (),
        copy.deepcopy(network.arguments),
    )
    image = _noise(network)
    other = 3 * image.flip(-1) - 1  # an image with a larger range
    with torch.no_grad():
        graph, why = None, "its forward pass writes to its own tensors"
        if not network.found.written:
            graph, why = _rewritten(network, place)
        if graph is not None and not _same_gradient(hooked, graph, image):
            graph, why = None, "it has a custom gradient, which its graph does not have"
        given = _output(graph, image)
        if network.arguments:  # the first pass may have written to an argument
            given = _output(graph, image)
        beside = _output(hooked, torch.cat([image, other]))
        if graph is not None and _same(given, _first(beside), _EQUAL):
            return Trunk(graph)
        wanted = hooked(image.clone())
        random = not _same(hooked(image.clone()), wanted, _EQUAL)
        held = Trunk(hooked, random)
        unsteady = random and not _same(held(image.clone()), held(image.clone()), _EQUAL)
        alone = random or not _same(_first(beside), wanted, _EQUAL)
        if graph is not None and not random and _same(given, wanted, _SAME):
            return Trunk(graph, alone=alone)
    took_slower_path(
        f"{network.name} after {place.call}{in_name(place.path)} runs by hooks",
        why or "its graph has other features",
    )
    return Trunk(hooked, random, unsteady, alone)


def _noise(network: Network) -> Tensor:
    """An image of uniform noise with the network's default size, always the same."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, network.channels, *network.size, generator=generator).to(_like(network))


def _change(network: Network, trunk: Trunk) -> float:
    """The relative difference between the features of two very different images."""
    like = _like(network)
    mean, std = (torch.tensor(v)[:, None, None].to(like) for v in (network.mean, network.std))
    image = _noise(network)
    with torch.no_grad():
        one, other = (trunk((x - mean) / std) for x in (image, 0.3 * image.flip(-1)))
    return float((one - other).norm() / one.norm().clamp_min(1e-30))


def _rewritten(network: Network, place: FeaturePlace) -> tuple[nn.Module | None, str]:
    """The fused graph of a network up to a layer; or None and the reason."""
    try:
        module = module_copy(network.module, share=True)
        graph = _traced_graph(module, place, copy.deepcopy(network.arguments))
        fold_batch_norms(graph)
        fuse_convolutions(graph)
    except Exception as error:  # symbolic tracing of a user's network may fail in any way
        return None, own_words(error)
    return graph, ""


def _same_gradient(hooked: nn.Module, graph: nn.Module, image: Tensor) -> bool:
    """Whether a graph has the gradient of the network.

    It may differ, because tracing loses the backward pass of an ``autograd.Function``.
    """
    with torch.enable_grad():
        leaf = image.clone().requires_grad_(True)
        try:
            features = hooked(leaf)
        except Exception:  # it may have no gradient; a later check reports this
            return True
        if not _own_function(features.grad_fn):
            return True
        weights = torch.randn(features.shape, generator=torch.Generator().manual_seed(1))
        try:
            one, other = (
                torch.autograd.grad((out * weights.to(out)).sum(), leaf, allow_unused=True)[0]
                for out in (graph(leaf), features)
            )
        except Exception:  # such as a reentrant checkpoint, which a graph does not contain
            return True
    return _same(one, other, _SAME)


def _own_function(node: Any) -> bool:
    """Whether an ``autograd.Function`` of the user is part of the gradient's graph."""
    seen, ahead = set(), [node]
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            return True
        seen.add(node)
        ahead.extend(following for following, _ in node.next_functions)
    return False


def _output(module: nn.Module | None, images: Tensor) -> Tensor | None:
    """The features of images; None if the module fails on them."""
    try:
        return None if module is None else module(images.clone())
    except Exception:
        return None


def _first(features: Tensor | None) -> Tensor | None:
    """The features of the first of two images; None if there are not two."""
    return features[:1] if features is not None and features.shape[:1] == (2,) else None


def _same(one: Tensor | None, other: Tensor | None, difference: float) -> bool:
    if one is None or other is None or one.shape != other.shape:
        return False
    return bool((one - other).norm() <= difference * other.norm() + 1e-12)


_tracing = threading.Lock()  # fx patches nn.Module, so two traces at once would interfere


class _LayerTracer(fx.Tracer):
    """A symbolic tracer that stops after a given call and keeps the nodes of its output.

    While it runs, fx patches all modules of the process, so calls by other threads, such as a
    running search, must be left out of the trace.
    """

    def __init__(self, module: nn.Module, root: nn.Module, call: str) -> None:
        super().__init__()
        self.network = module
        self.prefix = "" if module is root else "module."
        self.thread = threading.get_ident()
        self.names = CallNames(module)
        self.call = call
        self.end: Any = None

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
        if m is self.network:  # within what fills its arguments in
            return output
        if self.names.of_next(self.path_of_module(m).removeprefix(self.prefix)) == self.call:
            self.end = fx.node.map_aggregate(output, _node_of)
            raise _Traced
        return output

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if threading.get_ident() != self.thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


class _Traced(Exception):
    """The exception that ends a symbolic trace, because later code may not be traceable."""


def _node_of(value: Any) -> Any:
    return value.node if isinstance(value, fx.Proxy) else value


def _traced_graph(
    module: nn.Module, place: FeaturePlace, arguments: ForwardArguments
) -> fx.GraphModule:
    root = Filled(module, arguments) if arguments else module
    with _tracing:
        tracer = _LayerTracer(module, root, place.call)
        with suppress(_Traced):
            tracer.trace(root)
    graph, wanted = tracer.graph, tracer.end
    for node in [node for node in graph.nodes if node.op == "output"]:  # if it ran to its end
        wanted = node.args[0] if place.call == tracer.names.output else wanted
        graph.erase_node(node)
    for step in place.path:
        if isinstance(wanted, fx.Node):
            take = getattr if step.attribute else operator.getitem
            wanted = graph.call_function(take, (wanted, step.key))
        else:
            wanted = step.take(wanted)
    if place.batch_second:
        wanted = graph.call_method("transpose", (wanted, 0, 1))
    graph.output(wanted)
    cut = fx.GraphModule(root, graph)
    drop_dead_code(cut)
    return cut.eval()


class _Reached(Exception):
    """The exception that ends a forward pass at a layer and carries the layer's output."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output


class Hooked(nn.Module):
    """A module that runs a network up to a layer, by a hook that exists only during the call.

    Only one call runs at a time, because other threads would trigger the same hook. The tensors
    ``written`` by the pass are copied before it. ``arguments`` are the further arguments of the
    forward.
    """

    _lock: Any

    def __init__(
        self,
        module: nn.Module,
        layer: str | FeaturePlace,
        written: tuple[str, ...] = (),
        arguments: ForwardArguments | None = None,
    ) -> None:
        super().__init__()
        self.module = module
        self.written = written
        self.arguments = arguments or ForwardArguments()
        self.place = FeaturePlace(layer) if isinstance(layer, str) else layer
        self.path, self.call = CallNames(module).find(self.place.call)
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._lock = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Hooked:
        """A copy made between two passes, because tensors may be replaced during a pass."""
        copied = self.__class__.__new__(self.__class__)
        memo[id(self)] = copied
        with self._lock:
            copied.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return copied

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Parameter]]:
        with self._lock:  # for the same reason as above
            yield from [*super().named_parameters(*args, **kwargs)]

    def forward(self, images: Tensor) -> Tensor:
        try:
            with self._lock, self._hook():
                self._call(images)
        except _Reached as reached:
            return reached.output
        raise RepresentationError(
            f"layer {self.path} was not called, because the forward pass took another branch"
        )

    def _call(self, images: Tensor) -> None:
        """Run one pass, and restore the network's tensors afterwards."""
        if not self.written:
            self.module(images, **self.arguments.given())
            return
        tensors = dict([*self.module.named_parameters(), *self.module.named_buffers()])
        copies = {name: tensors[name].clone() for name in self.written}
        functional_call(self.module, copies, (images,), self.arguments.given())

    @contextmanager
    def _hook(self) -> Iterator[None]:
        calls = 0

        def stop(module: nn.Module, args: Any, output: Any) -> None:
            nonlocal calls
            calls += 1
            if calls == self.call:
                raise _Reached(self.place.take(output))

        handle = self.module.get_submodule(self.path).register_forward_hook(stop)
        try:
            yield
        finally:
            handle.remove()
