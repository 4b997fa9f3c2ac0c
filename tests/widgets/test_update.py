"""Tests of the panel's ``update`` without widgets: tables of events, and random sequences.

``World`` replaces loader and session: it answers each effect once, when a test asks it to.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

pytest.importorskip("traitlets")

from invwidgets.widgets.panel.options import LIVE_KNOBS, LOADS, PRESET, RESTARTS, PanelOptions
from invwidgets.widgets.panel.second import followed, shared_changes
from invwidgets.widgets.panel.state import (
    Changed,
    Classified,
    Classify,
    Deleted,
    Deliver,
    Excited,
    Failed,
    Features,
    FeaturesWanted,
    FindPatches,
    HistoryEntry,
    Kept,
    Load,
    Loaded,
    LoadFailed,
    PanelState,
    PatchesFound,
    Pressed,
    Refuse,
    Reported,
    Respond,
    Restored,
    Scrubbed,
    SetKnobs,
    StagesMade,
    Start,
    Steer,
)
from invwidgets.widgets.panel.update import update

STEPS, WARM = 3, 2
BUTTONS = ("start", "step", "pause", "resume", "toggle", "stop", "keep", "back", "more")
SELDOM = [False] * 9 + [True]
GRIDS = {"net": (8, 8), "hog": (4, 4), "bad": None}
LAID_OUT = (*LOADS, "region", "channels", "seeds", "objective", "preset", "steps")


@dataclass(frozen=True, eq=False)
class Net:
    """A loaded network, with the options it was loaded for and its grid."""

    options: Any
    layer: str
    grid: Any

    def preset(self, name: str, objective: Any, steps: Any, region: Any) -> Any:
        values = dict.fromkeys(PRESET, len(self.layer)) | {"tv_weight": 0.1, "optimizer": "adam"}
        return SimpleNamespace(**values | {"bound": name, "steps": steps or STEPS})

    def channel_name(self, channel: int) -> str:
        return f"class {channel}" if self.layer == "deep" else ""

    def region_error(self, region: Any) -> str:
        return "too large" if region is not None and region[1] > self.grid[0] else ""


@dataclass(frozen=True, eq=False)
class Result:
    number: int
    photo_name: str
    stopped: bool = False
    steps: int = STEPS
    frame_steps: tuple[int, ...] = (0, 1, 2)
    relative_error: tuple[float, ...] = (0.5,)
    objective: Any = field(default_factory=lambda: SimpleNamespace(measures_error=True))


@dataclass
class FakeRun:
    """A run of the session, with one report per ``go``."""

    number: int
    asked: Any
    total: int = STEPS
    state: str = "idle"
    step: int = 0
    paused: bool = False
    singles: int = 0
    stopping: bool = False
    measuring: bool = False
    ended: bool = False

    def go(self, fails: bool = False) -> Reported | None:
        if self.ended:
            return None
        if fails:
            return self.report("failed", ended=True, error="no memory")
        if self.measuring:
            stopped = self.state == "stopped"
            self.ended, self.measuring = True, False
            if stopped and not self.step:
                return None
            return replace(self.now(), result=Result(self.number, "mine", stopped))
        if self.state == "idle":
            return self.report("preparing")
        if self.stopping or self.step == self.total:
            self.measuring = True
            return self.report("finished" if self.step == self.total else "stopped")
        if self.paused and not self.singles:
            return None if self.state == "paused" else self.report("paused")
        self.singles -= self.paused and self.singles > 0
        self.step += 1
        return self.report("running")

    def report(self, state: str, ended: bool = False, error: str = "") -> Reported:
        self.state, self.ended = state, ended
        return replace(self.now(), error=error)

    def now(self) -> Reported:
        frame: Any = (self.number, self.step) if self.step else None
        return Reported(self.number, self.state, self.step, self.total, frame=frame)  # type: ignore[arg-type]


@dataclass
class World:
    """A panel's state, the pending answers of loader and session, and awaited results."""

    state: PanelState = field(default_factory=PanelState)
    loads: list[Load] = field(default_factory=list)
    run: FakeRun | None = None
    reports: deque[Reported] = field(default_factory=deque)
    asked_classes: list[Classify] = field(default_factory=list)
    asked_features: list[Respond] = field(default_factory=list)
    asked_photos: list[Excited] = field(default_factory=list)
    waiting: dict[str, int] = field(default_factory=lambda: {"run": 0, "wanted": 0})
    answers: list[Any] = field(default_factory=list)
    effects: list[Any] = field(default_factory=list)
    beside: dict[str, Any] = field(default_factory=dict)
    second: Any = None  # the world of a second column

    def do(self, event: Any) -> tuple[Any, ...]:
        before = self.state
        self.state, effects = update(before, event)
        for effect in effects:
            self.carry_out(effect)
        self.effects += effects
        if self.second is not None:
            self.tell()
            for pressed in followed(event, effects, before, self.second.state):
                self.second.do(pressed)
        return effects

    def open_beside(self, **beside: Any) -> World:
        self.beside, self.second = beside, World()
        self.tell()
        second: World = self.second
        return second

    def tell(self) -> None:
        changed = shared_changes(self.state, self.second.state, self.beside)
        if changed is not None:
            self.second.do(changed)
        assert shared_changes(self.state, self.second.state, self.beside) is None, "once is enough"

    def carry_out(self, effect: Any) -> None:
        match effect:
            case Load():
                self.loads.append(effect)
            case Start(number, asked, how):
                self.run = FakeRun(number, asked, asked.options["steps"], paused=how != "start")
                self.run.singles = how == "step"
                self.waiting = {"run": sum(self.waiting.values()), "wanted": 0}
            case Steer(what):
                self.steer(what)
            case SetKnobs() if self.run is not None and self.run.ended:
                self.run.ended, self.run.total = False, self.run.total + WARM
                self.run.stopping = False
            case Deliver(result):
                self.answer("run", result)
            case Refuse(whom, why):
                self.answer(whom, why)
            case Classify():
                self.asked_classes.append(effect)
            case Respond():
                self.asked_features.append(effect)
            case FindPatches(asked):
                self.asked_photos.append(asked)

    def steer(self, what: str) -> None:
        run = self.run
        if run is None:
            return
        if what == "forget":
            self.run = None
        elif what == "stop":
            run.stopping = not run.ended
        elif what == "resume":
            run.paused, run.singles = False, 0
        else:
            run.paused = True
            run.singles += what == "step"

    def answer(self, whom: str, answer: Any) -> None:
        for name in self.waiting if whom == "all" else (whom,):
            self.answers += [answer] * self.waiting[name]
            self.waiting[name] = 0

    # ---- what a user does

    def change(self, **values: Any) -> tuple[Any, ...]:
        options = {**self.state.options, **values}
        overridden = self.state.overridden | (values.keys() & {*PRESET})
        return self.do(Changed(frozenset(values), options, frozenset(overridden)))

    def give_back(self, *names: str) -> None:
        self.do(Changed(frozenset(), self.state.options, self.state.overridden - {*names}))

    def press(self, button: Any) -> tuple[Any, ...]:
        if button == "start":
            self.waiting["wanted"] += 1
        return self.do(Pressed(button))

    # ---- what the loader and the session do

    def load(self, fails: bool = False, place: int = 0) -> None:
        asked = self.loads.pop(place)
        options = asked.options
        if fails or "bad" in (options["photo"], options["model"], options["layer"]):
            self.do(LoadFailed(asked.number, "no such thing", options["model"] == "bad"))
        else:
            layer = options["layer"] or "first"
            grid = (2, 2) if layer == "deep" else GRIDS[options["model"]]
            self.do(Loaded(asked.number, Net(options, layer, grid)))

    def go(self, times: int = 1, fails: bool = False) -> None:
        for _ in range(times):
            report = None if self.run is None else self.run.go(fails)
            if report is not None:
                self.reports.append(report)
            while self.reports:
                self.do(self.reports.popleft())

    def settle(self) -> None:
        """Answer until nothing is pending."""
        for _ in range(200):
            while self.loads:
                self.load()
            if self.reports:
                self.do(self.reports.popleft())
            elif self.run is not None and (report := self.run.go()) is not None:
                self.reports.append(report)
            elif not self.loads:
                return
        raise AssertionError(f"never at rest: {self.state}")


