"""How each operator carries boxes from its inputs to its output.

Boxes are (2, 4, *shape): [0] within the image, [1] as if it had no end; top, left, -bottom,
-right. With the far sides negated the union of boxes is the minimum of their numbers everywhere,
and no box at all is infinity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

EMPTY = float("inf")
ATEN = torch.ops.aten
Jump = tuple[float, float]  # pixels from one cell to the next, down and right


class Boxes(NamedTuple):
    """``values`` is (2, 4, *shape): the box within the image and the one without an image's end."""

    values: Tensor
    jump: Jump


def _slim(values: Tensor) -> Tensor:
    """Dimensions that only repeat one number, as one."""
    for dim in range(2, values.ndim):
        if values.shape[dim] > 1 and values.stride(dim) == 0:
            values = values.narrow(dim, 0, 1)
    return values


def _least(values: Tensor, dims: Sequence[int]) -> Tensor:
    """The union over ``dims`` (of the tensor, from its end), kept as dimensions of one."""
    return _slim(values).amin(list(dims), keepdim=True)


def spread(values: Tensor, shape: Sequence[int]) -> Tensor:
    """(2, 4) or slim values over every element of ``shape``, without copying."""
    missing = len(shape) + 2 - values.ndim
    return values.reshape(2, 4, *([1] * missing), *values.shape[2:]).expand(2, 4, *shape)


def union(parts: list[Tensor], like: Tensor | None) -> Tensor:
    assert like is not None
    merged: Tensor | None = None
    for part in parts:
        slim = _slim(part)
        slim = slim.reshape(2, 4, *([1] * (like.ndim + 2 - slim.ndim)), *slim.shape[2:])
        merged = slim if merged is None else torch.minimum(merged, slim)
    assert merged is not None
    return merged.expand(2, 4, *like.shape)


# --- windows: convolutions and poolings -------------------------------------------------------


def _pair(value: Any, default: int = 1) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    values = list(value)
    if not values:
        return default, default
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])


def _pad(values: Tensor, pads: Sequence[int], jump: Jump) -> Tensor:
    """Pad (2, 4, N, C, h, w): with nothing within the image, with more of the same without end.

    ``pads`` is left, right, top, bottom.
    """
    left, right, top, bottom = pads
    within = F.pad(values[0], (left, right, top, bottom), value=EMPTY)
    endless = _extend(_extend(values[1], -1, left, right, jump[1]), -2, top, bottom, jump[0])
    return torch.stack([within, endless])


def _extend(values: Tensor, dim: int, before: int, after: int, jump: float) -> Tensor:
    """Continue (4, N, C, h, w) along rows (dim -2) or columns (dim -1) at ``jump`` a cell."""
    step = torch.zeros(4)
    low, high = (0, 2) if dim == -2 else (1, 3)
    step[low], step[high] = jump, -jump  # the far sides are stored negated
    step = step.reshape(4, 1, 1, 1, 1)
    size = values.shape[dim]
    shape = [1] * 5
    shape[dim] = -1
    parts = [values]
    if before:
        count = torch.arange(before, 0, -1.0).reshape(shape)
        parts.insert(0, values.narrow(dim, 0, 1) - step * count)
    if after:
        count = torch.arange(1.0, after + 1).reshape(shape)
        parts.append(values.narrow(dim, size - 1, 1) + step * count)
    return torch.cat(parts, dim)


