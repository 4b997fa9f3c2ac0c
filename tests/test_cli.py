"""Tests of the shell from input to output: text, files, and one clear line per bad input."""

from __future__ import annotations

import json
import math
import os
import pickle
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from invwidgets.cli import main
from invwidgets.images import photos, read_photo
from invwidgets.inversion.hardware import memory as resources
from invwidgets.inversion.result import Reconstruction
from invwidgets.representations.registry import representation

ROOT = Path(__file__).parents[1]
QUICK = ("--model", "squeezenet1_1", "--weights", "random", "--layer", "features.1",
         "--size", "40", "--steps", "3", "--seeds", "2")  # fmt: skip
Shell = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as exit_:  # argparse's own way out
            code = int(exit_.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def process(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "invwidgets.cli", *arguments], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}, **options,
    )  # fmt: skip


# --- lists --------------------------------------------------------------------------------------


def test_photos(shell: Shell) -> None:
    code, out, err = shell("photos")
    assert (code, err) == (0, "")
    assert set(photos()) <= set(out.split())
    assert [row["name"] for row in json.loads(shell("photos", "--json")[1])] == list(photos())


def test_models(shell: Shell) -> None:
    code, out, _ = shell("models")
    assert code == 0
    assert all(name in out for name in ("efficientnet_lite0", "caffenet", "vit_b_16", "timm/NAME"))
    assert json.loads(shell("models", "--json")[1])[0]["name"] == "efficientnet_lite0"


def test_layers(shell: Shell) -> None:
    code, out, _ = shell("layers", "squeezenet1_1")
    lines = out.splitlines()
    assert code == 0
    assert lines[1].split()[:3] == ["features.0", "Conv2d", "64×111×111"]
    assert "the whole image" in lines[-1]
    rows = json.loads(shell("layers", "squeezenet1_1", "--size", "64x96", "--json")[1])
    assert rows[0]["shape"] == [64, 31, 47]
    assert rows[0]["receptive_field"] == [3, 3]
    assert rows[-1]["is_global"] is True


# --- invert -------------------------------------------------------------------------------------


def test_json_is_the_last_line_and_files_are_written(shell: Shell, tmp_path: Path) -> None:
    picture, kept = tmp_path / "a.png", tmp_path / "a.safetensors"
    code, out, err = shell(
        "invert", "coffee", *QUICK, "--out", picture, "--save", kept, "--json", "--beta", "1.5",
        "--tv-weight", "0.25", "--alpha", "3", "--alpha-weight", "0.1", "--region", "2:7,3:8",
        "--channels", "group:1",
    )  # fmt: skip
    assert code == 0, err
    result = json.loads(out.splitlines()[-1])
    assert {"model", "layer", "seeds", "relative_error", "psnr", "ssim", "diversity", "seconds",
            "steps", "settings"} <= set(result)  # fmt: skip
    assert result["seeds"] == [0, 1]
    assert len(result["relative_error"]) == len(result["psnr"]) == len(result["ssim"]) == 2
    assert result["stopped"] is False
    assert result["weights"] == "random weights"
    settings = result["settings"]
    assert [settings[n] for n in ("beta", "tv_weight", "alpha", "alpha_weight")] == [
        1.5,
        0.25,
        3,
        0.1,
    ]
    assert result["selection"]["region"] == [2, 7, 3, 8]
    assert result["selection"]["channels"] == list(range(32))
    assert "step 3/3" in err
    assert "\r" not in err
    with Image.open(picture) as drawn:
        assert min(drawn.size) > 200
    assert list(Reconstruction.load(kept).relative_error or ()) == result["relative_error"]


def test_without_json_a_table_is_printed(shell: Shell) -> None:
    code, out, _ = shell("invert", "camera", *QUICK)
    assert code == 0
    assert "feature error" in out
    assert out.count(" dB") == 2
    assert "squeezenet1_1, random weights, features.1: 3 steps" in out


