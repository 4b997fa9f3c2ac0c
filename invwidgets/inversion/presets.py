"""The settings of the papers, and ours, by what a layer does.

What the papers published for the layers of their networks is here by how much of the image a cell
sees, ``field_coverage``: its receptive field's side by the image's. That gives their own numbers on
all twenty layers of ``caffenet``, means the same on networks they did not use, and does not
change with the module that the layer is cut from:

* ``cvpr2015``: λ_TV is 1 where a cell sees up to a quarter of the side (conv1 to relu2), 10 up to
  two thirds (mpool2 to relu4), 100 beyond; for HOG and dense SIFT it is 1, with a fixed σ²;
* ``ijcv2016``: C is 300 up to a quarter, 100 up to two thirds, 20 up to the whole side (conv5 to
  mpool5), 1 beyond; the jitter shifts by 0 … s/4 − 1 pixels for a stride s. Its second phase is
  begun afresh, as the authors' is: momentum and squared gradients. To maximize, C is 10000/rf² for
  a field of rf pixels; for a caricature 1; both without the second phase.

``docs/papers.md`` has every constant with its source, beside ours.

Ours, ``default``, glides from 15 units a step where a cell sees a speck, 9 where it sees the whole
image, to 0.05, in 100 steps where a cell sees a speck and 150 where it sees a fifth of the image's
side. λ_V goes by what the layer does at this size of input, never by its index: ``smoothing``. It
falls as the root of how many numbers the layer keeps of each color value, and is eight times
higher where a cell sees the whole image than where it sees a speck: the less the features say, the
more the prior must. It begins thirty times higher, at 0.2 at the most. The variation of the colors
alone is added up to four times, less where a cell sees under half of the image's side. λ_V falls
over half of the run. The α-norm is quadratic: one to the power 6 is so flat near the center that
what no feature sees would stay as the search left it. The center is the mean color of photos, not
that of a network's preprocessing, which says nothing of photos where it happens inside the module;
of images that do not have three channels it is that of the preprocessing, and no variation of
colors is added.
Asked for k times fewer steps, up to ten, the rate ends k^1.5 times higher, so that a short run
moves to its end. It begins from noise, whatever its length. In short runs HOG leans on the prior,
for it raises the faintest noise to full contrast; dense SIFT would lose by it. Where a region sees
only a part of the image, its data term weighs on few pixels and the prior on all: λ_V grows by
1 / coverage, tenfold at the most, and λ_α by its square.

Where cells are 12 pixels or more apart, the features leave much of the image open, and a search
fills it with patterns that only this network reads, at little contrast. They do not survive a shift
of the image. There the search shifts each image at random, by up to a stride at first and not at
all in its last quarter, and has 200 steps. λ_V begins four times higher and falls over nine tenths
of them, to stride / 32 times its weight, once at the most. Another network then finds the photo's
class and features sooner, and contrast and colors come nearer to the photo's
(``benchmarks/judged.py``). Where cells are nearer, shifts only blur.

The numbers were chosen on the photos coffee and chelsea, those of colors also on astronaut, those
of shifts also on hopper and camera with EfficientNet-Lite1 as the judge, on EfficientNet-Lite0 and,
with random weights, AlexNet, ResNet-18 and ResNet-50; ``benchmarks/quality.py``,
``benchmarks/searches.py`` and ``benchmarks/judged.py`` judge them on others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..arguments import one_of, whole_number
from ..energy.objectives import OBJECTIVES, EnergyFunction, Objective, as_objective
from ..energy.priors import TV_RANGE
from ..errors import unknown_name
from ..representations.base import Region, Representation
from ..swappable import SavedPart, chosen
from .phase import MAX_STEPS, Phase, stretched
from .settings import InversionSettings

PRESETS = ("default", "cvpr2015", "ijcv2016")

CVPR2015_IMAGE_ENERGY = 27098.12**2  # σ² of CVPR15, the squared norm of its starts
CVPR2015_SIDE = 227  # of the images it was found on

SMALLEST_TV, LARGEST_TV = 0.001, 0.05  # of our λ_V in a run of the default's steps
TV_CHROMA = 4.0  # deep features leave colors open: without it they fill with all of them
JITTERED_STRIDE = 12  # pixels from cell to cell: from here on our search shifts the images
JITTERED_STEPS = 200
FIRST_TV = 0.2  # where λ_V begins: a larger one holds deep layers' images gray past half the run


def preset(
    name: str,
    representation: Representation,
    objective: str | Objective | EnergyFunction | SavedPart = "inversion",
    steps: int | None = None,
    coverage: float = 1.0,
    size: tuple[int, int] | None = None,
    **changes: Any,
) -> InversionSettings:
    """A preset's settings for a representation, with some of them changed.

    >>> preset("ijcv2016", representation("caffenet", "conv3", "random"), tv_weight=2.0).steps
    350

    Parameters
    ----------
    name : str
        ``"default"``, ``"cvpr2015"`` or ``"ijcv2016"``.
    representation : Representation
        What will be inverted: settings go by what its layer does.
    objective : str, Objective or callable
        What is asked of the features.
    steps : int, optional
        In all; the preset's own number by default.
    coverage : float
        How much of the image the selection's receptive field covers, up to 1.
    size : (int, int), optional
        (height, width) of the images; the representation's own by default.
    **changes
        Single fields of ``InversionSettings``.

    Returns
    -------
    InversionSettings
        Not yet resolved: device and precision are ``"auto"``.

    Raises
    ------
    UnknownNameError
        For a preset or a setting that does not exist.

    References
    ----------
    CVPR15, section 3; IJCV16, section 3; ``docs/papers.md`` has every constant.
    """
    for changed in changes:
        if changed not in InversionSettings.__dataclass_fields__:
            raise unknown_name("setting", changed, [*InversionSettings.__dataclass_fields__])
    return InversionSettings(
        **preset_values(name, representation, objective, steps, coverage, size, changes)
    )


def preset_values(
    name: str,
    representation: Representation,
    objective: str | Objective | EnergyFunction | SavedPart,
    steps: int | None,
    coverage: float,
    size: tuple[int, int] | None,
    changes: Mapping[str, Any],
) -> dict[str, Any]:
    """The fields of ``InversionSettings`` that a preset sets, and the changes; as ``preset``.

    Raises ``UnknownNameError`` for a preset that does not exist.
    """
    one_of(name, "preset", PRESETS)
    part: Objective = chosen(as_objective(objective), OBJECTIVES, Objective)
    size = size or representation.size
    if name == "default":
        values = _default(representation, part, coverage, steps, size)
    elif name == "cvpr2015":
        values = _cvpr2015(representation, size)
    else:
        values = _ijcv2016(representation, part, size)
    if part.starts_at_photo:
        values["start"] = "photo"
    if representation.channels != 3:  # no photos' colors
        values |= {"center": None, "tv_chroma": 0.0}
    values |= {"preset": name, "objective": objective}
    if steps is not None:
        steps = whole_number(steps, "steps", 1, MAX_STEPS)
        values["phases"] = stretched(values["phases"], steps)
    if name == "default" and changes.get("parametrization", "pixels") != "pixels":
        values["optimizer"] = "adam"  # ours is an image pyramid's
    if name == "default" and "phases" in changes:
        values["tv_ramp"] = None  # half of their steps
    return values | dict(changes)


def region_coverage(
    representation: Representation, region: Region | None, size: tuple[int, int]
) -> float:
    """How much of an image of ``size`` (height, width) a region's receptive field covers."""
    box = representation.receptive_field(region, size).clipped
    return max(1, box.height * box.width) / (size[0] * size[1])


