"""An executor on a Dask cluster, whose machines can import this package and reach the store.

>>> for outcome in Cluster("tcp://127.0.0.1:8786").run(tasks, "s3://bucket/sweep", Control()):
...     print(outcome["key"], outcome["state"])

To start a cluster, run ``dask scheduler`` and, on each machine, ``dask worker ADDRESS --nworkers
auto --nthreads 1``. This module needs the extra ``distributed``; no other module imports Dask.
"""

from __future__ import annotations

import queue
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from ..errors import BadSettingError, InvwidgetsError, own_words, shown
from .executors import Control, Executor, lost
from .work import Outcome, perform

REACH = 4.0  # seconds without an answer until a scheduler counts as unreachable
_PATIENCE = 8.0  # seconds until a scheduler counts as having no workers
_AHEAD = 2  # jobs that are sent to each worker in advance, so that none is idle
_LOOK = 0.5  # seconds between two checks of the connection
_WORKERS = "'dask worker ADDRESS --nworkers auto --nthreads 1'"


class Cluster(Executor):
    """The workers of a Dask scheduler, given by its address or by a ``distributed.Client``.

    ``job_bytes`` is the memory that a job needs. A client that the caller gave is not closed.

    Raises ``InvwidgetsError`` for a scheduler that cannot be reached or has no workers, or if the
    workers have too little memory.
    """

    def __init__(self, scheduler: Any, job_bytes: int = 0) -> None:
        try:
            import distributed
        except ImportError:
            raise BadSettingError(
                "a scheduler needs Dask: pip install 'invwidgets[distributed]'"
            ) from None
        self._own = not isinstance(scheduler, distributed.Client)
        self._client = _reach(scheduler) if self._own else scheduler
        self._address = self._client.scheduler.address
        try:
            self.workers = self._sized(job_bytes)
        except BaseException:
            self.leave()
            raise

    def run(self, tasks: Iterable[dict[str, Any]], url: str, control: Control) -> Iterator[Outcome]:
        waiting: Iterator[dict[str, Any]] = iter(tasks)
        under_way: dict[Any, dict[str, Any]] = {}
        finished: queue.Queue[Any] = queue.Queue()
        try:
            while True:
                while len(under_way) < _AHEAD * self.workers and not control.paused:
                    task = None if control.stopped else next(waiting, None)
                    if task is None:
                        break
                    future = self._client.submit(
                        perform, task, url, key=f"invwidgets-{task['key']}", pure=False
                    )
                    under_way[future] = task
                    future.add_done_callback(finished.put)
                if under_way:
                    for future in self._next(finished):
                        yield self._outcome(future, under_way.pop(future), url)
                elif not control.paused or not control.clear():
                    return
        finally:
            with suppress(Exception):
                self._client.cancel(list(under_way))
            self.leave()

    def _next(self, finished: queue.Queue[Any]) -> list[Any]:
        """The tasks that have finished since the last call."""
        try:
            found = [finished.get(timeout=_LOOK)]
        except queue.Empty:
            if self._client.status != "running":
                raise self._gone() from None
            self._count()
            return []
        while not finished.empty():
            found.append(finished.get_nowait())
        return found

    def _outcome(self, future: Any, task: dict[str, Any], url: str) -> Outcome:
        if future.status == "finished":
            outcome: Outcome = future.result()
            return outcome
        if future.status != "error":  # Dask cancels all futures if the connection is lost
            raise self._gone()
        error = future.exception()
        if type(error).__name__ == "KilledWorker":
            return lost(task, url)
        return {"key": task["key"], "state": "failed", "reason": own_words(error), "seconds": 0.0}

    def _gone(self) -> InvwidgetsError:
        return InvwidgetsError(
            f"the scheduler at {self._address} is gone: what was stored stays; start it again with "
            f"'dask scheduler' and workers with {_WORKERS}, and run the sweep again to go on"
        )

    def _count(self) -> dict[str, Any]:
        """The current number of workers, because workers may join and leave."""
        workers: dict[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        self.workers = max(1, len(workers))
        return workers

    def _sized(self, job_bytes: int) -> int:
        try:
            self._client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError:
            raise InvwidgetsError(
                f"the scheduler at {self._address} has no workers: start some with {_WORKERS}"
            ) from None
        limits = [w.get("memory_limit") or 0 for w in self._count().values()]
        if all(0 < limit < job_bytes for limit in limits):
            raise InvwidgetsError(
                f"a job needs about {job_bytes / 2**30:.2g} GiB and the largest worker at "
                f"{self._address} has {max(limits) / 2**30:.2g}: start fewer, larger workers, or "
                "give a smaller size"
            )
        return self.workers

    def leave(self) -> None:
        """Close the connection, unless the caller opened it."""
        if self._own:
            _close(self._client)


def check_scheduler(scheduler: Any) -> None:
    """Check that the scheduler answers, before jobs are planned; raises what ``Cluster`` raises."""
    found = Cluster(scheduler)
    found.leave()


def _reach(scheduler: Any) -> Any:
    import distributed

    if not isinstance(scheduler, str) or not scheduler:
        raise BadSettingError(
            f"scheduler {shown(scheduler)}: give an address such as tcp://host:8786, or a "
            "distributed.Client"
        )
    client = distributed.Client.__new__(distributed.Client)
    try:
        client.__init__(  # type: ignore[misc]
            scheduler, timeout=REACH, set_as_default=False
        )
    except Exception as error:  # another program may answer at this address
        # The garbage collector could close it while another client starts and holds a lock that
        # close needs, and both would wait forever.
        _close(client)
        raise InvwidgetsError(
            f"no Dask scheduler answers at {shown(scheduler)} ({own_words(error)}): start one with "
            f"'dask scheduler' and workers with {_WORKERS}, and give the address it prints"
        ) from None
    return client


def _close(client: Any) -> None:
    with suppress(Exception):
        client.close(timeout=2)
