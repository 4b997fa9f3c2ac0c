"""Functions that write a file completely or not at all, and that check a path before writing.

>>> with written_whole("coffee.png") as partial:
...     figure.savefig(partial, format="png")
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import OutputError, own_words, shown, shown_path


@contextmanager
def written_whole(path: str | os.PathLike[str], lasting: bool = True) -> Iterator[Path]:
    """A temporary file next to ``path``, which replaces ``path`` if the block ends without error.

    A reader always sees the complete old file or the complete new one, also after a crash or on a
    full disk. Links are followed, the mode of an old file is kept, and only regular files are
    replaced. Temporary files that a killed process left next to the same path are removed. With
    ``lasting=False`` the function does not wait for the disk, so the file may be empty after a
    power cut.

    Raises ``OutputError``.
    """
    target = check_place(path)
    # the name is short because the folder may not allow a longer name than the path's own
    digest = hashlib.blake2b(os.fsencode(target.name), digest_size=6).hexdigest()
    _clear_leftovers(target.parent, digest)
    partial = target.with_name(f".{digest}.{os.getpid()}.part")
    try:
        with open(partial, "wb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if target.exists():
            mode = stat.S_IMODE(target.stat().st_mode)
        yield partial
        if lasting:
            _sync(partial, os.O_RDWR)  # Windows syncs only files that are open for writing
        os.chmod(partial, mode)  # after the sync, because the old file may be read-only
        os.replace(partial, target)
        if lasting:
            with suppress(OSError):  # some systems cannot open a folder
                _sync(target.parent, os.O_RDONLY)
    except OSError as error:
        raise OutputError(
            f"cannot write {shown_path(path)}: {error.strerror or own_words(error)}; choose "
            "another place"
        ) from None
    finally:
        partial.unlink(missing_ok=True)


def as_path(path: Any) -> str:
    """A path as text.

    Raises ``OutputError`` for a value that is not a path.
    """
    try:
        return os.fsdecode(path)
    except TypeError:
        raise OutputError(
            f"{shown(path)} is not a path: give a file name, such as 'coffee.safetensors'"
        ) from None


def check_place(path: str | os.PathLike[str]) -> Path:
    """The path of the file that writing to ``path`` would write, checked in advance.

    Raises ``OutputError`` for a folder, a device, a missing folder, a name too long, no permission.
    """
    name = as_path(path)
    folder = os.path.dirname(name)
    if folder and not os.path.isdir(folder):  # also refuses "missing/..", which cannot be read
        raise OutputError(f"the folder {shown_path(folder)} does not exist: make it first")
    try:
        target = Path(os.path.realpath(name))
        found = target.stat() if target.exists() else None
        if found is None:
            target.lstat()
    except FileNotFoundError:
        found = None
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise OutputError(
            f"cannot write {shown_path(name)}: {words}; choose another name"
        ) from None
    if found is not None and stat.S_ISDIR(found.st_mode):
        raise OutputError(f"{shown_path(name)} is a folder: give the name of a file in it")
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise OutputError(f"{shown_path(name)} is not a regular file: give the name of one")
    if not target.parent.is_dir():
        raise OutputError(f"the folder {shown_path(target.parent)} does not exist: make it first")
    for place in (target, target.parent):
        if place.exists() and not os.access(place, os.W_OK):
            raise OutputError(f"{shown_path(place)} is not writable: choose another place")
    return target


def same_file(first: str | os.PathLike[str], second: str | os.PathLike[str]) -> bool:
    """Whether two paths lead to the same file, also through links or if it does not exist."""
    try:
        if os.path.exists(first) and os.path.exists(second):
            return os.path.samefile(first, second)
        return os.path.realpath(first) == os.path.realpath(second)
    except (OSError, ValueError):
        return False


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clear_leftovers(folder: Path, digest: str) -> None:
    for left in folder.glob(f".{digest}.*.part"):
        pid = left.name.split(".")[2]
        if pid.isdigit() and not _alive(int(pid)):
            left.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    if os.name != "posix":
        return True  # asking would end the process
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
