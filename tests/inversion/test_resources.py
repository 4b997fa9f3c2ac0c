"""Device, threads and memory: resolved before a run, refused in time."""

from __future__ import annotations

import types

import psutil
import pytest
import torch

from invwidgets.errors import BadSettingError, DeviceError, OutOfMemoryError
from invwidgets.inversion.hardware import memory as resources
from invwidgets.inversion.hardware.memory import (
    available_memory,
    plan_memory,
    resolve_device,
    seed_bytes,
)
from invwidgets.inversion.hardware.threads import cpu_threads
from invwidgets.inversion.prepare import prepare
from invwidgets.inversion.settings import InversionSettings
from tests.small_networks import SIZE, phi, picture

PHI = phi()
CPU = torch.device("cpu")


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_device("auto") == resolve_device("cpu") == CPU
    for name in ("cuda", "cuda:1", "mps"):
        with pytest.raises(DeviceError, match=rf"{name}.*which has: cpu.*auto"):
            resolve_device(name)
    with pytest.raises(BadSettingError, match=r"'tpu'.*auto, cpu, cuda, mps"):
        resolve_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto").type == "cuda"
    assert resolve_device("cuda:1") == torch.device("cuda", 1)


def test_a_device_that_is_no_device() -> None:
    with pytest.raises(BadSettingError, match="cpu:x"):
        resolve_device("cpu:x")


def test_threads_are_set_inside_and_put_back() -> None:
    before = torch.get_num_threads()
    with cpu_threads(before + 1) as threads:
        assert threads == torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with cpu_threads(None) as threads:
        assert threads == before
    with pytest.raises(KeyError), cpu_threads(before + 1):
        raise KeyError
    assert torch.get_num_threads() == before


def test_available_memory_is_the_least_of_machine_and_container(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = {
        "/sys/fs/cgroup/memory.max": ["300000"],
        "/sys/fs/cgroup/memory.current": ["100000"],
    }
    monkeypatch.setattr(resources, "limit_lines", lambda path: files.get(str(path), []))
    machine = types.SimpleNamespace(available=500 * 1024)
    with monkeypatch.context() as patched:
        patched.setattr(psutil, "virtual_memory", lambda: machine)
        assert available_memory(CPU) == 200_000
        files["/sys/fs/cgroup/memory.max"] = ["max"]
        assert available_memory(CPU) == 500 * 1024
        files["/sys/fs/cgroup/memory.max"] = ["50000"]
        assert available_memory(CPU) == 0
    files.clear()
    assert available_memory(CPU) > 2**20


def test_a_seeds_need_grows_with_the_image_and_the_depth() -> None:
    small, large = seed_bytes(PHI, SIZE), seed_bytes(PHI, (48, 56))
    assert 2.5 * small < large < 6 * small
    assert seed_bytes(PHI.at("conv1"), SIZE) < seed_bytes(PHI.at("conv3"), SIZE)


def test_too_little_memory_names_the_seeds_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = InversionSettings(seeds=tuple(range(64)), frames=0)
    monkeypatch.setattr(resources, "available_memory", lambda device: 8 * 2**20)
    with pytest.raises(OutOfMemoryError) as caught:
        plan_memory(PHI, settings.replace(seeds=tuple(range(5000))), SIZE)
    message = str(caught.value)
    assert "5000 seeds of 24x28 pixels" in message
    fit = int(message.split("about ")[-1].split(" seeds")[0])
    assert 0 < fit < 5000
    assert plan_memory(PHI, settings.replace(seeds=tuple(range(fit))), SIZE) >= 1
    with pytest.raises(OutOfMemoryError):
        plan_memory(PHI, settings.replace(seeds=tuple(range(fit + 60))), SIZE)
    monkeypatch.setattr(resources, "available_memory", lambda device: 1000)
    with pytest.raises(OutOfMemoryError, match="smaller size"):
        plan_memory(PHI, settings, SIZE)


def test_memory_decides_how_many_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = InversionSettings(seeds=tuple(range(40)), frames=0)
    assert plan_memory(PHI, settings, SIZE) == 40
    monkeypatch.setattr(resources, "available_memory", lambda device: 5 * 2**20)
    assert 1 <= plan_memory(PHI, settings, SIZE) < 40
    assert plan_memory(PHI, settings.replace(micro_batch=3), SIZE) == 3


def test_on_cpu_threads_seeds_run_side_by_side_in_small_batches() -> None:
    settings = InversionSettings(seeds=tuple(range(4)))
    assert plan_memory(PHI, settings, SIZE, threads=1) == 1
    assert plan_memory(PHI, settings, SIZE, threads=2) == 2
    assert plan_memory(PHI, settings, SIZE, threads=4) == 1
    assert plan_memory(PHI, settings.replace(micro_batch=2), SIZE, threads=1) == 2


def test_all_is_resolved_before_the_run_and_recorded() -> None:
    run = prepare(picture(), PHI, seeds=3, steps=2, threads=2, precision="float32")
    chosen = run.settings
    assert (chosen.device, chosen.precision, chosen.size) == ("cpu", "float32", (24, 28))
    assert (chosen.threads, chosen.micro_batch) == (2, 2)
    assert run.finish().settings == chosen
    assert prepare(picture(), PHI, seeds=3, steps=2, threads=1).settings.micro_batch == 1
