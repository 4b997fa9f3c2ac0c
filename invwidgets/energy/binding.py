"""The binding of an objective to the target and the selection of one run.

>>> energy = bind("inversion", target, Selection())
>>> energy(features)          # (S,), one number per seed
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..errors import CustomPartError, SelectionError, shown
from ..selection import Selection
from ..swappable import SavedPart, call_part, chosen
from .objectives import OBJECTIVES, EnergyFunction, Objective, as_objective


def bind(
    objective: str | Objective | EnergyFunction | SavedPart,
    target: Tensor,
    selection: Selection,
    window_selection: Selection | None = None,
) -> Callable[[Tensor], Tensor]:
    """The energy function of one run, which maps features (S, …) to energies (S,).

    >>> bind("inversion", torch.ones(1, 8, 4, 4), Selection())(torch.zeros(2, 8, 4, 4))
    tensor([1., 1.])

    ``target`` is Φ₀ (1, …), or the objective's reference if it needs no photo. If the features are
    only a part of the map, ``window_selection`` is the same selection within that part.

    Raises ``SelectionError`` if the target leaves nothing to search for, ``CustomPartError`` if the
    objective does not return a valid energy.
    """
    part: Objective = chosen(as_objective(objective), OBJECTIVES, Objective)
    seen = window_selection or selection
    wanted = selection.of(target) if part.needs_photo else target
    wanted = wanted if part.leaves_target else wanted.clone()
    try:
        prepared = call_part(part, "prepare", lambda: part.prepare(wanted))
    except SelectionError as error:
        raise SelectionError(
            f"{error} (selected: {selection.describe() or 'everything'})"
        ) from None
    if part.leaves_target:
        return lambda features: _energy(part, seen.of(features), prepared)
    return lambda features: _energy(part, seen.of(features), copied(prepared))


def copied(target: Any) -> Any:
    """A copy of the prepared target, including tensors in tuples, lists and dicts.

    A user's energy function may write into it, but every evaluation must get the same target.
    """
    if isinstance(target, Tensor):
        return target.clone()
    if type(target) in (tuple, list):
        return type(target)(map(copied, target))
    if isinstance(target, tuple) and hasattr(target, "_make"):
        return target._make(map(copied, target))
    if type(target) is dict:
        return {name: copied(value) for name, value in target.items()}
    return target


def _energy(part: Objective, features: Tensor, target: Any) -> Tensor:
    energy = call_part(part, "energy", lambda: part.energy(features, target))
    if not isinstance(energy, Tensor) or energy.shape != (len(features),):
        given = tuple(energy.shape) if isinstance(energy, Tensor) else type(energy).__name__
        raise CustomPartError(
            f"objective {shown(part)} returns {given} for {len(features)} images: energy must be a "
            f"tensor of shape ({len(features)},), one number for each image"
        )
    if energy.is_complex():
        raise CustomPartError(
            f"objective {shown(part)} returns complex numbers: energy must be real, such as .abs()"
        )
    if not energy.requires_grad and features.requires_grad:
        raise CustomPartError(
            f"objective {shown(part)} returns an energy without a gradient: compute it from the "
            "features with torch, without detaching them"
        )
    return energy.to(torch.promote_types(features.dtype, torch.float32))