@pytest.mark.parametrize("ending", [".gif", ".jpg", ".pdf", ".svg", ".webp", ".PNG"])
def test_every_kind_of_picture(shell: Shell, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out{ending}"
    code, out, err = shell("invert", "coffee", *QUICK, "--out", path)
    assert code == 0, err
    assert path.stat().st_size > 500
    assert f"wrote {path}" in out
    if ending == ".gif":
        with Image.open(path) as animation:
            assert animation.n_frames == 3


def test_maximize_and_caricature(shell: Shell, tmp_path: Path) -> None:
    options = [o for o in QUICK if o not in ("--layer", "features.1")]
    code, out, err = shell(
        "invert",
        *options,
        "--layer",
        "features.1",
        "--channels",
        "3",
        "--objective",
        "maximize",
        "--json",
    )
    assert code == 0, err
    result = json.loads(out)
    assert result["relative_error"] is None
    assert result["layer"] == "features.1"
    code, out, err = shell(
        "invert", "coffee", *QUICK, "--objective", "caricature", "--json",
        "--out", tmp_path / "c.png",
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(out)["objective"] == "caricature"


def test_seeds_and_presets(shell: Shell) -> None:
    _, out, _ = shell("invert", "coffee", *QUICK, "--seeds", "7,3", "--json")
    assert json.loads(out)["seeds"] == [7, 3]
    for preset in ("cvpr2015", "ijcv2016"):
        code, out, err = shell("invert", "coffee", *QUICK, "--preset", preset, "--json")
        assert code == 0, err
        assert json.loads(out)["settings"]["preset"] == preset


def test_a_bar_on_a_terminal(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    code, _, err = shell("invert", "coffee", *QUICK)
    assert code == 0
    assert "3/3" in err
    assert "step 3/3" not in err


def test_a_process_of_its_own_writes_what_was_reached_on_ctrl_c(tmp_path: Path) -> None:
    picture = tmp_path / "stopped.png"
    options = [*QUICK, "--steps", "4000", "--out", str(picture), "--json"]
    running = process("invert", "coffee", *options)
    assert running.stderr is not None
    try:
        for line in running.stderr:
            if line.startswith("step "):
                break
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=120)
    finally:
        running.kill()
    assert running.returncode == 0, err
    result = json.loads(out.splitlines()[-1])
    assert result["stopped"] is True
    assert 400 <= result["steps"] < 4000
    assert len(result["relative_error"]) == 2
    assert "Traceback" not in err
    with Image.open(picture) as drawn:
        assert min(drawn.size) > 200


def test_interrupted_before_a_result(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("invwidgets.inversion.invert.prepare", interrupted)
    code, out, err = shell("invert", "coffee", *QUICK, "--json")
    assert (code, out) == (130, "")
    assert "interrupted" in err


def test_a_reader_that_leaves_is_no_error() -> None:
    running = process("layers", "squeezenet1_1")
    assert running.stdout is not None
    running.stdout.close()
    assert running.stderr is not None
    assert running.stderr.read() == ""
    running.stderr.close()
    assert running.wait(120) == 0


def test_help_and_version_load_no_torch() -> None:
    code = (
        "import sys\nfrom invwidgets.cli import main\n"
        "try:\n    main([{!r}])\nexcept SystemExit as e:\n    assert not e.code\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    for option in ("--help", "--version"):
        done = subprocess.run(
            [sys.executable, "-c", code.format(option)], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "invwidgets" in done.stdout


# --- a target in the photo's place --------------------------------------------------------------

LAYER_GIVES = ("squeezenet1_1", "features.1", "(64, 19, 19)", "40x40")


@pytest.fixture
def code() -> torch.Tensor:
    phi = representation("squeezenet1_1", "features.1", weights="random")
    return phi.target(read_photo("coffee", (40, 40))).contiguous()


def test_a_target_gives_what_its_photo_gives(
    shell: Shell, tmp_path: Path, code: torch.Tensor
) -> None:
    kept, picture = tmp_path / "kept.safetensors", tmp_path / "a.png"
    np.save(tmp_path / "code.npy", code[0].numpy())
    save_file({"code": code}, tmp_path / "code.safetensors")
    photo = json.loads(shell("invert", "coffee", *QUICK, "--json")[1])
    for name in ("code.npy", "code.safetensors"):
        status, out, err = shell(
            "invert",
            "--target",
            tmp_path / name,
            *QUICK,
            "--json",
            "--save",
            kept,
            "--out",
            picture,
        )
        assert status == 0, err
        found = json.loads(out)
        assert found["relative_error"] == photo["relative_error"]
        assert (found["photo"], found["psnr"], found["ssim"]) == ("", None, None)
    assert torch.equal(Reconstruction.load(kept).target, code)  # type: ignore[arg-type]
    with Image.open(picture) as drawn:
        assert min(drawn.size) > 100
    _, out, _ = shell("invert", "--target", tmp_path / "code.npy", *QUICK)
    assert "feature error" in out
    assert "PSNR" not in out
    assert "PSNR" in shell("invert", "coffee", *QUICK)[1]


def test_bad_targets(shell: Shell, tmp_path: Path, code: torch.Tensor) -> None:
    values = code[0].numpy()
    path = tmp_path / "code.npy"
    np.save(path, values)
    np.save(tmp_path / "wrong.npy", values[:5])
    np.save(tmp_path / "nan.npy", values * np.nan)
    np.save(tmp_path / "evil.npy", np.array([Evil(tmp_path / "ran")], object), allow_pickle=True)
    save_file({"x": code, "y": code * 2}, tmp_path / "two.safetensors")
    for given, words in (
        ("wrong.npy", ("(5, 19, 19)", *LAYER_GIVES)),
        ("nan.npy", ("NaN", "finite")),
        ("evil.npy", ("evil.npy", "cannot be read")),
        ("two.safetensors", ("2 tensors (x, y)",)),
        ("none.npy", ("none.npy", "not an existing file")),
        ("code.pt", ("code.pt", ".npy or .safetensors")),
    ):
        refused(shell, "invert", "--target", tmp_path / given, *QUICK, words=words)
    assert not (tmp_path / "ran").exists()
    asked = ("--target", path, *QUICK)
    refused(shell, "invert", "coffee", *asked, words=("photo 'coffee' with a target",))
    unit = ("--target", path, *QUICK[:4], "--channels", "3", "--objective", "maximize")
    refused(shell, "invert", *unit, words=("maximize with a target", "leave one of them out"))
    refused(shell, "invert", *asked, "--size", "64", words=("(64, 19, 19)", "(64, 31, 31)", "size"))
    refused(shell, "invert", *asked, "--save", path, words=("is the input target",))
    assert np.array_equal(np.load(path), values)


# --- bad input: what was given, what there is, what to do; code 2 -------------------------------


def refused(shell: Shell, *arguments: object, words: tuple[str, ...]) -> None:
    code, out, err = shell(*arguments)
    assert code == 2, (code, out, err)
    assert out == ""
    assert "Traceback" not in err
    message = err.strip().splitlines()[-1] if err.strip() else ""
    assert message.startswith("invwidgets: ") or "usage" in err
    for word in words:
        assert word in err, (word, err)


def bad(*changes: object) -> tuple[object, ...]:
    return ("invert", "coffee", *QUICK, *changes)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("invert", "cofee", *QUICK), ("'cofee'", "did you mean 'coffee'", "There are")),
        (("invert", "no/such.png", *QUICK), ("'no/such.png'", "No such file", "coffee")),
        (("invert", ".", *QUICK), ("'.'", "folder")),
        (("invert", *QUICK), ("needs a photo", "coffee")),
        (bad("--model", "resnet19"), ("'resnet19'", "'resnet18'")),
        (bad("--model", "timm/nope"), ("'timm/nope'",)),
        (bad("--layer", "features.99"), ("'features.99'", "squeezenet1_1", "did you mean",
                                         "features.0 … classifier.3")),
        (bad("--channels", "64"), ("64", "features.1", "0 … 63")),
        (bad("--channels", "red"), ("'red'", "color:top")),
        (bad("--channels", "group:3"), ("'group:3'", "64 channels")),
        (bad("--region", "0:99,0:2"), ("0:99", "19 rows", "19 columns")),
        (bad("--region", "5:5,0:2"), ("5:5", "empty")),
        (bad("--region", "middle"), ("'middle'", "R0:R1,C0:C1")),
        (bad("--size", "2"), ("2x2", "larger")),
        (bad("--size", "big"), ("'big'", "HEIGHTxWIDTH")),
        (bad("--size", "0"), ("between 1 and",)),
        (bad("--tv-weight", "-1"), ("tv_weight", "-1", "at least 0")),
        (bad("--tv-weight", "nan"), ("tv_weight", "nan", "finite")),
        (bad("--alpha-weight", "-0.5"), ("alpha_weight", "-0.5")),
        (bad("--alpha-weight", "inf"), ("alpha_weight", "inf")),
        (bad("--beta", "0.5"), ("beta", "0.5", "at least 1")),
        (bad("--beta", "nan"), ("beta", "nan")),
        (bad("--seeds", "0"), ("0 seeds", "at least 1")),
        (bad("--seeds", "-2"), ("-2 seeds",)),
        (bad("--seeds", "3,3"), ("repeat",)),
        (bad("--seeds", "few"), ("'few'", "3,7")),
        (bad("--seeds", ","), ("0 seeds",)),
        (bad("--steps", "0"), ("steps", "0", "at least 1")),
        (bad("--steps", "many"), ("--steps", "many")),
        (bad("--preset", "mine"), ("'mine'", "default, cvpr2015, ijcv2016")),
        (bad("--objective", "paint"), ("'paint'", "inversion, maximize, caricature")),
        (("invert", *QUICK, "--objective", "maximize"), ("needs a channel", "channels=12")),
        (("invert", *QUICK, "--objective", "maximize", "--channels", "0:3"), ("3 are selected",)),
        (("invert", *QUICK, "--objective", "maximize", "--channels", "999"), ("999", "0 … 63")),
        (bad("--device", "tpu"), ("'tpu'", "auto, cpu, cuda, mps")),
        (bad("--precision", "half"), ("'half'", "auto, float32, bfloat16")),
        (
            ("invert", "coffee", "--model", "hog", "--precision", "bfloat16"),
            ("'bfloat16'", "hog", "float32"),
        ),
        (bad("--weights", "none.pth"), ("'none.pth'", "'random'")),
        (bad("--weights", "pyproject.toml"), ("pyproject.toml", "state dict")),
        (bad("--out", "no/folder/a.png"), ("no/folder", "does not exist")),
        (bad("--save", "no/folder/a.st"), ("no/folder", "does not exist")),
        (bad("--out", "a.txt"), ("'a.txt'", ".png")),
        (bad("--out", "tests"), ("'tests'",)),
        (bad("--save", "tests"), ("'tests' is a folder",)),
        (("layers", "resnet19"), ("'resnet19'", "'resnet18'")),
        (("layers", "squeezenet1_1", "--size", "x"), ("'x'", "HEIGHTxWIDTH")),
        (("layers", "squeezenet1_1", "--weights", "none.pth"), ("'none.pth'",)),
        (("paint",), ("paint", "invert")),
        ((), ("COMMAND",)),
    ],
    ids=lambda value: " ".join(map(str, value))[-40:] if isinstance(value, tuple) else None,
)  # fmt: skip
def test_bad_input(
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[object, ...],
    words: tuple[str, ...],
) -> None:
    monkeypatch.chdir(ROOT)
    refused(shell, *arguments, words=words)


def bomb() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b""))  # fmt: skip


