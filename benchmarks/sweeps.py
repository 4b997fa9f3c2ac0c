"""The overhead of a sweep, and its throughput by the number of workers.

    python -m benchmarks.sweeps [--jobs 10000] [--workers 8,64]

*Overhead*: the part of a run's time, without planning, that is not spent in the jobs' searches, for
jobs of one seed at 224 pixels with 20 steps and with the default's 150. *Skipping*: the seconds and
file reads for jobs that are all stored already. *Throughput*: jobs per minute with worker
processes. *Sleeping*: the number of jobs that sleep for a second, done by more workers than the
machine has cores, compared with ideal workers.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import functional

import invwidgets as iw
from invwidgets.representations.base import Representation
from invwidgets.sweeps import executors, work
from invwidgets.sweeps.executors import Control, Processes
from invwidgets.sweeps.sweep import SweepProgress

from .report import keep, machine, table

LITE = {"photos": ["coffee", "rocket", "chelsea"], "layers": ["blocks.2", "blocks.4"], "seeds": 1}
_EACH = 3  # sleeping jobs a worker


def thumbnail() -> Representation:
    """The smallest possible network, which averages pixels."""
    return iw.from_callable(_averaged, size=(16, 16))


def _averaged(images: Tensor) -> Tensor:
    return functional.avg_pool2d(images, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--workers", default="8,64")
    options = parser.parse_args()
    print(machine(), flush=True)
    rows = [_overhead(20), _overhead(150), _skipping(options.jobs)]
    rows += [_throughput(count) for count in range(1, (os.cpu_count() or 1) + 1)]
    rows += [_sleeping(int(count)) for count in options.workers.split(",")]
    print(table(rows))
    keep("sweeps", {"rows": rows})


def _row(what: str, measured: str) -> dict[str, Any]:
    row = {"": what, "measured": measured}
    print(row, flush=True)
    return row


def _overhead(steps: int) -> dict[str, Any]:
    spent, inverted = [], work.inverted

    def timed(task: dict[str, Any]) -> iw.Reconstruction:
        began = time.perf_counter()
        result = inverted(task)
        spent.append(time.perf_counter() - began)
        return result

    marks: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        sweep = iw.Sweep(**LITE, settings={"steps": steps}, store=folder)
        work.inverted = timed
        try:
            sweep.run(on_progress=lambda progress: marks.append(time.perf_counter()))
        finally:
            work.inverted = inverted
    wall = marks[-1] - marks[0]
    share = 100 * (1 - sum(spent) / wall)
    each = sum(spent) / len(spent)
    return _row(f"overhead, jobs of {steps} steps ({each:.1f} s)", f"{share:.1f} %")


def _skipping(jobs: int) -> dict[str, Any]:
    seeds = [[seed] for seed in range(jobs)]
    with tempfile.TemporaryDirectory() as folder:
        sweep = iw.Sweep("coffee", "benchmarks.sweeps:thumbnail", seeds=seeds,
                         settings={"steps": 1}, store=Path(folder) / "store")  # fmt: skip
        result = work.inverted(sweep.jobs[0].task)
        place = sweep.store.place
        write = place.write
        place.write = partial(write, lasting=False)  # filling it is not what is measured
        for job in sweep.jobs:
            sweep.store.put(job.key, result, job.task, 0.01)
        place.write = write
        counts = {"read": 0}
        for name in counts:
            setattr(place, name, partial(_counted, counts, name, getattr(place, name)))
        began, cpu = time.perf_counter(), time.process_time()
        assert sweep.run().complete
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    words = f"{seconds:.1f} s ({cpu:.1f} s computing), {counts['read']} files read"
    return _row(f"{jobs} stored jobs planned, checked and skipped", words)


def _counted(counts: dict[str, int], name: str, plain: Any, *given: Any) -> Any:
    counts[name] += 1
    return plain(*given)


def _throughput(workers: int) -> dict[str, Any]:
    marks: list[float] = []

    def heard(progress: SweepProgress) -> None:
        if progress.outcome is not None:
            marks.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        sweep = iw.Sweep(**LITE, settings={"steps": 30, "tv_weight": [0.01, 0.02, 0.04]},
                         size=128, store=folder)  # fmt: skip
        sweep.run(workers, on_progress=heard)
    rest = marks[workers:]  # each worker's first job also loads the network
    rate = 60 * (len(rest) - 1) / (rest[-1] - rest[0])
    return _row(f"throughput, {workers} worker{'s' * (workers > 1)}", f"{rate:.0f} jobs a minute")


def _sleeping(workers: int) -> dict[str, Any]:
    plain = executors.perform
    executors.perform = _sleep
    ends: list[float] = []
    try:
        tasks = ({"key": str(n)} for n in range(_EACH * workers))
        for _ in Processes(workers).run(tasks, "", Control()):
            ends.append(time.perf_counter())
    finally:
        executors.perform = plain
    began = ends[0] - 1
    share = len(ends) / (workers * (ends[-1] - began))
    return _row(f"{workers} sleeping workers", f"{100 * share:.0f} % of ideal")


def _sleep(task: dict[str, Any], url: str) -> work.Outcome:
    time.sleep(1)
    return {"key": task["key"], "state": "stored", "reason": "", "seconds": 1.0}


if __name__ == "__main__":
    main()