def defaults(**values: Any) -> dict[str, Any]:
    return {**PanelOptions().values, "model": "net", "photo": "coffee", **values}


def ready(**values: Any) -> World:
    """A panel whose network is loaded."""
    world = World()
    options = defaults(**values)
    world.do(Changed(frozenset(options) - {*LIVE_KNOBS}, options, frozenset()))
    world.load()
    return world


def running(**values: Any) -> World:
    world = ready(**values)
    world.press("start")
    world.go(3)
    assert world.state.phase == "running"
    return world


def finished(**values: Any) -> World:
    world = ready(**values)
    world.press("start")
    world.settle()
    assert (world.state.phase, world.state.entry.result) == ("finished", world.answers[-1])  # type: ignore[union-attr]
    return world


# ---- tables: what was once wrong, each in its order of events


def test_it_loads_first_and_then_shows_empty_places() -> None:
    world = World()
    world.do(Changed(frozenset({"photo", "model"}), defaults(), frozenset()))
    assert (world.state.phase, world.state.loading) == ("loading", True)
    world.load()
    state = world.state
    assert (state.phase, state.shown, state.options["layer"]) == ("idle", "places", "first")
    assert (state.options["tv_weight"], state.options["photo_name"]) == (0.1, "coffee")


def test_start_while_it_loads_waits_for_the_network() -> None:
    world = ready()
    world.change(photo="chelsea")
    assert world.press("start") == ()
    assert world.state.wanted == "start"
    world.load()
    assert (world.state.phase, world.state.wanted) == ("preparing", None)
    assert world.run is not None
    assert world.run.asked.options["photo"] == "chelsea"


def test_start_twice_ends_in_one_result() -> None:
    world = ready()
    world.press("start")
    world.press("start")
    world.settle()
    assert world.answers == [world.state.result] * 2
    assert len(world.state.history) == 1


@pytest.mark.parametrize("name", [n for n in RESTARTS if n not in ("crop", "weights")])
def test_a_change_of_a_run_under_way_begins_another(name: str) -> None:
    world = running()
    values = {"region": (0, 2, 0, 2), "channels": (1,), "seeds": 2, "steps": 5, "size": 96}
    value = values.get(name, "hog" if name == "model" else "other")
    if name == "objective":
        value = "caricature"
    world.change(**{name: value})
    world.settle()
    state = world.state
    assert state.run is not None
    assert (state.run.number, state.run.request.options[name]) == (2, value)
    assert (state.phase, len(state.history)) == ("finished", 1)


