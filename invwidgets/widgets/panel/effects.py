"""The code that carries out effects, which a panel's state requests: loading, and runs.

>>> effects = PanelEffects(loop, send)
>>> task = effects.task()
>>> effects.carry_out(Load(1, options, fallback=False))      # later: send(Loaded(1, …))
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import torch

from ...analysis.patches import Patch, exciting_patches
from ...errors import InvwidgetsError, WeightsError
from ...images import resize
from ...inversion.judging import another_network
from ...inversion.progress import Progress
from ...inversion.result import Reconstruction
from ...inversion.session import Session
from ...models.downloads import messages_to
from ...representations.classes import class_names, likeliest
from ...representations.registry import representation
from ..base.loading import LoadedModel, load_model, responses
from ..base.loop import Awaited, Loop, error_words
from .options import run_arguments
from .state import (
    Classified,
    Classify,
    Deliver,
    Downloading,
    Effect,
    Event,
    Excited,
    Features,
    FindPatches,
    HistoryEntry,
    Load,
    Loaded,
    LoadFailed,
    PatchesFound,
    Refuse,
    Reported,
    Respond,
    SetKnobs,
    Start,
    Steer,
)
from .words import MOST_CLASSIFIED, error_of, pictures_named

JUDGED = 2  # the number of classes by the other network


class PanelEffects:
    """The code that carries out effects, and passes the resulting events to ``send``."""

    def __init__(self, loop: Loop, send: Callable[..., None]) -> None:
        self._loop, self._send = loop, send
        self._awaited: dict[str, Awaited[Reconstruction]] = {"run": Awaited(), "wanted": Awaited()}
        self._load = self._number = 0
        self._searched: Excited | None = None  # the channel whose patches are being searched
        self._reports: deque[Progress] = deque()
        self._lock = threading.Lock()
        self.session = Session(self._queue)

    def task(self) -> asyncio.Task[Reconstruction]:
        """A task that ends with the result of the next run.

        Raises ``BadSettingError`` without an event loop, or if the panel is closed.
        """
        return self._awaited["wanted"].task(self._loop.needed("panel", "iw.Session"))

    def carry_out(self, effect: Effect) -> None:
        match effect:
            case Load():
                self._begin_load(effect)
            case Start():
                self._start(effect)
            case Steer("forget"):
                self.session.stop()
                self.session.forget()
            case Steer(what):
                getattr(self.session, what)()
            case SetKnobs(values):
                self.session.set_knobs(**values)
            case Deliver(result):
                self._awaited["run"].set_result(result)
            case Refuse(whom, why, error):
                for name in self._awaited if whom == "all" else (whom,):
                    self._awaited[name].set_exception(InvwidgetsError(error_of(why, error)))
            case Classify(entry, loaded):
                self._classify(entry, loaded)
            case Respond(loaded, region):
                self._loop.background(
                    lambda: responses(loaded, region),
                    lambda found: self._send(Features(loaded, region, found)),
                )
            case FindPatches(excited):
                self._find_patches(excited)

    def close(self) -> None:
        """End the session and its thread, and cancel the tasks."""
        self._load = self._number = -1  # work on threads ends at its next step
        self.session.close()
        for awaited in self._awaited.values():
            awaited.cancel()
        self._reports.clear()
        self._searched = None

    def _begin_load(self, request: Load) -> None:
        self._load = number = request.number
        wanted = request.options
        what = (wanted["photo"], wanted["model"], wanted["layer"], wanted["size"])
        how = {name: wanted[name] for name in ("weights", "crop")}

        def work() -> LoadedModel | None:
            if self._load != number:
                return None  # another load was requested since
            with messages_to(lambda words: self._loop.call(self._send, Downloading(number, words))):
                return load_model(*what, **how, fallback=request.fallback)

        def then(loaded: LoadedModel | None) -> None:
            if loaded is not None:
                self._send(Loaded(number, loaded))

        def failed(error: Exception) -> None:
            random = isinstance(error, WeightsError) and request.options["weights"] == "pretrained"
            self._send(LoadFailed(number, error_words(error), random))

        self._loop.background(work, then, failed)

    def _start(self, start: Start) -> None:
        run, request = self._awaited["run"], start.request
        run.take_over(self._awaited["wanted"])
        self._number = start.number
        try:
            arguments = run_arguments(request.options, request.overridden, request.loaded)
        except InvwidgetsError as error:
            self.session.forget()
            self._send(Reported(start.number, "failed", error=str(error)))
            return
        self.session.start(paused=start.how != "start", **arguments)
        if start.how == "step":
            self.session.step()

    def _classify(self, entry: HistoryEntry, loaded: LoadedModel) -> None:
        """Find the likeliest classes of the photo and of each image, if they have names.

        They are found by the inverted network and by another one, one image at a time, until
        another run starts, which needs the processor, or the panel is closed.
        """
        result, phi, number = entry.result, loaded.representation, self._number
        titles = pictures_named(result.seeds, result.photo is not None, result.photo_name)
        images = result.images[:MOST_CLASSIFIED]
        if result.photo is not None:
            images = torch.cat([result.photo[None], images])

        def find() -> tuple[Any, ...]:
            if not class_names(phi):
                return ()
            rows: list[tuple[Any, ...]] = []
            judge = representation(another_network(phi.name))
            for name, image in zip(titles, images, strict=True):
                if self._number != number:
                    return ()
                seen = resize(image, judge.size, "stretch")
                said = likeliest(phi, image[None]) + likeliest(judge, seen[None], JUDGED)
                rows.append((name, *said))
            return tuple(rows)

        def then(rows: tuple[Any, ...]) -> None:
            if rows:
                self._send(Classified(entry, rows))

        self._loop.background(find, then, lambda error: None)

    def _find_patches(self, excited: Excited) -> None:
        """Find the patches of bundled photos that excite a channel."""
        self._searched = excited

        def find() -> list[Patch]:
            if self._searched is not excited:
                return []  # another channel was requested since
            return exciting_patches(excited.loaded.representation, excited.channel)

        def then(found: list[Patch]) -> None:
            excite = tuple(patch for patch in found if patch.response > 0)
            self._send(PatchesFound(excited, excite))

        def failed(error: Exception) -> None:
            self._send(PatchesFound(excited, None, error_words(error)))

        self._loop.background(find, then, failed, "patches")

    def _queue(self, progress: Progress) -> None:
        """Queue a report on the session's thread; one call on the loop passes on many."""
        with self._lock:
            self._reports.append(progress)
            first = len(self._reports) == 1
        if first:
            self._loop.call(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            reports = list(self._reports)
            self._reports.clear()
        latest = self.session.number  # reports of a replaced run are ignored
        self._send(*(self._event(report) for report in reports if report.number == latest))

    def _event(self, report: Progress) -> Event:
        return Reported(
            self._number, report.state, report.step, report.steps, report.seconds_left,
            report.frame, report.result, report.error,
        )  # fmt: skip
