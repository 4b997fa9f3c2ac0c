"""Tests that wheel and sdist contain what is needed and work alone in an environment."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
JOB = """
import pathlib, invwidgets as iw
assert pathlib.Path.cwd() not in pathlib.Path(iw.__file__).parents
assert "built" in iw.__file__, iw.__file__
result = iw.invert("coffee", layer="blocks.1", seeds=2, size=64, steps=40)
result.gallery().savefig("coffee.png")
result.save("coffee.safetensors")
assert iw.Reconstruction.load("coffee.safetensors") == result
print(len(iw.photos()), max(result.relative_error) < 0.5)
"""


def run(*command: str | Path, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=900,
        env=environment | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel and the sdist, built without a network."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "pip", "--version", cwd=ROOT)
    command = ["-m", "build", "--no-isolation", "--outdir", folder]
    run(sys.executable, *command, cwd=ROOT)
    return folder


def test_both_are_built_and_clean(built: Path) -> None:
    names = sorted(path.name.split("-")[0] + path.suffix for path in built.iterdir())
    assert names == ["invwidgets.gz", "invwidgets.whl"]
    said = run(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir(), cwd=ROOT)
    assert said.count("PASSED") == 2


def test_they_hold_what_is_needed_and_no_more(built: Path) -> None:
    wheel = zipfile.ZipFile(next(built.glob("*.whl"))).namelist()
    assert "invwidgets/photos/coffee.png" in wheel
    assert "invwidgets/photos/README.md" in wheel
    assert any(name.startswith("invwidgets/widgets/static/") for name in wheel)
    assert any(name.startswith("invwidgets/app/templates/") for name in wheel)
    assert {name.split("/")[0].split("-")[0] for name in wheel} == {"invwidgets"}
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        sdist = archive.getnames()
    inside = {name.split("/", 1)[1] for name in sdist if "/" in name}
    for part in ("notebooks/01-quickstart.ipynb", "docs/conf.py", "scripts/make_lessons.py",
                 "tests/test_distribution.py", "invwidgets/photos/coffee.png"):  # fmt: skip
        assert part in inside, part
    assert not [name for name in inside if "docs/lessons/" in name or name.endswith(".pyc")]


@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_installed_alone_it_does_the_main_job(built: Path, kind: str, tmp_path: Path) -> None:
    """In a new environment that sees this one's dependencies, but not this package."""
    place = tmp_path / "built"
    run(sys.executable, "-m", "venv", place, cwd=tmp_path)
    python = place / "bin" / "python"
    own = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))",
                   cwd=tmp_path).strip())  # fmt: skip
    file = next(built.glob(kind))
    options = ["install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    run(python, "-m", "pip", *options, "--no-build-isolation", file, cwd=tmp_path)
    away = tmp_path / "elsewhere"
    away.mkdir()
    assert run(python, "-c", JOB, cwd=away).split() == ["8", "True"]
    assert (away / "coffee.png").stat().st_size > 10_000
    shell = place / "bin" / "invwidgets"
    said = run(shell, "invert", "coffee", "--layer", "blocks.0", "--seeds", "1", "--steps", "5",
               "--size", "64", "--out", "small.png", cwd=away)  # fmt: skip
    assert (away / "small.png").exists(), said
