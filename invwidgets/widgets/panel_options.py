"""What a panel holds, as typed traits, and the run they ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import traitlets as t

from ..energy.objectives import OBJECTIVES, Objective, as_objective, objective_of
from ..errors import InvwidgetsError, unknown_name
from ..images import parse_size, photo_name, read_photo
from ..inversion.hardware.memory import DEVICES
from ..inversion.presets import PRESETS, preset, region_coverage
from ..inversion.settings import PRECISIONS, InversionSettings
from ..models.zoo import DEFAULT_MODEL
from ..representations.base import Representation
from ..search.optimizers import OPTIMIZERS, Optimizer
from ..selection import parse_region, select
from ..swappable import checked
from .live_gallery import MANY
from .prior_knobs import in_words as knobs_in_words

KNOBS = ("tv_weight", "alpha_weight", "data_weight", "beta", "bound", "jitter")  # act while it runs
PRESET = (*KNOBS, "steps", "optimizer")  # follow the preset until moved
LOADS = ("photo", "model", "weights", "layer", "size", "crop")  # are loaded anew
RESTARTS = (*LOADS, "region", "channels", "objective", "seeds", "steps", "optimizer", "device",
            "precision", "preset")  # fmt: skip
CENTRE = 0.5
OPTIONS = (*RESTARTS, *KNOBS, "theme")


class PanelOptions(t.HasTraits):
    """The settings of a panel. What is in ``overridden`` no longer follows the preset.

    >>> options = PanelOptions()
    >>> options.take({"seeds": 2, "tv_weight": 0.1})
    >>> options.overridden
    frozenset({'tv_weight'})
    """

    photo = t.Any("coffee", help="anything read_photo takes")
    model = t.Any(DEFAULT_MODEL, help="anything representation takes")
    weights = t.Unicode("pretrained")
    layer = t.Unicode("", help="any name of a layer; empty until one is chosen")
    region = t.Any(None, allow_none=True)
    channels = t.Any(None, allow_none=True)
    objective = t.Any("inversion", help="a name of OBJECTIVES, or an Objective of one's own")
    seeds = t.Int(4, min=1, max=MANY)
    steps = t.Int(200, min=1)
    size = t.Any(None, allow_none=True)
    crop = t.Float(0.5, min=0, max=1, help="where a photo is cut: 0 top or left, 0.5 the centre")
    preset = t.Enum(PRESETS, "default")
    optimizer = t.Any("multiscale-adam", help="a name of OPTIMIZERS, or an Optimizer")
    device = t.Enum(DEVICES, "auto")
    precision = t.Enum(PRECISIONS, "auto")
    tv_weight = t.Float(0.0, min=0)
    alpha_weight = t.Float(0.0, min=0)
    data_weight = t.Float(1.0, min=0)
    beta = t.Float(2.0, min=1)
    bound = t.Any("picture", allow_none=True)
    jitter = t.Int(0, min=0)
    theme = t.Enum(("auto", "light", "dark"), "auto")

    photo_name = t.Unicode("", help="what to call a photo that is not a file")
    overridden: Any = t.Instance(frozenset, (), help="what no longer follows the preset")

    quiet = False

    @t.validate("region")
    def _check_region(self, proposal: Any) -> Any:
        return parse_region(proposal["value"])

    @t.validate("channels")
    def _check_channels(self, proposal: Any) -> Any:
        value = proposal["value"]
        return tuple(value) if isinstance(value, list) else None if value == "all" else value

    @t.validate("objective")
    def _check_objective(self, proposal: Any) -> Any:
        return checked(as_objective(proposal["value"]), OBJECTIVES, Objective)

    @t.validate("optimizer")
    def _check_optimizer(self, proposal: Any) -> Any:
        return checked(proposal["value"], OPTIMIZERS, Optimizer)

    @property
    def asked(self) -> Objective:
        """The objective itself."""
        return objective_of(self.objective)

    @property
    def photo_title(self) -> str:
        """What to call the photo."""
        given = self.photo
        return photo_name(given) if isinstance(given, str) else self.photo_name or photo_name(given)

    @property
    def by_hand(self) -> bool:
        """Whether a trait that changes now does so because it is asked for."""
        return not self.quiet

    @property
    def values(self) -> dict[str, Any]:
        """Every option of a run as it stands; how a panel looks is none."""
        return {name: getattr(self, name) for name in OPTIONS if name != "theme"}

    def knobs_for(self, names: set[str]) -> dict[str, Any]:
        """What a running search is told of these knobs; a jitter not moved is the phases' own."""
        values = {name: getattr(self, name) for name in names}
        return values | ({"jitter": None} if "jitter" in names - self.overridden else {})

    def take(self, options: dict[str, Any]) -> None:
        """Set traits by keyword, unknown ones refused."""
        for name in options:
            if name not in OPTIONS:
                raise unknown_name("option of the panel", name, OPTIONS)
        for name, value in options.items():
            setattr(self, name, value)
        self.overridden = self.overridden | (options.keys() & set(PRESET))

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Traits set inside neither restart a run nor count as overridden."""
        before, self.quiet = self.quiet, True
        try:
            yield
        finally:
            self.quiet = before

    def preset_values(self, representation: Representation) -> dict[str, Any]:
        """Where the preset has all that can be overridden, for this layer."""
        settings = _preset(self, representation)
        return {name: getattr(settings, name) for name in PRESET}

    @property
    def overridden_knobs(self) -> dict[str, Any]:
        """The knobs that a person has moved, as they stand."""
        return {name: getattr(self, name) for name in KNOBS if name in self.overridden}


def overridden_in_words(options: PanelOptions) -> str:
    """The knobs that a person has moved, by their names and values; empty if there are none."""
    return knobs_in_words(options.overridden_knobs, matches_photo(options.asked))


def matches_photo(objective: Objective) -> bool:
    """Whether what the data's weight weighs is a match to a photo, not a response."""
    return objective.needs_photo and not objective.higher_is_better


