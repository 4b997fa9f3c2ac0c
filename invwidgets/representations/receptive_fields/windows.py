"""The rules for boxes of operators with windows: convolution, pooling, padding, resampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .boxes import ATEN, EMPTY, Boxes, Jump, spacing


def _pair(value: Any, default: int = 1) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    values = list(value)
    if not values:
        return default, default
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])


def _pad(values: Tensor, pads: Sequence[int], jump: Jump) -> Tensor:
    """The boxes (2, 4, N, C, h, w) after padding; ``pads`` is left, right, top, bottom.

    Within the image, padding has empty boxes. Without borders, the grid of cells is continued.
    """
    left, right, top, bottom = pads
    within = F.pad(values[0], (left, right, top, bottom), value=EMPTY)
    endless = _extend(_extend(values[1], -1, left, right, jump[1]), -2, top, bottom, jump[0])
    return torch.stack([within, endless])


def _extend(values: Tensor, dim: int, before: int, after: int, jump: float) -> Tensor:
    """Boxes (4, N, C, h, w) continued along the rows (dim -2) or the columns (dim -1).

    The boxes are continued with the spacing of the cells, or with ``jump`` if they are not evenly
    spaced.
    """
    if not (before or after):
        return values
    step = torch.zeros(4)
    low, high = (0, 2) if dim == -2 else (1, 3)
    cells = values[low, 0, 0].movedim(dim, -1).flatten(0, -2)[0]
    step[low] = spacing(cells, jump)
    step[high] = -step[low]  # the far sides are stored negated
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
    expanded = slid.expand(2, 4, *_batched_shape(out))
    return Boxes(expanded.reshape(2, 4, *out.shape), (jump[0] * stride[0], jump[1] * stride[1]))


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


def resample(
    func: Any, values: Tensor, jump: Jump, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]
) -> Boxes:
    """The boxes after any separable resizing.

    The operator is applied to single rows and columns, which shows the ones each output reads.
    """
    height, width = values.shape[-2:]
    thin = _slim_channels(values)
    rows = torch.eye(height, dtype=torch.float64)[:, None, :, None].expand(-1, 1, -1, width)
    reads = func(rows.contiguous(), *args[1:], **kwargs)[:, 0, :, 0] != 0
    thin = torch.stack([thin[..., row, :].amin(-2) for row in reads.T], -2)
    columns = torch.eye(width, dtype=torch.float64)[:, None, None, :].expand(-1, 1, height, -1)
    reads = func(columns.contiguous(), *args[1:], **kwargs)[:, 0, 0, :] != 0
    thin = torch.stack([thin[..., column].amin(-1) for column in reads.T], -1)
    scale = (height / out.shape[-2], width / out.shape[-1])
    return Boxes(thin.expand(2, 4, *out.shape), (jump[0] * scale[0], jump[1] * scale[1]))


WINDOWS: dict[Any, Callable[[Tensor, Jump, Tensor | None, Sequence[Any]], Boxes]] = {
    ATEN.convolution: _convolution,
    ATEN.max_pool2d_with_indices: _pool,
    ATEN.max_pool2d: _pool,
    ATEN.avg_pool2d: _pool,
    ATEN._adaptive_avg_pool2d: _adaptive,
    ATEN.adaptive_max_pool2d: _adaptive,
    ATEN.constant_pad_nd: _constant_pad,
}
RESAMPLERS = {
    ATEN.upsample_nearest2d, ATEN._upsample_nearest_exact2d, ATEN.upsample_bilinear2d,
    ATEN.upsample_bicubic2d, ATEN._upsample_bilinear2d_aa, ATEN._upsample_bicubic2d_aa,
}  # fmt: skip
