"""Feature cell <-> pixel box, for any network: boxes are carried through the operators themselves.

While a network runs on one image, every tensor element carries the bounding box of the pixels that
can change it. A convolution takes the union over its taps, a matrix product over what it sums, a
view moves boxes as it moves elements. No operator is guessed to be local: one that is not known
sees everything its inputs see.

    >>> boxes = BoxTracer()
    >>> image = boxes.image(32, 32)
    >>> with torch.no_grad(), boxes:
    ...     features = torch.nn.Conv2d(3, 8, 5, stride=2)(image)
    >>> boxes.of(features)[0, :, 0, 1, 1]          # top, left, -bottom, -right of cell (1, 1)
    tensor([ 2.,  2., -7., -7.])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.weak import WeakTensorKeyDictionary

from .box_rules import FACTORIES, INDEXED, MOVES, POINTWISE, REDUCES
from .box_windows import RESAMPLERS, WINDOWS, resample
from .boxes import ATEN, EMPTY, Boxes, Jump, spread, union


class Box(NamedTuple):
    """A half-open rectangle of pixels: rows ``top:bottom``, columns ``left:right``."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left


@dataclass(frozen=True)
class ReceptiveField:
    """The pixels that can change a set of cells: as if the image had no end, and within it."""

    unclipped: Box
    clipped: Box

    def covers(self, size: tuple[int, int]) -> bool:
        """Whether it covers the whole image of ``size`` (height, width)."""
        return self.clipped == Box(0, 0, *size)


class BoxTracer(TorchDispatchMode):
    """Carries boxes along every tensor computed from ``image`` inside the ``with`` block."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._boxes = WeakTensorKeyDictionary()

    def image(self, height: int, width: int, like: Tensor | None = None) -> Tensor:
        """An image (1, 3, height, width) of grey noise whose pixels carry their own boxes."""
        generator = torch.Generator().manual_seed(0)
        image = torch.rand(1, 3, height, width, generator=generator)
        if like is not None:
            image = image.to(like)
        rows = torch.arange(height, dtype=torch.float32)[:, None].expand(height, width)
        columns = torch.arange(width, dtype=torch.float32)[None, :].expand(height, width)
        box = torch.stack([rows, columns, -(rows + 1), -(columns + 1)])
        values = torch.stack([box, box])[:, :, None, None].expand(2, 4, *image.shape)
        self._boxes[image] = Boxes(values, (1.0, 1.0))
        return image

    def of(self, tensor: Tensor) -> Tensor:
        """(2, 4, *shape): top, left, -bottom, -right; [0] within the image, [1] without its end."""
        found = self._boxes.get(tensor)
        if found is not None:
            values: Tensor = found.values
            return values
        return torch.full((2, 4, *([1] * tensor.ndim)), EMPTY).expand(2, 4, *tensor.shape)

    def jump(self, tensor: Tensor) -> Jump:
        """Pixels from one cell to the next, down and right."""
        found = self._boxes.get(tensor)
        return found.jump if found else (1.0, 1.0)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        inputs = [a for a in tree_flatten((args, kwargs))[0] if isinstance(a, Tensor)]
        tracked = any(tensor in self._boxes for tensor in inputs)
        if tracked and func.overloadpacket not in FACTORIES:
            outputs = [o for o in tree_flatten(output)[0] if isinstance(o, Tensor)]
            for tensor, boxes in zip(
                outputs, self._follow(func, args, kwargs, inputs, outputs), strict=False
            ):
                self._boxes[tensor] = boxes
                if func._schema.is_mutable and tensor._base is not None:
                    self._write_through(tensor, tensor._base)
        return output

    def _write_through(self, view: Tensor, base: Tensor) -> None:
        """A view was written in place: its base's boxes change there too."""
        count = base.untyped_storage().nbytes() // base.element_size()
        memory = torch.full((8, count), EMPTY)

        def place(tensor: Tensor) -> Tensor:
            strides = (count, *tensor.stride())
            return memory.as_strided((8, *tensor.shape), strides, tensor.storage_offset())

        place(base).copy_(self.of(base).flatten(0, 1))
        place(view).copy_(self.of(view).flatten(0, 1))
        jump = self._boxes[base].jump if base in self._boxes else self._boxes[view].jump
        self._boxes[base] = Boxes(place(base).clone().unflatten(0, (2, 4)), jump)

    def _follow(
        self,
        func: Any,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        inputs: list[Tensor],
        outputs: list[Tensor],
    ) -> list[Boxes]:
        packet = func.overloadpacket
        known = [self._boxes[t] for t in inputs if t in self._boxes]
        jump = (max(b.jump[0] for b in known), max(b.jump[1] for b in known))
        first = outputs[0] if outputs else None
        if packet in WINDOWS:
            return [WINDOWS[packet](self.of(args[0]), jump, first, args)] * len(outputs)
        if packet in RESAMPLERS:
            return [resample(func, self.of(args[0]), jump, outputs[0], args, kwargs)]
        if packet is ATEN.copy_:
            return [Boxes(union([self.of(args[1])], first), jump)]
        if packet in MOVES or func.is_view:
            return [Boxes(v, jump) for v in self._move(func, args, kwargs)]
        if packet in REDUCES:
            parts = REDUCES[packet](self.of, args, outputs[0])
            return [Boxes(parts, jump)] * len(outputs)
        if torch.Tag.pointwise in func.tags or packet in POINTWISE:
            merged = union([self.of(t) for t in inputs if t in self._boxes], first)
            return [Boxes(merged, jump)] * len(outputs)
        everything = torch.stack([b.values.reshape(2, 4, -1).amin(2) for b in known]).amin(0)
        return [Boxes(spread(everything, o.shape), jump) for o in outputs]

    def _move(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Tensor]:
        """Views and copies: do to each of the eight numbers what is done to the elements."""
        indexed = func.overloadpacket in INDEXED
        moved = []
        for index in range(8):

            def number(a: Any, index: int = index) -> Any:
                if not isinstance(a, Tensor) or (indexed and not a.is_floating_point()):
                    return a  # an index says where, it is not moved itself
                return self.of(a).flatten(0, 1)[index]

            result = func(*tree_map(number, args), **tree_map(number, kwargs))
            moved.append([r for r in tree_flatten(result)[0] if isinstance(r, Tensor)])
        return [torch.stack(p).unflatten(0, (2, 4)) for p in zip(*moved, strict=True)]
