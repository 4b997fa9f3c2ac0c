"""The run of a sweep, which skips stored jobs and gives the other jobs to an executor."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..arguments import whole_number
from ..errors import OutputError
from .estimate import job_bytes, process_bytes, step_seconds
from .executors import Control, Executor, Processes, SerialExecutor, machine_workers
from .jobs import Job
from .sweep import Status, SweepProgress

if TYPE_CHECKING:
    from .sweep import Sweep

MAX_WORKERS = 1024


def run_sweep(
    sweep: Sweep,
    workers: int | None,
    scheduler: Any,
    on_progress: Callable[[SweepProgress], Any] | None,
    control: Control | None,
) -> Status:
    """Run a sweep; ``Sweep.run`` explains the arguments."""
    store, control = sweep.store, control or Control()
    given = None if workers is None else whole_number(workers, "workers", 1, MAX_WORKERS)
    if scheduler is not None:  # checked before networks are loaded, because it may be unreachable
        from .cluster import check_scheduler

        check_scheduler(scheduler)
    jobs = {job.key: job for job in sweep.jobs}  # equal jobs are done once
    store.keep_plan(sweep.grid.to_dict(), [job.key for job in sweep.jobs])
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
