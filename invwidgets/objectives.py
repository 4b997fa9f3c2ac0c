"""What is asked of the features: one energy a seed, dimensionless, to be made small.

Three of IJCV16 (section 2): inversion, activation maximisation and caricature. The engine
multiplies them by the data weight C and adds the prior.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from .errors import SelectionError, unknown_name
from .selection import Selection

OBJECTIVES = ("inversion", "maximise", "caricature")


class Objective:
    """An energy of features (S, …) -> (S,), over the selected ones.

    Made of a target and its selection; ``computed`` is the same selection among the features that
    ``energy`` is given, where those are only a part of the map.
    """

    @abstractmethod
    def energy(self, features: Tensor) -> Tensor:
        """(S,), differentiable."""


class Inversion(Objective):
    """‖M∘(Φ − Φ₀)‖² / ‖M∘Φ₀‖², the normalised euclidean distance (CVPR15, equation 2).

    >>> target = torch.ones(1, 8, 4, 4)
    >>> Inversion(target, Selection()).energy(torch.zeros(2, 8, 4, 4))
    tensor([1., 1.])
    """

    def __init__(
        self, target: Tensor, selection: Selection, computed: Selection | None = None
    ) -> None:
        self.selection = computed or selection
        self.target = selection.of(target)
        norm = self.target.square().sum()
        if not bool(torch.isfinite(norm)):
            raise too_large(selection)
        if not norm > 0:
            raise SelectionError(
                f"the photo's features are all zero in the selection "
                f"({selection.describe() or 'everything'}): nothing to invert; choose another "
                "region, other channels or another layer"
            )
        self.scale = 1 / norm

    def energy(self, features: Tensor) -> Tensor:
        difference = self.selection.of(features) - self.target
        return difference.square().flatten(1).sum(1) * self.scale


class Maximise(Objective):
    """−⟨M, Φ⟩ / (|M|·Z): the mean response of the selected cells of a unit, by its largest.

    ``target`` is Z, the unit's largest response over some photos, as a tensor of one number.
    Source: IJCV16, section 2.2 (activation maximisation).
    """

    def __init__(
        self, target: Tensor, selection: Selection, computed: Selection | None = None
    ) -> None:
        self.selection = computed or selection
        self.scale = 1 / target.flatten()[0].abs().clamp_min(1e-12)

    def energy(self, features: Tensor) -> Tensor:
        return -self.selection.of(features).flatten(1).mean(1) * self.scale


class Caricature(Objective):
    """−⟨max(0, M∘Φ₀), Φ⟩ / ‖max(0, M∘Φ₀)‖²: raise what the photo already excites.

    It is −1 at the photo itself, where the search starts. Source: IJCV16, section 2.3.
    """

    def __init__(
        self, target: Tensor, selection: Selection, computed: Selection | None = None
    ) -> None:
        self.selection = computed or selection
        excited = selection.of(target).clamp_min(0)
        norm = excited.square().sum()
        if not bool(torch.isfinite(norm)):
            raise too_large(selection)
        if not norm > 0:
            raise SelectionError(
                "the photo excites nothing in the selection: there is nothing to caricature; "
                "choose another region, other channels or another layer"
            )
        self.weights = excited / norm

    def energy(self, features: Tensor) -> Tensor:
        return -(self.selection.of(features) * self.weights).flatten(1).sum(1)


def too_large(selection: Selection) -> SelectionError:
    """The error for features whose squares leave float32."""
    return SelectionError(
        f"the photo's features are too large in the selection ({selection.describe() or 'all'}): "
        "the sum of their squares is no finite number; scale the network's weights down, or "
        "choose an earlier layer"
    )


def make_objective(
    name: str, target: Tensor, selection: Selection, computed: Selection | None = None
) -> Objective:
    """An objective by its name."""
    kinds: dict[str, type[Inversion] | type[Maximise] | type[Caricature]] = {
        "inversion": Inversion,
        "maximise": Maximise,
        "caricature": Caricature,
    }
    if name not in kinds:
        raise unknown_name("objective", name, OBJECTIVES)
    return kinds[name](target, selection, computed)
