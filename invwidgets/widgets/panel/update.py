"""The pure function from a panel's state and an event to the next state and the effects.

>>> state, effects = update(PanelState(options=options), Pressed("start"))
>>> state.wanted, effects
('start', (Load(number=1, …),))

It uses no widgets, threads or clock, and contains no sentences.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...errors import InvwidgetsError
from ...inversion.convergence import more_steps
from .options import (
    CENTER,
    LIVE_KNOBS,
    LOADS,
    PRESET,
    RESTARTS,
    differs,
    needs_unit,
    title,
    unit_of,
)
from .state import (
    Changed,
    Classified,
    Classify,
    Deleted,
    Deliver,
    Downloading,
    Effect,
    Event,
    Excited,
    Failed,
    Features,
    FeaturesWanted,
    FindPatches,
    HistoryEntry,
    How,
    Kept,
    Load,
    Loaded,
    LoadFailed,
    PanelRun,
    PanelState,
    PatchesFound,
    Pressed,
    Refuse,
    Reported,
    Request,
    Respond,
    Restored,
    Scrubbed,
    SetKnobs,
    StagesMade,
    Start,
    Steer,
)

Next = tuple[PanelState, tuple[Effect, ...]]
_PART = {"region", "channels"}  # they refer to a layer that is set at the same time
_LAYS_OUT = {*_PART, "seeds", "objective", "preset", "steps"}
_KEEPS = {"photo", "model", "layer"}  # after these, ask whether to keep knobs
_SAID = {*_KEEPS, "objective"}  # named in the status of a run anyway


def update(state: PanelState, event: Event) -> Next:
    """The next state, and the effects to carry out, in order."""
    result = None if state.entry is None else state.entry.result
    state, effects = _answered(state, event)
    other = state.entry is None or state.entry.result is not result
    if other and state.playback is not None:  # an index of another run's frames
        state = replace(state, playback=None)
    state, search = _find_patches(state)
    return state, (*effects, *search)


def _find_patches(state: PanelState) -> Next:
    """Request the patches that excite the channel of an objective about one channel."""
    unit, loaded, excited = unit_of(state.options), state.loaded, state.excited
    if unit is None:
        return (state if excited is None else replace(state, excited=None)), ()
    known = excited is not None and (excited.loaded, excited.channel) == (loaded, unit)
    if known or loaded is None or state.unloaded:
        return state, ()
    excited = Excited(loaded, unit)
    return replace(state, excited=excited), (FindPatches(excited),)


def _answered(state: PanelState, event: Event) -> Next:
    match event:
        case Changed():
            return _changed(state, event)
        case Pressed():
            return _pressed(state, event)
        case Downloading(number, how_far):
            current = state.loading and number == state.load
            return (replace(state, download=how_far) if current else state), ()
        case Loaded():
            return _loaded(state, event)
        case LoadFailed():
            return _load_failed(state, event)
        case Reported():
            return _reported(state, event)
        case Restored():
            return _restored(state, event.entry)
        case Kept(entry):
            return replace(state, history=(*state.history, entry)), ()
        case Deleted(place):
            history = (*state.history[:place], *state.history[place + 1 :])
            return replace(state, history=history), ()
        case Classified(entry, rows):
            known = replace(entry, classes=rows)
            history = tuple(known if one is entry else one for one in state.history)
            shown = known if state.entry is entry else state.entry
            return replace(state, history=history, entry=shown), ()
        case FeaturesWanted():
            if state.loaded is None:
                return state, ()
            return state, (Respond(state.loaded, state.options["region"]),)
        case Features(loaded, region, features):
            current = loaded is state.loaded and region == state.options["region"]
            return (replace(state, features=features) if current else state), ()
        case PatchesFound(excited, patches, error):
            if state.excited is not excited:
                return state, ()
            return replace(state, excited=replace(excited, patches=patches, error=error)), ()
        case Scrubbed(place):
            last = -1 if state.entry is None else len(state.entry.result.frame_steps) - 1
            return replace(state, playback=place if 0 <= place < last else None), ()
        case StagesMade(pictures, busy):
            return replace(state, stages=pictures, stages_busy=busy), ()
        case Failed(error):
            return replace(state, error=error, random_helps=False), ()


# ---- options


def _changed(state: PanelState, event: Changed) -> Next:
    dirty = event.names | (state.overridden - event.overridden)
    options, random_for = dict(event.options), state.random_for
    if random_for is not None and "model" in dirty and options["model"] != random_for:
        random_for, options["weights"] = None, "pretrained"  # chosen for that model
        dirty |= {"weights"}
    unit, was_unit = needs_unit(options), bool(state.options) and needs_unit(state.options)
    given = options["channels"]
    if unit:
        options["channels"] = (given[0],) if isinstance(given, tuple) and given else (0,)
    elif was_unit and "channels" not in dirty:
        options["channels"] = None
    if "photo" in dirty and "crop" not in dirty:
        options["crop"] = CENTER  # the crop was chosen for another photo
    state = replace(state, options=options, overridden=event.overridden, random_for=random_for)
    if not event.overridden & {*LIVE_KNOBS}:
        state = replace(state, question=frozenset())
    goes_on = state.goes_on
    effects: tuple[Effect, ...] = ()
    more: tuple[Effect, ...] = ()
    if dirty & {*LOADS} or state.unloaded:
        state = replace(state, unloaded=state.unloaded | (dirty & {*LOADS, *_PART}))
    if dirty & {*LOADS}:
        about = dirty & _KEEPS
        if about and state.loaded is not None and event.overridden & {*LIVE_KNOBS}:
            state = replace(state, question=about)
        state, effects = _load(replace(state, restoring=False))
    else:
        state = _follow_preset(state)
        if "region" in dirty and state.loaded is not None:
            state = replace(state, error=state.loaded.region_error(options["region"]))
        if dirty & _LAYS_OUT and not goes_on:
            state = _rest(state)
    if dirty & {*RESTARTS} and goes_on:
        state, more = _begin(state, state.wanted or "start", dirty & {*RESTARTS} - _SAID)
    elif not dirty & {*RESTARTS}:
        state, more = _move_knobs(state, dirty & {*LIVE_KNOBS})
    return state, (*effects, *more)


def _follow_preset(state: PanelState) -> PanelState:
    """Set all options that are not overridden to the preset's values."""
    options = state.options
    if state.loaded is None or state.unloaded:
        return state
    steps = options["steps"] if "steps" in state.overridden else None
    try:
        preset = state.loaded.preset(
            options["preset"], options["objective"], steps, options["region"]
        )
    except InvwidgetsError as error:
        return replace(state, error=str(error))
    values = {name: getattr(preset, name) for name in PRESET}
    followed = {n: v for n, v in values.items() if n not in state.overridden}
    return replace(state, options={**options, **followed}, preset=values)


