"""The state of a panel as one frozen value, the events that change it, and its effects.

>>> state = PanelState()
>>> state.phase
'idle'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ...inversion.progress import BUSY, Frame
from ...inversion.progress import State as RunState

Values = Mapping[str, Any]
How = Literal["start", "step", "pause"]  # run, do one step, or pause before the first step
PanelPhase = Literal[RunState, "loading", "restored"]


class LoadedNetwork(Protocol):
    """The interface of a loaded network that the state needs."""

    layer: str
    grid: tuple[int, int] | None

    def preset(self, name: str, objective: Any, steps: int | None, region: Any) -> Any:
        """The settings of a preset for the layer and the region."""

    def region_error(self, region: Any) -> str:
        """The reason why a region is refused; empty if it is accepted."""

    def channel_name(self, channel: int) -> str:
        """The name of a channel of the layer; empty if it has none."""


@dataclass(frozen=True)
class Request:
    """The request of a run: the options, the overridden knobs, and the network."""

    options: Values
    overridden: frozenset[str]
    loaded: Any


@dataclass(frozen=True, eq=False)
class HistoryEntry:
    """A finished run: its result, the panel's settings, and the classes of its images.

    ``unit`` is the name of the channel of an objective about one channel, if it has a name.
    """

    result: Any
    settings: Values = field(default_factory=dict)
    overridden: frozenset[str] = frozenset()
    classes: tuple[Any, ...] = ()
    unit: str = ""


@dataclass(frozen=True)
class PanelRun:
    """The session's run, as it was last reported.

    ``again`` has the options whose change replaced another run by this one. ``continued`` has the
    knobs whose change continued it after its end. ``replaced_paused``: the replaced run was paused.
    """

    number: int
    request: Request
    state: RunState = "preparing"
    step: int = 0
    steps: int = 0
    seconds_left: float = 0.0
    again: frozenset[str] = frozenset()
    continued: frozenset[str] = frozenset()
    stopping: bool = False
    replaced_paused: bool = False

    @property
    def busy(self) -> bool:
        return self.state in BUSY


@dataclass(frozen=True, eq=False)
class Excited:
    """The patches of the bundled photos that excite a channel of a network most, best first.

    ``patches`` is None until they are found. If the search fails, there is an ``error``.
    """

    loaded: Any
    channel: int
    patches: tuple[Any, ...] | None = None
    error: str = ""


@dataclass(frozen=True)
class PanelState:
    """The complete state of a panel, in which each fact is stored once.

    ``preset`` has the preset's values of options. ``loaded`` is the network in use, and ``model``
    the option it was loaded for; ``unloaded`` has the options that changed since. ``wanted`` is set
    while a run waits for the network. ``shown`` names the images on display: empty places
    ("places"), those of ``run``, or of a restored run; ``entry`` is this finished run.
    ``replaced``: the previous images are in the history. ``stages`` has the stages' small pictures
    by name, and ``stages_busy`` is True while more are being made. ``playback`` is the index of the
    shown frame of ``entry``, None for its end. ``excited`` is about the channel of the objective.
    """

    options: Values = field(default_factory=dict)
    overridden: frozenset[str] = frozenset()
    preset: Values = field(default_factory=dict)
    loaded: Any = None
    model: Any = None
    load: int = 0
    loading: bool = False
    download: str = ""
    unloaded: frozenset[str] = frozenset()
    wanted: How | None = None
    again: frozenset[str] = frozenset()
    number: int = 0
    run: PanelRun | None = None
    shown: Literal["places", "run", "restored"] = "places"
    frame: Frame | None = None
    entry: HistoryEntry | None = None
    playback: int | None = None
    restoring: bool = False
    replaced: bool = False
    result: Any = None
    history: tuple[HistoryEntry, ...] = ()
    features: Any = None
    excited: Excited | None = None
    stages: Mapping[str, bytes] = field(default_factory=dict)
    stages_busy: bool = False
    question: frozenset[str] = frozenset()
    error: str = ""
    refused: Any = None
    random_helps: bool = False
    random_for: Any = None

    @property
    def phase(self) -> PanelPhase:
        """The phase of the run on display."""
        if self.shown == "run" and self.run is not None:
            return self.run.state
        if self.shown == "restored":
            return "restored"
        return "loading" if self.loaded is None and self.loading else "idle"

    @property
    def goes_on(self) -> bool:
        """Whether changed options act on a run, which is in progress, finished or waiting."""
        run = self.run if self.shown == "run" else None
        alive = run is not None and not run.stopping and (run.busy or run.state == "finished")
        return alive or self.wanted is not None

    @property
    def outdated(self) -> frozenset[str]:
        """The knobs that were changed after the images of the ended run were made."""
        if self.entry is None or self.phase not in ("stopped", "restored"):
            return frozenset()
        names = (self.overridden | self.entry.overridden) & self.entry.settings.keys()
        return frozenset(n for n in names if self.options[n] != self.entry.settings[n])


# ---- events, which have happened


@dataclass(frozen=True)
class Changed:
    """The event that options were set, by the user or in Python: their names, and all options."""

    names: frozenset[str]
    options: Values
    overridden: frozenset[str]


Button = Literal[
    "start", "step", "pause", "resume", "toggle", "stop", "keep", "back", "remedy", "more"
]  # fmt: skip


@dataclass(frozen=True)
class Pressed:
    """The event of a button, or of the method with its name; "toggle" is Pause or Resume."""

    button: Button


@dataclass(frozen=True)
class Downloading:
    """The progress of a download of weights by load ``number``."""

    number: int
    how_far: str


@dataclass(frozen=True)
class Loaded:
    """The end of load ``number``, with the network."""

    number: int
    loaded: Any


@dataclass(frozen=True)
class LoadFailed:
    """The failure of load ``number``; ``random_helps``: only the weights are missing."""

    number: int
    error: str
    random_helps: bool = False


@dataclass(frozen=True)
class Reported:
    """A progress report of run ``number``."""

    number: int
    state: RunState
    step: int = 0
    steps: int = 0
    seconds_left: float = 0.0
    frame: Frame | None = None
    result: Any = None
    error: str = ""


@dataclass(frozen=True, eq=False)
class Restored:
    """The event that a finished run was chosen to be shown again."""

    entry: HistoryEntry


@dataclass(frozen=True, eq=False)
class Kept:
    """The end of a run of the second column."""

    entry: HistoryEntry


@dataclass(frozen=True)
class Deleted:
    """The event that the run at an index of the history was deleted."""

    place: int


@dataclass(frozen=True, eq=False)
class Classified:
    """The classes of the images of a finished run."""

    entry: HistoryEntry
    rows: tuple[Any, ...]


@dataclass(frozen=True)
class FeaturesWanted:
    """The request to show the channels' responses."""


