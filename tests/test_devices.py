"""Tests of other devices: a pretended one, and replacements for torch's.

``python -m benchmarks.devices`` prints the same table, also for a real device.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils import backend_registration

from benchmarks.devices import PATHS, SABOTAGED
from tests import pretended_device

ROOT = Path(__file__).parents[1]
OWN_WAITS = {"torch's optimizer": 1}  # its rates are plain numbers

CHECKS = """
import torch
from tests.pretended_device import DEVICE, Waits, install

install()
x, here = torch.rand(4, 4, device=DEVICE), torch.ones(4)
for expected, what in (
    (0, lambda: x + 1), (0, lambda: x * torch.tensor(2.0)), (0, lambda: x.masked_fill(x > 0.5, 0)),
    (0, lambda: x.cpu), (0, lambda: x.to("cpu", non_blocking=True)),
    (0, lambda: x.clone().__setitem__(x > 0.5, 0)), (0, lambda: torch.fft.fft2(x)),
    (1, lambda: x.sum().item()), (1, lambda: bool((x > 0).any())), (1, lambda: x.tolist()),
    (1, lambda: x[x > 0.5]), (1, lambda: x.nonzero()), (1, lambda: torch.equal(x, x)),
    (1, lambda: x[[0, 2]]), (1, lambda: x.cpu()), (1, lambda: here.to(DEVICE)),
    (1, lambda: here.clone().copy_(x[0])), (1, lambda: x.clone()[0].copy_(here)),
    (1, lambda: torch.linalg.inv(x)), (4, lambda: [float(value) for value in x[0]]),
):
    with Waits() as waits:
        what()
    assert waits.count == expected, (waits.places, expected)
for error, words, what in (
    (RuntimeError, "same device", lambda: x + here),
    (RuntimeError, "same device", lambda: here + x),
    (RuntimeError, "same device", lambda: torch.where(here > 0, x, 0)),
    (TypeError, "float64", lambda: x.double()), (TypeError, "numpy", lambda: x.numpy()),
    (TypeError, "float64", lambda: here.double().to(DEVICE)),
    (TypeError, "float64", lambda: torch.zeros(2, device=DEVICE, dtype=torch.float64)),
):
    try:
        what()
    except error as found:
        assert words in str(found), found
    else:
        raise AssertionError(words)
layer = torch.nn.Conv2d(3, 4, 3).to(DEVICE)
image = torch.rand(1, 3, 8, 8, device=DEVICE, requires_grad=True)
with torch.autocast("pretended", dtype=torch.bfloat16):
    features = layer(image)
(gradient,) = torch.autograd.grad(features.float().sum(), image)
assert (features.dtype, gradient.dtype) == (torch.bfloat16, torch.float32)
assert str(gradient.device) == DEVICE
"""


def alone(*arguments: str) -> str:
    """The output of a separate process."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, Any]]:
    found = json.loads(alone("-m", "benchmarks.devices", "--json"))
    return {row["path"]: row for row in found}


def test_the_pretended_device_is_as_strict_as_real_ones() -> None:
    alone("-c", CHECKS)


def test_it_fails_under_a_torch_without_its_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(backend_registration, "_setup_privateuseone_for_python_backend")
    with pytest.raises(RuntimeError, match=r"torch \d.* constraints\.txt"):
        pretended_device.install()


def test_it_is_not_registered_in_this_process() -> None:
    with pytest.raises(RuntimeError, match="pretended"):
        torch.device(pretended_device.DEVICE)


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
def test_every_path_runs_there_and_no_step_waits(rows: dict[str, Any], path: str) -> None:
    row = rows[path]
    assert row["ran"] == "yes"
    assert row["waits a step"] in ("–", OWN_WAITS.get(path, 0)), row["where"]


@pytest.mark.slow
def test_the_table_is_complete(rows: dict[str, Any]) -> None:
    assert list(rows) == [*PATHS, *SABOTAGED]
    counted = [path for path in PATHS if rows[path]["waits a step"] != "–"]
    assert len(counted) > 25


@pytest.mark.slow
def test_what_is_sabotaged_shows(rows: dict[str, Any]) -> None:
    read = rows["sabotaged: reads a number"]
    assert (read["ran"], read["waits a step"]) == ("yes", 1)
    assert read["where"].startswith("devices.py:")
    for kind, words in (
        ("mixes devices", "found pretended:0 and cpu"),
        ("float64", "has no torch.float64"),
        ("another result", "not close"),
    ):
        assert words in rows[f"sabotaged: {kind}"]["ran"]