def test_bad_photo_files(shell: Shell, tmp_path: Path) -> None:
    whole = tmp_path / "whole.png"
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)
    Image.fromarray(noise).save(whole)
    nan = tmp_path / "nan.tiff"
    Image.fromarray(np.full((9, 9), math.nan, np.float32)).save(nan)
    for name, data, words in (
        ("empty.png", b"", ("is empty",)),
        ("cut.png", whole.read_bytes()[:4000], ("cut.png", "incomplete")),
        ("text.png", b"I am a letter", ("text.png", "not an image")),
        ("bomb.png", bomb(), ("bomb.png", "megapixels")),
        ("nan.tiff", nan.read_bytes(), ("NaN",)),
    ):
        (tmp_path / name).write_bytes(data)
        refused(shell, "invert", tmp_path / name, *QUICK, words=words)


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_weights_with_code_in_them(shell: Shell, tmp_path: Path) -> None:
    mark, path = tmp_path / "ran", tmp_path / "evil.pth"
    torch.save(Evil(mark), path)
    refused(shell, *bad("--weights", path), words=("evil.pth", "cannot be loaded safely"))
    path.write_bytes(pickle.dumps(Evil(mark)))
    refused(shell, *bad("--weights", path), words=("evil.pth", "state dict"))
    assert not mark.exists()


