"""Tests of the import of torchvision, both with a matching torch and with another one.

Both cases use a replacement that behaves at its import like the real one, so the tests do not
depend on the installed pair. The installed torchvision is tested too.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from invwidgets.models.torchvision_import import import_torchvision

ROOT = Path(__file__).parents[1]

COMPILED = """
compiled = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    compiled.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
FAKES = """
from . import models
for name in ("nms", "qnms"):
    torch.library.register_fake("torchvision::" + name)(lambda dets, scores, iou: dets)
loaded = True
"""
ASKS = """
from invwidgets.models import torchvision_import as place
first = place.import_torchvision()
assert place.import_torchvision() is first and first.loaded
print(len(place._declared))
"""


def run(code: str, *path: Path) -> subprocess.CompletedProcess[str]:
    folders = os.pathsep.join(str(p) for p in (*path, ROOT))
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300,
        env=os.environ | {"PYTHONPATH": folders},
    )  # fmt: skip


@pytest.mark.parametrize(("matches", "declared"), [(True, "0"), (False, "1")])
def test_operators_are_declared_only_where_the_import_fails_on_them(
    matches: bool, declared: str, tmp_path: Path
) -> None:
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "models.py").touch()
    (package / "__init__.py").write_text("import torch\n" + COMPILED * matches + FAKES)
    plain = run("import torchvision", tmp_path)
    assert (plain.returncode == 0) is matches
    assert matches or "operator torchvision::nms does not exist" in plain.stderr
    done = run(ASKS, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == declared


def test_the_one_installed_loads_and_computes() -> None:
    done = run(
        "import torch\nfrom invwidgets.models.torchvision_import import import_torchvision\n"
        "import_torchvision()\n"
        "from torchvision.models import get_model\n"
        'net = get_model("squeezenet1_1", weights=None).eval()\n'
        "print(tuple(net(torch.zeros(1, 3, 64, 64)).shape))\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(1, 1000)"


def test_other_errors_are_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(name: str) -> None:
        raise RuntimeError("something else")

    monkeypatch.setattr(importlib, "import_module", fails)
    with pytest.raises(RuntimeError, match="something else"):
        import_torchvision()
