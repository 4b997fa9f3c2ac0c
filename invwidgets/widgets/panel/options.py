"""The options of a panel as typed traits, and the arguments of its run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import traitlets as t

from ...energy.objectives import OBJECTIVES, Objective, as_objective, objective_of
from ...errors import BadSettingError, shown, unknown_name
from ...images import photo_name, read_photo
from ...inversion.hardware.memory import DEVICES
from ...inversion.presets import PRESETS
from ...inversion.settings import PRECISIONS
from ...models.zoo import DEFAULT_MODEL
from ...search.optimizers import OPTIMIZERS, Optimizer
from ...selection import parse_region
from ...swappable import checked
from ..base.loading import LoadedModel
from ..views.live_gallery import MOST_SEEDS

LIVE_KNOBS = (
    "tv_weight",
    "alpha_weight",
    "data_weight",
    "beta",
    "bound",
    "jitter",
)  # act during a run
PRESET = (*LIVE_KNOBS, "steps", "optimizer")  # follow the preset until the user changes them
LOADS = ("photo", "model", "weights", "layer", "size", "crop")  # need a new load
RESTARTS = (*LOADS, "region", "channels", "objective", "seeds", "steps", "optimizer", "device",
            "precision", "preset")  # fmt: skip
DIFFERS = ("layer", "model", "weights")  # the options in which a second column can differ
CENTER = 0.5
NOT_OF_A_RUN = ("theme", "beside")
OPTIONS = (*RESTARTS, *LIVE_KNOBS, *NOT_OF_A_RUN)
Values = Mapping[str, Any]


def checked_beside(given: Any) -> dict[str, Any] | None:
    """The differences of a second column, checked; None if there is none.

    Raises ``BadSettingError`` for anything but a dict, and ``UnknownNameError`` for an option that
    both columns share.
    """
    if given is not None and not isinstance(given, Mapping):
        raise BadSettingError(
            f"beside must be a dict such as {{'layer': 'blocks.4'}}, not {shown(given)}"
        )
    for name in given or ():
        if name not in DIFFERS:
            raise unknown_name("option of a second column", name, DIFFERS)
    return dict(given) if given else None


class PanelOptions(t.HasTraits):
    """The options of a panel; those in ``overridden`` no longer follow the preset.

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
    objective = t.Any("inversion", help="a name of OBJECTIVES, or a custom Objective")
    seeds = t.Int(4, min=1, max=MOST_SEEDS)
    steps = t.Int(200, min=1)
    size = t.Any(None, allow_none=True)
    crop = t.Float(CENTER, min=0, max=1, help="where a photo is cut: 0 top or left, 0.5 the center")
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
    beside: Any = t.Any(None, allow_none=True, help="what differs in a second column, as a dict")

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

    @t.validate("beside")
    def _check_beside(self, proposal: Any) -> Any:
        return checked_beside(proposal["value"])

    @t.validate("objective")
    def _check_objective(self, proposal: Any) -> Any:
        return checked(as_objective(proposal["value"]), OBJECTIVES, Objective)

    @t.validate("optimizer")
    def _check_optimizer(self, proposal: Any) -> Any:
        return checked(proposal["value"], OPTIMIZERS, Optimizer)

    @property
    def values(self) -> dict[str, Any]:
        """Every option of a run, and the name of the photo."""
        names = (*RESTARTS, *LIVE_KNOBS, "photo_name")
        return {name: getattr(self, name) for name in names}

    @property
    def overridden_knobs(self) -> dict[str, Any]:
        """The overridden knobs with their values."""
        return {name: getattr(self, name) for name in LIVE_KNOBS if name in self.overridden}

    @property
    def by_hand(self) -> bool:
        """Whether a change of a trait comes from the user or the user's code."""
        return not self.quiet

    def take(self, options: Values) -> None:
        """Set traits by keyword; unknown keywords raise ``UnknownNameError``."""
        for name in options:
            if name not in OPTIONS:
                raise unknown_name("option of the panel", name, OPTIONS)
        for name, value in options.items():
            setattr(self, name, value)
        self.overridden = self.overridden | (options.keys() & set(PRESET))

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Set traits inside the block without a new run and without overriding the preset."""
        before, self.quiet = self.quiet, True
        try:
            yield
        finally:
            self.quiet = before


def differs(one: Any, other: Any) -> bool:
    """Whether two values differ; arrays and networks are compared as objects."""
    plain = (str, int, float, tuple, frozenset, type(None))
    if one is other:
        return False
    return not (isinstance(one, plain) and isinstance(other, plain) and one == other)


def title(options: Values) -> str:
    """The name of the photo."""
    given, name = options["photo"], options["photo_name"]
    return name if name and not isinstance(given, str) else photo_name(given)


def matches_photo(objective: Objective) -> bool:
    """Whether the objective is to match a photo, not to raise a response."""
    return objective.needs_photo and not objective.higher_is_better


def needs_unit(options: Values) -> bool:
    """Whether the objective is about one channel."""
    return objective_of(options["objective"]).needs_unit


def unit_of(options: Values) -> int | None:
    """The channel of an objective about one channel; else None."""
    if not options or not needs_unit(options):
        return None
    channels = options["channels"]
    return int(channels[0]) if isinstance(channels, tuple) and channels else 0


def run_arguments(
    options: Values, overridden: frozenset[str], loaded: LoadedModel
) -> dict[str, Any]:
    """The arguments of ``invert`` for the panel's run."""
    names = ("model", "weights", "seeds", "steps", "size", "region", "preset", "device",
             "precision", "objective")  # fmt: skip
    arguments = {name: options[name] for name in names}
    unit = unit_of(options)
    if unit is not None:
        arguments |= {"layer": options["layer"], "channels": (unit,)}
    else:
        arguments |= {"photo": cut_photo(options, loaded), "layer": options["layer"],
                      "channels": options["channels"]}  # fmt: skip
    for name in overridden & {*LIVE_KNOBS, "optimizer"} - {"jitter"}:
        arguments[name] = options[name]
    if "jitter" in overridden:
        steps = options["steps"] if "steps" in overridden else None
        preset = loaded.preset(options["preset"], options["objective"], steps, options["region"])
        arguments["phases"] = tuple(
            replace(p, jitter=options["jitter"], jitter_end=None) for p in preset.phases
        )
    return arguments