def test_a_run_stopped_for_another_photo_is_kept_and_not_shown_beside_it() -> None:
    world = running()
    world.press("stop")
    world.change(photo="chelsea")
    world.change(seeds=1)
    world.load()
    assert (world.state.shown, world.state.replaced) == ("places", False)
    world.settle()
    state = world.state
    assert (state.phase, state.entry, state.replaced) == ("idle", None, True)
    (kept,) = state.history
    assert (kept.settings["photo"], kept.settings["seeds"]) == ("coffee", 4)
    assert world.answers == [kept.result], "who awaited that run has its result"


def test_a_run_that_ends_while_another_network_loads_keeps_its_settings() -> None:
    world = ready()
    world.change(tv_weight=1.0)
    world.press("start")
    world.go(3)
    world.change(model="hog", layer="", region=(0, 2, 0, 2))
    assert world.state.question == {"model", "layer"}
    world.press("back")
    assert (world.state.question, world.state.overridden) == (frozenset(), frozenset())
    world.press("stop")
    world.go(9)
    (kept,) = world.state.history
    assert (kept.settings["model"], kept.settings["layer"]) == ("net", "first")
    assert (kept.settings["region"], kept.settings["tv_weight"]) == (None, 1.0)
    world.load()
    assert (world.state.phase, world.state.options["region"]) == ("idle", (0, 2, 0, 2))
    assert world.state.options["tv_weight"] == 0.1


def test_resume_pressed_as_the_paused_run_is_replaced_does_not_pause_the_next() -> None:
    world = running()
    world.press("toggle")
    world.go()
    assert world.state.phase == "paused"
    world.change(seeds=3)
    assert world.press("toggle") == (), "the page still says Resume"
    world.go(2)
    assert world.press("toggle") == (Steer("pause"),), "it says Pause now"


def test_a_run_restored_wins_over_what_was_asked_before() -> None:
    world = finished()
    first = world.state.history[0]
    world.change(layer="deep")
    world.settle()
    world.change(layer="deeper")
    world.press("start")
    world.do(Restored(first))
    assert world.answers[-1] == "restored"
    assert (world.state.phase, world.state.entry, world.run) == ("restored", first, None)
    world.settle()
    state = world.state
    assert (state.options["layer"], state.phase) == ("first", "restored")
    assert state.result is first.result
    world.do(Restored(state.history[1]))
    world.change(photo="chelsea")  # before its network is there
    world.settle()
    assert (world.state.phase, world.state.entry) == ("idle", None)
    assert world.state.options["photo"] == "chelsea"


def test_a_start_with_a_region_that_is_not_there_is_refused_in_words() -> None:
    world = ready()
    world.change(region=(0, 100, 0, 100))
    assert world.state.error == "too large"
    world.press("start")
    assert (world.answers, world.state.phase) == (["failed"], "idle")
    world.change(region=None)
    assert world.state.error == ""
    world.press("start")
    world.settle()
    assert world.state.phase == "finished"


def test_more_steps_are_asked_for_where_a_search_did_not_come_near() -> None:
    world = finished()
    world.press("more")
    state = world.state
    assert (state.options["steps"], state.overridden) == (3 * STEPS, {"steps"})
    assert state.run is not None
    assert (state.run.again, state.phase, state.entry) == ({"steps"}, "preparing", None)
    world.settle()
    assert len(world.state.history) == 2
    stopped = running()
    stopped.press("stop")
    stopped.settle()
    assert stopped.press("more") == (), "a search that was stopped can run to its end"
    assert ready().press("more") == ()


def test_a_finished_run_is_scrubbed_and_the_next_one_begins_at_its_end() -> None:
    world = finished()
    for place, seen in ((0, 0), (1, 1), (2, None), (1, 1), (-1, None), (7, None), (0, 0)):
        assert world.do(Scrubbed(place)) == ()
        assert world.state.playback == seen
    assert world.state.entry is not None
    world.do(Classified(world.state.entry, (("coffee", ()),)))
    assert world.state.playback == 0, "its classes change no picture"
    world.press("start")
    assert world.state.playback is None
    world.do(Scrubbed(0))
    assert world.state.playback is None, "a run under way is not scrubbed"
    world.settle()
    assert (world.state.phase, world.state.playback) == ("finished", None)


def test_the_stages_pictures_are_shown_and_change_nothing_else() -> None:
    world = finished()
    before = world.state
    assert world.do(StagesMade({"conv": b"1"}, True)) == ()
    assert world.state == replace(before, stages={"conv": b"1"}, stages_busy=True)


def test_stopped_while_it_loads_a_run_has_no_result() -> None:
    world = ready()
    world.change(photo="chelsea")
    world.press("start")
    world.press("stop")
    assert world.answers == ["stopped"]
    world.settle()
    assert (world.state.phase, world.state.wanted) == ("idle", None)


