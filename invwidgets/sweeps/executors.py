"""Where jobs are done: in this process, or in local worker processes. Dask's is in ``cluster``.

>>> for outcome in Here().run(tasks, "sweep", Control()):
...     print(outcome["key"], outcome["state"])

All keep one contract: tasks in, outcomes out as they come, no more under way than are worked on,
``control`` asked before each. What finishes is in the store already.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any

from ..errors import InvwidgetsError
from .work import Outcome, perform

LIVES = 3  # workers that a job may lose before it is taken to be at fault


class Control:
    """What stops a sweep or lets it rest, from any thread; a job under way is finished."""

    def __init__(self) -> None:
        self._go = threading.Event()
        self._go.set()
        self.stopped = False

    @property
    def paused(self) -> bool:
        return not self._go.is_set()

    def pause(self) -> None:
        self._go.clear()

    def resume(self) -> None:
        self._go.set()

    def stop(self) -> None:
        self.stopped = True
        self._go.set()

    def clear(self) -> bool:
        """Wait while it rests; whether to go on."""
        self._go.wait()
        return not self.stopped


class Executor(ABC):
    """``workers`` is how many jobs are done at once."""

    workers: int = 1

    @abstractmethod
    def run(self, tasks: Iterable[dict[str, Any]], url: str, control: Control) -> Iterator[Outcome]:
        """Do the tasks, and give what came of each as it comes.

        Raises ``InvwidgetsError`` where no worker can be had.
        """


class Here(Executor):
    """One job after the other, in this process."""

    def run(self, tasks: Iterable[dict[str, Any]], url: str, control: Control) -> Iterator[Outcome]:
        for task in tasks:
            if not control.clear():
                return
            yield perform(task, url)


class Processes(Executor):
    """``workers`` processes of this machine, each a pool of one: a lost one takes only its own job.

    They are forked from a server that has imported torch once, so that one lost is soon replaced;
    they end when this process does, however it ends.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, tasks: Iterable[dict[str, Any]], url: str, control: Control) -> Iterator[Outcome]:
        waiting = iter(tasks)
        taking = threading.Lock()
        found: queue.Queue[Outcome | BaseException | None] = queue.Queue()
        ended = threading.Event()

        def take() -> dict[str, Any] | None:
            if ended.is_set() or not control.clear():
                return None
            with taking:
                return next(waiting, None)

        def work() -> None:
            try:
                for outcome in _one_worker(take, url):
                    found.put(outcome)
                found.put(None)
            except BaseException as error:
                found.put(error)

        threads = [threading.Thread(target=work, daemon=True, name=f"invwidgets-worker-{n}")
                   for n in range(self.workers)]  # fmt: skip
        for thread in threads:
            thread.start()
        try:
            left = len(threads)
            while left:
                outcome = found.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                if outcome is None:
                    left -= 1
                    continue
                yield outcome
        finally:
            ended.set()


def _one_worker(take: Any, url: str) -> Generator[Outcome, None, None]:
    """Jobs one by one in a process of their own, which is replaced where it is lost."""
    pool = None
    try:
        while (task := take()) is not None:
            for life in range(1, LIVES + 1):
                pool = pool or _pool()
                try:
                    yield pool.submit(perform, task, url).result()
                    break
                except BrokenProcessPool:
                    pool.shutdown(wait=False)
                    pool = None
                    if life == LIVES:
                        yield lost(task, url)
    finally:
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def lost(task: dict[str, Any], url: str) -> Outcome:
    """A job whose workers died of it, over and over: a failure with its reason, stored."""
    from .work import _failed, opened

    return _failed(
        opened(url), task["key"],
        f"its worker was lost {LIVES} times, killed or out of memory: give it more memory, or a "
        "smaller size",
    )  # fmt: skip


def _pool() -> ProcessPoolExecutor:
    kinds = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in kinds else "spawn")
    if "forkserver" in kinds:
        multiprocessing.set_forkserver_preload(["invwidgets.sweeps.work"])
    return ProcessPoolExecutor(1, context, _begin_worker, (os.getpid(), list(sys.path)))


def _begin_worker(parent: int, path: list[str]) -> None:
    """One thread a worker, the parent's path, and an end when the parent ends."""
    import torch

    torch.set_num_threads(1)
    sys.path[:] = path
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    process = multiprocessing.parent_process()
    with contextlib.suppress(Exception):
        if process is not None:
            wait([process.sentinel])
    os._exit(1)


def machine_workers(job_bytes: int, own_bytes: int, wanted: int | None = None) -> tuple[int, str]:
    """How many local workers fit: (workers, what to say of it, empty if nothing).

    ``job_bytes`` is what one job holds, ``own_bytes`` what a process with the network takes.

    Raises ``InvwidgetsError`` where not even one fits.
    """
    import torch

    from ..inversion.hardware.memory import available_memory

    room = int(0.9 * available_memory(torch.device("cpu")))
    fit = room // max(1, job_bytes + own_bytes)
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    each = f"{(job_bytes + own_bytes) / 2**30:.1f} GiB"
    if fit < 1:
        raise InvwidgetsError(
            f"a worker needs about {each}, and {room / 2**30:.1f} GiB can be had: a smaller size "
            "or fewer seeds a job may fit"
        )
    asked = wanted or cores
    if fit < asked:
        return fit, f"{fit} workers instead of {asked}: each needs about {each} of memory"
    return asked, ""
