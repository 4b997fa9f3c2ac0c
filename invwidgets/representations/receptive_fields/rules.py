"""The rules for boxes of operators without windows: sums, norms, products, attention; and tables.

A rule computes the boxes of an operator's output. It gets ``of``, a function that returns the boxes
of a tensor, the operator's arguments, and the output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .boxes import ATEN, expanded, least, slim

_Values = Callable[[Tensor], Tensor]


def _reduce_dims(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    values = of(args[0])
    ndim = values.ndim - 2
    if not ndim:
        return values
    dims = args[1] if len(args) > 1 and args[1] is not None else list(range(ndim))
    dims = [dims] if isinstance(dims, int) else list(dims) or list(range(ndim))
    reduced = values.amin([d % ndim + 2 for d in dims], keepdim=True)
    return reduced.reshape(2, 4, *out.shape)


def _norm_dims(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    """A reduction whose axes come after the order of the norm in its arguments."""
    return _reduce_dims(of, (args[0], *args[2:]), out)


def _along(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    """Softmax: each element depends on all elements of its line along one axis."""
    values = of(args[0])
    dim = args[1] % (values.ndim - 2) + 2 if len(args) > 1 else values.ndim - 1
    return values.amin(dim, keepdim=True).expand(2, 4, *out.shape)


def _cumulative(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    values = of(args[0])
    running: Tensor = values.cummin(args[1] % (values.ndim - 2) + 2).values
    return running


def _batch_norm(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    """Batch normalization: each element depends only on itself.

    With the statistics of the input (instance normalization) it depends on its whole channel.
    """
    values = of(args[0])
    if not any(a is True for a in args):  # the flag "training"
        return values
    dims = [d for d in range(2, values.ndim) if d != 3]
    return values.amin(dims, keepdim=True).expand(2, 4, *out.shape)


def _layer_norm(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    values = of(args[0])
    return least(values, range(-len(args[1]), 0)).expand(2, 4, *out.shape)


def _group_norm(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    values = of(args[0])
    groups = int(args[6])
    grouped = values.unflatten(3, (groups, -1)).flatten(4).amin(4)
    expanded: Tensor = grouped.repeat_interleave(out.shape[1] // groups, dim=3)
    return expanded.reshape(*expanded.shape, *([1] * (out.ndim - 2))).expand(2, 4, *out.shape)


def _channel_pool(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    """The pooling across channels in local response normalization, which is avg_pool3d."""
    values = of(args[0])
    if list(args[1])[1:] != [1, 1]:
        return expanded(values.flatten(2).amin(2), out.shape)
    return least(values, [-3]).expand(2, 4, *out.shape)


def _gather(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    """Indexing along an axis: any element of the line may be chosen, by the index."""
    picked = least(of(args[0]), [args[1] - args[0].ndim])
    return torch.minimum(picked, slim(of(args[2]))).expand(2, 4, *out.shape)


def _scatter(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    """Writing along an axis: any element of the line may be written, by the index."""
    dim = args[1] - out.ndim
    put = torch.minimum(least(of(args[2]), [dim]), least(of(args[3]), [dim]))
    return torch.minimum(put, slim(of(args[0]))).expand(2, 4, *out.shape)


def _matmul(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    return _product(of(args[0]), of(args[1]), out)


def _addmm(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    return _product(of(args[1]), of(args[2]), out)


def _product(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    return torch.minimum(least(left, [-1]), least(right, [-2])).expand(2, 4, *out.shape)


def _linear(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    return least(of(args[0]), [-1]).expand(2, 4, *out.shape)


def _attention(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    query, key, value = (of(a) for a in args[:3])
    seen = torch.minimum(least(key, [-2, -1]), least(value, [-2, -1]))
    return torch.minimum(least(query, [-1]), seen).expand(2, 4, *out.shape)


def _all_tokens(of: _Values, args: Sequence[Any], out: Tensor) -> Tensor:
    """A whole attention block in one operator: each token depends on all tokens."""
    return least(of(args[0]), [-2, -1]).expand(2, 4, *out.shape)


_OVER_DIMS = (
    *(ATEN.mean, ATEN.sum, ATEN.amax, ATEN.amin, ATEN.max, ATEN.min, ATEN.prod, ATEN.logsumexp),
    *(ATEN.var, ATEN.std),
)
REDUCES: dict[Any, Callable[[_Values, Sequence[Any], Tensor], Tensor]] = {
    **dict.fromkeys(_OVER_DIMS, _reduce_dims),
    **dict.fromkeys((ATEN.norm, ATEN.linalg_vector_norm), _norm_dims),
    **dict.fromkeys((ATEN._softmax, ATEN._log_softmax, ATEN._safe_softmax), _along),
    ATEN.cumsum: _cumulative,
    **dict.fromkeys((ATEN.native_batch_norm, ATEN._native_batch_norm_legit), _batch_norm),
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
    ATEN._native_multi_head_attention: _all_tokens,
    ATEN._transformer_encoder_layer_fwd: _all_tokens,
}  # fmt: skip
FACTORIES = {  # operators that use only the shape of their input
    *(ATEN.new_zeros, ATEN.new_ones, ATEN.new_empty, ATEN.new_full, ATEN.zeros_like),
    *(ATEN.ones_like, ATEN.full_like, ATEN.empty_like, ATEN.rand_like, ATEN.randn_like),
}
INDEXED = {ATEN.index_select, ATEN.index}
POINTWISE = {
    ATEN._to_copy,
    ATEN._native_batch_norm_legit_no_training,
    ATEN.cudnn_batch_norm,
    ATEN.native_dropout,
    ATEN.hardswish,
    ATEN.hardswish_,
}
RESHAPES = {ATEN.view, ATEN._unsafe_view, ATEN.reshape, ATEN._reshape_alias}
MOVES = {
    ATEN.cat, ATEN.stack, ATEN.clone, ATEN.roll,
    ATEN.flip, ATEN.reflection_pad2d, ATEN.replication_pad2d, ATEN.index_select, ATEN.index,
    ATEN.repeat, ATEN.channel_shuffle, ATEN.native_channel_shuffle,
    ATEN.pixel_shuffle, ATEN.pixel_unshuffle,
    ATEN.contiguous, ATEN.copy,
}  # fmt: skip