@dataclass(frozen=True, eq=False)
class Features:
    """The features of the photo, in a region."""

    loaded: Any
    region: Any
    features: Any


@dataclass(frozen=True, eq=False)
class PatchesFound:
    """The end of the search for patches that excite a channel, or the reason of its failure."""

    excited: Excited
    patches: tuple[Any, ...] | None
    error: str = ""


@dataclass(frozen=True)
class Scrubbed:
    """The event that a frame of the finished run was chosen."""

    place: int


@dataclass(frozen=True, eq=False)
class StagesMade:
    """The pictures of the stages that are finished, and whether more are being made."""

    pictures: Mapping[str, bytes]
    busy: bool


@dataclass(frozen=True)
class Failed:
    """Any other failure; an empty text means that it is over."""

    error: str


Event = (
    Changed
    | Pressed
    | Downloading
    | Loaded
    | LoadFailed
    | Reported
    | Restored
    | Kept
    | Deleted
    | Classified
    | FeaturesWanted
    | Features
    | PatchesFound
    | StagesMade
    | Scrubbed
    | Failed
)


# ---- effects, which are to be carried out


@dataclass(frozen=True)
class Load:
    """Load a network and a photo; answered by ``Loaded`` or ``LoadFailed``.

    ``fallback`` allows the default layer if the network has no layer with this name.
    """

    number: int
    options: Values
    fallback: bool


@dataclass(frozen=True)
class Start:
    """Start run ``number``, which replaces any other; answered by ``Reported``."""

    number: int
    request: Request
    how: How


@dataclass(frozen=True)
class Steer:
    """Pause, resume, step, stop or forget the session's run."""

    what: Literal["pause", "resume", "step", "stop", "forget"]


@dataclass(frozen=True)
class SetKnobs:
    """Change knobs of the session's run."""

    values: Values


@dataclass(frozen=True, eq=False)
class Deliver:
    """Give the result to the tasks that wait for the run."""

    result: Any


@dataclass(frozen=True)
class Refuse:
    """Give an error to tasks that wait for the current run, the next one, or any."""

    whom: Literal["run", "wanted", "all"]
    why: Literal["stopped", "restored", "failed"]
    error: str = ""


@dataclass(frozen=True, eq=False)
class Classify:
    """Find the classes of a finished run's images."""

    entry: HistoryEntry
    loaded: Any


@dataclass(frozen=True, eq=False)
class Respond:
    """Find the features of the photo in a region."""

    loaded: Any
    region: Any


@dataclass(frozen=True, eq=False)
class FindPatches:
    """Find the patches of the bundled photos that excite a channel most."""

    excited: Excited


Effect = Load | Start | Steer | SetKnobs | Deliver | Refuse | Classify | Respond | FindPatches
