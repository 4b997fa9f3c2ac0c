"""All that determines a run besides the photo, the network and the selection: frozen, checked."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import BadSettingError, unknown_name
from ..objectives import OBJECTIVES

MAX_SEEDS = 1_000_000
OPTIMIZERS = ("multiscale-adam", "adam", "momentum", "adagrad-momentum")
PRECISIONS = ("auto", "float32", "bfloat16")
STARTS = ("noise", "cvpr2015", "ijcv2016", "photo")


@dataclass(frozen=True)
class Phase:
    """Some steps at one rate, or gliding from ``rate`` to ``rate_end`` along half a cosine.

    ``jitter`` is the largest shift in pixels; ``restart`` forgets the optimiser's momentum.
    """

    steps: int
    rate: float
    rate_end: float | None = None
    jitter: int = 0
    restart: bool = False

    def half_at(self, step: int) -> bool:
        """Whether a step may be computed in bfloat16: all but the last tenth, at least one."""
        return self.steps - step > max(1.0, 0.1 * self.steps)

    def rate_at(self, step: int) -> float:
        """The rate at a step of this phase, from 0."""
        if self.rate_end is None:
            return self.rate
        turn = (1 + math.cos(math.pi * step / self.steps)) / 2
        return self.rate_end + (self.rate - self.rate_end) * turn


@dataclass(frozen=True)
class InversionSettings:
    """The settings of a run.

    >>> InversionSettings(seeds=(0, 1), tv_weight=0.01).steps
    200

    Energies are C·data + λ_α·R_α + λ_V·R_{V^β}; ``data_weight`` is C, ``alpha_weight`` λ_α and
    ``tv_weight`` λ_V, all dimensionless. λ_V begins ``tv_boost`` times larger and falls
    geometrically to its value over the first ``tv_ramp`` steps (None: 70 % of them): smooth first,
    then sharp.
    ``image_energy`` is σ² of CVPR15 in squared 0-255 units: the squared norm of the start
    ``cvpr2015``, and what the rule ``momentum`` multiplies its rates by; None takes that paper's by
    the number of pixels.
    ``bound`` is the largest norm of a pixel of the iterate (0-255 units; None for none),
    ``"picture"`` keeps every pixel displayable. ``start`` is one of ``STARTS``. ``micro_batch``
    is how many seeds run at once (None: one on one CPU thread, two on each of several, else as
    many as memory allows), ``threads`` how many CPU threads torch uses (None: all for seeds side by
    side; for a lone one, as many as a measurement finds worth having), ``precision`` what the
    network computes in (``"auto"``: bfloat16 where that is faster), ``frames`` how many pictures of
    the run are kept for its animation.

    Raises ``BadSettingError`` for a value out of range.
    """

    preset: str = "custom"
    objective: str = "inversion"
    optimizer: str = "multiscale-adam"
    phases: tuple[Phase, ...] = (Phase(200, 8.0, 0.1),)
    data_weight: float = 1.0
    alpha: float = 6.0
    alpha_weight: float = 0.0
    alpha_kind: str = "pixel"
    beta: float = 2.0
    tv_weight: float = 0.0
    tv_boost: float = 1.0
    tv_ramp: float | None = None
    bound: float | str | None = "picture"
    start: str = "noise"
    image_energy: float | None = None
    seeds: tuple[int, ...] = (0, 1, 2, 3)
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    micro_batch: int | None = None
    frames: int = 24

    @property
    def steps(self) -> int:
        """The steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    def tv_factor(self, step: int) -> float:
        """What λ_V is multiplied by at a step: from ``tv_boost`` down to 1."""
        ramp = 0.7 * self.steps if self.tv_ramp is None else self.tv_ramp
        left = max(0.0, 1 - step / max(1.0, ramp))
        return float(self.tv_boost**left)

    @property
    def jitter(self) -> int:
        """The largest shift of any phase, in pixels: the canvas is that much larger."""
        return max(phase.jitter for phase in self.phases)

    def __post_init__(self) -> None:
        for name in ("data_weight", "alpha_weight", "tv_weight"):
            _check(name, getattr(self, name), low=0)
        _check("beta", self.beta, low=1, remedy="the norm of a gradient to a power of 1 or more")
        _check("alpha", self.alpha, low=1)
        _check("tv_boost", self.tv_boost, low=1)
        if self.tv_ramp is not None:
            _check("tv_ramp", self.tv_ramp, low=0)
        if self.image_energy is not None:
            _check("image_energy", self.image_energy, low=1e-6)
        if self.objective not in OBJECTIVES:
            raise unknown_name("objective", self.objective, OBJECTIVES)
        if self.optimizer not in OPTIMIZERS:
            raise unknown_name("optimiser", self.optimizer, OPTIMIZERS)
        if self.start not in STARTS:
            raise unknown_name("start", self.start, STARTS)
        if self.precision not in PRECISIONS:
            raise unknown_name("precision", self.precision, PRECISIONS)
        if self.alpha_kind not in ("pixel", "element"):
            raise unknown_name("α-norm", self.alpha_kind, ("pixel", "element"))
        if self.bound is not None and self.bound != "picture":
            _check("bound", self.bound, low=1e-6, remedy="'picture' or None also work")
        if not self.phases:
            raise BadSettingError("0 steps: give at least one")
        for phase in self.phases:
            _check_int("steps", phase.steps, 1)
            _check("rate", phase.rate, low=0)
            if phase.rate_end is not None:
                _check("rate_end", phase.rate_end, low=0)
            _check_int("jitter", phase.jitter, 0)
        _check_seeds(self.seeds)
        for name in ("micro_batch", "threads"):
            if getattr(self, name) is not None:
                _check_int(name, getattr(self, name), 1)
        _check_int("frames", self.frames, 0)

    def replace(self, **changes: Any) -> InversionSettings:
        """A copy with some settings changed; an unknown name is refused."""
        known = [f.name for f in dataclasses.fields(self)]
        for name in changes:
            if name not in known:
                raise unknown_name("setting", name, known)
        return dataclasses.replace(self, **changes)

    def with_steps(self, steps: int) -> InversionSettings:
        """The same phases stretched or shrunk to ``steps`` steps in all."""
        _check_int("steps", steps, 1)
        ends, done = [], 0
        for phase in self.phases:
            done += phase.steps
            ends.append(round(steps * done / self.steps))
        starts = [0, *ends[:-1]]
        phases = [
            dataclasses.replace(phase, steps=end - start)
            for phase, start, end in zip(self.phases, starts, ends, strict=True)
            if end > start
        ]
        return self.replace(phases=tuple(phases))

    def extended(self, phase: Phase) -> InversionSettings:
        """A run that goes on with ``phase`` after its end; what came before stays as it was."""
        ramp = 0.7 * self.steps if self.tv_ramp is None else self.tv_ramp
        return self.replace(phases=(*self.phases, phase), tv_ramp=ramp)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> InversionSettings:
        """The settings back from ``to_dict``; unknown names are refused."""
        plain = dict(values)
        plain["phases"] = tuple(Phase(**phase) for phase in plain.get("phases", ()))
        plain["seeds"] = tuple(plain.get("seeds", ()))
        known = {f.name for f in dataclasses.fields(cls)}
        for name in plain:
            if name not in known:
                raise unknown_name("setting", name, sorted(known))
        return cls(**plain)