def field_coverage(representation: Representation, size: tuple[int, int]) -> float:
    """How much of the image's side a cell sees; infinite for a vector, or where all see all."""
    layer = representation.layer_info(size)
    if layer.receptive_field is None or layer.is_global:
        return math.inf
    return max(field / side for field, side in zip(layer.receptive_field, size, strict=True))


def smoothing(representation: Representation, size: tuple[int, int]) -> float:
    """Our λ_V of a layer at this size of input: 0.0025 / √(numbers a color value) · 8^coverage.

    Where all cells see all, by attention, a squeezed channel or an operator that is unknown,
    twelve strides stand for what a cell mainly sees.
    """
    layer = representation.layer_info(size)
    numbers = math.prod(layer.shape) / (representation.channels * size[0] * size[1])
    weight: float = 0.0025 / numbers**0.5 * 8 ** min(1.0, _main_coverage(representation, size))
    return min(LARGEST_TV, max(SMALLEST_TV, weight))


def _main_coverage(representation: Representation, size: tuple[int, int]) -> float:
    layer, coverage = representation.layer_info(size), field_coverage(representation, size)
    if coverage < math.inf or layer.stride is None:
        return coverage
    return max(12 * step / side for step, side in zip(layer.stride, size, strict=True))


def _default(
    representation: Representation,
    objective: Objective,
    coverage: float,
    steps: int | None,
    size: tuple[int, int],
) -> dict[str, Any]:
    jitter = _shifts(representation, coverage, size) if objective.measures_error else 0
    values = _of_layer(representation, coverage, steps, size, jitter)
    own = objective.default_settings(representation.layer_info(size), size)
    if "phases" in own:
        own = own | {"phases": tuple(Phase(**phase) for phase in own["phases"])}
    return values | own


