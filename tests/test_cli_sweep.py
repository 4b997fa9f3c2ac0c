"""Tests of ``invwidgets sweep``: exit codes, output streams, messages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import invwidgets as iw
from invwidgets.cli import main
from invwidgets.images import to_pil

from .small_networks import picture
from .sweeps.nets import TINY

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan of two photos × two layers, with three steps each."""
    for seed in range(2):
        to_pil(picture(seed=seed)).save(tmp_path / f"photo{seed}.png")
    path = tmp_path / "plan.toml"
    path.write_text(
        f'photos = "photo*.png"\nmodels = "{TINY}"\nlayers = ["relu", "relu_1"]\nseeds = 1\n'
        "[settings]\nsteps = 3\n"
    )
    return path


def test_run_status_and_export(plan: Path, tmp_path: Path, capsys: Capsys) -> None:
    store = str(tmp_path / "store")
    run = ["sweep", str(plan), "--store", store, "--workers", "1"]
    assert main([*run, "--dry-run"]) == 0
    assert capsys.readouterr().out == "4 jobs: 4 to do\n"
    assert main(run) == 0
    said = capsys.readouterr()
    assert said.out == "4 jobs: 4 stored\n"
    first = said.err.splitlines()[0]
    assert first.startswith("4 jobs: 0 stored, 4 to do; about ")
    assert main([*run, "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {
        "total": 4, "stored": 4, "missing": 0, "failed": {}, "damaged": {}
    }  # fmt: skip
    assert said.err == "4 jobs: 4 stored, 0 to do\n"

    assert main(["sweep", "status", store]) == 0
    assert capsys.readouterr().out == "4 jobs: 4 stored\n"
    assert main(["sweep", "export", store]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("photo,model,layer,")
    assert len(lines) == 5
    assert main(["sweep", "export", store, "--out", str(tmp_path / "x.csv")]) == 0
    assert (tmp_path / "x.csv").read_text().splitlines() == lines
    capsys.readouterr()
    assert main(["sweep", "export", store, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 4


def test_status_names_what_is_damaged_and_what_failed(
    plan: Path, tmp_path: Path, capsys: Capsys
) -> None:
    (tmp_path / "photo2.png").write_bytes(b"no picture")
    store = str(tmp_path / "store")
    run = ["sweep", str(plan), "--store", store, "--workers", "1"]
    assert main(run) == 1
    said = capsys.readouterr()
    assert said.out == "6 jobs: 4 stored, 2 failed\n"
    assert "photo2.png' is not an image that can be read" in said.err
    sweep = iw.Sweep.reopen(store)
    key = sweep.keys[0]
    sweep.store.place.write(f"records/{key[:2]}/{key}.json", b"{")
    assert main(["sweep", "status", store]) == 1
    said = capsys.readouterr()
    assert said.out == "6 jobs: 3 stored, 2 failed, 1 damaged\n"
    assert f"{key[:8]}: the record {key}" in said.err
    assert "the next run repairs damaged records" in said.err
    assert main(run) == 1
    assert "it is done again" in capsys.readouterr().err
    assert main(["sweep", "status", store]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["status"], "name the store"),
        (["export", "nowhere"], "no store at"),
        (["{plan}"], "where are the results to go?"),
        (["{plan}", "store"], "give the store as --store store"),
        (["{plan}", "--store", "s", "--workers", "2", "--scheduler", "x"], "leave one out"),
        (["{plan}", "--store", "s", "--workers", "0"], "workers 0: give a whole number"),
        (["none.toml", "--store", "s"], "plan 'none.toml' cannot be read"),
    ],
)
def test_bad_input_is_2_and_words(
    plan: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch,
    arguments: list[str], words: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", *(a.format(plan=plan) for a in arguments)]) == 2
    assert words in capsys.readouterr().err


def test_ctrl_c_keeps_what_is_stored(
    plan: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    from invwidgets.sweeps import work

    inverted, calls = work.inverted, iter(range(9))

    def interrupted(task: dict[str, object]) -> iw.Reconstruction:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return inverted(task)

    monkeypatch.setattr(work, "inverted", interrupted)
    run = ["sweep", str(plan), "--store", str(tmp_path / "store"), "--workers", "1"]
    assert main(run) == 130
    assert "the same command continues from there" in capsys.readouterr().err
    assert main(run) == 0
    assert "4 jobs: 2 stored, 2 to do" in capsys.readouterr().err


def test_a_network_of_ones_own_is_found_in_the_folder(plan: Path, tmp_path: Path) -> None:
    (tmp_path / "mynets.py").write_text(
        "import torch, invwidgets as iw\n"
        "def net():\n"
        "    torch.manual_seed(0)\n"
        "    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())\n"
        "    half = (0.5, 0.5, 0.5)\n"
        "    return iw.representation(module, mean=half, std=half, size=(24, 24))\n"
    )
    plan.write_text('photos = "photo0.png"\nmodels = "mynets:net"\nsettings.steps = 2\nseeds = 1\n')
    done = subprocess.run(
        [Path(sys.executable).parent / "invwidgets", "sweep", plan, "--store", "here",
         "--workers", "1", "--json"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stored"] == 1
    assert (tmp_path / "here" / "store.json").is_file()