def _move_knobs(state: PanelState, knobs: frozenset[str]) -> Next:
    """Change knobs of the run; a finished run continues from its images."""
    run = state.run
    if not knobs or run is None or not state.goes_on or state.shown != "run" or state.loading:
        return state, ()
    if run.state == "finished" or run.continued:
        if state.entry is None and run.state == "finished":  # its result is still being measured
            run = replace(run, continued=knobs)
        else:
            request = _with_knobs(run.request, state)
            run = replace(run, request=request, state="running", continued=knobs)
        state = replace(state, entry=None)
    else:
        run = replace(run, request=_with_knobs(run.request, state))
    return replace(state, run=run), (SetKnobs(_knob_values(state, knobs)),)


def _with_knobs(request: Request, state: PanelState) -> Request:
    """The request with the current values of the knobs."""
    knobs = {name: state.options[name] for name in LIVE_KNOBS}
    overridden = (request.overridden - {*LIVE_KNOBS}) | (state.overridden & {*LIVE_KNOBS})
    return replace(request, options={**request.options, **knobs}, overridden=overridden)


def _knob_values(state: PanelState, names: frozenset[str]) -> dict[str, Any]:
    """The values of knobs; a jitter that is not overridden is that of the phases."""
    values = {name: state.options[name] for name in LIVE_KNOBS if name in names}
    return values | ({"jitter": None} if "jitter" in names - state.overridden else {})