def _slide(
    values: Tensor,
    jump: Jump,
    out: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> Tensor:
    """The union over each window of (2, 4, N, C, h, w)."""
    reach = [
        (o - 1) * s + (k - 1) * d + 1
        for o, s, k, d in zip(out, stride, kernel, dilation, strict=True)
    ]
    size = values.shape[-2:]
    pads = (
        padding[1], max(0, reach[1] - size[1] - padding[1]),
        padding[0], max(0, reach[0] - size[0] - padding[0]),
    )  # fmt: skip
    padded = _pad(values, pads, jump).flatten(0, 3)[None]
    windows = -F.max_pool2d(-padded, kernel, stride, 0, dilation)
    windows = windows[0].unflatten(0, values.shape[:4])
    inside: Tensor = windows[..., : out[0], : out[1]]
    return inside


def _mix_channels(values: Tensor, groups: int, channels: int) -> Tensor:
    """Within each group of channels the union, for each of the group's outputs."""
    if values.shape[3] == 1:
        return values.expand(*values.shape[:3], channels, *values.shape[4:])
    grouped: Tensor = values.unflatten(3, (groups, -1)).amin(4)
    if groups == 1:
        return grouped.expand(*grouped.shape[:3], channels, *grouped.shape[4:])
    return grouped.repeat_interleave(channels // groups, dim=3)


def _convolution(values: Tensor, jump: Jump, out: Tensor | None, args: Sequence[Any]) -> Boxes:
    assert out is not None
    weight, stride, padding, dilation = args[1], args[3], args[4], args[5]
    transposed, groups = bool(args[6]), int(args[8])
    kernel, stride, padding, dilation = (
        _pair(weight.shape[2:]), _pair(stride), _pair(padding, 0), _pair(dilation),
    )  # fmt: skip
    values = _slim_channels(values)
    if not transposed:
        slid = _slide(values, jump, _hw(out), kernel, stride, padding, dilation)
        new_jump = (jump[0] * stride[0], jump[1] * stride[1])
        return Boxes(_mix_channels(slid, groups, out.shape[1]), new_jump)
    spaced = _pad(values, (0, 0, 0, 0), jump)
    size = [(n - 1) * s + 1 for n, s in zip(values.shape[-2:], stride, strict=True)]
    holes = torch.full((*values.shape[:4], *size), EMPTY)
    holes[..., :: stride[0], :: stride[1]] = spaced
    pads = [(k - 1) * d - p for k, d, p in zip(kernel, dilation, padding, strict=True)]
    reach = [o + (k - 1) * d for o, k, d in zip(_hw(out), kernel, dilation, strict=True)]
    full = F.pad(
        holes.flatten(0, 3)[None],
        (pads[1], reach[1] - size[1] - pads[1], pads[0], reach[0] - size[0] - pads[0]),
        value=EMPTY,
    )
    slid = -F.max_pool2d(-full, kernel, 1, 0, dilation)[0].unflatten(0, values.shape[:4])
    return Boxes(
        _mix_channels(slid, groups, out.shape[1]), (jump[0] / stride[0], jump[1] / stride[1])
    )


def _slim_channels(values: Tensor) -> Tensor:
    return values[:, :, :, :1] if values.stride(3) == 0 else values


def _hw(tensor: Tensor) -> tuple[int, int]:
    return tensor.shape[-2], tensor.shape[-1]


def _pool(values: Tensor, jump: Jump, out: Tensor | None, args: Sequence[Any]) -> Boxes:
    """max_pool2d and avg_pool2d: kernel, stride, padding, and for the first dilation."""
    assert out is not None
    kernel = _pair(args[1])
    stride = _pair(args[2]) if len(args) > 2 and args[2] else kernel
    padding = _pair(args[3], 0) if len(args) > 3 else (0, 0)
    dilated = len(args) > 4 and not isinstance(args[4], bool)
    dilation = _pair(args[4]) if dilated else (1, 1)
    slim = _slim_channels(_batched(values))
    slid = _slide(slim, jump, _hw(out), kernel, stride, padding, dilation)
    spread = slid.expand(2, 4, *_batched_shape(out))
    return Boxes(spread.reshape(2, 4, *out.shape), (jump[0] * stride[0], jump[1] * stride[1]))


def _batched(values: Tensor) -> Tensor:
    return values if values.ndim == 6 else values[:, :, None]


def _batched_shape(out: Tensor) -> tuple[int, ...]:
    return tuple(out.shape) if out.ndim == 4 else (1, *out.shape)


def _adaptive(values: Tensor, jump: Jump, out: Tensor | None, args: Sequence[Any]) -> Boxes:
    assert out is not None
    height, width = values.shape[-2:]
    rows = [_bin(values, -2, i, out.shape[-2], height) for i in range(out.shape[-2])]
    pooled = torch.cat(rows, -2)
    columns = [_bin(pooled, -1, i, out.shape[-1], width) for i in range(out.shape[-1])]
    scale = (height / out.shape[-2], width / out.shape[-1])
    return Boxes(torch.cat(columns, -1), (jump[0] * scale[0], jump[1] * scale[1]))


def _bin(values: Tensor, dim: int, index: int, bins: int, size: int) -> Tensor:
    start, stop = index * size // bins, -(-(index + 1) * size // bins)
    return values.narrow(dim, start, stop - start).amin(dim, keepdim=True)


def _constant_pad(values: Tensor, jump: Jump, out: Tensor | None, args: Sequence[Any]) -> Boxes:
    assert out is not None
    pads = list(args[1])
    if len(pads) <= 4 and values.ndim == 6 and min(pads) >= 0:
        return Boxes(_pad(_slim_channels(values), pads + [0] * (4 - len(pads)), jump).expand(
            2, 4, *out.shape), jump)  # fmt: skip
    return Boxes(F.pad(values, pads, value=EMPTY), jump)


# --- reductions: each takes (values of a tensor, args, out) -----------------------------------

_Values = Callable[[Tensor], Tensor]


def _reduce_dims(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    values = of(args[0])
    ndim = values.ndim - 2
    dims = args[1] if len(args) > 1 and args[1] is not None else list(range(ndim))
    dims = [dims] if isinstance(dims, int) else list(dims) or list(range(ndim))
    reduced = values.amin([d % ndim + 2 for d in dims], keepdim=True)
    return reduced.reshape(2, 4, *out.shape)


def _along(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    """softmax, cumsum, sort: within each line along a dimension everything sees everything."""
    values = of(args[0])
    dim = args[1] % (values.ndim - 2) + 2 if len(args) > 1 else values.ndim - 1
    return values.amin(dim, keepdim=True).expand(2, 4, *out.shape)


def _layer_norm(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    values = of(args[0])
    return _least(values, range(-len(args[1]), 0)).expand(2, 4, *out.shape)


def _group_norm(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    values = of(args[0])
    groups = int(args[6])
    grouped = values.unflatten(3, (groups, -1)).flatten(4).amin(4)
    spread: Tensor = grouped.repeat_interleave(out.shape[1] // groups, dim=3)
    return spread.reshape(*spread.shape, *([1] * (out.ndim - 2))).expand(2, 4, *out.shape)


def _channel_pool(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    """avg_pool3d as local response normalisation uses it: across channels, not across pixels."""
    values = of(args[0])
    if list(args[1])[1:] != [1, 1]:
        return spread(values.flatten(2).amin(2), out.shape)
    return _least(values, [-3]).expand(2, 4, *out.shape)


def _gather(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    """Elements picked along a dimension: any of them, and whatever decides which."""
    picked = _least(of(args[0]), [args[1] - args[0].ndim])
    return torch.minimum(picked, _slim(of(args[2]))).expand(2, 4, *out.shape)


def _scatter(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    """Elements put somewhere along a dimension: anywhere, as the index decides."""
    dim = args[1] - out.ndim
    put = torch.minimum(_least(of(args[2]), [dim]), _least(of(args[3]), [dim]))
    return torch.minimum(put, _slim(of(args[0]))).expand(2, 4, *out.shape)


def _matmul(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    return _product(of(args[0]), of(args[1]), out)


def _addmm(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    return _product(of(args[1]), of(args[2]), out)


def _product(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    return torch.minimum(_least(left, [-1]), _least(right, [-2])).expand(2, 4, *out.shape)


def _linear(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    return _least(of(args[0]), [-1]).expand(2, 4, *out.shape)


def _attention(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    query, key, value = (of(a) for a in args[:3])
    seen = torch.minimum(_least(key, [-2, -1]), _least(value, [-2, -1]))
    return torch.minimum(_least(query, [-1]), seen).expand(2, 4, *out.shape)


WINDOWS: dict[Any, Callable[[Tensor, Jump, Tensor | None, Sequence[Any]], Boxes]] = {
    ATEN.convolution: _convolution,
    ATEN.max_pool2d_with_indices: _pool,
    ATEN.max_pool2d: _pool,
    ATEN.avg_pool2d: _pool,
    ATEN._adaptive_avg_pool2d: _adaptive,
    ATEN.adaptive_max_pool2d: _adaptive,
    ATEN.constant_pad_nd: _constant_pad,
}
_OVER_DIMS = (
    *(ATEN.mean, ATEN.sum, ATEN.amax, ATEN.amin, ATEN.max, ATEN.min, ATEN.prod, ATEN.logsumexp),
    *(ATEN.var, ATEN.std, ATEN.norm, ATEN.linalg_vector_norm),
)
REDUCES: dict[Any, Callable[[_Values, Sequence[Any], Tensor], Tensor]] = {
    **dict.fromkeys(_OVER_DIMS, _reduce_dims),
    **dict.fromkeys((ATEN._softmax, ATEN._log_softmax, ATEN.cumsum), _along),
    ATEN.avg_pool3d: _channel_pool,
    ATEN.native_layer_norm: _layer_norm,
    ATEN.gather: _gather,
    ATEN.scatter: _scatter,
    ATEN.scatter_: _scatter,
    ATEN.native_group_norm: _group_norm,
    ATEN.mm: _matmul,
    ATEN.bmm: _matmul,
    ATEN.addmm: _addmm,
    ATEN.baddbmm: _addmm,
    ATEN.linear: _linear,
    ATEN._scaled_dot_product_flash_attention_for_cpu: _attention,
    ATEN._scaled_dot_product_flash_attention: _attention,
    ATEN._scaled_dot_product_efficient_attention: _attention,
}  # fmt: skip
FACTORIES = {  # take a shape from their input, and no pixel
    *(ATEN.new_zeros, ATEN.new_ones, ATEN.new_empty, ATEN.new_full, ATEN.zeros_like),
    *(ATEN.ones_like, ATEN.full_like, ATEN.empty_like, ATEN.rand_like, ATEN.randn_like),
}
POINTWISE = {
    ATEN._to_copy,
    ATEN.native_batch_norm,
    ATEN._native_batch_norm_legit_no_training,
    ATEN.cudnn_batch_norm,
    ATEN.native_dropout,
}
MOVES = {
    ATEN.cat, ATEN.stack, ATEN.clone, ATEN._unsafe_view, ATEN.roll,
    ATEN.flip, ATEN.reflection_pad2d, ATEN.replication_pad2d, ATEN.index_select, ATEN.index,
    ATEN.repeat, ATEN.upsample_nearest2d, ATEN.pixel_shuffle, ATEN.pixel_unshuffle,
    ATEN.contiguous, ATEN.copy,
}  # fmt: skip
INDEXED = {ATEN.index_select, ATEN.index}
