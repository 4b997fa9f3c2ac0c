"""A sweep in a process that tests kill, with a log of every job that begins."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Any

import torch

import invwidgets as iw
from invwidgets.sweeps import executors, preload, work

from . import nets

__all__ = ["main", "noting", "preload"]


def main(given: dict[str, Any], store: str, log: str, workers: int) -> None:
    """Run a sweep on one thread, and log each job that is computed.

    A fork of a process that has used several OpenMP threads waits for them forever.
    """
    torch.set_num_threads(1)
    executors.perform = noting(log)
    iw.Sweep(**given, store=store).run(workers)


def noting(log: str) -> Any:
    """A version of ``perform`` that logs each job that is not in the store yet."""
    return partial(_noted, log)


def _noted(log: str, task: dict[str, Any], url: str) -> work.Outcome:
    if not work.opened(url).has(task["key"]):
        file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{task['key']} {time.time_ns()}\n".encode())
        os.close(file)
    return work.perform(task, url)


nets.tiny()  # what every process forked from here need not make again
