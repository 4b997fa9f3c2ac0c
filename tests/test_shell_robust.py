"""Tests that the shell never loses a result: broken streams, full disks, repeated Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from invwidgets.cli import main
from invwidgets.inversion.result import Reconstruction

ROOT = Path(__file__).parents[1]
QUICK = ["--model", "squeezenet1_1", "--weights", "random", "--layer", "features.1",
         "--size", "40", "--steps", "3", "--seeds", "2"]  # fmt: skip
needs_linux = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "invwidgets.cli", *map(str, arguments)], cwd=ROOT, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )  # fmt: skip


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["invert", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    assert len(err) < 900
    return err


@needs_linux
def test_a_full_stderr_costs_nothing(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = run("invert", "coffee", *QUICK, "--out", tmp_path / "a.png", "--json", stderr=full)
    assert done.returncode == 0
    assert json.loads(done.stdout.splitlines()[-1])["steps"] == 3
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_a_closed_stderr_costs_nothing(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = run("invert", "coffee", *QUICK, "--save", tmp_path / "a", "--json", stderr=writer)
    os.close(writer)
    assert done.returncode == 0
    assert json.loads(done.stdout.splitlines()[-1])["steps"] == 3
    assert Reconstruction.load(tmp_path / "a").steps == 3


@needs_linux
def test_a_full_stdout_is_no_success_and_the_files_are_there(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = run("invert", "coffee", *QUICK, "--save", tmp_path / "a", "--json", stdout=full)
    assert done.returncode == 1
    assert "cannot write to stdout (No space left" in done.stderr
    assert "Error" not in done.stderr
    assert Reconstruction.load(tmp_path / "a").steps == 3
    with open("/dev/full", "w") as full:
        assert run("photos", stdout=full).returncode == 1


def test_one_file_that_fails_does_not_cost_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    picture, kept = tmp_path / "a.png", tmp_path / "a.safetensors"
    picture.write_bytes(b"the old picture")
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    code = main(["invert", "coffee", *QUICK, "--out", str(picture), "--save", str(kept), "--json"])
    out, err = capsys.readouterr()
    assert code == 1
    assert "No space left" in err
    assert json.loads(out.splitlines()[-1])["steps"] == 3
    assert Reconstruction.load(kept).steps == 3
    assert picture.read_bytes() == b"the old picture"
    assert sorted(os.listdir(tmp_path)) == ["a.png", "a.safetensors"]


@pytest.mark.parametrize("flag", ["--out", "--save"])
def test_the_photo_is_never_written_over(
    flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "my.png"
    photo.write_bytes((ROOT / "invwidgets" / "photos" / "coffee.png").read_bytes())
    before = photo.read_bytes()
    (tmp_path / "soft.png").symlink_to(photo)
    (tmp_path / "hard.png").hardlink_to(photo)
    for name in ("my.png", "soft.png", "hard.png"):
        words = refused(capsys, photo, *QUICK, flag, tmp_path / name)
        assert "is the input photo" in words
    assert photo.read_bytes() == before


def test_two_files_at_one_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.png"
    words = refused(capsys, "coffee", *QUICK, "--out", path, "--save", path)
    assert "give two different names" in words
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["coffee", *QUICK, "--save", os.devnull], "not a regular file"),
        (["coffee", *QUICK, "--out", "x" * 5000 + ".png"], "characters"),
        (["x" * 5000, *QUICK], "characters"),
        (["coffee", *QUICK, "--layer", ""], "layer ''"),
        (["coffee", *QUICK, "--weights", ""], "weights ''"),
        (["coffee", *QUICK, "--beta", "1000"], "beta 1000"),
        (["coffee", *QUICK, "--seeds=-1"], "-1 seeds"),
        (["coffee", *QUICK, "--size", "16384"], "at most|between"),
        (["coffee", "--channels", "1", "--objective", "maximize"], "takes no photo"),
        (["--channels", "²", "--objective", "maximize"], "channels '²'"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert re.search(words, refused(capsys, *arguments))


@pytest.mark.parametrize("port", ["-1", "99999"])
def test_ports_that_are_none(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(["app", "--port", port])
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    assert code == 2
    assert port in capsys.readouterr().err


def test_what_nobody_foresaw_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def strange(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("strange")

    monkeypatch.setattr("invwidgets.inversion.invert.invert", strange)
    monkeypatch.delenv("INVWIDGETS_TRACEBACK", raising=False)
    assert main(["invert", "coffee", *QUICK]) == 1
    assert "ZeroDivisionError: strange (INVWIDGETS_TRACEBACK=1" in capsys.readouterr().err
    monkeypatch.setenv("INVWIDGETS_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        main(["invert", "coffee", *QUICK])


KEYS = """
    import os, signal, sys
    from invwidgets import cli
    from invwidgets.inversion.run import Run
    from invwidgets.terminal import ProgressLine

    def press():
        os.kill(os.getpid(), signal.SIGINT)

    update, result = ProgressLine.update, Run.result
    def updated(self, step):
        update(self, step)
        if step.index == 20:
            press()
    def measured(self, stopped=False):
        press()
        return result(self, stopped)
    ProgressLine.update, Run.result = updated, measured
    sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("steps", [200_000, 21], ids=["in the search", "at its very end"])
def test_hasty_keys_lose_nothing(steps: int, tmp_path: Path) -> None:
    """Ctrl-C in the search, and once more while what was reached is measured."""
    arguments = ["invert", "coffee", *QUICK, "--steps", str(steps), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KEYS), *arguments, "--save", str(tmp_path / "a")],
        cwd=ROOT, text=True, capture_output=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["steps"] == 21
    assert Reconstruction.load(tmp_path / "a").stopped is (steps > 21)
    assert "measuring and writing the images" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_key_while_it_loads_is_one_line() -> None:
    code = """
        import os, signal, sys
        from invwidgets import cli
        from invwidgets.inversion import invert
        invert.prepare = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)
        sys.exit(cli.main(sys.argv[1:]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), "invert", "coffee", *QUICK],
        cwd=ROOT, text=True, capture_output=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 130
    assert done.stderr == "invwidgets: interrupted before the first step\n"
