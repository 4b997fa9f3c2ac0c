"""The contract every representation keeps, and what a layer is."""

from __future__ import annotations

import copy
from abc import abstractmethod
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .receptive_fields.tracer import ReceptiveField

Region = tuple[int, int, int, int]  # rows r0:r1 and columns c0:c1 of feature cells, half-open


@dataclass(frozen=True)
class Layer:
    """A named place in a network, at one size of input.

    ``shape`` is (C, h, w) or (D,); ``stride`` pixels from cell to cell, down and right;
    ``receptive_field`` (height, width) in pixels of the cell in the middle, as if the image had no
    end; ``offset`` where cell (0, 0)'s begins, top and left, also without end. The last three are
    None where the layer is a vector. ``is_global``: a fully connected layer, attention or a
    pooling over everything has come before, so that each cell sees the whole image. ``tokens``:
    a transformer's (prefix tokens, rows, columns), shown as a map of rows + 1 by columns whose
    last row holds the prefix tokens (class token first), blank beyond them. ``assumed``: an
    operator on the way is unknown, so that the whole image was assumed to be seen.
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

    def describe(self) -> dict[str, Any]:
        """A plain dict, ready for JSON."""
        return asdict(self)


class Representation(nn.Module):
    """A differentiable map Φ from images (N, 3, H, W), RGB in [0, 1], to features.

    Features are maps (N, C, h, w) or vectors (N, D). The module is in eval mode with frozen
    parameters and owns its normalisation. Attributes: ``name`` of the model, ``layer`` it is cut
    at, ``mean_color`` (3,) in [0, 1], which its preprocessing subtracts, ``size`` (height, width)
    a photo is resized to by default, ``weights`` what a picture must say of the weights,
    ``digest`` of weights and code.
    ``grayscale``: only grey values matter, so that a search moves one channel, not three.
    ``handcrafted``: made of filters and histograms by design, without learnt weights.
    ``smooth_if_hasty``: fewer steps than usual want more total variation.
    """

    name: str
    layer: str
    size: tuple[int, int]
    weights: str
    mean_color: Tensor
    grayscale: bool = False
    handcrafted: bool = False
    smooth_if_hasty: bool = True

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

    def forward(self, images: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} computes nothing")

    def extra_repr(self) -> str:
        return f"{self.name}, layer={self.layer!r}, weights={self.weights!r}"

    @property
    def cache_key(self) -> nn.Module:
        """The module whose identity stands for this map; cuts at one layer may share it."""
        return self

    @property
    def thread_safe(self) -> bool:
        """Whether several threads may call it at once."""
        return False

    def on(self, device: torch.device) -> Representation:
        """This representation on a device: itself if it is there, a copy elsewhere, since
        others may share this one."""
        if self.mean_color.device == device:
            return self
        return copy.deepcopy(self).to(device)

    def target(self, photo: Tensor) -> Tensor:
        """Φ₀, the features of one photo (3, H, W), without gradients, with a batch of one."""
        with torch.no_grad():
            features: Tensor = self(photo[None].to(self.mean_color.device))
        return features
