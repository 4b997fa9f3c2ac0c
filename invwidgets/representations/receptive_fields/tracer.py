"""The tracer that computes receptive fields by carrying boxes through a network's operators.

While a network runs on one image, every element of a tensor has the bounding box of the pixels that
can change it. The box of a convolution's output is the union of the boxes under its kernel. A
matrix product takes the union over the summed axis. A view moves boxes together with the elements.
For an operator without a rule, every output is assumed to depend on all inputs.

    >>> boxes = BoxTracer()
    >>> image = boxes.image(32, 32)
    >>> with torch.no_grad(), boxes:
    ...     features = torch.nn.Conv2d(3, 8, 5, stride=2)(image)
    >>> boxes.of(features)[0, :, 0, 1, 1]          # top, left, -bottom, -right of cell (1, 1)
    tensor([ 2.,  2., -7., -7.])
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.weak import WeakTensorKeyDictionary

from .boxes import ATEN, EMPTY, Boxes, Jump, expanded, slim, union
from .rules import FACTORIES, INDEXED, MOVES, POINTWISE, REDUCES, RESHAPES
from .windows import RESAMPLERS, WINDOWS, resample


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

    def of(self, images: Tensor) -> Tensor:
        """A view of the pixels (…, h, w) inside the box, of images (…, H, W)."""
        return images[..., self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True)
class ReceptiveField:
    """The pixels that can change a set of cells, unclipped and clipped to the image.

    ``assumed`` is True if an operator was unknown, so that the whole image was assumed.
    """

    unclipped: Box
    clipped: Box
    assumed: bool = False

    def covers(self, size: tuple[int, int]) -> bool:
        """Whether it covers the whole image of ``size`` (height, width)."""
        return self.clipped == Box(0, 0, *size)


class BoxTracer(TorchDispatchMode):
    """A mode in which every tensor that is computed from ``image`` gets boxes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._boxes = WeakTensorKeyDictionary()
        self._whole = torch.full((2, 4), EMPTY)
        self._paused = False
        self.size = (0, 0)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Tell torch that this mode may be compiled.

        Otherwise torch imports its compiler, which takes as long as the import of torch itself.
        """
        return False

    def image(
        self, height: int, width: int, like: Tensor | None = None, channels: int = 3
    ) -> Tensor:
        """An image (1, C, height, width) of noise; the box of each pixel is the pixel itself."""
        generator = torch.Generator().manual_seed(0)
        image = torch.rand(1, channels, height, width, generator=generator)
        if like is not None:
            image = image.to(like)
        rows = torch.arange(height, dtype=torch.float32)[:, None].expand(height, width)
        columns = torch.arange(width, dtype=torch.float32)[None, :].expand(height, width)
        box = torch.stack([rows, columns, -(rows + 1), -(columns + 1)])
        values = torch.stack([box, box])[:, :, None, None].expand(2, 4, *image.shape)
        self._boxes[image] = Boxes(values, (1.0, 1.0))
        self._whole, self.size = values.reshape(2, 4, -1).amin(2), (height, width)
        return image

    @contextmanager
    def paused(self) -> Iterator[None]:
        """A context in which operators compute no boxes."""
        before, self._paused = self._paused, True
        try:
            yield
        finally:
            self._paused = before

    def seen(self, tensor: Tensor) -> Tensor:
        """The boxes of a tensor, as in ``of``, but the whole image for a tensor without boxes.

        Such tensors were computed by another library, such as numpy.
        """
        return self.of(tensor) if tensor in self._boxes else expanded(self._whole, tensor.shape)

    def of(self, tensor: Tensor) -> Tensor:
        """The boxes (2, 4, *shape) of a tensor, see ``boxes``; empty if it has none."""
        found = self._boxes.get(tensor)
        if found is not None:
            values: Tensor = found.values
            return values
        return torch.full((2, 4, *([1] * tensor.ndim)), EMPTY).expand(2, 4, *tensor.shape)

    def assumed(self, tensor: Tensor) -> bool:
        """Whether the boxes of a tensor were assumed, or the tensor has none."""
        found = self._boxes.get(tensor)
        return found is None or bool(found.assumed)

    def jump(self, tensor: Tensor) -> Jump:
        """The distance in pixels between neighboring cells, down and right."""
        found = self._boxes.get(tensor)
        return found.jump if found is not None else (1.0, 1.0)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if self._paused:
            return output
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
        """Update the boxes of ``base`` after an operator has written to a view of it."""
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
        """The boxes of outputs; without a rule, each output depends on all inputs."""
        known = [self._boxes[t] for t in inputs if t in self._boxes]
        jump = (max(b.jump[0] for b in known), max(b.jump[1] for b in known))
        try:
            found = self._by_rule(func, args, kwargs, inputs, outputs, jump)
        except Exception:  # a rule that does not fit a call must not stop the network
            found = None
        if outputs and (not found or found[0].values.shape[2:] != outputs[0].shape):
            found = None
        if found is None:
            everything = torch.stack([b.values.reshape(2, 4, -1).amin(2) for b in known]).amin(0)
            return [Boxes(expanded(everything, o.shape), jump, True) for o in outputs]
        assumed = any(b.assumed for b in known)
        return [boxes._replace(assumed=True) for boxes in found] if assumed else found

    def _by_rule(
        self,
        func: Any,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        inputs: list[Tensor],
        outputs: list[Tensor],
        jump: Jump,
    ) -> list[Boxes] | None:
        """The boxes of outputs by the operator's rule; None if it has no rule."""
        packet = func.overloadpacket
        first = outputs[0] if outputs else None
        if packet in WINDOWS:
            return [WINDOWS[packet](self.of(args[0]), jump, first, args)] * len(outputs)
        if packet in RESAMPLERS:
            return [resample(func, self.of(args[0]), jump, outputs[0], args, kwargs)]
        if packet is ATEN.copy_:
            return [Boxes(union([self.of(args[1])], first), jump)]
        if packet in RESHAPES:
            return [Boxes(self.of(args[0]).reshape(2, 4, *outputs[0].shape), jump)]
        if packet is ATEN.slice:
            jump = _thinned(jump, args)
        if packet in (
            ATEN.as_strided,
            ATEN.as_strided_,
        ):  # if all have the same box, so have all outputs
            values = slim(self.of(args[0])).reshape(2, 4, -1)
            same = bool((values == values[..., :1]).all())
            return [Boxes(expanded(values[..., 0], outputs[0].shape), jump)] if same else None
        if packet in MOVES or func.is_view:
            return [Boxes(v, jump) for v in self._move(func, args, kwargs)]
        if packet in REDUCES:
            parts = REDUCES[packet](self.of, args, outputs[0])
            return [Boxes(parts, jump)] * len(outputs)
        if torch.Tag.pointwise in func.tags or packet in POINTWISE:
            merged = union([self.of(t) for t in inputs if t in self._boxes], first)
            return [Boxes(merged, jump)] * len(outputs)
        return None

    def _move(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Tensor]:
        """The boxes after a view or copy, which is applied to each of the eight numbers."""
        indexed = func.overloadpacket in INDEXED
        moved = []
        for index in range(8):

            def number(a: Any, index: int = index) -> Any:
                if not isinstance(a, Tensor) or (indexed and not a.is_floating_point()):
                    return a  # an index is not moved itself
                return self.of(a).flatten(0, 1)[index]

            result = func(*tree_map(number, args), **tree_map(number, kwargs))
            moved.append([r for r in tree_flatten(result)[0] if isinstance(r, Tensor)])
        return [torch.stack(p).unflatten(0, (2, 4)) for p in zip(*moved, strict=True)]


def _thinned(jump: Jump, args: Sequence[Any]) -> Jump:
    """The jump after a slice that keeps every n-th row or column of a map (N, C, h, w)."""
    step = args[4] if len(args) > 4 else 1
    if args[0].ndim != 4 or step == 1 or len(args) < 2:
        return jump
    dim = args[1] % 4
    return jump[0] * (step if dim == 2 else 1), jump[1] * (step if dim == 3 else 1)
