"""The work of one job, which is described by names and ends in a stored result.

>>> perform(job.task, "sweep")
{'key': '2f0c…', 'state': 'stored', 'reason': '', 'seconds': 8.1}
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch

from ..errors import InvwidgetsError, OutputError, own_words
from ..images import photo_name
from ..inversion.hardware.threads import cpu_threads
from ..inversion.invert import invert
from ..inversion.result import Reconstruction
from ..inversion.settings import InversionSettings
from ..representations.targets import read_features
from .jobs import feature_digest, pixel_digest
from .models import cut
from .store import Store

Outcome = dict[str, Any]  # key, state: stored | failed | unwritten, reason, seconds
_one_at_a_time = threading.Lock()  # a process does one search at a time


def perform(task: dict[str, Any], url: str) -> Outcome:
    """Do a job, and store its outcome.

    It raises no errors. ``state`` is ``stored``, ``failed`` with a reason that is stored too, or
    ``unwritten`` if the store cannot be written to.
    """
    key = task["key"]
    with _one_at_a_time:
        began = time.perf_counter()
        try:
            store = opened(url)
            if not store.has(key):  # another sweep may have done the job meanwhile
                try:
                    result = inverted(task)
                except (InvwidgetsError, torch.OutOfMemoryError, MemoryError) as error:
                    return failed(store, key, str(error) or own_words(error))
                except (
                    Exception
                ) as error:  # a user's network may raise anything; only this job fails
                    return failed(store, key, own_words(error))
                store.put(key, result, task, time.perf_counter() - began)
        except OutputError as error:
            return {"key": key, "state": "unwritten", "reason": str(error), "seconds": 0.0}
        seconds = time.perf_counter() - began
        return {"key": key, "state": "stored", "reason": "", "seconds": seconds}


@lru_cache(maxsize=4)
def opened(url: str) -> Store:
    """The store at a place, opened once per process."""
    return Store(url)


def failed(store: Store, key: str, reason: str) -> Outcome:
    """The outcome of a failed job, whose reason is stored."""
    store.fail(key, reason)
    return {"key": key, "state": "failed", "reason": reason, "seconds": 0.0}


def inverted(task: dict[str, Any]) -> Reconstruction:
    """The result of a job, computed by ``invert``."""
    phi = cut(task["model"], task["weights"], task["layer"])
    if phi.digest != task["digest"]:
        raise InvwidgetsError(
            f"{task['model']} has other weights here than where the sweep was planned: use the "
            "same weights and version of it everywhere"
        )
    photo, target = task["photo"], task["target"]
    options: dict[str, Any] = {"region": task["region"], "channels": task["channels"]}
    if photo is not None and pixel_digest(photo) != task["pixels"]:
        raise InvwidgetsError(
            f"photo {photo!r} has changed since the sweep was planned: run it again"
        )
    if target is not None:
        options["target"] = read_features(target)
        if feature_digest(options["target"]) != task["features"]:
            raise InvwidgetsError(
                f"target {target!r} has changed since the sweep was planned: run it again"
            )
    settings = InversionSettings.from_dict(task["settings"])
    with cpu_threads(1):
        result = invert(
            photo, phi, settings=settings, **options,
        )  # fmt: skip
    name = target or photo
    return replace(result, photo_name=photo_name(name) if name else "")