def test_a_photo_that_cannot_be_read_is_not_the_runs() -> None:
    world = running()
    world.change(photo="bad")
    world.change(tv_weight=1.0)  # moved while it loads
    assert SetKnobs({"tv_weight": 1.0}) not in world.effects
    world.load()
    assert (world.state.error, world.answers) == ("no such thing", ["failed"])
    assert world.effects[-1] == SetKnobs({"tv_weight": 1.0}), "of the run that goes on"
    world.press("stop")
    world.settle()
    (kept,) = world.state.history
    assert (kept.settings["photo"], kept.settings["tv_weight"]) == ("coffee", 1.0)
    world.press("start")  # what is asked for is tried again, not what was there
    world.load()
    assert (world.answers[-1], world.state.loading) == ("failed", False)


def test_a_model_that_cannot_be_had_leaves_the_one_before() -> None:
    world = finished()
    world.change(tv_weight=1.0)
    world.settle()
    world.change(model="bad")
    assert world.state.question == {"model"}
    world.load()
    state = world.state
    assert (state.options["model"], state.refused, state.random_helps) == ("net", "bad", True)
    assert (state.phase, state.question, state.unloaded) == ("finished", frozenset(), frozenset())
    world.press("remedy")
    assert (world.state.options["model"], world.state.options["weights"]) == ("bad", "random")
    asked = world.loads.pop()
    world.do(Loaded(asked.number, Net(asked.options, "conv", (3, 3))))
    world.settle()
    assert world.state.model == "bad"
    world.change(model="hog")
    assert world.state.options["weights"] == "pretrained", "random weights were for that model"


def test_a_crop_is_of_its_photo() -> None:
    world = ready(crop=0.2)
    world.change(photo="chelsea")
    assert world.state.options["crop"] == 0.5
    world.change(photo="coffee", crop=0.1)
    assert world.state.options["crop"] == 0.1


def test_region_and_channels_are_of_their_layer() -> None:
    world = ready(region=(2, 6, 2, 6), channels=(1, 2))
    assert world.state.options["region"] == (2, 6, 2, 6)
    world.change(layer="deep")
    world.load()
    assert (world.state.options["region"], world.state.options["channels"]) == (None, None)
    world.change(layer="first", region=(0, 2, 0, 2), channels=(3,))
    world.load()
    assert (world.state.options["region"], world.state.options["channels"]) == ((0, 2, 0, 2), (3,))
    world.change(layer="deep", region=(0, 4, 0, 4))
    world.load()
    assert (world.state.options["region"], world.state.error) == (None, "too large")


def test_knobs_act_on_a_run_and_take_up_a_finished_one() -> None:
    world = running()
    assert world.change(tv_weight=1.0) == (SetKnobs({"tv_weight": 1.0}),)
    world.settle()
    assert world.state.entry is not None
    assert world.state.entry.settings["tv_weight"] == 1.0
    world.change(alpha_weight=2.0)
    state = world.state
    assert (state.phase, state.entry) == ("running", None)
    assert state.run is not None
    assert state.run.continued == {"alpha_weight"}
    world.settle()
    assert world.state.phase == "finished"
    assert [e.settings["alpha_weight"] for e in world.state.history] == [5, 2.0]


def test_a_knob_moved_while_a_result_is_measured_is_not_said_of_it() -> None:
    world = ready()
    world.press("start")
    world.go(5)
    assert (world.state.phase, world.state.entry) == ("finished", None)
    world.change(tv_weight=1.0)
    world.go()
    (first,) = world.state.history
    assert (first.settings["tv_weight"], first.overridden) == (0.1, frozenset())


def test_a_knob_given_back_follows_the_preset_again() -> None:
    world = running()
    world.change(tv_weight=1.0)
    world.change(jitter=7)
    world.give_back("tv_weight", "jitter")
    assert world.state.options["tv_weight"] == 0.1
    assert world.effects[-1] == SetKnobs({"tv_weight": 0.1, "jitter": None})


def test_a_knob_moved_after_stop_is_not_of_the_images() -> None:
    world = running()
    world.press("stop")
    world.settle()
    entry = world.state.entry
    assert world.change(tv_weight=1.0) == ()
    assert (world.state.outdated, world.state.entry) == ({"tv_weight"}, entry)
    world.give_back("tv_weight")
    assert world.state.outdated == frozenset()
    world.do(Restored(world.state.history[0]))
    world.change(tv_weight=1.0)  # before its network is there
    assert world.state.outdated == {"tv_weight"}
    world.settle()
    assert (world.state.outdated, world.state.phase) == ({"tv_weight"}, "restored")


def test_moved_knobs_are_asked_about_for_another_photo_model_or_layer() -> None:
    world = ready()
    world.change(layer="deep")
    assert not world.state.question, "nothing was moved"
    world.change(tv_weight=1.0)
    world.change(size=96)
    assert not world.state.question
    world.change(layer="deeper")
    assert world.state.question == {"layer"}
    world.press("keep")
    assert (world.state.question, world.state.overridden) == (frozenset(), {"tv_weight"})


def test_why_a_run_replaced_another() -> None:
    world = running()
    world.change(region=(0, 2, 0, 2))
    assert world.state.run is not None
    assert world.state.run.again == {"region"}
    world.change(layer="deep")  # the run says its layer itself
    world.load()
    assert world.state.run.again == frozenset()
    world.change(seeds=2)
    world.settle()
    assert world.state.run.again == frozenset(), "it has ended"