def _of_layer(
    representation: Representation,
    coverage: float,
    steps: int | None,
    size: tuple[int, int],
    jitter: int,
) -> dict[str, Any]:
    if representation.handcrafted:
        tv_scale = _step_ratio(400, steps) if representation.raises_noise else 1.0
        return {"phases": (Phase(400, 2.0, 0.0),), "tv_weight": 0.02 * tv_scale, "center": None}
    inverse_coverage = min(10.0, 1 / coverage)
    seen = min(1.0, _main_coverage(representation, size))
    default_steps = JITTERED_STEPS if jitter else round(min(150, 100 + 250 * seen))
    step_ratio = _step_ratio(default_steps, steps)
    tv_weight = smoothing(representation, size)
    first_tv = 4 * FIRST_TV if jitter else FIRST_TV
    phase = Phase(default_steps, 15 - 6 * seen, 0.05 * step_ratio**1.5)
    if jitter:
        phase = replace(phase, jitter=jitter, jitter_end=0)
        tv_weight *= min(1.0, max(representation.layer_info(size).stride or (32,)) / 32)
    return {
        "phases": (phase,),
        "alpha": 2.0,
        "alpha_weight": 0.001 * inverse_coverage**2,
        "tv_weight": tv_weight * inverse_coverage,
        "tv_boost": min(30.0, max(1.0, first_tv / tv_weight)),
        "tv_ramp": 0.9 * (steps or default_steps) if jitter else None,
        "tv_chroma": TV_CHROMA * min(1.0, 2 * seen),
    }


def _shifts(representation: Representation, coverage: float, size: tuple[int, int]) -> int:
    """The jitter that ours begins with: a stride of 12 pixels or more, up to a 14th of the side.

    Where cells are nearer to one another, the features say where everything is, and shifts only
    blur; where a region sees a part of the image, shifts would carry the search out of that part.
    """
    stride = representation.layer_info(size).stride
    if (
        stride is None
        or max(stride) < JITTERED_STRIDE
        or coverage < 1
        or representation.handcrafted
    ):
        return 0
    return 2 * round(min(max(stride), min(size) / 14) / 2)


def start_needs(start: str, objective: Objective) -> str:
    """What a start needs and does not have, after its name in a sentence; empty if it has all."""
    if start == "photo" and not objective.needs_photo:
        return f"with {objective.name}, which takes no photo"
    return ""


def _step_ratio(default_steps: int, steps: int | None) -> float:
    """How many times fewer the steps asked for are than the preset's own, ten at the most."""
    return min(10.0, max(1.0, default_steps / (steps or default_steps)))


def _cvpr2015(representation: Representation, size: tuple[int, int]) -> dict[str, Any]:
    pixels = size[0] * size[1]
    if representation.handcrafted:
        tv, energy = 1.0, CVPR2015_IMAGE_ENERGY
        schedule = [(0.004, 200), (0.0004, 200), (0.00004, 200), (0.000004, 200)]
    else:
        coverage = field_coverage(representation, size)
        tv = 1.0 if coverage <= 1 / 4 else 10.0 if coverage <= 2 / 3 else 100.0
        energy = CVPR2015_IMAGE_ENERGY * pixels / CVPR2015_SIDE**2
        colors = 1 if representation.grayscale else representation.channels
        energy = energy if colors == 3 else energy * colors / 3
        schedule = [(0.004, 100), (0.0004, 200), (0.00004, 100)]
    return {
        "optimizer": "momentum",
        "phases": tuple(Phase(count, lr, restart=True) for lr, count in schedule),
        "data_weight": 1.0,
        "alpha_kind": "element",
        "alpha_weight": 8e-10 / 2 / energy * pixels * 80.0**6,
        "beta": 2.0,
        "tv_weight": tv / 2 / energy * pixels * TV_RANGE**2,
        "bound": None,
        "start": "cvpr2015",
        "center": None,
        "image_energy": energy,
    }


def _ijcv2016(
    representation: Representation, objective: Objective, size: tuple[int, int]
) -> dict[str, Any]:
    coverage = field_coverage(representation, size)
    weight = 300.0 if coverage <= 1 / 4 else 100.0 if coverage <= 2 / 3 else 20.0
    weight = weight if coverage <= 1 else 1.0
    if objective.higher_is_better:  # activation maximization, of one unit, and caricature
        field = representation.layer_info(size).receptive_field or size
        weight = 10_000 / max(field) ** 2 if objective.needs_unit else 1.0
    lr = 0.05 * 80.0**2 / 6
    phases: tuple[Phase, ...] = (Phase(300, lr, jitter=_quarter_stride(representation, size)),)
    if representation.handcrafted:
        phases = (Phase(300, lr),)
    elif not objective.higher_is_better:
        phases = (*phases, Phase(50, lr / 10, restart=True))
    return {
        "optimizer": "adagrad-momentum",
        "phases": phases,
        "data_weight": weight,
        "alpha_weight": 1.0,
        "tv_weight": 1.0,
        "bound": 160.0,
        "start": "ijcv2016",
        "center": None,
    }


def _quarter_stride(representation: Representation, size: tuple[int, int]) -> int:
    """IJCV16's largest shift: its jitter is a quarter of the stride, at least 1, less the 0."""
    stride = representation.layer_info(size).stride
    if stride is None:
        return 0
    return min(max(math.floor(max(stride) / 4 + 0.5), 1) - 1, min(size) // 8)
