"""The base class of representations, which defines their interface, and the class of layers."""

from __future__ import annotations

import copy
import re
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..errors import RepresentationError
from ..models.weights import Weights
from ..tables import html_table
from .outputs import OUTPUT
from .receptive_fields.tracer import ReceptiveField

_OF_OUTPUT = re.compile(rf"({'|'.join(OUTPUT)})(\W|$)")
Region = tuple[int, int, int, int]  # rows r0:r1 and columns c0:c1 of feature cells, half-open


@dataclass(frozen=True)
class Layer:
    """A layer of a network at one input size, with its shape, stride and receptive field.

    >>> layer = representation("efficientnet_lite0", "blocks.2").layer_info()
    >>> layer.shape, layer.stride, layer.receptive_field
    ((40, 28, 28), (8.0, 8.0), (67, 67))

    Attributes
    ----------
    index : int
        The position in execution order.
    name, kind : str
        The path of its module (with a number if the module is called again), and the module's type.
    shape : tuple of int
        (C, h, w) for a map or (D,) for a vector.
    stride : (float, float) or None
        The pixels from cell to cell, down and right; None for a vector.
    receptive_field : (int, int) or None
        The (height, width) of the middle cell's receptive field in pixels, without clipping to the
        image.
    offset : (int, int) or None
        The top and left of the receptive field of cell (0, 0), also without clipping.
    is_global : bool
        Whether each cell sees the whole image, because a fully connected layer, attention or global
        pooling comes before.
    aliases : tuple of str
        Other names of the layer, such as the papers'.
    tokens : (int, int, int) or None
        For a transformer, (prefix tokens, rows, columns). The layer is shown as a map with that
        many columns. The prefix tokens (class token first, then registers) fill further rows below
        the patches; the rest of the last row is blank.
    assumed : bool
        Whether an operator before the layer is unknown, so that cells are assumed to see the whole
        image.
    """

    index: int
    name: str
    kind: str
    shape: tuple[int, ...]
    stride: tuple[float, float] | None
    receptive_field: tuple[int, int] | None
    offset: tuple[int, int] | None
    is_global: bool
    aliases: tuple[str, ...] = ()
    tokens: tuple[int, int, int] | None = None
    assumed: bool = False

    @property
    def grid(self) -> tuple[int, int] | None:
        """The (rows, columns) of cells on the image, without prefix tokens; None for a vector."""
        if self.tokens is not None:
            return self.tokens[1:]
        return (self.shape[1], self.shape[2]) if len(self.shape) == 3 else None

    @property
    def short_name(self) -> str:
        """The shortest unique name of the layer, such as ``blocks.2`` for ``blocks.2.1``.

        It is never the name of a list, such as ``blocks`` for its last item, and the name of the
        network's output only if there is no other name.
        """
        names = sorted((self.name, *self.aliases), key=len)
        parts = [name for name in names if not _OF_OUTPUT.match(name)]
        known = names if _OF_OUTPUT.match(self.name) else parts
        return next(name for name in known if not _is_list(name, known))

    def describe(self) -> dict[str, Any]:
        """The layer as a plain dict for JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        """The display in a notebook: a table."""
        return html_table(f"Layer {self.short_name}", self.describe().items())


def _is_list(name: str, names: list[str]) -> bool:
    """Whether a name is that of a module with numbered children, or of one that contains it."""
    if name[-1].isdigit():
        return False
    inner = [other.removeprefix(f"{name}.") for other in names if other.startswith(f"{name}.")]
    outer = not any(part.isdigit() for part in name.split("."))
    return any(
        child.split(".")[0][-1:].isdigit()
        or (outer and any(part.isdigit() for part in child.split(".")))
        for child in inner
    )


def joined_notes(weights: str, *notes: str) -> str:
    """The note about weights and features that pictures show, in one line.

    >>> joined_notes("pretrained"), joined_notes("random weights", "random features")
    ('', 'random weights; random features')
    """
    said = () if weights in set(Weights) - {Weights.RANDOM} else (weights,)
    return "; ".join(filter(None, (*said, *notes)))


class Representation(nn.Module, ABC):
    """The base class of representations: differentiable maps Φ from images in [0, 1] to features.

    >>> phi = representation("efficientnet_lite0", "blocks.2")
    >>> phi(torch.rand(2, 3, 224, 224)).shape
    torch.Size([2, 40, 28, 28])
    >>> phi.channels
    3
    >>> phi.receptive_field((3, 8, 3, 8)).clipped
    Box(top=0, left=0, bottom=90, right=90)

    Images (N, C, H, W) have as many channels as the network takes: 3 (RGB) for most networks, 1 for
    digits and scans. Features are maps (N, K, h, w) or vectors (N, D). The module is in eval mode
    with frozen parameters and includes its preprocessing. ``representation`` and ``from_callable``
    make representations; derive from this class only if neither can.

    A representation is immutable: ``to``, ``double``, ``half``, ``cuda`` and similar methods return
    a new one, and ``train()`` and ``requires_grad_()`` raise ``RepresentationError``.

    Attributes
    ----------
    name, layer : str
        The names of the model and of the layer at which it is cut.
    size : (int, int)
        (height, width) in pixels to which photos are resized by default.
    weights : str
        The label of the weights in pictures.
    mean_color : torch.Tensor
        The color (C,) in [0, 1] that its preprocessing subtracts.
    grayscale : bool
        Whether only gray values matter, so that a search varies one channel instead of three.
    handcrafted : bool
        Whether it consists of filters and histograms without learnt weights.
    raises_noise : bool
        Whether the faintest noise has features as strong as a photo's, as in HOG.
    """

    name: str
    layer: str
    size: tuple[int, int]
    weights: str
    mean_color: Tensor
    grayscale: bool = False
    handcrafted: bool = False
    raises_noise: bool = False

    @property
    def channels(self) -> int:
        """The number of channels of its images."""
        return len(self.mean_color)

    @property
    @abstractmethod
    def digest(self) -> str:
        """A digest that identifies the representation in a result."""

    @abstractmethod
    def at(self, layer: str) -> Representation:
        """The same network cut at another layer."""

    @abstractmethod
    def layers(self, size: tuple[int, int] | None = None) -> tuple[Layer, ...]:
        """All layers in execution order, for images of ``size`` (height, width)."""

    @abstractmethod
    def layer_info(self, size: tuple[int, int] | None = None) -> Layer:
        """The layer of this representation, for images of ``size`` (height, width)."""

    @abstractmethod
    def receptive_field(
        self, region: Region | None = None, size: tuple[int, int] | None = None
    ) -> ReceptiveField:
        """The pixels that can change the cells of ``region`` (by default all cells)."""

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """The features of images (N, C, H, W)."""

    def train(self, mode: bool = True) -> Self:
        """Raise an error for training mode, which would change the features."""
        if mode:
            raise RepresentationError(
                f"{type(self).__name__}.train(): a representation stays in eval mode; train your "
                "module, and make a new representation of it"
            )
        return super().train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Raise an error for trainable parameters, because a representation is frozen."""
        if requires_grad:
            raise RepresentationError(
                f"{type(self).__name__}.requires_grad_(): the parameters of a representation are "
                "frozen; train your module, and make a new representation of it"
            )
        return self

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        """A new representation with ``fn`` applied to its tensors; torch moves modules by this."""
        moved = copy.deepcopy(self)
        super(Representation, moved)._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return moved

    def _repr_html_(self) -> str:
        """The display in a notebook: a table."""
        shown: dict[str, Any] = {
            "model": self.name,
            "layer": self.layer,
            "shape": self.layer_info().shape,
            "weights": self.weights,
            "photo": "{} × {} pixels".format(*self.size),
        }
        if self.preprocessing:
            shown["preprocessing"] = self.preprocessing
        if self.notes:
            shown["note"] = "; ".join(self.notes)
        return html_table("Representation", shown.items())

    def extra_repr(self) -> str:
        words = f"{self.name}, layer={self.layer!r}, weights={self.weights!r}"
        return f"{words}, {self.preprocessing}" if self.preprocessing else words

    @property
    def preprocessing(self) -> str:
        """A note on preprocessing that was read from a module's attributes; empty if none was."""
        return ""

    @property
    def forward_kwargs(self) -> dict[str, Any]:
        """The further arguments of the network's forward; empty if there are none."""
        return {}

    @property
    def cache_key(self) -> nn.Module:
        """The module that is the key of cached facts about this map.

        Representations of one layer share it, also on another device or with another type.
        """
        return self

    @property
    def thread_safe(self) -> bool:
        """Whether several threads may call it at the same time."""
        return False

    @property
    def note(self) -> str:
        """The note about weights and features that pictures show; empty if there is none."""
        return joined_notes(self.weights, *self.notes)

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes about the features that pictures show, such as that they are random."""
        return ()

    def on(self, device: torch.device) -> Representation:
        """The representation on a device: itself if it is there already, else a new one."""
        return self if self.mean_color.device == device else self.to(device)

    def target(self, photo: Tensor) -> Tensor:
        """The features Φ₀ of one image (C, H, W), without gradients, with a batch axis of 1."""
        with torch.no_grad():
            features: Tensor = self(photo[None].to(self.mean_color))
        return features
