"""Where a reconstruction's parts come from: the best match of each of its patches in the photo.

>>> found = recomposition(invert("coffee", layer="blocks.4", seeds=2))
>>> found.displacement, found.reuse, found.shuffled
(0.39, 0.6, 0.51)

A patch is a square of cells of an early layer, which knows edges and colors and where they are. A
layer that keeps places has each patch match the photo's at the same place, once. A layer that knows
parts but not their places has them elsewhere (``displacement``), and some of them several times
(``reuse``). The measure cannot tell a moved part from one that is merely unlike: read it beside
``similarity`` and ``elsewhere``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import BadSettingError, shown
from ..images import PhotoSource, read_photo
from ..inversion.result import Reconstruction
from ..models.zoo import DEFAULT_MODEL
from ..representations.base import Representation
from ..representations.registry import representation
from ..torch_state import own_state

EARLY = "blocks.1"  # cells of 4 pixels that see 19


@dataclass(frozen=True)
class Recomposition:
    """Best matches of patches, (rows, columns) of them side by side.

    ``matches`` (S, rows · columns): for each seed's patches the number of the photo's patch, in
    reading order, that is most like it; ``likeness``, of the same shape, their cosine.
    ``relief`` (rows · columns): how much the features vary within each of the photo's patches, 0
    where it is flat. ``grid`` (rows, columns); ``cell`` (height, width) of a patch in pixels of an
    image of ``size``.
    """

    matches: Tensor
    likeness: Tensor
    relief: Tensor
    grid: tuple[int, int]
    cell: tuple[float, float]
    size: tuple[int, int]
    shuffled: float
    elsewhere: float

    @property
    def moved(self) -> Tensor:
        """How far each match lies from its patch, (S, rows · columns), in sides of the image."""
        return _distances(self.matches, self.grid)

    @property
    def displacement(self) -> float:
        """Mean distance of a match, in sides of the image: 0 where every part is in its place.

        ``shuffled`` is the same after the reconstruction's patches have changed places at random.
        """
        return float(self.moved.mean())

    @property
    def reuse(self) -> float:
        """The share of matches beyond the first to the same patch of the photo, from 0 on.

        0 where every patch of the photo is used once; 0.37 where each is taken blindly.
        """
        used = [len(torch.unique(row)) for row in self.matches]
        return 1 - sum(used) / self.matches.numel()

    @property
    def similarity(self) -> float:
        """Mean cosine of the matches; ``elsewhere`` is the same with another photo's patches."""
        return float(self.likeness.mean())


@own_state()
def recomposition(
    result: Reconstruction,
    *,
    by: str | Representation = EARLY,
    patch: int = 4,
    other: PhotoSource | None = None,
) -> Recomposition:
    """Match each patch of a result's images with the photo's patches.

    >>> found = recomposition(invert("coffee", layer="blocks.0", seeds=1))
    >>> found.likeness.shape == found.matches.shape
    True

    Parameters
    ----------
    result : Reconstruction
        Of a run with a photo.
    by : str or Representation, optional
        The early layer of EfficientNet-Lite0 whose features are compared, or a representation.
    patch : int, optional
        The side of a patch, in that layer's cells; patches lie side by side.
    other : str, path, PIL.Image.Image, numpy.ndarray or torch.Tensor, optional
        The photo that ``elsewhere`` is measured on; coffee by default, chelsea for coffee.

    Returns
    -------
    Recomposition
        The matches, how far they lie from their patches, and how often they are used.

    Raises
    ------
    BadSettingError
        For a result without a photo, or patches larger than the map.

    Notes
    -----
    Features are standardized channel by channel over the photo, patches compared by their cosine.
    Displacement and reuse are sensible as far as ``similarity`` is above ``elsewhere``.

    References
    ----------
    CVPR15 says it in words: reconstructions from deep layers repeat and recompose parts of the
    photo. The measure is ours.
    """
    if result.photo is None:
        raise BadSettingError(f"{result.layer} was not of a photo: there is nothing to match with")
    phi = by if isinstance(by, Representation) else representation(DEFAULT_MODEL, by)
    size = (result.photo.shape[-2], result.photo.shape[-1])
    if phi.channels != len(result.photo):
        raise BadSettingError(
            f"by {phi.name!r} takes images of {phi.channels} channels and these have "
            f"{len(result.photo)}: give by=, an early layer of a network that takes such images"
        )
    features = phi.target(result.photo)
    if features.ndim != 4 or not 1 <= patch <= min(features.shape[-2:]):
        raise BadSettingError(
            f"patch {shown(patch)}: {phi.layer} has features of shape {tuple(features.shape[1:])}; "
            "choose a layer that is a map, and a patch of 1 cell or more that fits in it"
        )
    center, scale = features.mean((2, 3), keepdim=True), features.std((2, 3), keepdim=True)

    def patches(images: Tensor) -> Tensor:
        with torch.no_grad():
            standard = (phi(images.to(features)) - center) / scale.clamp_min(1e-6)
        return F.unfold(standard, patch, stride=patch).mT

    theirs = patches(result.photo[None])[0]
    relief = theirs.unflatten(-1, (-1, patch * patch)).var(-1, correction=0).mean(-1).sqrt()
    theirs = F.normalize(theirs, dim=-1)
    ours = F.normalize(patches(result.images), dim=-1)
    likeness, matches = (found.cpu() for found in (ours @ theirs.T).max(-1))
    grid = (features.shape[-2] // patch, features.shape[-1] // patch)
    order = torch.randperm(len(theirs), generator=torch.Generator().manual_seed(0))
    if other is None:
        other = "coffee" if result.photo_name != "coffee" else "chelsea"
    foreign = F.normalize(patches(read_photo(other, size, channels=phi.channels)[None])[0], dim=-1)
    cell = (patch * size[0] / features.shape[-2], patch * size[1] / features.shape[-1])
    return Recomposition(
        matches, likeness, relief.cpu(), grid, cell, size,
        shuffled=float(_distances(matches[:, order], grid).mean()),
        elsewhere=float((ours @ foreign.T).amax(-1).mean()),
    )  # fmt: skip


def _distances(matches: Tensor, grid: tuple[int, int]) -> Tensor:
    rows, columns = grid
    place = torch.arange(rows * columns)
    down = (matches // columns - place // columns) / rows
    right = (matches % columns - place % columns) / columns
    return torch.hypot(down.float(), right.float())