def test_missing_pretrained_weights(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setenv("INVWIDGETS_OFFLINE", "1")
    refused(shell, *bad("--weights", "pretrained"),
            words=("squeezenet1_1-b8a52dc0.pth", "checkpoints", "'random'", "OFFLINE"))  # fmt: skip


def test_outputs_are_checked_before_the_run(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("the run began")

    monkeypatch.setattr("invwidgets.inversion.invert.invert", never)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # a test may run as root
    refused(shell, *bad("--out", tmp_path / "a.png"), words=(str(tmp_path), "not writable"))
    (tmp_path / "b.st").touch()
    refused(shell, *bad("--save", tmp_path / "b.st"), words=("b.st", "not writable"))


def test_too_little_memory(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "available_memory", lambda device: 40 * 2**20)
    refused(shell, *bad("--seeds", "900"), words=("900 seeds of 40x40", "GiB", "seeds would fit"))


def test_a_gpus_own_out_of_memory(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB\nmore lines")

    monkeypatch.setattr("invwidgets.energy.evaluation.Evaluation.__call__", full)
    refused(shell, *bad(), words=("ran out of memory", "micro_batch", "Tried to allocate 9 GiB"))


def test_a_device_that_is_not_there(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refused(shell, *bad("--device", "cuda"), words=("'cuda'", "cpu", "'auto'"))


def test_a_process_of_its_own_prints_no_traceback() -> None:
    running = process("invert", "cofee")
    out, err = running.communicate(timeout=120)
    assert running.returncode == 2
    assert out == ""
    assert err.startswith("invwidgets: no photo 'cofee'")
    assert len(err.splitlines()) == 1