def test_pause_while_it_loads_rests_before_the_first_step() -> None:
    world = ready()
    world.change(photo="chelsea")
    world.press("start")
    world.press("pause")
    assert world.state.wanted == "pause"
    world.settle()
    assert (world.state.phase, world.state.run.step) == ("paused", 0)  # type: ignore[union-attr]
    world.press("resume")
    world.settle()
    assert world.state.phase == "finished"


def test_step_does_one_step_and_rests() -> None:
    world = ready()
    for step in (1, 2):
        world.press("step")
        world.settle()
        assert (world.state.phase, world.state.run.step) == ("paused", step)  # type: ignore[union-attr]


def test_a_report_of_a_run_that_was_replaced_changes_nothing() -> None:
    world = running()
    world.change(seeds=2)
    world.go(3)
    before = world.state
    assert world.do(Reported(1, "running", 3, STEPS, frame=(1, 3))) == ()  # type: ignore[arg-type]
    assert world.do(Reported(1, "finished", 3, STEPS, result=Result(1, "mine"))) == ()
    assert world.state is before


def test_the_last_frame_stays_until_another_comes() -> None:
    world = running()
    frame = world.state.frame
    assert frame is not None
    world.do(Reported(1, "running", 2, STEPS))
    assert world.state.frame is frame
    world.do(Reported(1, "running", 3, STEPS, frame=(1, 3)))  # type: ignore[arg-type]
    assert world.state.frame == (1, 3)


def test_a_result_is_not_shown_of_a_run_that_goes_on() -> None:
    """A knob moved while the result was measured, so that the run goes on after it."""
    world = ready()
    world.press("start")
    world.go(5)
    world.change(tv_weight=1.0)
    world.go()
    assert world.state.entry is not None
    world.do(Reported(1, "running", STEPS + 1, STEPS + WARM, frame=(1, 4)))  # type: ignore[arg-type]
    assert (world.state.entry, world.state.phase) == (None, "running")
    assert len(world.state.history) == 1


def test_each_wish_has_the_answer_of_its_own_run() -> None:
    """Stopped, and started with another photo before the first run has ended."""
    world = running()
    world.press("stop")
    world.change(photo="chelsea")
    world.press("start")
    world.go(3)
    assert world.state.loading
    (first,) = world.answers
    assert (first.stopped, world.waiting) == (True, {"run": 0, "wanted": 1})
    world.settle()
    assert world.answers == [first, world.state.result]
    assert world.state.entry.settings["photo"] == "chelsea"  # type: ignore[union-attr]


def test_a_run_that_fails_says_why_and_the_next_one_runs() -> None:
    world = running()
    world.go(fails=True)
    assert (world.state.phase, world.state.error) == ("failed", "no memory")
    assert world.answers == ["failed"]
    world.press("start")
    assert world.state.error == ""
    world.settle()
    assert world.state.phase == "finished"


def test_classes_come_to_their_own_run() -> None:
    world = finished()
    (asked,) = world.asked_classes
    world.change(layer="deep")
    world.load()
    world.do(Classified(asked.entry, ("cup",)))  # late
    assert world.state.history[0].classes == ("cup",)
    assert world.state.entry is None
    world.settle()
    (_, asked) = world.asked_classes
    world.do(Classified(asked.entry, ("plate",)))
    assert world.state.entry is world.state.history[1]
    assert world.state.entry.classes == ("plate",)


@pytest.mark.parametrize(
    ("layer", "objective", "unit"),
    [("deep", "maximize", "class 7"), ("first", "maximize", ""), ("deep", "inversion", "")],
)
def test_a_run_is_kept_with_the_name_of_its_channel(layer: str, objective: str, unit: str) -> None:
    world = finished(layer=layer, objective=objective, channels=(7,))
    assert [entry.unit for entry in world.state.history] == [unit]


def test_features_of_another_region_or_network_are_not_kept() -> None:
    world = ready()
    world.do(FeaturesWanted())
    (asked,) = world.asked_features
    world.do(Features(asked.loaded, (0, 1, 0, 1), "others"))
    assert world.state.features is None
    world.do(Features(asked.loaded, None, "those"))
    assert world.state.features == "those"
    world.change(layer="deep")
    world.load()
    assert world.state.features is None


def test_the_photos_are_asked_about_the_goals_channel() -> None:
    world = ready()
    assert world.asked_photos == []
    world.change(objective="maximize")
    world.change(tv_weight=1.0)
    (first,) = world.asked_photos
    assert (first.loaded, first.channel) == (world.state.loaded, 0)
    world.change(channels=(3,))
    (_, second) = world.asked_photos
    assert world.do(PatchesFound(first, ("a patch",))) == ()
    assert world.state.excited is second, "those of channel 0 came too late"
    world.do(PatchesFound(second, (), ""))
    assert world.state.excited.patches == ()  # type: ignore[union-attr]
    world.change(layer="deep")
    assert world.state.excited.channel == 3, "another network is loaded first"  # type: ignore[union-attr]
    world.load()
    assert world.state.excited is world.asked_photos[2]
    assert world.state.excited.loaded is world.state.loaded
    world.do(PatchesFound(world.state.excited, None, "no memory"))
    excited = world.state.excited
    assert (excited.patches, excited.error) == (None, "no memory")
    world.change(objective="inversion")
    assert world.state.excited is None
    assert len(world.asked_photos) == 3


