"""The contract every representation keeps, and what a layer is."""

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
    """A named place in a network, at one size of input.

    >>> layer = representation("efficientnet_lite0", "blocks.2").layer_info()
    >>> layer.shape, layer.stride, layer.receptive_field
    ((40, 28, 28), (8.0, 8.0), (67, 67))

    Attributes
    ----------
    index : int
        Its place in execution order.
    name, kind : str
        Its module's path (with a count where it is called again), and what it is.
    shape : tuple of int
        (C, h, w) or (D,).
    stride : (float, float) or None
        Pixels from cell to cell, down and right; None where the layer is a vector.
    receptive_field : (int, int) or None
        (height, width) in pixels of the cell in the middle, as if the image had no end.
    offset : (int, int) or None
        Where cell (0, 0)'s begins, top and left, also without end.
    is_global : bool
        A fully connected layer, attention or a pooling over everything has come before, so that
        each cell sees the whole image.
    aliases : tuple of str
        Other names for it, such as the papers'.
    tokens : (int, int, int) or None
        A transformer's (prefix tokens, rows, columns), shown as a map of that many columns. Below
        the rows of patches the prefix tokens (class token first, then registers) fill as many
        further rows as they need, blank beyond them.
    assumed : bool
        An operator on the way is unknown, so that the whole image was assumed to be seen.
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
        """(rows, columns) of the cells that lie on the image, of tokens the patches alone; None
        where the layer is a vector."""
        if self.tokens is not None:
            return self.tokens[1:]
        return (self.shape[1], self.shape[2]) if len(self.shape) == 3 else None

    @property
    def short_name(self) -> str:
        """Its shortest name that tells it from its neighbors: ``blocks.2`` for ``blocks.2.1``;
        never that of what holds a list, ``blocks`` or ``encoder`` for the last one in it,
        ``encoder.blocks.6``; that of the network's output only where there is no other."""
        names = sorted((self.name, *self.aliases), key=len)
        parts = [name for name in names if not _OF_OUTPUT.match(name)]
        known = names if _OF_OUTPUT.match(self.name) else parts
        return next(name for name in known if not _is_list(name, known))

    def describe(self) -> dict[str, Any]:
        """A plain dict, ready for JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        """In a notebook: what it is, as a table."""
        return html_table(f"Layer {self.short_name}", self.describe().items())


def _is_list(name: str, names: list[str]) -> bool:
    """Whether a name is that of a module whose children are numbered, or outside of all numbered
    ones holds such a module, as the others tell."""
    if name[-1].isdigit():
        return False
    inner = [other.removeprefix(f"{name}.") for other in names if other.startswith(f"{name}.")]
    outer = not any(part.isdigit() for part in name.split("."))
    return any(
        child.split(".")[0][-1:].isdigit()
        or (outer and any(part.isdigit() for part in child.split(".")))
        for child in inner
    )


def note_of(weights: str, *notes: str) -> str:
    """What a picture must say of weights and features, in one line.

    >>> note_of("pretrained"), note_of("random weights", "random features")
    ('', 'random weights; random features')
    """
    said = () if weights in set(Weights) - {Weights.RANDOM} else (weights,)
    return "; ".join(filter(None, (*said, *notes)))


class Representation(nn.Module, ABC):
    """A differentiable map Φ from images (N, C, H, W) in [0, 1] to features.

    >>> phi = representation("efficientnet_lite0", "blocks.2")
    >>> phi(torch.rand(2, 3, 224, 224)).shape
    torch.Size([2, 40, 28, 28])
    >>> phi.channels
    3
    >>> phi.receptive_field((3, 8, 3, 8)).clipped
    Box(top=0, left=0, bottom=90, right=90)

    Images have as many channels as the network takes: 3, RGB, for most, 1 for digits and scans.
    Features are maps (N, K, h, w) or vectors (N, D). The module is in eval mode with frozen
    parameters and owns its normalization. ``representation`` and ``from_callable`` make one; derive
    from it only where neither can.

    A representation is a value: ``to``, ``double``, ``half``, ``cuda`` and the like give a new one,
    ``train()`` and ``requires_grad_()`` raise ``RepresentationError``.

    Attributes
    ----------
    name, layer : str
        Of the model, and where it is cut.
    size : (int, int)
        (height, width) in pixels that photos are resized to by default.
    weights : str
        What a picture must say of the weights.
    mean_color : torch.Tensor
        (C,) in [0, 1], which its preprocessing subtracts.
    grayscale : bool
        Only gray values matter, so that a search moves one channel, not three.
    handcrafted : bool
        Made of filters and histograms by design, without learnt weights.
    raises_noise : bool
        The faintest noise has features as strong as a photo's, as in HOG.
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
        """How many channels its images have: as many as ``mean_color``."""
        return len(self.mean_color)

    @property
    @abstractmethod
    def digest(self) -> str:
        """What identifies the weights in a result."""

    @abstractmethod
    def at(self, layer: str) -> Representation:
        """The same network cut at another layer."""

    @abstractmethod
    def layers(self, size: tuple[int, int] | None = None) -> tuple[Layer, ...]:
        """All layers in execution order, at ``size`` (height, width) of input."""

    @abstractmethod
    def layer_info(self, size: tuple[int, int] | None = None) -> Layer:
        """The layer this representation is cut at, at ``size`` of input."""

    @abstractmethod
    def receptive_field(
        self, region: Region | None = None, size: tuple[int, int] | None = None
    ) -> ReceptiveField:
        """The pixels that can change the cells of ``region`` (all cells by default)."""

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """The features of images (N, C, H, W)."""

    def train(self, mode: bool = True) -> Self:
        """Refuse training mode: the module in hand may be shared, and its features would change."""
        if mode:
            raise RepresentationError(
                f"{type(self).__name__}.train(): a representation stays in eval mode; train the "
                "module it was made of, and make a new representation of it"
            )
        return super().train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Refuse parameters that can be trained: a representation's are frozen."""
        if requires_grad:
            raise RepresentationError(
                f"{type(self).__name__}.requires_grad_(): a representation's parameters are "
                "frozen; train the module it was made of, and make a new representation of it"
            )
        return self

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        """A new representation, whose tensors went through ``fn``: how torch moves a module."""
        moved = copy.deepcopy(self)
        super(Representation, moved)._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return moved

    def _repr_html_(self) -> str:
        """In a notebook: what it is, as a table."""
        told: dict[str, Any] = {
            "model": self.name,
            "layer": self.layer,
            "shape": self.layer_info().shape,
            "weights": self.weights,
            "photo": "{} × {} pixels".format(*self.size),
        }
        if self.preprocessing:
            told["preprocessing"] = self.preprocessing
        if self.notes:
            told["note"] = "; ".join(self.notes)
        return html_table("Representation", told.items())

    def extra_repr(self) -> str:
        words = f"{self.name}, layer={self.layer!r}, weights={self.weights!r}"
        return f"{words}, {self.preprocessing}" if self.preprocessing else words

    @property
    def preprocessing(self) -> str:
        """What was read off a module's own attributes, in words; empty if nothing."""
        return ""

    @property
    def forward_kwargs(self) -> dict[str, Any]:
        """What the network's forward is given beside images; empty if nothing."""
        return {}

    @property
    def cache_key(self) -> nn.Module:
        """The module whose identity stands for this map; cuts at one layer may share it, and so
        does the same map on another device or in another type."""
        return self

    @property
    def thread_safe(self) -> bool:
        """Whether several threads may call it at once."""
        return False

    @property
    def note(self) -> str:
        """What every picture must say of the weights and the features; empty if that is nothing."""
        return note_of(self.weights, *self.notes)

    @property
    def notes(self) -> tuple[str, ...]:
        """What every picture must say of the features, such as that they are random."""
        return ()

    def on(self, device: torch.device) -> Representation:
        """This representation on a device: itself if it is there, a new one elsewhere."""
        return self if self.mean_color.device == device else self.to(device)

    def target(self, photo: Tensor) -> Tensor:
        """Φ₀, the features of one image (C, H, W), without gradients, with a batch of one."""
        with torch.no_grad():
            features: Tensor = self(photo[None].to(self.mean_color))
        return features
