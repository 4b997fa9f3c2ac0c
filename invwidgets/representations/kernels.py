"""A module that computes a sequence of convolutions and ReLUs with fewer passes over memory.

    >>> run = Convolutions([(convolution, (0.0, 6.0)), (next_one, None)])
    >>> run(maps)

Let W be frozen weights, b biases, and ρ a clipping to [l, u] (a ReLU or ReLU6):

    forward    y ← ρ(W∗x + b)                     one oneDNN kernel, which writes y once
    backward   g ← Wᵀ∗(g · [l < y < u])           a mask in place, then one convolution

Only y is saved, and only if it is needed as a mask. The adjoint Wᵀ∗ has three forms:

- for stride 1, a convolution with a rotated kernel and exchanged channels;
- for few input channels (those of an image), a block of B×B pixels computed as B² channels of one
  coarser pixel, because oneDNN computes 16 output channels at once and would waste most of them;
- otherwise, a transposed convolution.

The memory layout of weights is converted once, not at every call. On another device, in another
type, or under autocast, forward-mode differentiation or function transforms, the layers run one by
one.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.autograd.function import Function
from torch.nn import functional as F

from ..fallbacks import took_slower_path

Limits = tuple[float, float]
Pair = tuple[int, int]
Shape = tuple[int, ...]

_FEW = 4  # up to so many input channels the gradient is computed by blocks of pixels
_LANES = 12  # the least number of output channels of a block
_NOTHING: tuple[str, list[float], str] = (
    "none",
    [],
    "",
)  # the operation after the convolution


class Convolutions(nn.Module):
    """A sequence of convolutions, each with the limits of the ReLU after it (or None)."""

    def __init__(self, layers: list[tuple[nn.Conv2d, Limits | None]]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(convolution for convolution, _ in layers)
        self.limits = [limits for _, limits in layers]
        self.kernels: dict[Shape, list[_Kernel] | None] = {}

    def forward(self, x: Tensor) -> Tensor:
        kernels = self._kernels_for(x) if _can_run(x) and not self._hooked() else None
        if kernels is None:
            return self.as_written(x)
        if torch.is_grad_enabled() and x.requires_grad:
            output: Tensor = _Forward.apply(x, kernels)  # type: ignore[no-untyped-call]
            return output
        return _push(x, kernels)

    def as_written(self, x: Tensor) -> Tensor:
        """Run the layers one after the other by torch's operators."""
        for convolution, limits in zip(self.convolutions, self.limits, strict=True):
            x = convolution(x)
            if limits is not None:
                x = F.relu_(x) if limits[1] == math.inf else F.hardtanh_(x, *limits)
        return x

    def _hooked(self) -> bool:
        return any(has_hooks(convolution) for convolution in self.convolutions)

    def _kernels_for(self, x: Tensor) -> list[_Kernel] | None:
        """The kernels for maps of the given shape, made at the first call; None if impossible."""
        key = tuple(x.shape[1:])
        if key not in self.kernels:
            self.kernels[key] = self._made(tuple(x.shape))
        return self.kernels[key]

    def _made(self, shape: Shape) -> list[_Kernel] | None:
        kernels: list[_Kernel] = []
        for convolution, limits in zip(self.convolutions, self.limits, strict=True):
            assert isinstance(convolution, nn.Conv2d)
            weight, size = convolution.weight, _output_size(convolution, shape)
            if weight.device.type != "cpu" or weight.dtype != torch.float32 or weight.requires_grad:
                return None
            if shape[1] != convolution.in_channels or min(size) < 1:
                return None  # torch's operator will raise the error
            output = (shape[0], convolution.out_channels, *size)
            kernels.append(_Kernel(convolution, limits, shape, output))
            shape = output
        return kernels

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"kernels": {}}  # oneDNN tensors can be neither copied nor saved

    def _apply(self, *args: Any, **kwargs: Any) -> Any:
        self.kernels = {}  # they belong to the old weights
        return super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]


def has_hooks(module: nn.Module) -> bool:
    """Whether a module has hooks."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )


def _can_run(x: Tensor) -> bool:
    if type(x) is not Tensor or (x.device.type, x.dtype, x.ndim) != ("cpu", torch.float32, 4):
        return False
    if not (torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled):
        took_slower_path("convolutions run one by one", "torch's oneDNN is missing or switched off")
        return False
    return bool(
        not torch.is_autocast_enabled("cpu")
        and forward_ad._current_level < 0
        and torch._C._functorch.peek_interpreter_stack() is None
    )


class _Forward(Function):
    """The forward pass ρ(W∗x + b) of all layers, as an autograd function."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernels: list[_Kernel]) -> Tensor:
        masks: list[Tensor] = []
        output = _push(x, kernels, masks)
        ctx.kernels = kernels
        ctx.save_for_backward(*masks)
        return output

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        found: Tensor = _Adjoint.apply(g, ctx.kernels, *ctx.saved_tensors)  # type: ignore[no-untyped-call]
        return found, None


