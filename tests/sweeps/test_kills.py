"""Tests with SIGKILL at random moments: no stored result is lost or computed again."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

import invwidgets as iw
from invwidgets.errors import InvwidgetsError, OutputError
from invwidgets.sweeps import executors
from invwidgets.sweeps.sweep import SweepProgress
from tests.patience import wait_until

from . import killing, nets
from .test_executors import forked_workers, records

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
MAINS, WORKERS, CREWS = 32, 20, 2  # how many are killed of each

Tiny = Callable[..., iw.Sweep]


@pytest.fixture(scope="module")
def given(photos: list[str]) -> dict[str, Any]:
    """A sweep of 48 jobs of 3 steps."""
    return {
        "photos": photos, "models": nets.TINY, "layers": ["relu", "relu_1"],
        "seeds": [[0], [1, 2]], "settings": {"steps": 3, "tv_weight": [0.01, 0.02, 0.03, 0.04]},
    }  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(given: dict[str, Any], tmp_path_factory: Any) -> dict[str, bytes]:
    sweep = iw.Sweep(**given, store=tmp_path_factory.mktemp("undisturbed") / "store")
    assert sweep.run().complete
    found = records(sweep)
    assert len(found) == 2 * 48
    return found


class Notes:
    """The log of jobs that were begun."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[tuple[str, int]]:
        text = self.path.read_text() if self.path.exists() else ""
        whole = text[: text.rfind("\n") + 1]  # a job may be writing the last line
        return [(key, int(when)) for key, when in (line.split() for line in whole.splitlines())]

    def check(self, sweep: iw.Sweep) -> None:
        """Check that no job was begun that had a record."""
        lines = self.lines()
        assert {key for key, _ in lines} == set(sweep.keys)
        for key, when in lines:
            record = sweep.store.place.path / f"records/{key[:2]}/{key}.json"  # type: ignore[attr-defined]
            assert when <= record.stat().st_mtime_ns


