"""The canvas a search moves: iterates 255 · (x − center), with a margin to shift the image in.

>>> z = start_canvas(representation, settings, (224, 224), photo, center)
>>> raw_images(z, (224, 224), center).shape
torch.Size([4, 3, 224, 224])
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..energy.priors import project
from ..images import luminance
from ..representations.base import Representation
from ..search.starts import start_images
from .settings import InversionSettings


def raw_images(iterate: Tensor, size: tuple[int, int], center: Tensor) -> Tensor:
    """The iterate's middle as images, not clipped: z / 255 + center."""
    top, left = ((c - s) // 2 for c, s in zip(iterate.shape[-2:], size, strict=True))
    middle = iterate[..., top : top + size[0], left : left + size[1]]
    return middle / 255 + center[:, None, None]


def to_iterate(images: Tensor, center: Tensor) -> Tensor:
    """Images in [0, 1] as iterates, 255 · (x − center)."""
    return 255 * (images - center[:, None, None])


def start_canvas(
    representation: Representation,
    settings: InversionSettings,
    size: tuple[int, int],
    origin: Tensor | None,
    center: Tensor,
) -> Tensor:
    """Where the seeds begin, (S, C, H + jitter, W + jitter): one channel where Φ sees only gray.

    ``origin`` (C, H, W) is the image that the start ``photo`` begins at.
    """
    colors = 1 if representation.grayscale else representation.channels
    if origin is not None:
        origin = to_iterate(pad(origin.to(center)[None], settings.jitter), center)
        if representation.grayscale:
            origin = luminance(origin)[:, :1]
    shape = (colors, size[0] + settings.jitter, size[1] + settings.jitter)
    z = start_images(settings.start, settings.seeds, shape, origin, settings.image_energy)
    return z.to(center.device)


def center_of(representation: Representation, settings: InversionSettings) -> Tensor:
    """The color (C,) where the iterate is zero."""
    mean = representation.mean_color
    return mean if settings.center is None else torch.tensor(settings.center).to(mean)


def random_shifts(generators: list[torch.Generator], jitter: int, margin: int) -> Tensor:
    """Each seed's own shift (S, 2) of its crop; in the middle of the canvas without jitter."""
    middle = (margin - jitter) // 2
    if not jitter:
        return torch.full((len(generators), 2), margin // 2)
    return middle + torch.stack(
        [torch.randint(0, jitter + 1, (2,), generator=g) for g in generators]
    )


def bound_canvas(z: Tensor, limit: float | str | None, center: Tensor) -> None:
    """Keep iterates, in place, within the colors of a picture or the norm ``limit``."""
    if limit == "picture":
        low = _black(z, center)
        torch.maximum(z, low, out=z)
        torch.minimum(z, low + 255, out=z)
    elif limit is not None:
        project(z, float(limit))


def free_gradient(gradient: Tensor, z: Tensor, limit: float | str | None, center: Tensor) -> None:
    """Zero, in place, the gradient that presses a color against the end of its range.

    A rule that moves colors along other axes than red, green and blue would answer it along those
    that are free, and climb: with few channels selected it did, up to white. Source: Bertsekas,
    *Projected Newton Methods*, SIAM J. Control Optim. 20 (1982): what rests on a bound is set apart
    before directions are mixed.
    """
    if limit == "picture":
        low = _black(z, center)
        pressed = ((z <= low) & (gradient > 0)) | ((z >= low + 255) & (gradient < 0))
        gradient.masked_fill_(pressed, 0)


def _black(z: Tensor, center: Tensor) -> Tensor:
    return to_iterate(torch.zeros(len(center), 1, 1, device=center.device), center)[: z.shape[1]]


def pad(images: Tensor, margin: int) -> Tensor:
    """Images (S, C, H, W) continued by their border, to (S, C, H + margin, W + margin)."""
    before = margin // 2
    pads = (before, margin - before, before, margin - before)
    return torch.nn.functional.pad(images, pads, mode="replicate")