def test_a_deleted_run_is_gone() -> None:
    world = finished()
    world.do(Deleted(0))
    assert world.state.history == ()
    world.do(Failed("a photo was refused"))
    assert world.state.error == "a photo was refused"


def test_an_upload_refused_while_another_photo_loads_is_still_told_after_the_load() -> None:
    world = ready()
    world.do(Failed("an older one was refused"))
    world.change(photo="chelsea")
    assert world.state.error == ""
    world.do(Failed("a photo was refused"))
    world.load()
    assert world.state.error == "a photo was refused"
    assert world.state.options["photo"] == "chelsea"


# ---- two columns


def two(**beside: Any) -> tuple[World, World]:
    """A panel with its network, and a second column with its own."""
    world = ready()
    second = world.open_beside(**beside)
    second.load()
    return world, second


def phases(*worlds: World) -> list[str]:
    return [world.state.phase for world in worlds]


def test_one_start_and_one_stop_for_both_columns() -> None:
    world, second = two(layer="deep")
    world.press("start")
    world.go(3)
    second.go(3)
    assert phases(world, second) == ["running", "running"]
    world.press("stop")
    world.settle()
    second.settle()
    assert phases(world, second) == ["stopped", "stopped"]
    world.press("start")
    world.settle()
    second.go(3)
    assert phases(world, second) == ["finished", "running"]
    world.press("stop")
    second.settle()
    assert phases(world, second) == ["finished", "stopped"], "the one that is still on"


def test_pause_resume_and_step_act_on_both_columns() -> None:
    world, second = two(weights="random")
    world.change(steps=9)
    world.press("step")
    world.settle()
    second.settle()
    for button, wanted in (("step", "paused"), ("toggle", "running"), ("toggle", "paused"),
                           ("resume", "running"), ("pause", "paused")):  # fmt: skip
        world.press(button)
        world.go(2 if wanted == "paused" else 1)
        second.go(2 if wanted == "paused" else 1)
        seen = [one.state.run.step if button == "step" else one.run.paused  # type: ignore[union-attr]
                for one in (world, second)]  # fmt: skip
        assert seen == [2 if button == "step" else wanted == "paused"] * 2, button
    world.press("resume")
    world.settle()
    second.go(1)
    assert world.state.phase == "finished"
    world.press("toggle")
    assert second.run.paused, "of the run that is still on"  # type: ignore[union-attr]
    second.go(2)
    world.press("toggle")
    second.settle()
    assert phases(world, second) == ["finished", "finished"]


def test_what_the_columns_share_begins_both_anew_and_what_they_do_not_only_one() -> None:
    world, second = two(layer="deep")
    world.press("start")
    world.settle()
    second.settle()
    world.change(layer="deeper")
    world.settle()
    second.settle()
    assert (world.state.number, second.state.number) == (2, 1), "its question is the same"
    for change in ({"photo": "chelsea"}, {"seeds": 2}):
        world.change(**change)
        world.settle()
        second.settle()
    assert (world.state.number, second.state.number) == (4, 3)
    for one, layer in ((world, "deeper"), (second, "deep")):
        settings = one.state.entry.settings  # type: ignore[union-attr]
        assert [settings[n] for n in ("photo", "seeds", "layer")] == ["chelsea", 2, layer]
    world.change(tv_weight=1.0)
    world.settle()
    second.settle()
    assert [one.state.entry.settings["tv_weight"] for one in (world, second)] == [1.0, 1.0]  # type: ignore[union-attr]
    assert second.state.entry.settings["alpha_weight"] == len("deep"), "its own preset's"  # type: ignore[union-attr]


def test_another_layer_has_other_cells_and_channels_and_other_weights_the_same() -> None:
    for beside, region, channels in (
        ({"layer": "deep"}, None, None),
        ({"model": "hog"}, None, None),
        ({"weights": "random"}, (0, 2, 0, 2), (1, 2)),
    ):
        world = ready(region=(0, 2, 0, 2), channels=(1, 2))
        second = world.open_beside(**beside)
        second.load()
        asked = second.state.options
        assert (asked["region"], asked["channels"]) == (region, channels)
        assert {name: asked[name] for name in beside} == beside
        world.change(objective="maximize", channels=(7,))
        assert second.state.options["channels"] == (7,)


def test_what_was_asked_with_a_change_is_meant_for_it_in_both_columns() -> None:
    world, second = two(weights="random")
    world.change(region=(0, 2, 0, 2), crop=0.2)
    world.change(layer="deep", region=(0, 2, 0, 2))
    world.change(photo="chelsea", crop=0.2)
    world.change(objective="maximize", channels=(3,))
    world.change(objective="inversion", channels=(3,))
    world.settle()
    second.settle()
    for one in (world, second):
        asked = one.state.options
        assert [asked[n] for n in ("layer", "region", "crop", "channels")] == [
            "deep", (0, 2, 0, 2), 0.2, (3,),
        ]  # fmt: skip


