"""The executors that do jobs in this process or in local processes; Dask's is in ``cluster``.

>>> for outcome in SerialExecutor().run(tasks, "sweep", Control()):
...     print(outcome["key"], outcome["state"])

All executors follow the same contract. They take tasks and yield outcomes as soon as they are
known. They take no more tasks than they work on, and ask ``control`` before each. A finished job is
in the store before its outcome is yielded.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any

from ..errors import InvwidgetsError
from ..fallbacks import took_slower_path
from .work import Outcome, failed, opened, perform

MAX_ATTEMPTS = 3  # after so many dead workers the job counts as the cause


class Control:
    """A switch that stops or pauses a sweep from any thread; jobs that have begun are finished."""

    def __init__(self) -> None:
        self._go = threading.Event()
        self._go.set()
        self.stopped = False

    @property
    def paused(self) -> bool:
        return not self._go.is_set()

    def pause(self) -> None:
        self._go.clear()
        if self.stopped:  # a paused executor would never end
            self._go.set()

    def resume(self) -> None:
        self._go.set()

    def stop(self) -> None:
        self.stopped = True
        self._go.set()

    def clear(self) -> bool:
        """Wait while the sweep is paused, and return False if it was stopped."""
        self._go.wait()
        return not self.stopped


class Executor(ABC):
    """The base class of executors; ``workers`` is the number of jobs done at the same time."""

    workers: int = 1

    @abstractmethod
    def run(self, tasks: Iterable[dict[str, Any]], url: str, control: Control) -> Iterator[Outcome]:
        """Do the tasks, and yield each outcome as soon as it is known.

        Raises ``InvwidgetsError`` if no worker is available.
        """


class SerialExecutor(Executor):
    """An executor that does one job after the other in this process."""

    def run(self, tasks: Iterable[dict[str, Any]], url: str, control: Control) -> Iterator[Outcome]:
        for task in tasks:
            if not control.clear():
                return
            yield perform(task, url)


class Processes(Executor):
    """An executor with local processes, ``workers`` pools of one process each.

    If a process dies, only its own job is lost. The processes are forked from a server that has
    made all imports, so a dead process is replaced quickly. They end together with this process,
    also if it is killed.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, tasks: Iterable[dict[str, Any]], url: str, control: Control) -> Iterator[Outcome]:
        crew = _Crew(tasks, url, control)
        threads = [threading.Thread(target=crew.work, daemon=True, name=f"invwidgets-worker-{n}")
                   for n in range(self.workers)]  # fmt: skip
        for thread in threads:
            thread.start()
        left = len(threads)
        try:
            while left:
                outcome = crew.found.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                if outcome is None:
                    left -= 1
                else:
                    yield outcome
        finally:
            if left:  # do not wait for running jobs
                crew.end()


class _Crew:
    """The threads that each control one worker process, and their common state."""

    def __init__(self, tasks: Iterable[dict[str, Any]], url: str, control: Control) -> None:
        self.found: queue.Queue[Outcome | BaseException | None] = queue.Queue()
        self._tasks, self._url, self._control = iter(tasks), url, control
        self._taking = threading.Lock()
        self._ended = threading.Event()
        self._pids: set[int] = set()
        self._pids_lock = threading.Lock()

    def work(self) -> None:
        """Do jobs in a process of its own, until the next job is None."""
        try:
            for outcome in self._outcomes():
                self.found.put(outcome)
            self.found.put(None)
        except BaseException as error:
            self.found.put(error)

    def end(self) -> None:
        """Start no more jobs, and end the running ones; stored results are not affected."""
        with self._pids_lock:
            self._ended.set()
            begun = tuple(self._pids)
        for pid in begun:
            _end_process(pid)

    def _outcomes(self) -> Iterator[Outcome]:
        pool: ProcessPoolExecutor | None = None
        try:
            while (task := self._take()) is not None:
                for life in range(1, MAX_ATTEMPTS + 1):
                    try:
                        pool = pool or self._pool()
                        yield pool.submit(perform, task, self._url).result()
                        break
                    except BrokenProcessPool:
                        if self._ended.is_set():
                            return
                        if pool is not None:
                            pool.shutdown(wait=False)
                        pool = None
                        if life == MAX_ATTEMPTS:
                            yield lost(task, self._url)
        finally:
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)

    def _take(self) -> dict[str, Any] | None:
        if self._ended.is_set() or not self._control.clear():
            return None
        with self._taking:
            return next(self._tasks, None)

    def _pool(self) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(1, _context(), _begin_worker, (list(sys.path),))
        pid = pool.submit(os.getpid).result()
        with self._pids_lock:
            self._pids.add(pid)
            late = self._ended.is_set()
        if late:
            _end_process(pid)
        return pool


def _end_process(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGTERM)


def lost(task: dict[str, Any], url: str) -> Outcome:
    """The outcome of a job whose worker died several times, stored as a failure."""
    reason = (
        f"its worker was lost {MAX_ATTEMPTS} times, killed or out of memory: give workers more "
        "memory, or a smaller size"
    )
    return failed(opened(url), task["key"], reason)


def _context() -> Any:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        took_slower_path("each worker process imports all it needs", "this system cannot fork")
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["invwidgets.sweeps.preload"])
    return context


def _begin_worker(path: list[str]) -> None:
    """Set up a worker process.

    It uses one thread, imports from the parent's paths, ignores Ctrl-C, and ends with the parent.
    """
    import torch

    torch.set_num_threads(1)
    sys.path[:] = path
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    with contextlib.suppress(Exception):
        if parent is not None:
            wait([parent.sentinel])
    os._exit(1)


def machine_workers(job_bytes: int, own_bytes: int, wanted: int | None = None) -> tuple[int, str]:
    """The number of workers that fit on this machine, and a note about it, which may be empty.

    ``job_bytes`` is the memory of a job, ``own_bytes`` that of a process with the network.

    Raises ``InvwidgetsError`` if there is too little memory for one worker.
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
    count = wanted or cores
    if fit < count:
        return fit, f"{fit} workers instead of {count}: each needs about {each} of memory"
    return count, ""