class _Adjoint(Function):
    """The backward pass, as an autograd function so that it can be differentiated again."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, kernels: list[_Kernel], *masks: Tensor) -> Tensor:
        ctx.kernels = kernels
        ctx.save_for_backward(*masks)
        return _pull(g, kernels, masks)

    @staticmethod
    def backward(ctx: Any, t: Tensor) -> tuple[Tensor | None, ...]:
        masks = list(ctx.saved_tensors)
        for kernel in ctx.kernels:
            t = kernel.derivative(t)
            if kernel.limits is not None:
                t = kernel.masked(t, masks.pop(0))
        return t, None, *[None] * len(ctx.saved_tensors)


def _push(x: Tensor, kernels: list[_Kernel], masks: list[Tensor] | None = None) -> Tensor:
    x = x.contiguous(memory_format=torch.channels_last)
    for kernel in kernels:
        x = kernel.forward(x)
        if masks is not None and kernel.limits is not None:
            masks.append(x)
    return x


def _pull(g: Tensor, kernels: list[_Kernel], masks: tuple[Tensor, ...]) -> Tensor:
    left = list(masks)
    g = g.contiguous(memory_format=torch.channels_last)
    for place, kernel in enumerate(reversed(kernels)):
        if kernel.limits is not None:  # the first g belongs to the caller, so it is not changed
            g = kernel.masked(g, left.pop(), out=g if place else torch.empty_like(g))
        g = kernel.adjoint(g)
    return g


class _Kernel:
    """A convolution and the ReLU after it, for maps of one shape."""

    def __init__(
        self, convolution: nn.Conv2d, limits: Limits | None, shape: Shape, output: Shape
    ) -> None:
        self.convolution, self.limits = convolution, limits
        geometry = (*_pairs(convolution.padding, convolution.stride, convolution.dilation),
                    convolution.groups)  # fmt: skip
        self.laid_out = _laid_out(convolution.weight, "forward", geometry, shape)
        rectifier = _NOTHING
        if limits is not None:
            rectifier = ("relu", [], "") if limits[1] == math.inf else ("hardtanh", [*limits], "")
        self._rest = (convolution.bias, *geometry, *rectifier)
        self.adjoint = _adjoint(convolution, shape, output)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(x, self.laid_out, *self._rest)
        return y

    def derivative(self, t: Tensor) -> Tensor:
        """The convolution W∗t without bias."""
        of = self.convolution
        return F.conv2d(t, of.weight, None, of.stride, of.padding, of.dilation, of.groups)

    def masked(self, g: Tensor, y: Tensor, out: Tensor | None = None) -> Tensor:
        """The gradient g where l < y < u, else 0."""
        assert self.limits is not None
        low, high = self.limits
        mask = torch.ops.aten.threshold_backward
        bounds: tuple[float, ...] = (low,)
        if high < math.inf:
            mask, bounds = torch.ops.aten.hardtanh_backward, (low, high)
        found: Tensor = (
            mask(g, y, *bounds) if out is None else mask.grad_input(g, y, *bounds, grad_input=out)
        )
        return found


def _output_size(convolution: nn.Conv2d, shape: Shape) -> Pair:
    padding, dilation, stride, kernel = _pairs(
        convolution.padding, convolution.dilation, convolution.stride, convolution.kernel_size
    )
    rows, columns = (
        (shape[2 + i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
        for i in (0, 1)
    )
    return rows, columns


def _pairs(*values: Any) -> tuple[Pair, ...]:
    return tuple((first, second) for first, second in values)


_known: weakref.WeakValueDictionary[Any, Tensor] = weakref.WeakValueDictionary()


def _laid_out(weight: Tensor, use: str, geometry: tuple[Any, ...], shape: Shape) -> Tensor:
    """Weights in oneDNN's layout for inputs of ``shape``, cached for all layers that share them."""
    key = (weight.data_ptr(), weight._version, weight.shape, use, geometry)
    found = _known.get(key)
    if found is None:
        if use == "turned":
            weight = (
                weight.flip(2, 3).unflatten(0, (geometry[-1], -1)).transpose(1, 2).flatten(0, 1)
            )
        transposed = use == "transposed"
        operator = torch.ops.mkldnn._reorder_convolution_weight
        if transposed:
            operator = torch.ops.mkldnn._reorder_convolution_transpose_weight
        found = operator(weight.contiguous(), *geometry, shape)
        _known[key] = found
    return found