def test_another_model_begins_at_its_own_layer_and_is_loaded_once() -> None:
    world, second = two(model="hog")
    assert (second.state.options["model"], second.state.options["layer"]) == ("hog", "first")
    world.change(seeds=2)
    world.change(layer="deep")
    world.load()
    assert (second.state.load, second.state.options["layer"]) == (1, "first")


@pytest.mark.parametrize("bad", [0, 1], ids=["first", "second"])
def test_what_fails_in_one_column_is_told_there_and_the_other_goes_on(bad: int) -> None:
    columns = two(weights="random")
    columns[0].press("start")
    for place, one in enumerate(columns):
        one.go(2)
        one.go(fails=place == bad)
        one.settle()
    assert phases(*columns)[bad] == "failed"
    assert phases(*columns)[1 - bad] == "finished"
    assert [one.state.error for one in columns] == [
        "no memory" if place == bad else "" for place in (0, 1)
    ]


def test_a_second_network_that_cannot_be_had_is_said_beside_the_run_that_goes_on() -> None:
    world = ready()
    second = world.open_beside(model="bad")
    second.load()
    world.press("start")
    second.load()
    assert (second.state.error, second.state.phase) == ("no such thing", "idle")
    world.settle()
    assert (world.state.error, world.state.phase) == ("", "finished")


def test_the_second_waits_for_the_network_of_the_first() -> None:
    world, second = two(weights="random")
    world.change(photo="chelsea")
    world.press("start")
    assert second.loads == []
    world.load()
    second.load()
    world.settle()
    second.settle()
    assert phases(world, second) == ["finished", "finished"]
    assert second.state.entry.settings["photo"] == "chelsea"  # type: ignore[union-attr]
    world.change(photo="bad")
    world.settle()
    second.settle()
    assert (world.state.error, second.state.error) == ("no such thing", "")
    assert second.state.entry is not None, "there is no such photo, and what was there stays"


def test_a_run_of_the_second_column_is_kept_in_the_history() -> None:
    world = finished()
    before = world.state
    entry = HistoryEntry(Result(9, "mine"), {"layer": "deep"})
    assert world.do(Kept(entry)) == ()
    assert world.state == replace(before, history=(*before.history, entry))


# ---- any events, in any order


