"""Tests that files are written completely or not at all, and that inputs are not overwritten."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from invwidgets.errors import OutputError
from invwidgets.files import check_place, same_file, written_whole

needs_posix = pytest.mark.skipif(os.name != "posix", reason="links, modes and devices of POSIX")


def write(path: Path, text: str) -> None:
    with written_whole(path) as partial:
        partial.write_text(text)


def test_the_new_file_takes_the_olds_place(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write(path, "one")
    write(path, "two")
    assert path.read_text() == "two"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write(path, "old")

    def fill() -> None:
        with written_whole(path) as partial:
            partial.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        fill()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@needs_posix
def test_the_disk_is_waited_for_as_windows_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There only a file open for writing can be synced, and a folder cannot be opened."""
    synced: list[str] = []
    sync, open_path = os.fsync, os.open

    def sync_there(descriptor: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(9, "Bad file descriptor")
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    def open_there(path: str | Path, flags: int, mode: int = 0o777) -> int:
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied")
        return open_path(path, flags, mode)

    monkeypatch.setattr(os, "fsync", sync_there)
    monkeypatch.setattr(os, "open", open_there)
    path = tmp_path / "a.txt"
    write(path, "one")
    path.chmod(0o644)
    write(path, "two")
    assert path.read_text() == "two"
    assert [Path(name).parent for name in synced] == [tmp_path, tmp_path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@needs_posix
def test_links_are_followed_and_modes_kept(tmp_path: Path) -> None:
    path, link = tmp_path / "a.txt", tmp_path / "link"
    write(path, "one")
    before = os.umask(0o022)
    os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~before
    path.chmod(0o640)
    link.symlink_to(path)
    write(link, "two")
    assert link.is_symlink()
    assert path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@needs_posix
def test_only_regular_files_are_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, words in (
        (Path(os.devnull), "not a regular file"),
        (pipe, "not a regular file"),
        (tmp_path, "is a folder"),
        (tmp_path / "missing" / "a.txt", "does not exist"),
        (tmp_path / ("x" * 5000), r"5000 characters|too long|cannot write"),
        (Path("a\0b"), "null"),
    ):
        with pytest.raises(OutputError, match=words):
            check_place(path)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_a_name_as_long_as_the_folder_takes(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250)
    write(path, "long")
    assert path.read_text() == "long"


@needs_posix
def test_one_file_by_many_names(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a")
    (tmp_path / "soft").symlink_to(path)
    (tmp_path / "hard").hardlink_to(path)
    for other in ("soft", "hard", "../" + tmp_path.name + "/a.txt"):
        assert same_file(path, tmp_path / other)
    assert not same_file(path, tmp_path / "b.txt")
    assert same_file(tmp_path / "b.txt", tmp_path / "." / "b.txt")


SAVER = """
    import sys
    from pathlib import Path
    import torch
    from invwidgets.inversion.result import Reconstruction
    old, new, target = (sys.argv[1:])
    pair = [Reconstruction.load(old), Reconstruction.load(new)]
    print("ready", flush=True)
    while True:
        for result in pair:
            result.save(target)
"""


@pytest.mark.slow
@needs_posix
def test_twenty_kills_while_saving(tmp_path: Path) -> None:
    """A reader finds the old result or the new one, whole, and nothing piles up beside it."""
    import random

    import invwidgets as iw

    options = {"layer": "conv_stem", "size": 192, "seeds": 4, "frames": 12}
    for name, steps in (("old", 2), ("new", 3)):
        iw.invert("coffee", **options, steps=steps).save(tmp_path / name)
    target = tmp_path / "kept"
    whole = [(tmp_path / name).read_bytes() for name in ("old", "new")]
    generator = random.Random(0)
    found = set()
    for _ in range(20):
        arguments = [str(tmp_path / "old"), str(tmp_path / "new"), str(target)]
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SAVER), *arguments], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05 + 0.2 * generator.random())
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if target.exists():
            iw.Reconstruction.load(target)
            content = target.read_bytes()
            assert content in whole
            found.add(whole.index(content))
        assert len(list(tmp_path.glob(".*.part"))) <= 1
    assert found
    iw.Reconstruction.load(tmp_path / "old").save(target)
    assert sorted(os.listdir(tmp_path)) == ["kept", "new", "old"]


@pytest.mark.parametrize("path", [None, 3.5, ["a"], b""])
def test_what_is_no_path_is_refused(path: Any, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"is not a path: give a file name|is a folder"):
        check_place(path)


def test_a_way_through_a_missing_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading goes no such way; writing went on as if the folder were there."""
    monkeypatch.chdir(tmp_path)
    for path in ("missing/../b", str(tmp_path / "missing" / ".." / "b"), "a/b/../../c"):
        with pytest.raises(OutputError, match=r"missing|a/b/"), written_whole(path) as partial:
            partial.write_text("lost")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "there").mkdir()
    with written_whole("there/../b") as partial:
        partial.write_text("kept")
    assert Path("there/../b").read_text() == (tmp_path / "b").read_text() == "kept"