def run_arguments(options: PanelOptions, representation: Representation) -> dict[str, Any]:
    """The arguments of ``invert`` for the run that a panel asks for."""
    arguments: dict[str, Any] = {
        "model": options.model,
        "weights": options.weights,
        "seeds": options.seeds,
        "steps": options.steps,
        "size": options.size,
        "region": options.region,
        "preset": options.preset,
        "device": options.device,
        "precision": options.precision,
    }
    arguments["objective"] = options.objective
    if options.asked.needs_unit:
        channels = options.channels if isinstance(options.channels, tuple) else (0,)
        arguments |= {"layer": options.layer, "channels": channels[:1]}
    else:
        photo = options.photo
        if options.crop != CENTRE:  # cut here: a run knows no other cut than the centre
            photo = read_photo(
                photo,
                _size(options, representation),
                at=options.crop,
                channels=representation.channels,
            )
        arguments |= {"photo": photo, "layer": options.layer, "channels": options.channels}
    for name in (*KNOBS, "optimizer"):
        if name in options.overridden and name != "jitter":
            arguments[name] = getattr(options, name)
    if "jitter" in options.overridden:
        settings = _preset(options, representation)
        arguments["phases"] = tuple(
            replace(p, jitter=options.jitter, jitter_end=None) for p in settings.phases
        )
    return arguments


def stage_arguments(options: PanelOptions, representation: Representation) -> dict[str, Any]:
    """The arguments of ``Session.start`` for small reconstructions of many layers."""
    names = ("photo", "model", "weights", "size", "device")
    arguments = {name: getattr(options, name) for name in names}
    if options.crop != CENTRE:
        size = _size(options, representation)
        arguments["photo"] = read_photo(
            options.photo, size, at=options.crop, channels=representation.channels
        )
    return arguments


def stage_key(options: PanelOptions) -> tuple[Any, ...]:
    """What tells such reconstructions of one photo and network from others."""
    names = ("photo", "model", "weights", "size", "crop")
    plain = (str, bytes, int, float, tuple, type(None))
    values = (getattr(options, name) for name in names)
    return tuple(value if isinstance(value, plain) else id(value) for value in values)


def upload_of(options: PanelOptions) -> tuple[str, bytes] | None:
    """An uploaded photo as a file, its name one that every system takes."""
    given, name = options.photo, options.photo_title
    if not isinstance(given, bytes):
        return None
    plain = "".join(c if c.isprintable() and c not in '\\/:*?"<>|' else "_" for c in name)
    return f"{plain.strip('. ')[:60] or 'photo'}.png", given


def photo_code(options: PanelOptions, size: tuple[int, int] | None) -> str:
    """Python that names the photo, cut as it is; of an upload, the file that is written for it."""
    given, upload = options.photo, upload_of(options)
    code = "photo"
    if isinstance(given, str | os.PathLike):
        code = repr(os.fspath(given))
    elif upload is not None:
        code = repr(upload[0])
    if options.crop != CENTRE and size is not None:
        return f"iw.read_photo({code}, {size}, at={options.crop:g})"
    return code


def _preset(options: PanelOptions, representation: Representation) -> InversionSettings:
    steps = options.steps if "steps" in options.overridden else None
    size = _size(options, representation)
    coverage = 1.0
    with suppress(InvwidgetsError):  # of a region that is refused elsewhere, in words
        region = select(representation, options.region, None, size).region
        coverage = region_coverage(representation, region, size)
    return preset(options.preset, representation, options.objective, steps, coverage, size)


def _size(options: PanelOptions, representation: Representation) -> tuple[int, int]:
    return parse_size(options.size) if options.size is not None else representation.size