def parse_seeds(seeds: Any) -> tuple[int, ...]:
    """``4`` means seeds 0 … 3; a list names them.

    >>> parse_seeds(3), parse_seeds([7, 3])
    ((0, 1, 2), (7, 3))
    """
    if isinstance(seeds, bool) or not isinstance(seeds, int | list | tuple | range):
        raise BadSettingError(f"seeds {seeds!r}: give how many, or a list of seeds like [3, 7]")
    if isinstance(seeds, int):
        if not 1 <= seeds <= MAX_SEEDS:
            raise BadSettingError(f"{seeds} seeds: give at least 1 and at most {MAX_SEEDS}")
        return tuple(range(seeds))
    return tuple(seeds)


def _check_seeds(seeds: tuple[int, ...]) -> None:
    if not seeds:
        raise BadSettingError("0 seeds: give at least one")
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**62:
            raise BadSettingError(f"seed {seed!r}: seeds are whole numbers from 0")
    if len(set(seeds)) != len(seeds):
        raise BadSettingError(f"seeds {list(seeds)[:12]} repeat: each seed gives one image only")


def _check(name: str, value: Any, low: float, remedy: str = "") -> None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not good or value < low:
        hint = f"; {remedy}" if remedy else ""
        raise BadSettingError(f"{name} {value!r}: give a finite number of at least {low:g}{hint}")


def _check_int(name: str, value: Any, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise BadSettingError(f"{name} {value!r}: give a whole number of at least {low}")