class Panel(RuleBasedStateMachine):
    """A panel with random actions, loads and reports."""

    @initialize(begin=st.sampled_from([ready, running, finished]))
    def open(self, begin: Any) -> None:
        self.world = begin()

    @property
    def state(self) -> PanelState:
        return self.world.state

    @rule(
        photo=st.sampled_from([None, None, None, "coffee", "chelsea", "bad"]),
        model=st.sampled_from([None, None, None, "net", "hog", "bad"]),
        layer=st.sampled_from([None, None, None, "", "first", "deep", "bad"]),
        seeds=st.sampled_from([None, None, 1, 2, 9]),
        region=st.sampled_from([0, 0, 0, None, (0, 2, 0, 2), (0, 5, 0, 5)]),
    )
    def other_question(self, photo: Any, model: Any, layer: Any, seeds: Any, region: Any) -> None:
        given = {"photo": photo, "model": model, "layer": layer, "seeds": seeds}
        values = {n: v for n, v in given.items() if v not in (None, self.state.options[n])}
        if region != 0 and region != self.state.options["region"]:
            values["region"] = region
        if values:
            self.world.change(**values)

    @rule(name=st.sampled_from(LIVE_KNOBS), value=st.sampled_from([1, 2, 3]))
    def knob(self, name: str, value: int) -> None:
        self.world.change(**{name: value})

    @rule(names=st.sets(st.sampled_from(PRESET)))
    def give_back(self, names: set[str]) -> None:
        self.world.give_back(*names)

    @rule(button=st.sampled_from(BUTTONS))
    def press(self, button: str) -> None:
        self.world.press(button)

    @precondition(lambda self: self.state.random_helps)
    @rule()
    def remedy(self) -> None:
        self.world.press("remedy")

    @precondition(lambda self: self.world.loads)
    @rule(data=st.data(), fails=st.booleans())
    def load(self, data: Any, fails: bool) -> None:
        place = data.draw(st.integers(0, len(self.world.loads) - 1))
        self.world.load(fails and data.draw(st.booleans()), place)

    @precondition(lambda self: self.world.run is not None)
    @rule(reports=st.integers(1, 6), heard=st.integers(0, 6), fails=st.sampled_from(SELDOM))
    def run_goes_on(self, reports: int, heard: int, fails: bool) -> None:
        for last in range(reports):
            report = self.world.run.go(fails and last == reports - 1)  # type: ignore[union-attr]
            if report is not None:
                self.world.reports.append(report)
        for _ in range(min(heard, len(self.world.reports))):
            self.world.do(self.world.reports.popleft())

    @precondition(lambda self: self.state.history)
    @rule(data=st.data(), delete=st.booleans())
    def history(self, data: Any, delete: bool) -> None:
        place = data.draw(st.integers(0, len(self.state.history) - 1))
        self.world.do(Deleted(place) if delete else Restored(self.state.history[place]))

    @rule(objective=st.sampled_from(["maximize", "inversion"]), channel=st.integers(0, 2))
    def goal(self, objective: str, channel: int) -> None:
        self.world.change(objective=objective, channels=(channel,))

    @precondition(lambda self: self.world.asked_photos)
    @rule(data=st.data())
    def patches_arrive(self, data: Any) -> None:
        asked = data.draw(st.sampled_from(self.world.asked_photos))
        self.world.do(PatchesFound(asked, (asked.channel,)))

    @rule(place=st.integers(-1, 3))
    def scrub(self, place: int) -> None:
        self.world.do(Scrubbed(place))

    @precondition(lambda self: self.world.asked_classes)
    @rule()
    def classes_arrive(self) -> None:
        self.world.do(Classified(self.world.asked_classes.pop().entry, ("cup",)))

    @invariant()
    def what_is_seen_is_of_one_question(self) -> None:
        state, run, entry = self.state, self.state.run, self.state.entry
        assert state.playback is None or entry is not None
        if state.shown == "run":
            assert run is not None
            assert state.frame is None or state.frame[0] == run.number  # type: ignore[index]
            if entry is not None:
                assert entry.result.number == run.number
                assert not run.busy
                for name in RESTARTS:
                    assert entry.settings[name] == run.request.options[name]
        elif state.shown == "places":
            assert (state.frame, state.entry) == (None, None)
        else:
            assert entry is not None
            assert state.result is entry.result
            assert run is None

    @invariant()
    def the_patches_are_of_the_goals_channel(self) -> None:
        state = self.state
        excited = state.excited
        if state.options["objective"] != "maximize":
            assert excited is None
        elif state.loaded is not None and not state.unloaded:
            assert excited is not None
            assert (excited.loaded, excited.channel) == (state.loaded, state.options["channels"][0])
            assert excited.patches in (None, (excited.channel,))

    @invariant()
    def what_is_asked_for_can_be_shown(self) -> None:
        """Where nothing is awaited and nothing failed, the network is that of the options."""
        state = self.state
        if not state.unloaded and not state.loading and state.loaded is not None:
            for name in ("photo", "model", "crop", "size"):
                assert state.loaded.options[name] == state.options[name], name
            assert state.loaded.layer == state.options["layer"]

    @invariant()
    def a_wish_is_awaited_or_under_way(self) -> None:
        state, world = self.state, self.world
        current = [load for load in world.loads if load.number == state.load]
        assert state.loading == bool(current), "each load is answered once"
        assert state.wanted is None or state.loading
        assert not world.waiting["wanted"] or state.wanted is not None
        if state.run is not None and state.run.busy:
            assert world.run is not None
            assert world.run.number == state.run.number == state.number

    def teardown(self) -> None:
        world = self.world
        world.settle()
        state = self.state
        assert not state.loading
        assert state.wanted is None
        if state.phase == "paused":
            world.press("resume")
            world.settle()
            state = self.state
        assert state.phase in ("idle", "finished", "stopped", "failed", "restored")
        assert state.run is None or not (state.run.busy or state.run.stopping)
        assert world.waiting == {"run": 0, "wanted": 0}, "who waits has an answer"
        self.what_is_seen_is_of_one_question()
        failed = state.unloaded or state.refused is not None
        if state.shown == "run" and not failed and state.phase != "stopped":
            assert state.run is not None
            for name in LAID_OUT:
                assert state.run.request.options[name] == state.options[name], name
        if state.shown == "run" and not failed and state.phase == "finished":
            assert state.entry is not None
            for name in state.overridden & {*LIVE_KNOBS}:
                assert state.entry.settings[name] == state.options[name], name


class Columns(Panel):
    """The same with a second column."""

    @initialize(
        begin=st.sampled_from([ready, running, finished]),
        beside=st.sampled_from([{"layer": "deep"}, {"model": "hog"}, {"weights": "random"}]),
    )
    def open(self, begin: Any, beside: Any) -> None:
        self.world = begin()
        self.second = self.world.open_beside(**beside)

    @precondition(lambda self: self.second.loads)
    @rule(data=st.data())
    def load_second(self, data: Any) -> None:
        self.second.load(place=data.draw(st.integers(0, len(self.second.loads) - 1)))

    @precondition(lambda self: self.second.run is not None)
    @rule(times=st.integers(1, 6), fails=st.sampled_from(SELDOM))
    def second_goes_on(self, times: int, fails: bool) -> None:
        self.second.go(times, fails)

    @invariant()
    def what_is_shared_is_the_same(self) -> None:
        first, second = self.world.state, self.second.state
        if first.loading or first.unloaded or not second.options:
            return
        for name in ("photo", "size", "seeds", "objective", *first.overridden):
            assert second.options[name] == first.options[name], name
        assert second.overridden == first.overridden
        for name, value in self.world.beside.items():
            assert second.options[name] == value, name

    def teardown(self) -> None:
        super().teardown()
        world, second = self.world, self.second
        second.settle()
        world.press("start")
        for one in (world, second):
            one.settle()
        state = second.state
        assert not state.loading
        assert second.waiting == {"run": 0, "wanted": 0}
        if world.state.phase == "finished" and not (world.state.error or state.error):
            assert state.phase == "finished", "one Start"
            assert state.entry.settings["photo"] == world.state.entry.settings["photo"]


TestColumns = Columns.TestCase
TestColumns.settings = settings(max_examples=20, stateful_step_count=30)
TestPanel = Panel.TestCase
TestPanel.settings = settings(max_examples=50, stateful_step_count=30)
