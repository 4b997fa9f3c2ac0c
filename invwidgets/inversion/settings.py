"""All that determines a run besides the photo, the network and the selection: frozen, checked."""

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

# Beyond these is a slip of the keyboard, refused at once; sizes are limited in images.MAX_SIDE.
MAX_SEEDS = 1_000_000
MAX_THREADS = 256
MAX_WEIGHT = 1e12
MAX_POWER = 16  # of the norms: 255 to a larger one leaves float32
PRECISIONS = ("auto", "float32", "bfloat16")
_PARTS = ("objective", "optimizer", "parametrization")
_REALS: dict[str, tuple[float, float | None, str, tuple[Any, ...]]] = {
    # name: the least, the most, a remedy, what it may be beside a number
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
_ARGUMENT = "forward argument"  # the kind of a saved one
STARTS = ("noise", "cvpr2015", "ijcv2016", "photo")


@dataclass(frozen=True)
class InversionSettings:
    """The settings of a run: with photo, network and selection they determine it.

    >>> InversionSettings(seeds=(0, 1), tv_weight=0.01).steps
    200

    Energies are C·data + λ_α·R_α + λ_V·R_{V^β}, all dimensionless, and the terms of ``priors``.

    Parameters
    ----------
    preset : str
        What they were made from; ``"custom"`` if by hand.
    objective : str, Objective or callable
        What is asked of the features; a function is kept as an ``Objective``.
    optimizer : str or Optimizer
        The update rule.
    parametrization : str or Parametrization
        What is searched in.
    priors : sequence of Prior
        Of one's own, beside the α-norm and the total variation.
    phases : sequence of Phase
        The steps, their rates and their jitter.
    data_weight : float
        C.
    alpha, alpha_weight : float
        The power of the α-norm, and λ_α.
    alpha_kind : str
        The norm of a ``"pixel"``'s three colors (IJCV16), or of each ``"element"`` (CVPR15).
    beta, tv_weight : float
        The power of the total variation, and λ_V.
    tv_chroma : float
        How many times the variation of the colors alone, z less its gray, is added to R_{V^β};
        only where images have three channels.
    tv_boost : float
        λ_V begins so many times larger and falls geometrically to its value: smooth first, then
        sharp.
    tv_ramp : float, optional
        Over how many steps it falls; by default half of them.
    bound : float, str or None
        The largest norm of a pixel of the iterate (0-255 units; None for none); ``"picture"`` keeps
        every pixel displayable.
    start : str
        ``"noise"``, faint and around the center; the papers' ``"cvpr2015"`` or ``"ijcv2016"``; or
        ``"photo"``, the photo itself.
    center : (float, ...), optional
        The color (a number in [0, 1] for each channel, such as red, green and blue) where the
        iterate is zero: the priors pull to it, and what no feature sees keeps it. By default
        photos' mean color; None takes the mean of the network's preprocessing, which the presets
        do where images do not have three channels.
    image_energy : float, optional
        σ² of CVPR15 in squared 0-255 units: the squared norm of the start ``cvpr2015``, and what
        the rule ``momentum`` multiplies its rates by; by default that paper's by the number of
        pixels.
    seeds : sequence of int
        The random starts: seed k gives the same image alone or among others.
    size : (int, int), optional
        (height, width) of the images in pixels; by default the network's own.
    fit : str
        How a photo comes to that size: ``"crop"`` or ``"stretch"``.
    forward_kwargs : dict, optional
        What the network's forward was given beside images: values that JSON can hold, and of
        others their ``repr``, as a ``SavedPart``, which a run does not take.
    device : str
        ``"cpu"``, ``"cuda"``, ``"mps"`` or ``"xpu"``, with an index where there are several
        (``"cuda:1"``), or ``"auto"``, torch's current accelerator if there is one.
    precision : str
        What the network computes in: ``"float32"``, ``"bfloat16"``, or ``"auto"``, the faster.
    threads : int, optional
        CPU threads; by default all for several seeds, for one as many as a measurement finds worth
        having.
    micro_batch : int, optional
        How many seeds make a batch; by default one on one CPU thread, two on each of several, else
        as many as memory allows.
    frames : int
        How many pictures of the run are kept for its animation.

    Raises
    ------
    BadSettingError, UnknownNameError
        For a value out of range, a name that is not there.

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
        """What λ_V is multiplied by at a step: from ``tv_boost`` down to 1."""
        left = max(0.0, 1 - step / max(1.0, self._ramp))
        return float(self.tv_boost**left)

    @property
    def jitter(self) -> int:
        """The largest shift of any phase, in pixels: the canvas is that much larger."""
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
        object.__setattr__(self, name, value)  # frozen for everybody else

    def _repr_html_(self) -> str:
        """In a notebook: what differs from the plain settings, and the steps."""
        plain = {f.name: f.default for f in dataclasses.fields(self)}
        told = [("steps", self.steps), ("seeds", ", ".join(map(str, self.seeds)))]
        told += [
            (name, str(getattr(self, name)))
            for name, default in plain.items()
            if name != "seeds" and getattr(self, name) != default
        ]
        return html_table(f"Settings, preset {self.preset}", told)

    def replace(self, **changes: Any) -> InversionSettings:
        """A copy with some settings changed; an unknown name is refused."""
        known = [f.name for f in dataclasses.fields(self)]
        for name in changes:
            if name not in known:
                raise unknown_name("setting", name, known)
        return dataclasses.replace(self, **changes)

    def with_steps(self, steps: int) -> InversionSettings:
        """The same phases stretched or shrunk to ``steps`` steps in all."""
        steps = whole_number(steps, "steps", 1, MAX_STEPS)
        return self.replace(phases=stretched(self.phases, steps))

    def extended(self, phase: Phase) -> InversionSettings:
        """A run that goes on with ``phase`` after its end; what came before stays as it was."""
        return self.replace(phases=(*self.phases, phase), tv_ramp=self._ramp)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; of an own part its ``repr``."""
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
        """The settings back from ``to_dict``; unknown names are refused."""
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
    """The settings that can be changed one by one, beside a preset or whole settings."""

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
    """The value of a setting that is a real number, or what it may be beside one.

    Raises ``BadSettingError``.
    """
    low, high, remedy, others = _REALS[name]
    if (value is None or isinstance(value, str)) and value in others:
        return value
    return real_number(value, name, low, high, remedy)


def recorded_arguments(given: Any) -> dict[str, Any] | None:
    """What a forward was given as settings keep it; None for nothing.

    >>> recorded_arguments({"deep": True, "mask": torch.ones(2)})
    {'deep': True, 'mask': SavedPart(kind='forward argument', text='tensor([1.0, 1.0])')}

    Raises ``BadSettingError`` for what is no dict of arguments by name.
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
    """Whether JSON gives a value back as it is."""
    if type(value) is list:
        return all(map(_in_json, value))
    if type(value) is dict:
        return all(type(name) is str and _in_json(item) for name, item in value.items())
    plain = value is None or type(value) in (bool, int, float, str)
    return plain and (type(value) is not float or math.isfinite(value))


def _is_saved(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("own") == _ARGUMENT


def parse_seeds(seeds: Any) -> tuple[int, ...]:
    """``4`` means seeds 0 … 3; a list, a range or an array names them.

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
        raise BadSettingError(f"seeds {shown(list(seeds))} repeat: each seed gives one image only")
    return seeds


def _color(given: Any) -> tuple[float, ...]:
    values = items(given)
    if not values:
        raise BadSettingError(
            f"center {shown(given)}: a number in [0, 1] for each channel, such as red, green and "
            "blue, or None"
        )
    return tuple(float(real_number(value, "center", 0, 1)) for value in values)


def _device_name(device: Any) -> str:
    if type(device).__name__ == "device" and hasattr(device, "type"):  # torch's
        return str(device)
    raise BadSettingError(f"device {shown(device)}: it is a name such as 'auto', 'cpu' or 'cuda'")
