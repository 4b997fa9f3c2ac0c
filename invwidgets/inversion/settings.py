"""The settings of a run: everything that determines it besides photo, network and selection."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from ..arguments import as_whole, items, one_of, real_number, whole_number, whole_numbers
from ..energy.objectives import OBJECTIVES, EnergyFunction, Objective, as_objective
from ..energy.priors import Prior, checked_priors
from ..errors import BadSettingError, shown, unknown_name
from ..images import check_fit, parse_size
from ..search.colors import PHOTO_MEAN
from ..search.optimizers import OPTIMIZERS, Optimizer
from ..search.parametrizations import PARAMETRIZATIONS, Parametrization
from ..swappable import SavedPart, checked, from_plain, in_full, to_plain
from ..tables import html_table
from .phase import MAX_STEPS, Phase, checked_phases, stretched

# Larger numbers are taken to be typing errors and refused; images.MAX_SIDE limits sizes.
MAX_SEEDS = 1_000_000
MAX_THREADS = 256
MAX_WEIGHT = 1e12
MAX_POWER = 16  # of the norms: 255 to a larger one leaves float32
PRECISIONS = ("auto", "float32", "bfloat16")
_PARTS = ("objective", "optimizer", "parametrization")
_REALS: dict[str, tuple[float, float | None, str, tuple[Any, ...]]] = {
    # name: minimum, maximum, remedy, allowed values that are not numbers
    **dict.fromkeys(
        ("data_weight", "alpha_weight", "tv_weight", "tv_chroma"), (0, MAX_WEIGHT, "", ())
    ),
    "beta": (1, MAX_POWER, "the norm of a gradient to a power of 1 or more", ()),
    "alpha": (1, MAX_POWER, "", ()),
    "tv_boost": (1, MAX_WEIGHT, "", ()),
    "tv_ramp": (0, None, "", (None,)),
    "image_energy": (1e-6, None, "", (None,)),
    "bound": (1e-6, None, "'picture' or None also work", (None, "picture")),
}
_ARGUMENT = "forward argument"  # the kind of a saved argument
STARTS = ("noise", "cvpr2015", "ijcv2016", "photo")


@dataclass(frozen=True)
class InversionSettings:
    """The settings of a run; with photo, network and selection they determine its result.

    >>> InversionSettings(seeds=(0, 1), tv_weight=0.01).steps
    200

    The search minimizes C·data + λ_α·R_α + λ_V·R_{V^β} plus the terms of ``priors``. All terms are
    dimensionless.

    Parameters
    ----------
    preset : str
        The preset from which they were made, or ``"custom"``.
    objective : str, Objective or callable
        The objective; a function becomes an ``Objective``.
    optimizer : str or Optimizer
        The update rule.
    parametrization : str or Parametrization
        The variables of the search.
    priors : sequence of Prior
        Custom priors, in addition to the α-norm and the total variation.
    phases : sequence of Phase
        The phases of the run: steps, learning rates and jitter.
    data_weight : float
        C, the weight of the objective.
    alpha, alpha_weight : float
        The exponent of the α-norm, and its weight λ_α.
    alpha_kind : str
        The norm of each ``"pixel"``'s three colors (IJCV16), or of each ``"element"`` (CVPR15).
    beta, tv_weight : float
        The exponent of the total variation, and its weight λ_V.
    tv_chroma : float
        The weight, relative to λ_V, of an extra total variation of the chroma (z minus its gray
        values); only for images with three channels.
    tv_boost : float
        The factor by which λ_V is larger at the start; it then falls geometrically, so that images
        are first smooth and later sharp.
    tv_ramp : float, optional
        The number of steps in which λ_V falls to its value; by default half of all steps.
    bound : float, str or None
        The largest norm of a pixel of the iterate, in 0-255 units; None sets no limit, and
        ``"picture"`` keeps every pixel displayable.
    start : str
        The start images: ``"noise"``, faint noise around the center; the papers' ``"cvpr2015"`` or
        ``"ijcv2016"``; or ``"photo"``.
    center : (float, ...), optional
        The color where the iterate is zero, one number in [0, 1] per channel. The priors pull
        images toward it, and pixels that no feature sees keep it. By default the mean color of
        photos. None means the mean of the network's preprocessing; presets use it for images
        without three channels.
    image_energy : float, optional
        σ² of CVPR15 in squared 0-255 units: the squared norm of the start ``cvpr2015``, and a
        factor of the learning rates of the optimizer ``momentum``; by default the paper's value,
        scaled to the number of pixels.
    seeds : sequence of int
        The random starts; seed k gives the same image alone or among others.
    size : (int, int), optional
        (height, width) of the images in pixels; by default the network's.
    fit : str
        How a photo is brought to that size: ``"crop"`` or ``"stretch"``.
    forward_kwargs : dict, optional
        The further arguments of the network's forward. Values that JSON cannot represent are kept
        as their ``repr`` in a ``SavedPart``, which cannot be run.
    device : str
        ``"cpu"``, ``"cuda"``, ``"mps"`` or ``"xpu"``, with an index if there are several
        (``"cuda:1"``), or ``"auto"``, torch's current accelerator if there is one.
    precision : str
        The number type of the network: ``"float32"``, ``"bfloat16"``, or ``"auto"`` for the faster.
    threads : int, optional
        CPU threads; by default all for several seeds, and for one seed as many as are measured to
        be fastest.
    micro_batch : int, optional
        The number of seeds per batch; by default one on one CPU thread, two on each of several,
        and on an accelerator as many as memory allows.
    frames : int
        The number of pictures of the run that are kept for its animation.

    Raises
    ------
    BadSettingError, UnknownNameError
        For a value out of range, or a name that does not exist.

    References
    ----------
    CVPR15, sections 2 and 3; IJCV16, sections 2 and 3; ``docs/papers.md`` has every constant.
    """

    preset: str = "custom"
    objective: str | Objective | EnergyFunction | SavedPart = "inversion"
    optimizer: str | Optimizer | SavedPart = "multiscale-adam"
    parametrization: str | Parametrization | SavedPart = "pixels"
    priors: tuple[Prior | SavedPart, ...] = ()
    phases: tuple[Phase, ...] = (Phase(200, 8.0, 0.1),)
    data_weight: float = 1.0
    alpha: float = 6.0
    alpha_weight: float = 0.0
    alpha_kind: str = "pixel"
    beta: float = 2.0
    tv_weight: float = 0.0
    tv_chroma: float = 0.0
    tv_boost: float = 1.0
    tv_ramp: float | None = None
    bound: float | str | None = "picture"
    start: str = "noise"
    center: tuple[float, ...] | None = PHOTO_MEAN
    image_energy: float | None = None
    seeds: tuple[int, ...] = (0, 1, 2, 3)
    size: tuple[int, int] | None = None
    fit: str = "crop"
    forward_kwargs: Mapping[str, Any] | None = field(default=None, hash=False)
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    micro_batch: int | None = None
    frames: int = 24

    @property
    def steps(self) -> int:
        """The steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    @property
    def _ramp(self) -> float:
        return self.steps / 2 if self.tv_ramp is None else self.tv_ramp

    def tv_factor(self, step: int) -> float:
        """The factor of λ_V at a step, which falls from ``tv_boost`` to 1."""
        left = max(0.0, 1 - step / max(1.0, self._ramp))
        return float(self.tv_boost**left)

    @property
    def jitter(self) -> int:
        """The largest jitter of all phases, in pixels, which is the margin of the canvas."""
        return max(max(phase.jitter, phase.jitter_end or 0) for phase in self.phases)

    def __post_init__(self) -> None:
        for name in _REALS:
            self._set(name, checked_real(name, getattr(self, name)))
        self._set("objective", checked(as_objective(self.objective), OBJECTIVES, Objective))
        checked(self.optimizer, OPTIMIZERS, Optimizer)
        checked(self.parametrization, PARAMETRIZATIONS, Parametrization)
        self._set("priors", checked_priors(self.priors))
        one_of(self.start, "start", STARTS)
        one_of(self.precision, "precision", PRECISIONS)
        one_of(self.alpha_kind, "α-norm", ("pixel", "element"))
        if self.center is not None:
            self._set("center", _color(self.center))
        self._set("phases", checked_phases(self.phases))
        if not 1 <= self.steps <= MAX_STEPS:
            raise BadSettingError(f"{self.steps} steps: give at least 1 and at most {MAX_STEPS}")
        self._set("seeds", _checked_seeds(self.seeds))
        if self.size is not None:
            self._set("size", parse_size(self.size))
        check_fit(self.fit)
        self._set("forward_kwargs", recorded_arguments(self.forward_kwargs))
        for name, high in (("micro_batch", MAX_SEEDS), ("threads", MAX_THREADS)):
            if getattr(self, name) is not None:
                self._set(name, whole_number(getattr(self, name), name, 1, high))
        self._set("frames", whole_number(self.frames, "frames", 0, MAX_STEPS))
        if not isinstance(self.device, str):
            self._set("device", _device_name(self.device))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)  # the class is frozen

    def _repr_html_(self) -> str:
        """The display in a notebook: a table of the steps and of settings that were changed."""
        plain = {f.name: f.default for f in dataclasses.fields(self)}
        rows = [("steps", self.steps), ("seeds", ", ".join(map(str, self.seeds)))]
        rows += [
            (name, str(getattr(self, name)))
            for name, default in plain.items()
            if name != "seeds" and getattr(self, name) != default
        ]
        return html_table(f"Settings, preset {self.preset}", rows)

    def replace(self, **changes: Any) -> InversionSettings:
        """A copy with some settings changed; raises an error for an unknown name."""
        known = [f.name for f in dataclasses.fields(self)]
        for name in changes:
            if name not in known:
                raise unknown_name("setting", name, known)
        return dataclasses.replace(self, **changes)

    def with_steps(self, steps: int) -> InversionSettings:
        """A copy whose phases are scaled to ``steps`` steps in total."""
        steps = whole_number(steps, "steps", 1, MAX_STEPS)
        return self.replace(phases=stretched(self.phases, steps))

    def extended(self, phase: Phase) -> InversionSettings:
        """A copy with one more phase at the end; earlier steps are unchanged."""
        return self.replace(phases=(*self.phases, phase), tv_ramp=self._ramp)

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values for JSON; a custom part becomes its ``repr``."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        plain["phases"] = [dataclasses.asdict(phase) for phase in self.phases]
        plain["priors"] = [to_plain(prior) for prior in self.priors]
        if self.forward_kwargs is None:
            del plain["forward_kwargs"]
        else:
            plain["forward_kwargs"] = {
                name: to_plain(value) if isinstance(value, SavedPart) else value
                for name, value in self.forward_kwargs.items()
            }
        return plain | {name: to_plain(plain[name]) for name in _PARTS}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> InversionSettings:
        """The settings made from the values of ``to_dict``; raises an error for unknown names."""
        plain = dict(values)
        try:
            plain["phases"] = tuple(Phase(**phase) for phase in plain.get("phases", ()))
        except TypeError as error:
            raise BadSettingError(f"phases {shown(plain['phases'])}: {error}") from None
        plain["seeds"] = tuple(plain.get("seeds", ()))
        if plain.get("size") is not None:
            plain["size"] = tuple(plain["size"])
        plain["priors"] = tuple(from_plain(prior) for prior in plain.get("priors", ()))
        if isinstance(plain.get("forward_kwargs"), Mapping):
            plain["forward_kwargs"] = {
                name: from_plain(value) if _is_saved(value) else value
                for name, value in plain["forward_kwargs"].items()
            }
        plain |= {name: from_plain(plain[name]) for name in _PARTS if name in plain}
        known = {f.name for f in dataclasses.fields(cls)}
        for name in plain:
            if name not in known:
                raise unknown_name("setting", name, sorted(known))
        return cls(**plain)


