"""Tests of device, threads and memory, which are resolved or refused before a run."""

from __future__ import annotations

import ctypes
import types
from collections.abc import Callable

import psutil
import pytest
import torch

from invwidgets.errors import BadSettingError, DeviceError, NotEnoughMemoryError
from invwidgets.fallbacks import took_slower_path
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


def accelerator(
    monkeypatch: pytest.MonkeyPatch, kind: str | None, current: int = 0, count: int = 1
) -> None:
    """Pretend that torch has ``count`` accelerators of a kind, or none."""
    found = None if kind is None else torch.device(kind)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: found is not None)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: found)
    monkeypatch.setattr(torch.accelerator, "current_device_index", lambda: current)
    if kind is not None:
        monkeypatch.setattr(getattr(torch, kind), "device_count", lambda: count)


def test_without_an_accelerator_there_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    accelerator(monkeypatch, None)
    assert resolve_device("auto") == resolve_device("cpu") == resolve_device("cpu:0") == CPU
    for name in ("cuda", "cuda:1", "mps", "xpu"):
        with pytest.raises(DeviceError, match=rf"{name}.*which has: cpu; use 'auto'"):
            resolve_device(name)


@pytest.mark.parametrize("kind", ["cuda", "mps", "xpu"])
def test_auto_is_the_current_accelerator(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    accelerator(monkeypatch, kind)
    assert resolve_device("auto") == resolve_device(kind) == torch.device(kind, 0)
    accelerator(monkeypatch, kind, current=1, count=2)
    assert resolve_device("auto") == resolve_device(kind) == torch.device(kind, 1)
    assert resolve_device(f"{kind}:0") == torch.device(kind, 0)
    assert resolve_device("cpu") == CPU
    with pytest.raises(DeviceError, match=rf"'{kind}:2' .* which has 2 of that kind.*use 'auto'"):
        resolve_device(f"{kind}:2")
    other = "xpu" if kind == "cuda" else "cuda"
    with pytest.raises(DeviceError, match=rf"'{other}' .*which has: cpu, {kind}; use 'auto'"):
        resolve_device(other)


@pytest.mark.parametrize("kind", ["cuda", "mps", "xpu", None])
def test_auto_under_a_torch_without_torch_accelerator(
    monkeypatch: pytest.MonkeyPatch, kind: str | None
) -> None:
    monkeypatch.delattr(torch, "accelerator")
    modules = {"cuda": torch.cuda, "xpu": torch.xpu, "mps": torch.backends.mps}
    for name, module in modules.items():
        monkeypatch.setattr(module, "is_available", lambda name=name: name == kind)
    assert resolve_device("auto") == (CPU if kind is None else torch.device(kind, 0))


def test_memory_is_the_accelerators_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (torch.cuda, torch.xpu):
        monkeypatch.setattr(module, "mem_get_info", lambda device: (1234, 5678))
    assert [available_memory(torch.device(kind)) for kind in ("cuda", "xpu")] == [1234, 1234]
    assert available_memory(torch.device("mps")) > 2**20  # shared with the machine


def test_a_device_that_is_no_device() -> None:
    for name in ("cpu:x", "tpu", "", "meta", 0, None):
        with pytest.raises(BadSettingError, match=r"^device .*auto, cpu, cuda, mps, xpu"):
            resolve_device(name)  # type: ignore[arg-type]


def test_a_c_library_that_cannot_be_opened_ends_no_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    took_slower_path.cache_clear()
    keep = resources.keep_freed_memory.__wrapped__  # not remembered from another test
    with caplog.at_level("INFO"):
        for error in (TypeError, OSError, AttributeError):
            monkeypatch.setattr(ctypes, "CDLL", raising(error))
            keep()
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "because the C library is not glibc" in caplog.text


def raising(error: type[Exception]) -> Callable[[str | None], object]:
    def open_library(name: str | None) -> object:
        raise error

    return open_library


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
        files["/sys/fs/cgroup/memory.stat"] = ["anon 20000", "inactive_file 70000"]
        assert available_memory(CPU) == 20_000  # other work has filled it with files it read
        files.clear()
        files["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = ["300000"]
        files["/sys/fs/cgroup/memory/memory.usage_in_bytes"] = ["290000"]
        assert available_memory(CPU) == 10_000
        files["/sys/fs/cgroup/memory/memory.stat"] = ["inactive_file 1", "total_inactive_file 5000"]
        assert available_memory(CPU) == 15_000
    files.clear()
    assert available_memory(CPU) > 2**20


def test_a_seeds_need_grows_with_the_image_and_the_depth() -> None:
    small, large = seed_bytes(PHI, SIZE), seed_bytes(PHI, (48, 56))
    assert 2.5 * small < large < 6 * small
    assert seed_bytes(PHI.at("conv1"), SIZE) < seed_bytes(PHI.at("conv3"), SIZE)


def test_too_little_memory_names_the_seeds_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = InversionSettings(seeds=tuple(range(64)), frames=0)
    monkeypatch.setattr(resources, "available_memory", lambda device: 8 * 2**20)
    with pytest.raises(NotEnoughMemoryError) as caught:
        plan_memory(PHI, settings.replace(seeds=tuple(range(5000))), SIZE)
    message = str(caught.value)
    assert "5000 seeds of 24x28 pixels" in message
    fit = int(message.split("about ")[-1].split(" seeds")[0])
    assert 0 < fit < 5000
    assert plan_memory(PHI, settings.replace(seeds=tuple(range(fit))), SIZE) >= 1
    with pytest.raises(NotEnoughMemoryError):
        plan_memory(PHI, settings.replace(seeds=tuple(range(fit + 60))), SIZE)
    monkeypatch.setattr(resources, "available_memory", lambda device: 1000)
    with pytest.raises(NotEnoughMemoryError, match="smaller size"):
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
