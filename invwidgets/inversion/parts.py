"""Checks of the parts of a run, which try each part on a few numbers before the search begins.

>>> check_parts(settings, representation, (224, 224))
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..energy.binding import bind
from ..energy.objectives import Objective
from ..energy.priors import Prior
from ..errors import BadSettingError, CustomPartError, shown
from ..representations.base import Representation
from ..search.optimizers import OPTIMIZERS, Optimizer, start_optimizer, updated
from ..search.parametrizations import (
    Pixels,
    check_parametrization,
    parameters_of,
    parametrization,
)
from ..selection import Selection
from ..swappable import chosen
from .settings import InversionSettings


def check_parts(
    settings: InversionSettings, representation: Representation, size: tuple[int, int]
) -> None:
    """Raise an error for parts that cannot work.

    It is a ``CustomPartError``, or a ``BadSettingError`` for parts that do not go together or of
    which a file only has the ``repr``.
    """
    basis = parametrization(settings.parametrization)
    rule = chosen(settings.optimizer, OPTIMIZERS, Optimizer)
    if rule.needs_pixels and not isinstance(basis, Pixels):
        raise BadSettingError(
            f"optimizer {rule.name!r} works on pixels: with parametrization {shown(basis)} give "
            "optimizer='adam' or another"
        )
    z = _noise((2, 1 if representation.grayscale else representation.channels, *size)).to(
        representation.mean_color
    )
    for prior in settings.priors:
        if not isinstance(prior, Prior):
            raise BadSettingError(
                f"this was made with a custom prior, {prior}, and a file does not contain its "
                "code: give it again as priors=[…]"
            )
        gradient = torch.zeros_like(z)
        energy = prior.add_gradient(z, gradient, 1.0)
        for name, values in (("energy", energy), ("gradient", gradient)):
            if not bool(torch.isfinite(values).all()):
                raise CustomPartError(
                    f"prior {shown(prior)} has {name} NaN or infinite for noise in 0-255 units: "
                    "return finite numbers"
                )
    check_parametrization(basis, z)
    parameters = parameters_of(basis, z.clone())
    started = start_optimizer(rule, parameters, settings.phases[0].steps, settings.image_energy)
    rates = torch.full((2,), settings.phases[0].rate_at(0), device=z.device)
    updated(started, parameters, torch.ones_like(parameters), rates)
    if not bool(torch.isfinite(parameters).all()):
        raise CustomPartError(
            f"optimizer {shown(rule)} gives NaN or infinity in its first step at the learning rate "
            f"{rates[0]:g}: give phases=[Phase(steps, lr)] with a smaller one"
        )


def check_channels(settings: InversionSettings, representation: Representation) -> None:
    """Raise ``BadSettingError`` for color settings if the images do not have three channels."""
    channels = representation.channels
    takes = f"{representation.name} takes images of {channels} channel{'s' * (channels != 1)}"
    if settings.center is not None and len(settings.center) != channels:
        raise BadSettingError(
            f"center {shown(settings.center)} has length {len(settings.center)}, but {takes}: give "
            "a number for each channel, or center=None for the mean of the preprocessing"
        )
    if channels == 3:
        return
    if settings.tv_chroma:
        raise BadSettingError(
            f"tv_chroma {settings.tv_chroma:g} needs colors, but {takes}: leave it out, or give "
            "tv_chroma=0"
        )
    for part in (settings.parametrization, settings.optimizer):
        if getattr(part, "decorrelated", None) is True:
            raise BadSettingError(
                f"{shown(part)} decorrelates red, green and blue, but {takes}: leave decorrelated "
                "out, or give decorrelated=False"
            )


def check_objective(objective: Objective, target: Tensor, selection: Selection) -> None:
    """Raise ``CustomPartError`` if an objective's energy is not finite or has no gradient."""
    if not objective.needs_photo:
        return  # only the network has such features, so the first step is the check
    energy_of = bind(objective, target, selection)
    with torch.enable_grad():
        features = torch.cat([target, 0.5 * target]).float().requires_grad_(True)
        energy = energy_of(features)
        (gradient,) = torch.autograd.grad(energy.sum(), features)
    for name, values in (("energy", energy[1:]), ("gradient", gradient[1:])):
        if not bool(torch.isfinite(values).all()):
            raise CustomPartError(
                f"objective {shown(objective)} has {name} NaN or infinite for half the photo's "
                "features"
            )


def _noise(shape: tuple[int, ...]) -> Tensor:
    return 30 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
