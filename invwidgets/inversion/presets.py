"""The presets: the settings of the two papers and the default settings, by properties of the layer.

The papers published settings for the layers of their networks. Here they depend on
``field_coverage``, the side of a cell's receptive field divided by the image's side. This gives the
papers' values on all twenty layers of ``caffenet``, applies to networks that they did not use, and
does not depend on the module that a layer is cut from:

* ``cvpr2015``: λ_TV is 1 for a coverage up to a quarter (conv1 to relu2), 10 up to two thirds
  (mpool2 to relu4), and 100 beyond; for HOG and dense SIFT it is 1, with a fixed σ².
* ``ijcv2016``: C is 300 up to a quarter, 100 up to two thirds, 20 up to 1 (conv5 to mpool5), and 1
  beyond. The jitter shifts images by 0 … s/4 − 1 pixels for a stride s. Momentum and squared
  gradients are reset before the second phase, as in the authors' code. To maximize, C is 10000/rf²
  for a receptive field of rf pixels; for a caricature it is 1; both have no second phase.

``docs/papers.md`` lists every constant with its source, next to the default settings.

The preset ``default``:

* The learning rate starts at 15 units per step for small coverage and at 9 for full coverage, and
  falls to 0.05, in 100 steps for small coverage and 150 from a coverage of a fifth on. A run with k
  times fewer steps (k up to ten) ends at a rate k^1.5 times higher.
* λ_V depends on the layer at this input size (``smoothing``), never on its index. It is
  proportional to 1 / √n for n features per color value, and eight times higher for full coverage
  than for small coverage, because less informative features need more prior. It starts thirty
  times higher, but at most at 0.2, and falls over half of the run.
* An extra total variation of the colors is added with a weight of up to four, less where a cell
  sees less than half of the image's side.
* The α-norm is quadratic, because the power 6 is so flat near the center that pixels which no
  feature sees would keep the values of the start.
* The center is the mean color of photos, not the mean of the preprocessing, which is 0 if a module
  contains its preprocessing. For images without three channels it is the mean of the
  preprocessing, and no variation of colors is added.
* All runs start from noise. In short runs HOG has a larger λ_V, because HOG amplifies the faintest
  noise to full contrast; for dense SIFT this did not help.
* If a region sees only a part of the image, the data term acts on few pixels and the prior on all.
  λ_V then grows by 1 / coverage, at most tenfold, and λ_α by its square.
* If cells are 12 pixels or more apart, or the features are a vector, they determine the image only
  loosely, and a search fills it with patterns of low contrast that only this network recognizes.
  Random shifts of the image prevent them. The shifts are up to one stride at first, at most a 14th
  of the side, and fall to zero along half a cosine in 280 steps. λ_V falls over nine tenths of the
  run from 12 times to 0.3 times its weight, and the variation of colors has weight one. A run with
  k times fewer steps (k up to ten) has √k times smaller shifts, ends at √k times that λ_V, and has
  a variation of colors of weight k, up to four. Another network then recognizes the photo's class
  and features sooner, and contrast and colors are nearer to the photo's (``benchmarks/judged.py``).
  If cells are closer together, shifts only blur the image.

The numbers were chosen on the photos coffee and chelsea, with EfficientNet-Lite0 and, with random
weights, AlexNet, ResNet-18 and ResNet-50. Those of colors were also chosen on astronaut, those of
shifts also on hopper and camera, with EfficientNet-Lite1 as the judge. ``benchmarks/quality.py``,
``benchmarks/searches.py`` and ``benchmarks/judged.py`` evaluate them on other photos.
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

CVPR2015_IMAGE_ENERGY = 27098.12**2  # σ² of CVPR15, the squared norm of its start
CVPR2015_SIDE = 227  # the side of the images that this σ² belongs to

SMALLEST_TV, LARGEST_TV = 0.001, 0.05  # limits of the default's λ_V in a run of full length
TV_CHROMA = 4.0  # without it images from deep features have random colors
JITTERED_STRIDE = 12  # pixels; from this stride on the default shifts the images
JITTERED_STEPS, JITTERED_TV, JITTERED_BOOST = 280, 0.3, 40.0
FIRST_TV = 0.2  # the largest first λ_V; with more, images of deep layers stay gray for too long


def preset(
    name: str,
    representation: Representation,
    objective: str | Objective | EnergyFunction | SavedPart = "inversion",
    steps: int | None = None,
    coverage: float = 1.0,
    size: tuple[int, int] | None = None,
    **changes: Any,
) -> InversionSettings:
    """Make the settings of a preset for a representation, optionally with some fields changed.

    >>> preset("ijcv2016", representation("caffenet", "conv3", "random"), tv_weight=2.0).steps
    350

    Parameters
    ----------
    name : str
        ``"default"``, ``"cvpr2015"`` or ``"ijcv2016"``.
    representation : Representation
        The representation to invert; the settings depend on its layer.
    objective : str, Objective or callable
        The objective of the search.
    steps : int, optional
        The total number of steps; by default the preset's.
    coverage : float
        The part of the image that the selection's receptive field covers, up to 1.
    size : (int, int), optional
        (height, width) of the images; by default the representation's.
    **changes
        Fields of ``InversionSettings`` to change.

    Returns
    -------
    InversionSettings
        The settings before resources are resolved: device and precision are ``"auto"``.

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
    """The fields of ``InversionSettings`` that a preset sets, with the changes, as a dict.

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
    if representation.channels != 3:  # settings of colors do not apply
        values |= {"center": None, "tv_chroma": 0.0}
    values |= {"preset": name, "objective": objective}
    if steps is not None:
        steps = whole_number(steps, "steps", 1, MAX_STEPS)
        values["phases"] = stretched(values["phases"], steps)
    if name == "default" and changes.get("parametrization", "pixels") != "pixels":
        values["optimizer"] = "adam"  # the default's optimizer works only on pixels
    if name == "default" and "phases" in changes:
        values["tv_ramp"] = None  # None means half of the steps
    return values | dict(changes)


def region_coverage(
    representation: Representation, region: Region | None, size: tuple[int, int]
) -> float:
    """The part of an image of ``size`` (height, width) that a region's receptive field covers."""
    box = representation.receptive_field(region, size).clipped
    return max(1, box.height * box.width) / (size[0] * size[1])


