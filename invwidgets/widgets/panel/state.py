"""What a panel holds: one frozen value, the events that change it, the effects it asks for.

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
How = Literal["start", "step", "pause"]  # run on, do one step, rest before the first step
Phase = Literal[RunState, "loading", "restored"]


class Network(Protocol):
    """What the state needs to know of a network that was loaded."""

    layer: str
    grid: tuple[int, int] | None

    def preset(self, name: str, objective: Any, steps: int | None, region: Any) -> Any:
        """The preset's settings for the layer and the region."""

    def region_error(self, region: Any) -> str:
        """Why a region is refused; empty if it is not."""

    def channel_name(self, channel: int) -> str:
        """What a channel of the layer is called; empty if it has no name."""


@dataclass(frozen=True)
class Request:
    """What a run was asked with: the options, the knobs that were moved, the network."""

    options: Values
    overridden: frozenset[str]
    loaded: Any


@dataclass(frozen=True, eq=False)
class HistoryEntry:
    """A finished run: its result, the panel's settings that made it, the classes of its images.

    ``unit`` is the name of the one channel it is about, if that has a name.
    """

    result: Any
    settings: Values = field(default_factory=dict)
    overridden: frozenset[str] = frozenset()
    classes: tuple[Any, ...] = ()
    unit: str = ""


@dataclass(frozen=True)
class Run:
    """The run of the session, as it was last reported.

    ``again`` names the options that made it replace another run, ``continued`` the knobs that took
    it up after its end; ``replaced_paused``: the run before it was paused.
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
    """What excites a channel of a network in the bundled photos: their patches, the best first.

    ``patches`` is None until they are found, or where that failed, with an ``error``.
    """

    loaded: Any
    channel: int
    patches: tuple[Any, ...] | None = None
    error: str = ""


@dataclass(frozen=True)
class PanelState:
    """Each fact of a panel, once.

    ``preset`` is where the options are that follow it. ``loaded`` is the network in use and
    ``model`` the option it was loaded of; ``unloaded`` names the options that changed since.
    ``wanted`` is a run that waits for the network. ``shown`` says whose images are seen: none yet
    ("places"), those of ``run``, or of a run restored; ``entry`` is the finished run among them.
    ``replaced``: the images seen before are in the history. ``stages`` are the stages' own small
    pictures by name, ``stages_busy`` whether more of them are being made. ``playback`` is the place
    among the frames of ``entry`` that is seen, None its end. ``excited`` is of the goal's channel.
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
    run: Run | None = None
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
    def phase(self) -> Phase:
        """Where what is shown stands."""
        if self.shown == "run" and self.run is not None:
            return self.run.state
        if self.shown == "restored":
            return "restored"
        return "loading" if self.loaded is None and self.loading else "idle"

    @property
    def goes_on(self) -> bool:
        """Whether a change of the options is one of a run: under way, finished, or awaited."""
        run = self.run if self.shown == "run" else None
        alive = run is not None and not run.stopping and (run.busy or run.state == "finished")
        return alive or self.wanted is not None

    @property
    def outdated(self) -> frozenset[str]:
        """The knobs that were moved since the images of a run that has ended were made."""
        if self.entry is None or self.phase not in ("stopped", "restored"):
            return frozenset()
        names = (self.overridden | self.entry.overridden) & self.entry.settings.keys()
        return frozenset(n for n in names if self.options[n] != self.entry.settings[n])


# ---- events: what happened


@dataclass(frozen=True)
class Changed:
    """Options were set, by hand or by code: their names, and all options as they are now."""

    names: frozenset[str]
    options: Values
    overridden: frozenset[str]


Button = Literal[
    "start", "step", "pause", "resume", "toggle", "stop", "keep", "back", "remedy", "more"
]  # fmt: skip


@dataclass(frozen=True)
class Pressed:
    """A button of the run, or the method of its name; "toggle" is the one of pause and resume."""

    button: Button


@dataclass(frozen=True)
class Downloading:
    """Load ``number`` downloads weights: how far it is."""

    number: int
    how_far: str


@dataclass(frozen=True)
class Loaded:
    """The network that load ``number`` asked for is there."""

    number: int
    loaded: Any


@dataclass(frozen=True)
class LoadFailed:
    """Load ``number`` failed; ``random_helps``: only the network's weights are missing."""

    number: int
    error: str
    random_helps: bool = False


@dataclass(frozen=True)
class Reported:
    """Where run ``number`` stands."""

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
    """A finished run was chosen to be seen again."""

    entry: HistoryEntry


@dataclass(frozen=True, eq=False)
class Kept:
    """A run of a second column has finished."""

    entry: HistoryEntry


@dataclass(frozen=True)
class Deleted:
    """The run at a place of the history was deleted."""

    place: int


@dataclass(frozen=True, eq=False)
class Classified:
    """What the network says of the images of a finished run."""

    entry: HistoryEntry
    rows: tuple[Any, ...]


@dataclass(frozen=True)
class FeaturesWanted:
    """The channels' responses are to be seen."""


@dataclass(frozen=True, eq=False)
class Features:
    """The photo's features by a network, in a region."""

    loaded: Any
    region: Any
    features: Any


@dataclass(frozen=True, eq=False)
class PatchesFound:
    """What excites a channel in the bundled photos, as ``asked``, or why it is not known."""

    asked: Excited
    patches: tuple[Any, ...] | None
    error: str = ""


@dataclass(frozen=True)
class Scrubbed:
    """A place among the frames of the finished run is to be seen."""

    place: int


@dataclass(frozen=True, eq=False)
class StagesMade:
    """The stages' own pictures as far as there are any, and whether more are being made."""

    pictures: Mapping[str, bytes]
    busy: bool


@dataclass(frozen=True)
class Failed:
    """Something went wrong that belongs to nothing above, or, with no words, is over."""

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


# ---- effects: what is to be done


@dataclass(frozen=True)
class Load:
    """Load a network and a photo; answered by ``Loaded`` or ``LoadFailed``.

    ``fallback``: another network's layer is replaced by one of the new network.
    """

    number: int
    options: Values
    fallback: bool


@dataclass(frozen=True)
class Start:
    """Begin run ``number``, in the place of any other; answered by ``Reported``."""

    number: int
    request: Request
    how: How


@dataclass(frozen=True)
class Steer:
    """Tell the session's run to pause, resume, step, stop, or to be forgotten."""

    what: Literal["pause", "resume", "step", "stop", "forget"]


@dataclass(frozen=True)
class SetKnobs:
    """Let knobs act on the session's run."""

    values: Values


@dataclass(frozen=True, eq=False)
class Deliver:
    """Give the run's result to those who await it."""

    result: Any


@dataclass(frozen=True)
class Refuse:
    """Tell those who await the run, the run wanted next, or any, why there is no result."""

    whom: Literal["run", "wanted", "all"]
    why: Literal["stopped", "restored", "failed"]
    error: str = ""


@dataclass(frozen=True, eq=False)
class Classify:
    """Ask the network for the classes of a finished run's images."""

    entry: HistoryEntry
    loaded: Any


@dataclass(frozen=True, eq=False)
class Respond:
    """Find the photo's features in a region."""

    loaded: Any
    region: Any


@dataclass(frozen=True, eq=False)
class FindPatches:
    """Find the patches of the bundled photos that excite a channel most."""

    asked: Excited


Effect = Load | Start | Steer | SetKnobs | Deliver | Refuse | Classify | Respond | FindPatches
