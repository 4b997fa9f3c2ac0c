"""The settings of the papers, and ours, by a representation's depth.

What the papers published by layer is here by relative depth (0 at the first layer, 1 at the
last), so that it means something on networks they did not use:

* ``cvpr2015``: λ_TV is 1 up to a quarter of the depth (AlexNet's conv1 to conv2), 10 up to
  0.55 (conv3 to conv5), 100 beyond; for HOG and dense SIFT it is 3, and their own rates;
* ``ijcv2016``: C is 300 up to a quarter, 100 up to 0.55, 20 up to 0.8, 1 beyond; the jitter is a
  quarter of the layer's stride.

Ours, ``default``, glides from 10 to 0.05 units a step, in 100 steps at the first layer and 150
from a fifth of the depth on; λ_V is 0.002 at the first layer and grows thirtyfold to the last,
since the less the features say, the more the prior must. Its α-norm is quadratic: one to the power
6 is so flat near the mean colour that what no feature sees would stay as the search left it. Asked
for fewer steps, it leans on the prior: λ_V grows as they dwindle, tenfold at the most, and the rate
begins lower and ends higher. HOG leans so too, for it raises the faintest noise to full contrast;
dense SIFT would lose by it. Where a region sees only a share of the image, its data term weighs on
few pixels and the prior on all: λ_V grows by 1 / share, tenfold at the most, and λ_α by its square.
The numbers are from ``benchmarks/quality.py`` and, for fewer steps, ``benchmarks/goals.py``.
"""

from __future__ import annotations

from typing import Any

from ..errors import unknown_name
from ..priors import TV_RANGE
from ..representations.base import Region, Representation
from .settings import InversionSettings, Phase

PRESETS = ("default", "cvpr2015", "ijcv2016")

CVPR2015_ENERGY = 14250.4  # σ² per pixel of three colours: 27098.12² / 227²


def preset(
    name: str,
    representation: Representation,
    objective: str = "inversion",
    steps: int | None = None,
    share: float = 1.0,
    **changes: Any,
) -> InversionSettings:
    """A preset's settings for a representation, with some of them changed.

    >>> preset("ijcv2016", representation, tv_weight=2.0).steps
    350

    ``share`` is how much of the image the selection's receptive field covers.

    Raises ``UnknownNameError`` for a preset or a setting that does not exist.
    """
    makers = {"default": _default, "cvpr2015": _cvpr2015, "ijcv2016": _ijcv2016}
    if name not in makers:
        raise unknown_name("preset", name, PRESETS)
    settings = makers[name](representation, objective, share, steps).replace(
        preset=name, objective=objective
    )
    if objective == "caricature":
        settings = settings.replace(start="photo")
    if steps is not None:
        settings = settings.with_steps(steps)
    return settings.replace(**changes)


def seen_share(
    representation: Representation, region: Region | None, size: tuple[int, int]
) -> float:
    """How much of an image of ``size`` (height, width) a region's receptive field covers."""
    box = representation.receptive_field(region, size).clipped
    return max(1, box.height * box.width) / (size[0] * size[1])


def _default(
    representation: Representation, objective: str, share: float, steps: int | None
) -> InversionSettings:
    if objective == "caricature":
        return InversionSettings(
            phases=(Phase(100, 2.0, 0.2, jitter=_jitter(representation, 2)),),
            data_weight=3.0,
            alpha_weight=0.1,
            tv_weight=0.3,
        )
    if objective == "maximise":
        return InversionSettings(
            phases=(Phase(250, 6.0, 0.3, jitter=_jitter(representation, 2)),),
            data_weight=3.0,
            alpha_weight=1.0,
            tv_weight=1.0,
            bound=160.0,
            start="ijcv2016",  # faint noise leaves a rectified unit silent, without a gradient
        )
    depth, crowd = representation.depth, min(10.0, 1 / share)
    if representation.hand_built:
        lean = 1.0 if representation.name == "dsift" else _haste(400, steps)
        return InversionSettings(phases=(Phase(400, 2.0, 0.0),), tv_weight=0.02 * lean)
    own = round(min(150, 100 + 250 * depth))
    haste = _haste(own, steps)
    return InversionSettings(
        phases=(Phase(own, max(5.0, 10 / haste**0.5), 0.05 * haste),),
        alpha=2.0,
        alpha_weight=0.001 * crowd**2,
        tv_weight=0.002 * 30**depth * crowd * haste,
        tv_boost=30.0,
    )


def _haste(own: int, steps: int | None) -> float:
    """How many times fewer the steps asked for are than the preset's own, ten at the most."""
    return min(10.0, max(1.0, own / (steps or own)))


def _cvpr2015(
    representation: Representation, objective: str, share: float, steps: int | None
) -> InversionSettings:
    depth = representation.depth
    tv = 1.0 if depth <= 0.25 else 10.0 if depth <= 0.55 else 100.0
    energy = CVPR2015_ENERGY / 3 if representation.color_blind else CVPR2015_ENERGY
    rates: tuple[tuple[float, int], ...] = (0.004, 100), (0.0004, 200), (0.00004, 100)
    if representation.hand_built:
        tv = 3.0
        rates = (1.0, 200), (0.1, 200), (0.01, 200), (0.001, 200)
    return InversionSettings(
        optimizer="momentum",
        phases=tuple(Phase(steps, rate, restart=True) for rate, steps in rates),
        data_weight=1.0,
        alpha_kind="element",
        alpha_weight=8e-10 / 2 / energy * 80.0**6,
        beta=2.0,
        tv_weight=tv / 2 / energy * TV_RANGE**2,
        bound=None,
        start="cvpr2015",
    )


def _ijcv2016(
    representation: Representation, objective: str, share: float, steps: int | None
) -> InversionSettings:
    depth = representation.depth
    weight = 300.0 if depth <= 0.25 else 100.0 if depth <= 0.55 else 20.0 if depth <= 0.8 else 1.0
    rate = 0.05 * 80.0**2 / 6
    return InversionSettings(
        optimizer="adagrad-momentum",
        phases=(
            Phase(300, rate, jitter=_jitter(representation, 4)),
            Phase(50, rate / 10),
        ),
        data_weight=weight,
        alpha_weight=1.0,
        tv_weight=1.0,
        bound=160.0,
        start="ijcv2016",
    )


def _jitter(representation: Representation, share: int) -> int:
    """A part of the layer's stride, as IJCV16's jitter is, in whole pixels."""
    stride = representation.layer_info().stride
    largest = min(representation.size)
    return 0 if stride is None else min(int(max(stride)) // share, largest // 8)
