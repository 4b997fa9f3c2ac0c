"""The cost of computations in units that are equal on every machine: FLOPs, bytes, operators.

>>> with Counter() as cost:
...     torch.nn.functional.conv2d(torch.zeros(1, 3, 8, 8), torch.zeros(4, 3, 3, 3))
>>> cost.flops, cost.bytes, cost.operators
(7776, 576, 1)
"""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten
from torch.utils.flop_counter import flop_registry

WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "equal")  # for a device


def fused_flops(packet: Any, args: Sequence[Any], output: Any) -> int:
    """The FLOPs of oneDNN's convolutions, for which torch has no formulas.

    Zeros that fill a kernel up are counted too.
    """
    if packet not in (
        torch.ops.mkldnn._convolution_pointwise,
        torch.ops.mkldnn._convolution_transpose_pointwise,
    ):
        return 0
    places = output if packet is torch.ops.mkldnn._convolution_pointwise else args[0]
    return int(2 * args[1].numel() * places.numel() // places.shape[1])


class Counter(TorchDispatchMode):
    """A context that counts the operators of this thread.

    ``flops`` are those of matrix products and convolutions, by torch's own formulas; ``bytes``
    those of every tensor written, views left out; ``parameter_gradients`` how many gradients of
    weights and biases were computed; ``waits`` how often the host asked for a number.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: collections.Counter[str] = collections.Counter()
        self.flops = self.bytes = self.parameter_gradients = 0

    @property
    def operators(self) -> int:
        return sum(self.names.values())

    @property
    def waits(self) -> int:
        return sum(self.names[name] for name in WAITS)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        if packet in flop_registry:
            self.flops += flop_registry[packet](*args, **(kwargs or {}), out_val=output)
        self.flops += fused_flops(packet, args, output)
        if packet is torch.ops.aten.convolution_backward:
            self.parameter_gradients += sum(args[-1][1:])
        if func.is_view:
            return output
        self.names[str(packet).removeprefix("aten.")] += 1
        written = [t for t in tree_flatten(output)[0] if isinstance(t, Tensor)]
        self.bytes += sum(t.numel() * t.element_size() for t in written)
        return output