# ---- the network


def _load(state: PanelState) -> Next:
    fallback = state.loaded is not None and differs(state.options["model"], state.model)
    state = replace(state, load=state.load + 1, loading=True, download="", error="")
    return state, (Load(state.load, state.options, fallback),)


def _loaded(state: PanelState, event: Loaded) -> Next:
    if not state.loading or event.number != state.load:
        return state, ()
    before, loaded, kept = state.loaded, event.loaded, state.unloaded
    options = {**state.options, "layer": loaded.layer, "photo_name": title(state.options)}
    outside = ""
    if before is None or "region" in kept:
        outside = loaded.region_error(options["region"])
    if outside or (before is not None and "region" not in kept and before.grid != loaded.grid):
        options["region"] = None
    model = options["model"]
    other = before is not None and (before.layer != loaded.layer or differs(model, state.model))
    if other and "channels" not in kept and not isinstance(options["channels"], str):
        options["channels"] = (0,) if needs_unit(options) else None
    state = _follow_preset(
        replace(
            state, options=options, loaded=loaded, model=model, loading=False, features=None,
            unloaded=frozenset(), error=outside or state.error, random_helps=False, refused=None,
        )
    )  # fmt: skip
    if state.wanted is not None:
        return _begin(state, state.wanted, state.again)
    if state.restoring:
        return replace(state, restoring=False), ()
    return _rest(state), ()


def _load_failed(state: PanelState, event: LoadFailed) -> Next:
    """Keep the previous network after a failed load."""
    if not state.loading or event.number != state.load:
        return state, ()
    refused, run = state.options["model"], state.run
    state = replace(
        state, loading=False, restoring=False, wanted=None, again=frozenset(), error=event.error,
        refused=refused, random_helps=event.random_helps,
    )  # fmt: skip
    if state.loaded is not None and differs(refused, state.model):  # show the one in use
        options, left = {**state.options, "model": state.model}, state.unloaded - {"model"}
        state = replace(state, options=options, unloaded=left, question=frozenset())
    effects: tuple[Effect, ...] = (Refuse("all", "failed", event.error),)
    if run is not None and run.busy:  # the current run continues with the knobs changed meanwhile
        state, more = _move_knobs(state, state.overridden & {*LIVE_KNOBS})
        effects += more
    return state, effects


# ---- the run


def _pressed(state: PanelState, event: Pressed) -> Next:
    run = state.run if state.shown == "run" else None
    active = run is not None and run.busy and not run.stopping
    match event.button:
        case "start":
            return _begin(state, "start")
        case "step" if state.wanted is not None or not active:
            return _begin(state, "step")
        case "step":
            return state, (Steer("step"),)
        case "pause":
            wanted: How | None = None if state.wanted is None else "pause"
            return replace(state, wanted=wanted), (Steer("pause"),) if active else ()
        case "resume":
            wanted = None if state.wanted is None else "start"
            return replace(state, wanted=wanted), (Steer("resume"),) if active else ()
        case "toggle":
            if run is not None and run.state == "paused":
                return _pressed(state, Pressed("resume"))
            if run is not None and run.replaced_paused and not run.step:
                return state, ()  # the user pressed "Resume" for a run that was just replaced
            return _pressed(state, Pressed("pause"))
        case "stop":
            return _stop(state)
        case "keep":
            return replace(state, question=frozenset()), ()
        case "back":
            kept = state.overridden - {*LIVE_KNOBS}
            return _changed(state, Changed(frozenset(), state.options, kept))
        case "more":
            return _more(state)
        case "remedy":
            options = {**state.options, "model": state.refused, "weights": "random"}
            state = replace(state, error="", random_helps=False, random_for=state.refused)
            names = frozenset({"model", "weights"})
            return _changed(state, Changed(names, options, state.overridden))


