"""Graph rewrites that compute the same function with fewer operators.

BatchNorm is folded into the convolution before it:

    y = γ (W∗x + b − μ) / √(σ² + ε) + β  =  (s·W)∗x + (s·(b − μ) + β),   s = γ / √(σ² + ε)

and sequences of convolutions and ReLUs become one node (see ``kernels``).

A BatchNorm is folded whether it is called as a module or as a function (as in timm). Torch's
``fuse_conv_bn_eval`` accepts only modules, so its formula is used here, in float64.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from .kernels import Convolutions, Limits, has_hooks

_RECTIFIERS: dict[Any, Limits] = {
    nn.ReLU: (0.0, math.inf), F.relu: (0.0, math.inf), torch.relu: (0.0, math.inf),
    "relu": (0.0, math.inf), "relu_": (0.0, math.inf), nn.ReLU6: (0.0, 6.0), F.relu6: (0.0, 6.0),
}  # fmt: skip
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def fold_batch_norms(graph: fx.GraphModule) -> int:
    """Fold every BatchNorm that is the only user of a convolution; return their number."""
    modules = dict(graph.named_modules())
    folded = 0
    for node in list(graph.graph.nodes):
        found = _batch_norm(node, graph, modules)
        if found is None:
            continue
        source, mean, variance, weight, bias, eps = found
        if source.op != "call_module" or len(source.users) != 1:
            continue
        if sum(n.target == source.target for n in graph.graph.nodes) != 1:
            continue  # the convolution is also called elsewhere, without this BatchNorm
        convolution = modules.get(str(source.target))
        if not _is_plain(convolution):
            continue
        assert isinstance(convolution, _CONVOLUTIONS)
        _replace(graph, str(source.target), _fold(convolution, mean, variance, weight, bias, eps))
        modules = dict(graph.named_modules())
        node.replace_all_uses_with(source)
        graph.graph.erase_node(node)
        folded += 1
    drop_dead_code(graph)
    return folded


def fuse_convolutions(graph: fx.GraphModule) -> int:
    """Merge each sequence of convolutions and ReLUs into one node; return the number of nodes.

    Subclasses of torch's convolution and ReLU, and modules with hooks, are not merged.
    """
    modules = dict(graph.named_modules())
    for node in list(graph.graph.nodes):
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        if type(module) is nn.Identity and _runs_as_written(module):
            node.replace_all_uses_with(node.args[0])
    drop_dead_code(graph)
    taken: set[fx.Node] = set()
    count = 0
    for node in list(graph.graph.nodes):
        if node in taken or _convolution(node, modules) is None:
            continue
        layers, nodes = _run(node, modules)
        name = f"convolutions_{count}"
        while hasattr(graph, name):
            name += "_"
        graph.add_submodule(name, Convolutions(layers))
        with graph.graph.inserting_before(node):
            nodes[-1].replace_all_uses_with(graph.graph.call_module(name, (node.args[0],)))
        taken.update(nodes)
        count += 1
    drop_dead_code(graph)
    return count


def _run(
    node: fx.Node, modules: dict[str, nn.Module]
) -> tuple[list[tuple[nn.Conv2d, Limits | None]], list[fx.Node]]:
    """The layers from a convolution on, each the only user of the one before, and their nodes."""
    layers: list[tuple[nn.Conv2d, Limits | None]] = []
    nodes: list[fx.Node] = []
    following: fx.Node | None = node
    while following is not None and (convolution := _convolution(following, modules)) is not None:
        nodes.append(following)
        following, limits = _only_user(following), None
        if following is not None and (limits := _limits(following, modules)) is not None:
            nodes.append(following)
            following = _only_user(following)
        layers.append((convolution, limits))
    return layers, nodes


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _convolution(node: fx.Node, modules: dict[str, nn.Module]) -> nn.Conv2d | None:
    module = modules.get(str(node.target)) if node.op == "call_module" else None
    if type(module) is not nn.Conv2d or not _runs_as_written(module):
        return None
    plain = module.padding_mode == "zeros" and not isinstance(module.padding, str)
    return module if plain and len(node.args) == 1 else None


def _limits(node: fx.Node, modules: dict[str, nn.Module]) -> Limits | None:
    if len(node.args) != 1 or not set(node.kwargs) <= {"inplace"}:
        return None
    if node.op != "call_module":
        return _RECTIFIERS.get(node.target)
    module = modules.get(str(node.target))
    plain = module is not None and _runs_as_written(module)
    return _RECTIFIERS.get(type(module)) if plain else None


def _runs_as_written(module: nn.Module) -> bool:
    """Whether a module computes exactly what its torch class defines."""
    return not has_hooks(module) and "forward" not in module.__dict__


def drop_dead_code(graph: fx.GraphModule) -> None:
    """Remove the nodes and modules that the output does not need."""
    graph.graph.eliminate_dead_code(lambda node: node.op in ("placeholder", "output"))
    graph.delete_all_unused_submodules()
    graph.recompile()


def _is_plain(module: nn.Module | None) -> bool:
    """Whether a module is a convolution, or a subclass that changes only its padding."""
    return isinstance(module, _CONVOLUTIONS) and not hasattr(module, "parametrizations")


def _batch_norm(
    node: fx.Node, graph: fx.GraphModule, modules: dict[str, nn.Module]
) -> tuple[fx.Node, Tensor, Tensor, Tensor | None, Tensor | None, float] | None:
    if node.op == "call_module":
        module = modules.get(str(node.target))
        if not isinstance(module, nn.BatchNorm2d) or module.running_mean is None:
            return None
        assert module.running_var is not None
        source = node.args[0]
        assert isinstance(source, fx.Node)
        return (source, module.running_mean, module.running_var, module.weight, module.bias,
                module.eps)  # fmt: skip
    if node.op == "call_function" and node.target is F.batch_norm:
        names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum",
                 "eps")  # fmt: skip
        values: dict[str, Any] = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
        if values.get("training") or not isinstance(values["input"], fx.Node):
            return None
        tensors = [_fetch(graph, values.get(n)) for n in names[1:5]]
        mean, variance, weight, bias = tensors
        if mean is None or variance is None:
            return None
        return values["input"], mean, variance, weight, bias, float(values.get("eps", 1e-5))
    return None


def _fetch(graph: fx.GraphModule, value: Any) -> Tensor | None:
    if isinstance(value, fx.Node) and value.op == "get_attr":
        found: Any = graph
        for part in str(value.target).split("."):
            found = getattr(found, part)
        return found if isinstance(found, Tensor) else None
    return value if isinstance(value, Tensor) else None


def _fold(
    convolution: nn.Module,
    mean: Tensor,
    variance: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> nn.Module:
    assert isinstance(convolution, _CONVOLUTIONS)
    given = (convolution.weight, convolution.bias, mean, variance, weight, bias)
    kernel, offset, μ, σ2, γ, β = (None if t is None else t.double() for t in given)
    folded, shift = fuse_conv_bn_weights(kernel, offset, μ, σ2, eps, γ, β)  # type: ignore[arg-type]
    old = convolution.weight
    new = copy.copy(convolution)
    new._parameters = dict(convolution._parameters)
    new.weight = nn.Parameter(folded.to(old.dtype), requires_grad=False)
    new.bias = nn.Parameter(shift.to(old.dtype), requires_grad=False)
    return new


def _replace(graph: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    torch.nn.Module.__setattr__(graph.get_submodule(parent), name, module)
