"""Tests of bfloat16: requested, measured, refused, and never used for reported numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from invwidgets.errors import BadSettingError, DeviceError, UnknownNameError
from invwidgets.inversion.engine import run
from invwidgets.inversion.hardware import precision
from invwidgets.inversion.hardware.precision import resolve_precision
from invwidgets.inversion.invert import invert
from invwidgets.inversion.phase import Phase
from invwidgets.inversion.prepare import prepare
from invwidgets.inversion.settings import InversionSettings
from invwidgets.representations.registry import representation
from invwidgets.selection import Selection
from tests.small_networks import SIZE, phi, picture

PHOTO = picture()


@pytest.fixture
def capable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that the machine has bfloat16 arithmetic, which torch emulates elsewhere."""
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
    monkeypatch.setattr(precision, "measured_precisions", {})


def timed(monkeypatch: pytest.MonkeyPatch, exact: float, fast: float, error: float = 0.0) -> None:
    def step(_: Any, image: torch.Tensor, bf16: bool) -> tuple[torch.Tensor, float]:
        features = torch.ones(1, 4)
        return features * (1 + error if bf16 else 1), fast if bf16 else exact

    monkeypatch.setattr(precision, "timed_step", step)


@pytest.mark.usefixtures("capable")
@pytest.mark.parametrize(
    ("exact", "half", "error", "chosen"),
    [
        (1.0, 0.5, 0.01, "bfloat16"),
        (1.0, 0.9, 0.01, "float32"),  # gains too little
        (0.01, 0.02, 0.01, "float32"),  # loses
        (1.0, 0.5, 0.2, "float32"),  # too far off
        (1.0, 0.5, float("nan"), "float32"),
    ],
)
def test_auto_takes_what_is_faster_and_near(
    monkeypatch: pytest.MonkeyPatch, exact: float, half: float, error: float, chosen: str
) -> None:
    timed(monkeypatch, exact, half, error)
    assert resolve_precision("auto", phi(), SIZE) == chosen


@pytest.mark.usefixtures("capable")
def test_it_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    full = phi()
    timed(monkeypatch, 1.0, 0.5)
    assert resolve_precision("auto", full, SIZE) == "bfloat16"
    timed(monkeypatch, 0.5, 1.0)
    assert resolve_precision("auto", full, SIZE) == "bfloat16"
    assert resolve_precision("auto", phi(), SIZE) == "bfloat16"  # a copy of the network
    assert resolve_precision("auto", full, (48, 48)) == "float32"  # another size is another thing


@pytest.mark.usefixtures("capable")
def test_what_is_asked_for_is_what_is_used() -> None:
    for name in ("float32", "bfloat16"):
        job = prepare(PHOTO, phi(), seeds=2, steps=3, precision=name)
        assert job.settings.precision == name


def test_what_cannot_be_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match=r"'half'.*auto, float32, bfloat16"):
        InversionSettings(precision="half")
    with pytest.raises(UnknownNameError, match=r"'half'"):
        resolve_precision("half", phi(), SIZE)
    with pytest.raises(BadSettingError, match=r"'bfloat16': hog .*'auto', which takes float32"):
        resolve_precision("bfloat16", representation("hog"), SIZE)
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: False)
    with pytest.raises(DeviceError, match=r"'bfloat16': this cpu .*'auto', which takes float32"):
        resolve_precision("bfloat16", phi(), SIZE)
    assert resolve_precision("auto", phi(), SIZE) == "float32"
    assert resolve_precision("auto", representation("hog"), SIZE) == "float32"


@pytest.mark.usefixtures("capable")
def test_the_last_steps_of_each_phase_are_in_float32() -> None:
    full = phi()
    settings = InversionSettings(
        phases=(Phase(20, 2.0), Phase(5, 1.0), Phase(1, 1.0)), seeds=(0,), precision="bfloat16"
    )
    kinds: list[torch.dtype] = []
    inner = next(m for m in full.cache_key.modules() if isinstance(m, torch.nn.Conv2d))
    target = full.target(PHOTO)
    inner.register_forward_hook(lambda module, args, output: kinds.append(output.dtype))
    for step in run(full, target, Selection(), settings):
        assert step.iterate.dtype == torch.float32
        assert all(energy.dtype == torch.float32 for energy in step.energies.values())
        assert not torch.is_autocast_enabled("cpu")  # nothing is left on across a yield
    half, single = torch.bfloat16, torch.float32
    assert kinds == [half] * 18 + [single] * 2 + [half] * 4 + [single] * 2


@pytest.mark.usefixtures("capable")
def test_the_error_reported_is_float32s_own_and_about_the_same() -> None:
    results = {
        name: invert("coffee", layer="blocks.1", seeds=2, steps=60, precision=name, threads=1)
        for name in ("float32", "bfloat16")
    }
    full = representation("efficientnet_lite0", "blocks.1")
    for name, result in results.items():
        assert result.settings.precision == name
        assert result.relative_error is not None
        assert result.photo is not None
        target = full.target(result.photo)
        distance = (full(result.images) - target).flatten(1).norm(dim=1) / target.norm()
        torch.testing.assert_close(torch.tensor(result.relative_error), distance, rtol=1e-4, atol=0)
    exact, rough = (sum(r.relative_error or ()) for r in results.values())
    assert rough == pytest.approx(exact, rel=0.08)  # two searches part; the benchmark compares many


@pytest.mark.parametrize(("bf16", "seconds"), [(False, 1.0), (True, 0.25)])
def test_the_measurement_is_of_one_step(
    monkeypatch: pytest.MonkeyPatch, bf16: bool, seconds: float
) -> None:
    """By a clock that only the network moves, less while it computes in bfloat16."""
    now = 0.0
    weight = torch.ones(4, 3, 3, 3)

    def network(images: torch.Tensor) -> torch.Tensor:
        nonlocal now
        maps = torch.nn.functional.conv2d(images, weight)
        now += 0.25 if maps.dtype == torch.bfloat16 else 1.0
        return maps

    monkeypatch.setattr(precision, "time", SimpleNamespace(perf_counter=lambda: now))
    features, taken = precision.timed_step(network, torch.ones(1, 3, 8, 8), bf16)  # type: ignore[arg-type]
    assert taken == seconds
    assert torch.equal(features, torch.full((1, 4, 6, 6), 27.0))
    assert features.dtype == torch.float32
