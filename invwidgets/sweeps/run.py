"""The run of a sweep, which skips stored jobs, with its progress reports and final status."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..arguments import whole_number
from ..errors import OutputError
from .estimate import in_words, job_bytes, process_bytes, step_seconds
from .executors import Control, Executor, Processes, SerialExecutor, machine_workers
from .grid import Grid
from .jobs import Job
from .store import Store

MAX_WORKERS = 1024


@dataclass(frozen=True)
class SweepProgress:
    """A progress report of a sweep; ``seconds`` is the estimated time left, None if unknown.

    ``outcome`` has the ``key``, ``state`` and ``reason`` of the last job.
    """

    total: int
    stored: int
    failed: int
    todo: int
    workers: int
    seconds: float | None
    outcome: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()

    def describe(self) -> str:
        """The progress in one line."""
        parts = [f"{self.total} jobs: {self.stored} stored"]
        if self.failed:
            parts.append(f"{self.failed} failed")
        parts.append(f"{self.todo} to do")
        words = ", ".join(parts)
        if self.todo and self.seconds is not None:
            with_ = f" with {self.workers} workers" if self.workers > 1 else ""
            words += f"; about {in_words(self.seconds)}{with_}"
        return words


@dataclass(frozen=True)
class Status:
    """The state of some jobs in a store.

    It has the keys of ``stored`` and ``missing`` jobs, and the reasons by key of ``failed`` and
    ``damaged`` ones.
    """

    total: int
    stored: tuple[str, ...]
    missing: tuple[str, ...]
    failed: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return len(self.stored) == self.total

    def describe(self) -> str:
        """The numbers of jobs in one line."""
        counts = [(len(self.stored), "stored"), (len(self.failed), "failed"),
                  (len(self.damaged), "damaged"), (len(self.missing), "to do")]  # fmt: skip
        said = ", ".join(f"{count} {word}" for count, word in counts if count)
        return f"{self.total} jobs: {said or 'none stored'}"


def run_sweep(
    store: Store,
    grid: Grid,
    plan: Callable[[], Sequence[Job]],
    workers: int | None,
    scheduler: Any,
    on_progress: Callable[[SweepProgress], Any] | None,
    control: Control,
) -> Status:
    """Run the jobs that ``plan`` returns; ``Sweep.run`` explains the other arguments."""
    given = None if workers is None else whole_number(workers, "workers", 1, MAX_WORKERS)
    if scheduler is not None:  # checked before networks are loaded, because it may be unreachable
        from .cluster import check_scheduler

        check_scheduler(scheduler)
    planned = plan()
    jobs = {job.key: job for job in planned}  # equal jobs are done once
    store.keep_plan(grid.to_dict(), [job.key for job in planned])
    found, damaged = store.survey(jobs)
    for key in damaged:
        store.discard(key)
    failed: dict[str, str] = {}
    for job in jobs.values():
        if job.reason:
            failed[job.key] = job.reason
            store.fail(job.key, job.reason)
    before = set(store.failures())
    todo = [job for key, job in jobs.items() if key not in found and not job.reason]
    executor, notes = _executor(todo, given, scheduler)
    notes += [f"{reason}; it is done again" for reason in damaged.values()]
    pace = _Pace(todo, step_seconds(todo, [jobs[key] for key in found], store), executor.workers)
    stored, tell = list(found), on_progress or (lambda progress: None)

    def progress(outcome: dict[str, Any] | None) -> SweepProgress:
        left = len(jobs) - len(stored) - len(failed)
        return SweepProgress(len(jobs), len(stored), len(failed), left, executor.workers,
                        pace.left(), outcome, tuple(notes))  # fmt: skip

    tell(progress(None))
    outcomes = executor.run((job.task for job in todo), store.url, control)
    try:
        for outcome in outcomes:
            key = outcome["key"]
            if outcome["state"] == "unwritten":
                raise OutputError(
                    f"{outcome['reason']} ({len(stored)} of {len(jobs)} jobs are stored; run the "
                    "sweep again to go on)"
                )
            if outcome["state"] == "stored":
                stored.append(key)
                if key in before:
                    store.clear_failure(key)
            else:
                failed[key] = outcome["reason"]
            pace.done(jobs[key])
            tell(progress(outcome))
    finally:
        outcomes.close()  # type: ignore[attr-defined]  # closing the generator ends its workers
    missing = tuple(key for key in jobs if key not in failed and key not in set(stored))
    return Status(len(jobs), tuple(stored), missing, failed)


def status_of(store: Store, keys: Iterable[str]) -> Status:
    """The state of some jobs in a store."""
    every = list(dict.fromkeys(keys))
    found, damaged = store.survey(every)
    failures = store.failures()
    failed = {k: failures[k] for k in every if k in failures and k not in found}
    missing = [k for k in every if k not in found and k not in failed and k not in damaged]
    return Status(
        len(every), tuple(k for k in every if k in found), tuple(missing), failed, damaged
    )


def _executor(todo: list[Job], workers: int | None, scheduler: Any) -> tuple[Executor, list[str]]:
    if scheduler is not None:
        from .cluster import Cluster

        return Cluster(scheduler, job_bytes(todo)), []
    if workers == 1 or not todo:
        return SerialExecutor(), []
    count, words = machine_workers(job_bytes(todo), process_bytes(todo), workers)
    count = min(count, len(todo))
    return Processes(count) if count > 1 else SerialExecutor(), [words] if words else []


class _Pace:
    """The time left, from estimates of the remaining jobs and the errors of earlier ones."""

    def __init__(self, todo: list[Job], rates: dict[Any, float], workers: int) -> None:
        self._rates, self._workers = rates, workers
        self._todo = sum(self._cost(job) for job in todo)
        self._done = 0.0
        self._began = time.perf_counter()

    def _cost(self, job: Job) -> float:
        return self._rates.get(job.group, 0.0) * job.weight

    def done(self, job: Job) -> None:
        self._done += self._cost(job)

    def left(self) -> float | None:
        """The estimated seconds left; None if nothing was measured."""
        if not self._todo:
            return None
        left = max(0.0, self._todo - self._done)
        if not self._done:
            return left / self._workers
        return left / self._done * (time.perf_counter() - self._began)
