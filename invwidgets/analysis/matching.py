"""The matching of a reconstruction's patches with the patches of the photo.

>>> found = recomposition(invert("coffee", layer="blocks.4", seeds=2))
>>> found.displacement, found.reuse, found.shuffled
(0.39, 0.6, 0.51)

A patch is a square of cells of an early layer, whose features describe edges, colors and their
positions. If the inverted layer keeps positions, each patch matches the photo's patch at the same
place. If it keeps parts but not their positions, parts are displaced (``displacement``), and some
occur several times (``reuse``). A patch that merely looks different also counts as displaced, so
compare ``similarity`` with ``elsewhere`` too.
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

EARLY = "blocks.1"  # its cells are 4 pixels apart and see 19 pixels


@dataclass(frozen=True)
class Recomposition:
    """The best matches of a reconstruction's patches in the photo.

    ``matches`` (S, rows · columns) has, for each patch of each seed, the number of the most similar
    patch of the photo, in reading order; ``likeness`` has their cosine similarity. ``relief``
    (rows · columns) is the variation of the features within each patch of the photo, 0 for flat
    patches. ``grid`` is (rows, columns), and ``cell`` the (height, width) of a patch in pixels of
    an image of ``size``.
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
        """The distance of each match from its patch, (S, rows · columns), in image sides."""
        return _distances(self.matches, self.grid)

    @property
    def displacement(self) -> float:
        """The mean distance of a match from its patch, in image sides; 0 if no part has moved.

        ``shuffled`` is the displacement after a random permutation of the patches.
        """
        return float(self.moved.mean())

    @property
    def reuse(self) -> float:
        """The part of matches to a patch of the photo that another patch also matches.

        It is 0 if every patch of the photo is used once, and 0.37 for random matches.
        """
        used = [len(torch.unique(row)) for row in self.matches]
        return 1 - sum(used) / self.matches.numel()

    @property
    def similarity(self) -> float:
        """The mean cosine similarity of the matches.

        ``elsewhere`` is the same for matches with the patches of another photo.
        """
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
        The result of a run with a photo.
    by : str or Representation, optional
        The early layer of EfficientNet-Lite0 whose features are compared, or a representation.
    patch : int, optional
        The side of a patch, in cells of that layer; patches do not overlap.
    other : str, path, PIL.Image.Image, numpy.ndarray or torch.Tensor, optional
        The photo for ``elsewhere``; by default coffee, or chelsea if the photo is coffee.

    Returns
    -------
    Recomposition
        The matches with their displacement, reuse and similarity.

    Raises
    ------
    BadSettingError
        For a result without a photo, or patches larger than the map.

    Notes
    -----
    Features are standardized per channel over the photo, and patches are compared by cosine
    similarity. Displacement and reuse are meaningful only if ``similarity`` is above ``elsewhere``.

    References
    ----------
    CVPR15 describes that reconstructions from deep layers repeat and recompose parts of the photo.
    This measure is not from the papers.
    """
    if result.photo is None:
        raise BadSettingError(
            f"the result of {result.layer} was made without a photo, so there is nothing to match "
            "with: give the result of an inversion of a photo"
        )
    phi = by if isinstance(by, Representation) else representation(DEFAULT_MODEL, by)
    size = (result.photo.shape[-2], result.photo.shape[-1])
    if phi.channels != len(result.photo):
        raise BadSettingError(
            f"by {phi.name!r} takes images with {phi.channels} channels, but these have "
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