def _begin(state: PanelState, how: How, again: frozenset[str] = frozenset()) -> Next:
    """Start a run, once the network has been loaded."""
    if state.loading:
        return replace(state, wanted=how, again=again), ()
    if state.loaded is None or state.unloaded:  # the last load failed, so try again
        return _load(replace(state, wanted=how, again=again))
    state = replace(state, wanted=None, again=frozenset(), refused=None, random_helps=False)
    error = state.loaded.region_error(state.options["region"])
    if error:
        return replace(state, error=error), (Refuse("all", "failed", error),)
    request = Request(state.options, state.overridden, state.loaded)
    run = PanelRun(
        state.number + 1, request, again=again, steps=state.options["steps"],
        replaced_paused=state.phase == "paused",
    )  # fmt: skip
    state = replace(
        state, number=run.number, run=run, shown="run", entry=None, frame=None, replaced=False,
        error="",
    )  # fmt: skip
    return state, (Start(run.number, request, how),)


def _more(state: PanelState) -> Next:
    """Search again with more steps, if that is the remedy."""
    steps = None if state.entry is None else more_steps(state.entry.result)
    if steps is None:
        return state, ()
    options, overridden = {**state.options, "steps": steps}, state.overridden | {"steps"}
    state = _follow_preset(replace(state, options=options, overridden=overridden))
    return _begin(state, "start", frozenset({"steps"}))


def _stop(state: PanelState) -> Next:
    run = state.run
    effects: tuple[Effect, ...] = () if state.wanted is None else (Refuse("wanted", "stopped"),)
    if run is not None and run.busy:
        state = replace(state, run=replace(run, stopping=True))
        effects += (Steer("stop"),)
    return replace(state, wanted=None, again=frozenset()), effects


def _reported(state: PanelState, event: Reported) -> Next:
    run = state.run
    if run is None or event.number != run.number:
        return state, ()
    run = replace(
        run, state=event.state, step=event.step, steps=event.steps or run.steps,
        seconds_left=event.seconds_left,
    )  # fmt: skip
    run = replace(run, stopping=run.stopping and run.busy)
    effects: tuple[Effect, ...] = ()
    seen = state.shown == "run"
    if seen and run.busy:
        state = replace(state, entry=None)  # the images change again after the result
    if seen and event.frame is not None:
        state = replace(state, frame=event.frame)
    if event.result is not None:
        result, request = event.result, run.request
        if result.photo_name:  # the session does not know the file name of an upload
            result = replace(result, photo_name=title(request.options))
        unit = unit_of(request.options)
        named = "" if unit is None else request.loaded.channel_name(unit)
        entry = HistoryEntry(result, request.options, request.overridden, unit=named)
        state = replace(state, result=result, history=(*state.history, entry))
        state = replace(state, entry=entry) if seen else replace(state, replaced=True)
        if run.continued:
            request = _with_knobs(request, state)
        run = replace(run, request=request, again=frozenset(), continued=frozenset())
        effects = (Deliver(result), Classify(entry, request.loaded))
    elif event.state == "failed":
        state = replace(state, error=event.error, random_helps=False)
        effects = (Refuse("run", "failed", event.error),)
    elif event.state == "stopped" and not event.step:
        effects = (Refuse("run", "stopped"),)
    return replace(state, run=run), effects


def _rest(state: PanelState) -> PanelState:
    """Show empty places, because no run is in progress and other images were requested."""
    replaced = state.replaced or state.entry is not None
    return replace(
        state, shown="places", entry=None, frame=None, replaced=replaced, restoring=False
    )


def _restored(state: PanelState, entry: HistoryEntry) -> Next:
    """Show a finished run again, with its settings and its images."""
    settings = {**entry.settings, "photo_name": entry.result.photo_name}
    changed = {n for n, v in settings.items() if state.options.get(n) is not v}
    kept = any(one is entry for one in state.history)
    state = replace(
        state, options={**state.options, **settings}, overridden=entry.overridden, run=None,
        wanted=None, again=frozenset(), shown="restored", restoring=True, entry=entry, frame=None,
        result=entry.result, history=state.history if kept else (*state.history, entry),
        question=frozenset(), unloaded=state.unloaded | _PART | (changed & {*LOADS}),
    )  # fmt: skip
    state, effects = _load(state)
    return state, (Steer("forget"), Refuse("all", "restored"), *effects)
