"""An objective made ready for one run: the energy of whole features, with its target and selection.

>>> energy = bind("inversion", target, Selection())
>>> energy(features)          # (S,), one number a seed
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
    """The energy (S,) of whole features (S, …), for one run.

    >>> bind("inversion", torch.ones(1, 8, 4, 4), Selection())(torch.zeros(2, 8, 4, 4))
    tensor([1., 1.])

    ``target`` is Φ₀ (1, …), or the objective's reference where it needs no photo;
    ``window_selection`` is the same selection among the features that are given, where those are
    only a part of the map.

    Raises ``SelectionError`` where there is nothing to ask for, ``CustomPartError`` for an energy
    that is none.
    """
    part: Objective = chosen(as_objective(objective), OBJECTIVES, Objective)
    seen = window_selection or selection
    wanted = selection.of(target) if part.needs_photo else target
    wanted = wanted if part.leaves_target else wanted.clone()
    try:
        prepared = call_part(part, "prepare", lambda: part.prepare(wanted))
    except SelectionError as error:
        raise SelectionError(
            f"{error} (what was selected: {selection.describe() or 'everything'})"
        ) from None
    if part.leaves_target:
        return lambda features: _energy(part, seen.of(features), prepared)
    return lambda features: _energy(part, seen.of(features), copied(prepared))


def copied(target: Any) -> Any:
    """What ``prepare`` gave, its tensors copied, also those in tuples, lists and dicts.

    A user's energy may write into it, and the next evaluation must see what the first one saw.
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
            f"objective {shown(part)} gives {given} for {len(features)} images: energy must be a "
            f"tensor of shape ({len(features)},), one number for each"
        )
    if energy.is_complex():
        raise CustomPartError(
            f"objective {shown(part)} gives complex numbers: energy must be real, such as .abs()"
        )
    if not energy.requires_grad and features.requires_grad:
        raise CustomPartError(
            f"objective {shown(part)} gives an energy without a gradient: compute it with torch, "
            "from the features, without detaching them"
        )
    return energy.to(torch.promote_types(features.dtype, torch.float32))