@contextmanager
def noting(log: Path) -> Iterator[None]:
    """Log the jobs of this process's sweeps too, wherever they run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executors, "perform", killing.noting(str(log)))
        yield


def test_at_random_moments(
    given: dict[str, Any], undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["invwidgets.sweeps.preload", "tests.sweeps.killing"])
    chance = random.Random(14)
    killed = stores = 0
    while killed < MAINS:
        stores += 1
        store, notes = tmp_path / f"store{stores}", Notes(tmp_path / f"log{stores}")
        sweep = iw.Sweep(**given, store=store)
        while not sweep.status().complete:
            begun = len(notes.lines()) + chance.randrange(4)
            process = context.Process(
                target=killing.main, args=(given, str(store), str(notes.path), 1)
            )
            process.start()
            while len(notes.lines()) < begun and process.is_alive():
                time.sleep(0.002)
            time.sleep(chance.random() * 0.08)
            process.kill()
            process.join()
            killed += process.exitcode == -signal.SIGKILL
        assert records(sweep) == undisturbed
        notes.check(sweep)
    assert killed >= MAINS


def test_workers_at_random_moments(
    given: dict[str, Any], undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    chance = random.Random(15)
    killed = stores = 0
    while killed < WORKERS:
        stores += 1
        notes = Notes(tmp_path / f"log{stores}")
        sweep = iw.Sweep(**given, store=tmp_path / f"store{stores}")
        ended = threading.Event()

        def kill(ended: threading.Event = ended) -> None:
            nonlocal killed
            while not ended.wait(chance.random() * 0.4):
                workers = forked_workers()
                if workers:
                    chance.choice(workers).kill()
                    killed += 1

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            with noting(notes.path):
                while not sweep.run(workers=2).complete:  # one may have lost its worker three times
                    pass
        finally:
            ended.set()
            killer.join()
        assert records(sweep) == undisturbed
        notes.check(sweep)


def test_a_main_process_with_workers(
    given: dict[str, Any], undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    sweep, notes = iw.Sweep(**given, store=tmp_path / "store"), Notes(tmp_path / "log")
    code = (
        "from tests.sweeps import killing\n"
        f"if __name__ == '__main__': killing.main({given!r}, {sweep.store.url!r}, "
        f"{str(notes.path)!r}, 2)\n"
    )
    script = tmp_path / "main.py"
    script.write_text(code)
    for round_ in range(CREWS):
        main = psutil.Popen(
            [sys.executable, str(script)], env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
        begun = len(notes.lines()) + 5 + 3 * round_
        wait_until(
            lambda begun=begun, main=main: len(notes.lines()) >= begun or main.poll() is not None,
            "jobs are begun",
        )
        workers = forked_workers(main)
        main.kill()
        main.wait()
        assert not psutil.wait_procs(workers, timeout=60)[1]
        stored = set(records(sweep))
        assert stored <= set(undisturbed)
    with noting(notes.path):
        assert sweep.run().complete
    assert records(sweep) == undisturbed


def test_two_sweeps_on_one_store(
    given: dict[str, Any], undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    sweep = iw.Sweep(**given, store=tmp_path / "store")
    context = multiprocessing.get_context("forkserver")
    pair = [
        context.Process(
            target=killing.main, args=(given, sweep.store.url, str(tmp_path / f"log{n}"), 1)
        )
        for n in range(2)
    ]
    for process in pair:
        process.start()
    for process in pair:
        process.join()
    assert [process.exitcode for process in pair] == [0, 0]
    assert records(sweep) == undisturbed
    assert sweep.status().complete


def test_a_full_disk_ends_it_in_words_and_leaves_a_whole_store(
    given: dict[str, Any], undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """A limit on a file's size: writing beyond it fails as a write to a full disk does."""
    sweep = iw.Sweep(**given, store=tmp_path / "store")
    size = min(len(content) for name, content in undisturbed.items() if name.endswith("tensors"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(progress: SweepProgress) -> None:
        if progress.stored == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, limits[1]))

    try:
        with pytest.raises(OutputError, match=r"cannot write .*File too large.*\(3 of 48 jobs"):
            sweep.run(on_progress=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    status = sweep.status()
    assert (len(status.stored), status.damaged) == (3, {})
    assert not list((tmp_path / "store").rglob("*.part"))
    assert sweep.run().complete
    assert records(sweep) == undisturbed


def test_the_scheduler_goes(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the documented commands: a worker lost is made up for, a scheduler lost is said."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    weights = {"steps": 3, "tv_weight": [0.01, 0.02, 0.04, 0.08]}
    sweep = tiny(models=nets.SLOW, layers=None, settings=weights, store=tmp_path / "store")
    assert len(sweep) > 4
    dask = Path(sys.executable).parent / "dask"
    file = tmp_path / "scheduler.json"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = psutil.Popen(
        [dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
         "--scheduler-file", file], **quiet,
    )  # fmt: skip
    workers = psutil.Popen(
        [dask, "worker", "--scheduler-file", file, "--nworkers", "2", "--nthreads", "1",
         "--no-dashboard", "--local-directory", tmp_path], **quiet,
    )  # fmt: skip
    try:
        wait_until(
            lambda: file.exists() and file.read_text().endswith("}"), "the scheduler is there"
        )
        import json

        address = json.loads(file.read_text())["address"]

        def disturb(progress: SweepProgress) -> None:
            if progress.stored == 1:
                spawned = [p for p in workers.children() if "spawn_main" in " ".join(p.cmdline())]
                spawned[0].kill()
            if progress.stored == 4:
                scheduler.kill()

        with pytest.raises(InvwidgetsError, match=r"scheduler at tcp.* is gone: what was stored"):
            sweep.run(scheduler=address, on_progress=disturb)
    finally:
        for process in (scheduler, workers):
            for child in process.children(recursive=True) if process.is_running() else []:
                child.kill()
            process.kill()
            process.wait()
    stored = set(sweep.status().stored)
    assert len(stored) >= 4
    before = {name: (sweep.store.place.path / name).stat().st_ino for name in records(sweep)}  # type: ignore[attr-defined]
    assert sweep.run().complete
    assert all((sweep.store.place.path / name).stat().st_ino == inode
               for name, inode in before.items())  # fmt: skip
