"""The places of stores (folders, URLs of fsspec), which write a file completely or not at all.

>>> place = open_place("memory://sweep")
>>> place.write("a/b.json", b"{}"); place.read("a/b.json"); list(place.names("a"))
b'{}'
['a/b.json']
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import BadSettingError, OutputError, own_words, shown, shown_path
from ..files import written_whole


class Place(ABC):
    """A mapping from names with ``/`` to bytes, which another process opens by its ``url``."""

    url: str

    @abstractmethod
    def read(self, name: str) -> bytes:
        """The bytes with a name; raises ``FileNotFoundError`` if there are none."""

    @abstractmethod
    def write(self, name: str, content: bytes, lasting: bool = True) -> None:
        """Write bytes with a name, completely or not at all; raises ``OutputError``.

        With ``lasting=False`` it does not wait for the disk, so the file may be empty after a power
        cut.
        """

    @abstractmethod
    def names(self, folder: str) -> Iterator[str]:
        """The names in a folder, in alphabetical order."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a name, if it exists."""


class Folder(Place):
    """A local folder, in which files are written under a temporary name, synced and renamed."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser().resolve()
        self.url = str(self.path)

    def read(self, name: str) -> bytes:
        with _explained(f"{self.url}/{name}", "read"):
            return (self.path / name).read_bytes()

    def write(self, name: str, content: bytes, lasting: bool = True) -> None:
        target = self.path / name
        with _explained(str(target), "write"):
            target.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(target, lasting) as partial:
            partial.write_bytes(content)

    def names(self, folder: str) -> Iterator[str]:
        with _explained(f"{self.url}/{folder}", "read"):
            try:
                entries = sorted(os.scandir(self.path / folder), key=lambda entry: entry.name)
            except FileNotFoundError:
                return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from self.names(f"{folder}/{entry.name}")
            elif not entry.name.endswith(".part"):
                yield f"{folder}/{entry.name}"

    def remove(self, name: str) -> None:
        with _explained(f"{self.url}/{name}", "remove"):
            (self.path / name).unlink(missing_ok=True)


class Remote(Place):
    """Any other file system of fsspec, which writes an object completely or not at all."""

    def __init__(self, url: str) -> None:
        from fsspec.core import url_to_fs

        self.url = url
        try:
            self._files, self._root = url_to_fs(url)
        except ImportError as error:
            raise BadSettingError(f"store {shown(url)}: {own_words(error)}") from None
        except (ValueError, OSError) as error:
            raise BadSettingError(
                f"store {shown(url)}: {own_words(error)}; give a folder, or a URL that fsspec knows"
            ) from None
        self._files.use_listings_cache = False

    def read(self, name: str) -> bytes:
        with _explained(f"{self.url}/{name}", "read"):
            content: bytes = self._files.cat_file(f"{self._root}/{name}")
            return content

    def write(self, name: str, content: bytes, lasting: bool = True) -> None:
        path = f"{self._root}/{name}"
        with _explained(f"{self.url}/{name}", "write"):
            self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            self._files.pipe_file(path, content)

    def names(self, folder: str) -> Iterator[str]:
        root = self._root.strip("/")
        with _explained(f"{self.url}/{folder}", "read"):
            self._files.invalidate_cache()
            try:
                found = self._files.find(f"{self._root}/{folder}")
            except FileNotFoundError:
                return
        for path in sorted(found):
            yield path.strip("/").removeprefix(root).strip("/")

    def remove(self, name: str) -> None:
        with _explained(f"{self.url}/{name}", "remove"):
            try:
                self._files.rm_file(f"{self._root}/{name}")
            except FileNotFoundError:
                return


def open_place(given: Any) -> Place:
    """The place of a path or a URL.

    Raises ``BadSettingError`` for anything else.
    """
    if isinstance(given, Place):
        return given
    if not isinstance(given, str | os.PathLike) or not os.fspath(given):
        raise BadSettingError(
            f"store {shown(given)}: give a folder, or a URL such as s3://bucket/x"
        )
    text = str(os.fspath(given))
    if "://" not in text:
        return Folder(text)
    return Folder(text.removeprefix("file://")) if text.startswith("file://") else Remote(text)


@contextmanager
def _explained(name: str, what: str) -> Iterator[None]:
    """The error for an error of a file system; ``FileNotFoundError`` is returned unchanged."""
    try:
        yield
    except OutputError:
        raise
    except Exception as error:  # file systems raise different errors
        if isinstance(error, FileNotFoundError) and what != "write":
            raise
        words = getattr(error, "strerror", None) or own_words(error)
        raise OutputError(f"cannot {what} {shown_path(name)}: {words}; is the store whole, and "
                          "may you use it?") from error  # fmt: skip
