"""Tests of all executors: this process, worker processes, and a Dask cluster of processes."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import distributed
import psutil
import pytest

import invwidgets as iw
from invwidgets.errors import InvwidgetsError
from invwidgets.sweeps import cluster as dask
from invwidgets.sweeps import executors
from invwidgets.sweeps.estimate import process_bytes
from invwidgets.sweeps.executors import Control, machine_workers
from invwidgets.sweeps.sweep import SweepProgress
from tests.patience import wait_until

from . import nets

Tiny = Callable[..., iw.Sweep]


@pytest.fixture(scope="module")
def loads(tmp_path_factory: Any) -> Iterator[Path]:
    """A folder in which each loading of a network leaves a file."""
    folder: Path = tmp_path_factory.mktemp("loads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(nets.LOADS, str(folder))
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        yield folder


@pytest.fixture(scope="module")
def cluster(loads: Path) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
            memory_limit="2GiB",
        ) as local,
        Client(local) as client,
    ):  # fmt: skip
        client.wait_for_workers(2)
        yield client


SLOW = pytest.mark.slow


@pytest.fixture(
    params=["here", pytest.param("processes", marks=SLOW), pytest.param("dask", marks=SLOW)]
)
def how(request: Any, loads: Path) -> dict[str, Any]:
    """The arguments of ``Sweep.run`` for an executor."""
    if request.param == "dask":
        return {"scheduler": request.getfixturevalue("cluster")}
    return {"workers": 1 if request.param == "here" else 2}


def records(sweep: iw.Sweep) -> dict[str, bytes]:
    place = sweep.store.place
    return {name: place.read(name) for name in place.names("records")}


@pytest.fixture
def reference(tiny: Tiny) -> dict[str, bytes]:
    sweep = tiny()
    sweep.run()
    return records(sweep)


def test_all_end_with_the_same_bytes(
    tiny: Tiny, how: dict[str, Any], reference: dict[str, bytes]
) -> None:
    sweep, told = tiny(), list[SweepProgress]()
    status = sweep.run(on_progress=told.append, **how)
    assert status.complete
    assert records(sweep) == reference
    assert [p.todo for p in told] == list(range(8, -1, -1))
    keys = [p.outcome["key"] for p in told if p.outcome]
    assert sorted(keys) == sorted(sweep.keys)
    assert sweep.run(**how).complete


def test_what_fails_says_why_and_the_others_run(
    tiny: Tiny, how: dict[str, Any], photos: list[str], tmp_path: Path
) -> None:
    photo = tmp_path / "mine.png"
    photo.write_bytes(Path(photos[0]).read_bytes())
    sweep = tiny(photos=[photo, photos[1]])

    def take_away(progress: SweepProgress) -> None:
        photo.unlink(missing_ok=True)

    status = sweep.run(on_progress=take_away, **how)
    assert (len(status.stored), len(status.failed)) == (4, 4)
    assert all("mine.png" in reason for reason in status.failed.values())
    assert sweep.store.failures() == status.failed


def test_it_rests_stops_and_goes_on(tiny: Tiny, how: dict[str, Any]) -> None:
    sweep, control, told = tiny(), Control(), list[SweepProgress]()

    def heard(progress: SweepProgress) -> None:
        told.append(progress)
        if progress.stored == 2:
            control.pause()
            threading.Timer(0.3, control.resume).start()
        if progress.stored == 3:
            control.stop()

    status = sweep.run(on_progress=heard, control=control, **how)
    assert 3 <= len(status.stored) < 8
    assert len(status.missing) == 8 - len(status.stored)
    assert sweep.run(**how).complete


def test_a_store_that_takes_no_more_ends_it_in_words(tiny: Tiny, how: dict[str, Any]) -> None:
    sweep = tiny()
    keys = sweep.keys
    blocked = sweep.store.place.path / "records" / keys[2][:2]  # type: ignore[attr-defined]
    blocked.parent.mkdir()
    blocked.write_text("a file where a folder belongs")
    with pytest.raises(InvwidgetsError, match=r"cannot (read|write) .*run the sweep again"):
        sweep.run(**how)
    blocked.unlink()
    assert sweep.run(**how).complete


def test_every_worker_loads_a_network_once(
    tiny: Tiny, how: dict[str, Any], loads: Path, photos: list[str]
) -> None:
    for left in loads.iterdir():
        left.unlink()
    sweep = tiny(photos=photos)
    assert sweep.run(**how).complete
    pids = [name.name.split("-")[0] for name in loads.iterdir()]
    assert len(pids) == len(set(pids)) <= 2
    assert str(os.getpid()) not in pids or how.get("workers") == 1


def forked_workers(process: Any = None) -> list[psutil.Process]:
    """The worker processes, which are children of the fork server."""
    servers = (process or psutil.Process()).children()
    forking = [s for s in servers if "forkserver" in " ".join(s.cmdline())]
    return [worker for server in forking for worker in server.children()]


@pytest.mark.slow
def test_a_lost_process_is_replaced_and_its_job_done_again(tiny: Tiny, loads: Path) -> None:
    sweep = tiny(models=nets.SLOW, layers=None)
    killed: list[int] = []

    def kill(progress: SweepProgress) -> None:
        if progress.stored == 1:
            victim = forked_workers()[0]
            killed.append(victim.pid)
            victim.kill()

    status = sweep.run(workers=2, on_progress=kill)
    assert status.complete
    assert killed


@pytest.mark.slow
def test_a_job_that_ends_its_workers_fails_with_words_and_the_others_run(
    tiny: Tiny, loads: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(nets.SPARED, str(os.getpid()))
    sweep = tiny(models=[nets.DEADLY, nets.TINY], layers={nets.TINY: "relu"}, seeds=1,
                 settings={"steps": 2})  # fmt: skip
    status = sweep.run(workers=2)
    assert (len(status.stored), len(status.failed)) == (2, 2)
    assert "its worker was lost 3 times" in next(iter(status.failed.values()))


@pytest.mark.slow
def test_workers_end_with_the_process_that_began_them(photos: list[str], tmp_path: Path) -> None:
    code = (
        "import invwidgets as iw\n"
        "if __name__ == '__main__':\n"
        f"    iw.Sweep({photos!r}, {nets.SLOW!r}, seeds=8, settings={{'steps': 50}},\n"
        f"             store={str(tmp_path / 'store')!r}).run(workers=2)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    main = psutil.Popen([sys.executable, str(script)], env=environment)
    wait_until(lambda: len(forked_workers(main)) == 2, "two workers")
    workers = forked_workers(main)
    main.send_signal(signal.SIGKILL)
    main.wait()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive


def test_workers_are_as_many_as_memory_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from invwidgets.inversion.hardware import memory

    monkeypatch.setattr(memory, "available_memory", lambda device: 10 * 2**30)
    assert machine_workers(2**30, 2**30, 3) == (3, "")
    count, words = machine_workers(2**30, 2**30, 64)
    assert count == 4
    assert words == "4 workers instead of 64: each needs about 2.0 GiB of memory"
    with pytest.raises(InvwidgetsError, match=r"a worker needs about 20.0 GiB, and 9.0 GiB can"):
        machine_workers(19 * 2**30, 2**30, 2)


def test_what_a_process_takes_is_its_own_networks_not_what_this_one_holds(tiny: Tiny) -> None:
    jobs = tiny().jobs
    before, held = process_bytes(jobs), b"x" * 2**28  # written, so that it is resident
    assert process_bytes(jobs) == before
    parameters = sum(p.nbytes for p in nets.tiny().parameters())
    assert process_bytes(jobs) == process_bytes([]) + 2 * parameters
    assert held


@contextmanager
def other_server() -> Iterator[str]:
    """The address of a server that is not a scheduler."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    connection.close()

        threading.Thread(target=answer, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


def test_a_scheduler_out_of_reach_is_said_with_the_command_to_start_one(tiny: Tiny) -> None:
    sweep = tiny()
    assert dask.REACH < 5  # seconds, of the ten that it may take from the shell's start on
    with other_server() as taken:
        for address in ("tcp://127.0.0.1:9", "nowhere", taken):
            with pytest.raises(InvwidgetsError, match=r"no Dask scheduler .*'dask scheduler'"):
                sweep.run(scheduler=address)
    assert "jobs" not in vars(sweep), "said before anything is planned"
    with pytest.raises(InvwidgetsError, match="scheduler 3: give an address"):
        sweep.run(scheduler=3)


def test_a_client_that_reached_no_scheduler_is_closed_at_once(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The garbage collector could close it while another client starts, which waits forever."""
    made: list[Any] = []
    start = distributed.Client.start

    def noted(client: Any, **how: Any) -> Any:
        made.append(client)
        return start(client, **how)

    monkeypatch.setattr(distributed.Client, "start", noted)
    with other_server() as taken:
        for address in ("nowhere", taken):
            with pytest.raises(InvwidgetsError, match="no Dask scheduler"):
                tiny().run(scheduler=address)
    assert [client.status for client in made] == ["closed"] * 2


class Pools:
    """Pretended worker processes: one does its first job, one begins late."""

    def __init__(self) -> None:
        self.late, self.busy = threading.Event(), threading.Event()
        self.ended: list[int] = []
        self.jobs: dict[int, Future[Any]] = {}
        self._numbers = itertools.count(1)

    def __call__(self, *_: Any) -> Any:
        return Pool(self, next(self._numbers))

    def kill(self, pid: int, _: int) -> None:
        self.ended.append(pid)
        self.late.set()  # the other begins while those that are there are gone through
        self.busy.wait(60)
        self.jobs[pid].set_exception(BrokenProcessPool())


class Pool:
    def __init__(self, pools: Pools, number: int) -> None:
        self.pools, self.number = pools, number

    def submit(self, call: Any, *_: Any) -> Future[Any]:
        pools, answer = self.pools, Future[Any]()
        if call is os.getpid:
            if self.number == 2:
                pools.late.wait(60)
            answer.set_result(self.number)
        elif self.number == 1 and 1 not in pools.jobs:
            pools.jobs[1] = Future()
            answer.set_result({"key": "a", "state": "stored"})
        else:
            pools.jobs[self.number] = answer
            if self.number == 2:
                pools.busy.set()
        return answer

    def shutdown(self, **_: Any) -> None:
        pass


def test_a_worker_that_begins_while_the_sweep_ends_is_ended_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pools = Pools()
    monkeypatch.setattr(executors, "ProcessPoolExecutor", pools)
    monkeypatch.setattr("os.kill", pools.kill)
    tasks = iter([{"key": name} for name in "abcdef"])
    before = threading.active_count()
    outcomes = executors.Processes(2).run(tasks, "nowhere", Control())
    assert next(outcomes)["key"] == "a"
    outcomes.close()  # type: ignore[attr-defined]
    end = time.monotonic() + 60
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert sorted(pools.ended) == [1, 2]