class SettingChanges(TypedDict, total=False):
    """The settings that can be given one by one, in addition to a preset or complete settings."""

    optimizer: str | Optimizer
    parametrization: str | Parametrization
    priors: Prior | Sequence[Prior]
    phases: Sequence[Phase]
    data_weight: float
    alpha: float
    alpha_weight: float
    alpha_kind: str
    beta: float
    tv_weight: float
    tv_chroma: float
    tv_boost: float
    tv_ramp: float | None
    bound: float | str | None
    start: str
    center: tuple[float, ...] | None
    image_energy: float | None
    device: Any
    precision: str
    threads: int | None
    micro_batch: int | None
    frames: int


def checked_real(name: str, value: Any) -> Any:
    """A real-valued setting, or one of its other allowed values, checked.

    Raises ``BadSettingError``.
    """
    low, high, remedy, others = _REALS[name]
    if (value is None or isinstance(value, str)) and value in others:
        return value
    return real_number(value, name, low, high, remedy)


def recorded_arguments(given: Any) -> dict[str, Any] | None:
    """The arguments of a forward as settings keep them; None if there are none.

    >>> recorded_arguments({"deep": True, "mask": torch.ones(2)})
    {'deep': True, 'mask': SavedPart(kind='forward argument', text='tensor([1.0, 1.0])')}

    Raises ``BadSettingError`` unless it is a dict of arguments by name.
    """
    if given is None:
        return None
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise BadSettingError(f"forward_kwargs {shown(given)}: give a dict of arguments by name")
    found = {
        name: copy.deepcopy(value)
        if isinstance(value, SavedPart) or _in_json(value)
        else SavedPart(_ARGUMENT, in_full(value))
        for name, value in given.items()
    }
    return found or None


