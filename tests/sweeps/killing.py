"""A sweep in a process that is made to be killed, with a note of every job that is begun."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Any

import invwidgets as iw
from invwidgets.sweeps import executors, preload, work

from . import nets

__all__ = ["main", "noting", "preload"]


def main(given: dict[str, Any], store: str, log: str, workers: int) -> None:
    """Run a sweep, noting each job that is computed in ``log``."""
    executors.perform = noting(log)
    iw.Sweep(**given, store=store).run(workers)


def noting(log: str) -> Any:
    """``perform``, with a line in the log for each job that is not in the store yet."""
    return partial(_noted, log)


def _noted(log: str, task: dict[str, Any], url: str) -> work.Outcome:
    if not work.opened(url).has(task["key"]):
        file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{task['key']} {time.time_ns()}\n".encode())
        os.close(file)
    return work.perform(task, url)


nets.tiny()  # what every process forked from here need not make again
