"""Estimates of a sweep's duration and memory, from stored timings or from a few steps of some jobs.

>>> rates = step_seconds(jobs, store)
>>> sum(rates[job.group] * job.weight for job in jobs)
412.0
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from statistics import median
from typing import Any

from ..errors import InvwidgetsError
from ..inversion.hardware.memory import seed_bytes
from ..inversion.hardware.threads import cpu_threads
from ..inversion.prepare import prepare
from ..inversion.settings import InversionSettings
from .jobs import Job
from .models import cut, network
from .store import Store

_TRIED = 3  # the number of groups that are tried if the store has no timings of them
_KNOWN = 5  # the number of timings that are read for each group
_STEPS = 3
_PROCESS = 450 * 2**20  # bytes of a process that has imported torch, torchvision and timm
_CANVASES = 16  # tensors of an image's size that a search needs per seed


def step_seconds(todo: Iterable[Job], done: Iterable[Job], store: Store) -> dict[Any, float]:
    """The seconds per step and seed for each group of jobs; empty if no job could be tried.

    If the store has timings of a group, they are used. Of the other groups at most three, evenly
    spread, are tried for a few steps. The rest get the timing of the nearest group that was tried.
    """
    groups = list({job.group: job for job in todo})
    known: dict[Any, float] = {}
    seen: dict[Any, list[float]] = {}
    for job in done:
        if job.group in groups and len(seen.setdefault(job.group, [])) < _KNOWN:
            seconds = store.seconds(job.key)
            if seconds is not None:
                seen[job.group].append(seconds / job.weight)
    known = {group: median(rates) for group, rates in seen.items() if rates}
    if not known:
        examples = {job.group: job for job in todo}
        places = {round(i * (len(groups) - 1) / max(1, _TRIED - 1)) for i in range(_TRIED)}
        for place in sorted(places & set(range(len(groups)))):
            seconds = _tried(examples[groups[place]])
            if seconds is not None:
                known[groups[place]] = seconds
    if not known:
        return {}
    at = {group: place for place, group in enumerate(groups)}
    return {
        group: known[min(known, key=lambda other: abs(at[other] - at[group]))] for group in groups
    }


def _tried(job: Job) -> float | None:
    task = job.task
    settings = InversionSettings.from_dict(task["settings"])
    seed = settings.seeds[:1]
    try:
        with cpu_threads(1):
            run = prepare(
                task["photo"], cut(task["model"], task["weights"], task["layer"]),
                settings=settings.replace(seeds=seed), **_selected(task),
            )  # fmt: skip
            seconds = []
            steps = run.steps()
            for _ in range(min(_STEPS, settings.steps)):
                began = time.perf_counter()
                next(steps)
                seconds.append(time.perf_counter() - began)
            return min(seconds)
    except (InvwidgetsError, RuntimeError, MemoryError):
        return None


def _selected(task: dict[str, Any]) -> dict[str, Any]:
    return {"region": task["region"], "channels": task["channels"]}


def job_bytes(jobs: Iterable[Job]) -> int:
    """The memory of the largest job without its process, measured by one pass of each network."""
    most = 0
    for job in {job.group: job for job in jobs}.values():
        task = job.task
        height, width = task["settings"]["size"]
        size = (int(height), int(width))
        phi = cut(task["model"], task["weights"], task["layer"])
        seeds = len(task["settings"]["seeds"])
        try:
            working = seed_bytes(phi, size)
        except (InvwidgetsError, RuntimeError):  # its job will report the error
            continue
        most = max(most, working + (seeds + 4) * _CANVASES * 4 * 3 * size[0] * size[1])
    return most


def process_bytes(jobs: Iterable[Job]) -> int:
    """The memory of a new process with the jobs' networks, each as loaded and as a frozen copy."""
    most = _PROCESS
    for model, weights in {(job.task["model"], job.task["weights"]) for job in jobs}:
        try:
            parameters = network(model, weights).parameters()
        except (InvwidgetsError, RuntimeError):  # its jobs will report the error
            continue
        most += 2 * sum(parameter.nbytes for parameter in parameters)
    return most


def in_words(seconds: float) -> str:
    """A duration in words.

    >>> in_words(40), in_words(400), in_words(40_000)
    ('40 s', '7 min', '11 h')
    """
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(1, seconds):.0f} s"