def field_coverage(representation: Representation, size: tuple[int, int]) -> float:
    """The side of a cell's receptive field divided by the image's; infinite if cells see all."""
    layer = representation.layer_info(size)
    if layer.receptive_field is None or layer.is_global:
        return math.inf
    return max(field / side for field, side in zip(layer.receptive_field, size, strict=True))


def smoothing(representation: Representation, size: tuple[int, int]) -> float:
    """The default λ_V of a layer: 0.0025 / √(features per color value) · 8^coverage.

    If all cells see the whole image, because of attention, squeeze-and-excitation or an unknown
    operator, twelve strides are used as the side of the receptive field.
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
    phase = Phase(default_steps, 15 - 6 * seen, 0.05 * step_ratio**1.5)
    values = {
        "phases": (phase,),
        "alpha": 2.0,
        "alpha_weight": 0.001 * inverse_coverage**2,
        "tv_weight": tv_weight * inverse_coverage,
        "tv_boost": min(30.0, max(1.0, FIRST_TV / tv_weight)),
        "tv_chroma": TV_CHROMA * min(1.0, 2 * seen),
    }
    if jitter:
        root = step_ratio**0.5
        jitter = 2 * round(jitter / root / 2)
        values |= {
            "phases": (replace(phase, jitter=jitter, jitter_end=0),),
            "tv_weight": JITTERED_TV * root * tv_weight,
            "tv_boost": JITTERED_BOOST / root,
            "tv_ramp": 0.9 * (steps or default_steps),
            "tv_chroma": min(TV_CHROMA, step_ratio),
        }
    return values


def _shifts(representation: Representation, coverage: float, size: tuple[int, int]) -> int:
    """The default's first jitter: the stride if it is 12 pixels or more, up to a 14th of the side.

    For smaller strides the features determine all positions, and shifts only blur. Vectors have no
    stride, and get the largest jitter. If a region sees only a part of the image, there is no
    jitter, because it would move the image out of it.
    """
    largest = min(size) / 14
    stride = max(representation.layer_info(size).stride or (math.inf,))
    if stride < JITTERED_STRIDE or coverage < 1 or representation.handcrafted:
        return 0
    return 2 * round(min(stride, largest) / 2)


def start_needs(start: str, objective: Objective) -> str:
    """The end of a sentence that says why a start cannot be used; empty if it can."""
    if start == "photo" and not objective.needs_photo:
        return f"with {objective.name}, which takes no photo"
    return ""


def _step_ratio(default_steps: int, steps: int | None) -> float:
    """The ratio of the preset's steps to the given ones, from 1 to 10."""
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
    if objective.higher_is_better:  # activation maximization and caricature
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
    """The largest shift of IJCV16: a quarter of the stride (at least 1) minus 1."""
    stride = representation.layer_info(size).stride
    if stride is None:
        return 0
    return min(max(math.floor(max(stride) / 4 + 0.5), 1) - 1, min(size) // 8)