def _in_json(value: Any) -> bool:
    """Whether a value is the same after a round trip through JSON."""
    if type(value) is list:
        return all(map(_in_json, value))
    if type(value) is dict:
        return all(type(name) is str and _in_json(item) for name, item in value.items())
    plain = value is None or type(value) in (bool, int, float, str)
    return plain and (type(value) is not float or math.isfinite(value))


def _is_saved(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("own") == _ARGUMENT


def parse_seeds(seeds: Any) -> tuple[int, ...]:
    """The seeds as a tuple: ``4`` means seeds 0 … 3; a list, a range or an array names them.

    >>> parse_seeds(3), parse_seeds([7, 3])
    ((0, 1, 2), (7, 3))
    """
    count = as_whole(seeds)
    if count is not None:
        if not 1 <= count <= MAX_SEEDS:
            raise BadSettingError(f"{count} seeds: give at least 1 and at most {MAX_SEEDS}")
        return tuple(range(count))
    remedy = "how many, or a list of seeds like [3, 7]"
    return _checked_seeds(whole_numbers(seeds, "seeds", remedy))


def _checked_seeds(given: Any) -> tuple[int, ...]:
    seeds = tuple(whole_numbers(given, "seeds", "a list of seeds like [3, 7]"))
    if not 1 <= len(seeds) <= MAX_SEEDS:
        raise BadSettingError(f"{len(seeds)} seeds: give at least 1 and at most {MAX_SEEDS}")
    for seed in seeds:
        whole_number(seed, "seed", 0, 2**62 - 1, "seeds are whole numbers from 0")
    if len(set(seeds)) != len(seeds):
        raise BadSettingError(f"seeds {shown(list(seeds))} repeat: give each seed only once")
    return seeds


def _color(given: Any) -> tuple[float, ...]:
    values = items(given)
    if not values:
        raise BadSettingError(
            f"center {shown(given)}: give a number in [0, 1] for each channel, such as red, green "
            "and blue, or None"
        )
    return tuple(float(real_number(value, "center", 0, 1)) for value in values)


def _device_name(device: Any) -> str:
    if type(device).__name__ == "device" and hasattr(device, "type"):  # a torch.device
        return str(device)
    raise BadSettingError(f"device {shown(device)}: give a name such as 'auto', 'cpu' or 'cuda'")