def stage_arguments(options: Values, loaded: LoadedModel) -> dict[str, Any]:
    """The arguments of ``Session.start`` for small reconstructions of many layers."""
    names = ("model", "weights", "size", "device")
    return {"photo": cut_photo(options, loaded), **{name: options[name] for name in names}}


def stage_key(options: Values) -> tuple[Any, ...]:
    """The key of such reconstructions, which identifies their photo and network."""
    plain = (str, bytes, int, float, tuple, type(None))
    values = (options[name] for name in ("photo", "model", "weights", "size", "crop"))
    return tuple(value if isinstance(value, plain) else id(value) for value in values)


def cut_photo(options: Values, loaded: LoadedModel) -> Any:
    """The photo, cropped here unless it is cropped at the center, as a run does."""
    if options["crop"] == CENTER:
        return options["photo"]
    channels = loaded.representation.channels
    return read_photo(options["photo"], loaded.size, at=options["crop"], channels=channels)


def upload_of(options: Values) -> tuple[str, bytes] | None:
    """An uploaded photo as a file name that is valid on every system, and bytes."""
    given, name = options["photo"], title(options)
    if not isinstance(given, bytes):
        return None
    plain = "".join(c if c.isprintable() and c not in '\\/:*?"<>|' else "_" for c in name)
    return f"{plain.strip('. ')[:60] or 'photo'}.png", given


def photo_code(options: Values, size: tuple[int, int] | None) -> str:
    """The Python code of the photo with its crop; an upload is named by its file."""
    given, upload = options["photo"], upload_of(options)
    code = "photo"
    if isinstance(given, str | os.PathLike):
        code = repr(os.fspath(given))
    elif upload is not None:
        code = repr(upload[0])
    if options["crop"] != CENTER and size is not None:
        return f"iw.read_photo({code}, {size}, at={options['crop']:g})"
    return code