def _adjoint(convolution: nn.Conv2d, shape: Shape, output: Shape) -> Callable[[Tensor], Tensor]:
    """A function that computes Wᵀ∗g for g of shape ``output``, with the shape of the input."""
    weight, groups = convolution.weight, convolution.groups
    padding, dilation, stride, kernel = _pairs(
        convolution.padding, convolution.dilation, convolution.stride, convolution.kernel_size
    )
    if groups == 1 and shape[1] <= _FEW and dilation == (1, 1):
        return _by_blocks(weight, stride, padding, shape, output)
    top, left = (dilation[i] * (kernel[i] - 1) - padding[i] for i in (0, 1))
    if stride == (1, 1) and top >= 0 and left >= 0:
        geometry: tuple[Any, ...] = ((top, left), stride, dilation, groups)
        laid_out = _laid_out(weight, "turned", geometry, output)
        convolve = torch.ops.mkldnn._convolution_pointwise
    else:  # the last rows and columns may lie outside of all kernels
        beyond = tuple(
            shape[2 + i] - (output[2 + i] - 1) * stride[i] + padding[i] - (top, left)[i] - 1
            for i in (0, 1)
        )
        geometry = (padding, beyond, stride, dilation, groups)
        laid_out = _laid_out(weight, "transposed", geometry, output)
        convolve = torch.ops.mkldnn._convolution_transpose_pointwise
    return lambda g: convolve(g, laid_out, None, *geometry, *_NOTHING)


def _by_blocks(
    weight: Tensor, stride: Pair, padding: Pair, shape: Shape, output: Shape
) -> Callable[[Tensor], Tensor]:
    """A function that computes Wᵀ∗g in blocks of B = s·m rows and columns, in torch's layout.

    Pixel B·I + a gets place m·I + t of g through tap i of the kernel if s·t + i = a + p.
    """
    channels, m = weight.shape[1], 1
    while channels * stride[0] * stride[1] * m * m < _LANES:
        m += 1
    taps, sides = weight, []
    for dim, (s, p) in enumerate(zip(stride, padding, strict=True)):
        block, k = s * m, weight.shape[2 + dim]
        first, last = -((k - 1 - p) // s), (block - 1 + p) // s  # of t, for any a
        tap = torch.arange(block)[:, None] + p - s * torch.arange(first, last + 1)  # i, by a and t
        valid = ((tap >= 0) & (tap < k)).to(weight)
        if dim == 0:  # (co, c, kh, kw) -> (co, c, a, t, kw) -> (co, c, a, t, b, u)
            taps = taps[:, :, tap.clamp(0, k - 1)] * valid[..., None]
        else:
            taps = taps[..., tap.clamp(0, k - 1)] * valid
        count = -(-shape[2 + dim] // block)
        pad = max(0, -first)  # oneDNN pads both sides; the surplus is cut off
        while (first + pad) % m or (
            (output[2 + dim] + 2 * pad - (last - first + 1)) // m + 1 < count + (first + pad) // m
        ):
            pad += 1
        sides.append((pad, (first + pad) // m, count, block))
    around, (top, left), (rows, columns), (high, wide) = zip(*sides, strict=True)
    kernel = taps.permute(1, 2, 4, 0, 3, 5).flatten(0, 2).contiguous()
    geometry = (around, (m, m), (1, 1), 1)
    laid_out = torch.ops.mkldnn._reorder_convolution_weight(kernel, *geometry, output)
    kind, pair = (torch.float64, 2) if wide % 2 == 0 else (torch.float32, 1)  # moves pairs

    def adjoint(g: Tensor) -> Tensor:
        z = torch.ops.mkldnn._convolution_pointwise(g, laid_out, None, *geometry, *_NOTHING)
        z = z.permute(0, 2, 3, 1)[:, top : top + rows, left : left + columns]
        z = z.view(kind).unflatten(3, (channels, high, wide // pair))
        whole = g.new_empty(len(g), channels, rows * high, columns * wide)
        into = whole.view(kind).unflatten(3, (columns, -1)).unflatten(2, (rows, -1))
        into.copy_(z.permute(0, 3, 1, 4, 2, 5))
        return whole[..., : shape[2], : shape[3]]

    return adjoint
