"""The canvas of a search: iterates 255 · (x − center) with a margin for random shifts.

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
    """The middle of the canvas as images z / 255 + center, not clipped."""
    top, left = ((c - s) // 2 for c, s in zip(iterate.shape[-2:], size, strict=True))
    middle = iterate[..., top : top + size[0], left : left + size[1]]
    return middle / 255 + center[:, None, None]


def to_iterate(images: Tensor, center: Tensor) -> Tensor:
    """Images in [0, 1] as iterates 255 · (x − center)."""
    return 255 * (images - center[:, None, None])


def start_canvas(
    representation: Representation,
    settings: InversionSettings,
    size: tuple[int, int],
    origin: Tensor | None,
    center: Tensor,
) -> Tensor:
    """The start canvases of the seeds, (S, C, H + jitter, W + jitter).

    They have one channel if Φ sees only gray values. ``origin`` (C, H, W) is the image from which
    the start ``photo`` begins.
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
    """A random place (S, 2) of each seed's crop; the middle of the canvas without jitter."""
    middle = (margin - jitter) // 2
    if not jitter:
        return torch.full((len(generators), 2), margin // 2)
    return middle + torch.stack(
        [torch.randint(0, jitter + 1, (2,), generator=g) for g in generators]
    )


def bound_canvas(z: Tensor, limit: float | str | None, center: Tensor) -> None:
    """Limit iterates, in place, to displayable colors or to the norm ``limit``."""
    if limit == "picture":
        low = _black(z, center)
        torch.maximum(z, low, out=z)
        torch.minimum(z, low + 255, out=z)
    elif limit is not None:
        project(z, float(limit))


def free_gradient(gradient: Tensor, z: Tensor, limit: float | str | None, center: Tensor) -> None:
    """Set to zero, in place, the gradient that pushes a color beyond the end of its range.

    An optimizer that moves along other color axes than red, green and blue would otherwise mix
    this gradient into the colors that are not at their limit; with few selected channels, images
    then became white. Source: Bertsekas, *Projected Newton Methods*, SIAM J. Control Optim. 20
    (1982), which separates variables at a bound before directions are mixed.
    """
    if limit == "picture":
        low = _black(z, center)
        pressed = ((z <= low) & (gradient > 0)) | ((z >= low + 255) & (gradient < 0))
        gradient.masked_fill_(pressed, 0)


def _black(z: Tensor, center: Tensor) -> Tensor:
    return to_iterate(torch.zeros(len(center), 1, 1, device=center.device), center)[: z.shape[1]]


def pad(images: Tensor, margin: int) -> Tensor:
    """Images (S, C, H, W) padded with their border pixels to (S, C, H + margin, W + margin)."""
    before = margin // 2
    pads = (before, margin - before, before, margin - before)
    return torch.nn.functional.pad(images, pads, mode="replicate")
