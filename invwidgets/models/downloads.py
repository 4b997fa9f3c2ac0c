"""Downloads of weights, with a message in advance, progress, resumption and a check of the hash.

>>> fetch("vgg16", URL, Path("checkpoints/vgg16-397923af.pth"), "397923af")
PosixPath('checkpoints/vgg16-397923af.pth')

Weights are downloaded only for a network that the user named. With ``INVWIDGETS_OFFLINE=1`` in the
environment nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from ..errors import WeightsError, own_words, shown_path

OFFLINE = "INVWIDGETS_OFFLINE"
_TIMEOUT = 30.0  # seconds without an answer
_ATTEMPTS = 3  # failed attempts in a row after which a broken download is given up
PAUSE = 1.0  # seconds before the next attempt
_CHUNK = 2**18
_BROKEN = (OSError, http.client.HTTPException)  # URLError and timeouts among them

_listener: ContextVar[Callable[[str], Any] | None] = ContextVar("listener", default=None)


def offline() -> bool:
    """Whether the environment forbids downloads."""
    return os.environ.get(OFFLINE, "").strip().lower() not in ("", "0", "false", "no")


@contextmanager
def messages_to(listener: Callable[[str], Any]) -> Iterator[None]:
    """Send the messages of downloads inside the block to ``listener`` instead of stderr."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def fetch(name: str, url: str, path: Path, sha256: str) -> Path:
    """The file at ``path``, downloaded if it does not exist, complete and with the right hash.

    ``sha256`` are the first digits of the hash, at least eight. If the connection breaks, the part
    that arrived is kept next to ``path``, and this or a later call continues from there. If several
    processes need a file, one downloads it and the others wait.

    Raises ``WeightsError``, with the remedy.
    """
    if path.is_file():
        return path
    remedy = f"put {path.name} into {path.parent}"
    _check_allowed(name, remedy)
    if not re.fullmatch(r"[0-9a-f]{8,64}", sha256):
        raise WeightsError(
            f"the pretrained weights of {name} are published without a hash to check them with "
            f"({url}): download them yourself and give the file as weights=PATH"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        from filelock import FileLock  # needed only here, like the progress bar below

        with FileLock(f"{path}.lock"):
            if not path.is_file():
                part = path.with_name(f"{path.name}.part")
                _download(name, url, part, remedy)
                found = _hash(part)
                if not found.startswith(sha256):
                    part.unlink()
                    raise _wrong(name, url, found, sha256)
                os.replace(part, path)
    except OSError as error:
        raise WeightsError(
            f"the pretrained weights of {name} cannot be kept in {shown_path(path.parent)} "
            f"({error.strerror or own_words(error)}): set TORCH_HOME to a writable folder with "
            "room, or give the path of a state dict as weights=PATH"
        ) from None
    return path


def fetch_from_hub(name: str, repository: str, filenames: Sequence[str]) -> Path:
    """The first of ``filenames`` that a repository of Hugging Face has, cached or downloaded.

    The hub's client shows a progress bar, resumes, and lets one process download at a time.

    Raises ``WeightsError``, with the remedy.
    """
    import huggingface_hub as hub
    from huggingface_hub.errors import EntryNotFoundError

    repository, _, revision = repository.partition("@")
    branch = revision or None
    for filename in filenames:
        kept = hub.try_to_load_from_cache(repository, filename, revision=branch)
        if isinstance(kept, str):
            return Path(kept)
    url = f"https://huggingface.co/{repository}"
    remedy = f"download a file of {url}"
    _check_allowed(name, remedy)
    try:
        for filename in filenames:
            try:
                known = hub.get_hf_file_metadata(
                    hub.hf_hub_url(repository, filename, revision=branch)
                )
            except EntryNotFoundError:
                continue
            break
        else:
            raise WeightsError(
                f"{url} has none of the files {', '.join(filenames)}: give weights='random', or "
                f"a file of {name}'s weights as weights=PATH"
            )
        wanted = (known.etag or "").lower()
        if not re.fullmatch(r"[0-9a-f]{64}", wanted):
            raise WeightsError(
                f"{filename} of {url} has no hash to check it with: download it yourself and give "
                "the file as weights=PATH"
            )
        _Progress.say(name, f"{url} ({filename})", known.size, Path(hub.constants.HF_HUB_CACHE))
        path = Path(hub.hf_hub_download(repository, filename, revision=branch))
    except WeightsError:
        raise
    except Exception as error:  # the client raises various errors without a connection
        raise _unreachable(name, url, error, remedy) from None
    found = _hash(path)
    if found != wanted:
        path.resolve().unlink()
        path.unlink(missing_ok=True)  # removes the link to the file
        raise _wrong(name, url, found, wanted)
    return path


def _check_allowed(name: str, remedy: str) -> None:
    if offline():
        raise WeightsError(
            f"the pretrained weights of {name} are not on this machine, and {OFFLINE}="
            f"{os.environ[OFFLINE]} forbids downloading them: unset it, or {remedy}, or give "
            "weights='random' or the path of a state dict as weights=PATH"
        )


def _unreachable(
    name: str, url: str, error: Exception, remedy: str, kept: str = ""
) -> WeightsError:
    return WeightsError(
        f"the pretrained weights of {name} are not on this machine, and could not be downloaded "
        f"from {url} ({own_words(error)}{kept}): check the connection, or {remedy}, or give "
        "weights='random' or the path of a state dict as weights=PATH"
    )


def _wrong(name: str, url: str, found: str, wanted: str) -> WeightsError:
    return WeightsError(
        f"the file from {url} does not contain the weights of {name}: its SHA-256 begins with "
        f"{found[: len(wanted)]} instead of {wanted}, and it was removed; try again, if necessary "
        "with another connection, or give the path of a state dict as weights=PATH"
    )


def _download(name: str, url: str, part: Path, remedy: str) -> None:
    """Download to ``part``, appending until it is complete."""
    progress: _Progress | None = None
    failures = 0
    with open(part, "ab") as file:
        while True:
            have = file.seek(0, os.SEEK_END)
            came, error = 0, None
            try:
                with _Answer(url, have) as answer:
                    if answer.start != have:
                        have = file.truncate(answer.start)
                        file.seek(have)
                    if progress is None:
                        progress = _Progress(name, url, part.parent, answer.total, have)
                    progress.go_on_from(have)
                    while chunk := answer.read():
                        _write(file, chunk)
                        came += len(chunk)
                        progress.add(len(chunk))
                if answer.total is None or have + came >= answer.total:
                    break
            except _Full as full:
                raise full.error from None
            except _BROKEN as broken:
                error = broken
            failures = 0 if came else failures + 1
            if failures >= (_ATTEMPTS if have else 1) or isinstance(error, HTTPError):
                kept = f"; the {in_bytes(have)} that arrived are kept" if have else ""
                shown = error or ConnectionError("the connection broke")
                raise _unreachable(name, url, shown, remedy, kept) from None
            time.sleep(PAUSE)
    if progress is not None:
        progress.close()


class _Full(Exception):
    """An error of the disk, as opposed to one of the connection."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error


def _write(file: Any, chunk: bytes) -> None:
    try:
        file.write(chunk)
        file.flush()
    except OSError as error:
        raise _Full(error) from None


class _Answer:
    """A server's response with a file from some byte on; ``total`` is the size of the file."""

    def __init__(self, url: str, have: int) -> None:
        self.start, self.total = 0, None
        self._response: Any = None
        headers = {"User-Agent": "invwidgets"} | ({"Range": f"bytes={have}-"} if have else {})
        try:
            self._response = urlopen(Request(url, headers=headers), timeout=_TIMEOUT)
        except HTTPError as error:
            total = _number(r"bytes \*/(\d+)", error.headers.get("Content-Range"))
            if error.code != 416 or not have:
                raise
            error.close()
            if total == have:  # the file was already complete
                self.start = self.total = have
            else:
                self._response = urlopen(Request(url), timeout=_TIMEOUT)
        if self._response is None:
            return
        given = self._response.headers
        if self._response.status == 206:
            self.start = _number(r"bytes (\d+)-", given.get("Content-Range")) or 0
            self.total = _number(r"bytes \d+-\d+/(\d+)", given.get("Content-Range"))
        else:
            self.total = _number(r"(\d+)", given.get("Content-Length"))

    def read(self) -> bytes:
        return b"" if self._response is None else self._response.read1(_CHUNK)

    def __enter__(self) -> _Answer:
        return self

    def __exit__(self, *_: Any) -> None:
        if self._response is not None:
            self._response.close()


def _number(pattern: str, text: str | None) -> int | None:
    found = re.match(pattern, text or "")
    return int(found[1]) if found else None


def _hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def in_bytes(count: int) -> str:
    """A number of bytes in words.

    >>> in_bytes(553_433_881)
    '553 MB'
    """
    return f"{count / 1e6:.0f} MB" if count >= 2e6 else f"{count / 1e3:.0f} kB"


class _Progress:
    """The progress messages of a download: first its name, size and source, then a bar."""

    def __init__(self, name: str, url: str, folder: Path, total: int | None, have: int) -> None:
        self.name, self.total, self.have, self.percent = name, total, have, -1
        self.say(name, url, total, folder)
        self.bar: Any = None
        if _listener.get() is None:
            from tqdm import tqdm

            self.bar = tqdm(
                total=total, initial=have, unit="B", unit_scale=True, desc=name, file=sys.stderr
            )

    @staticmethod
    def say(name: str, url: str, total: int | None, folder: Path) -> None:
        size = "of unknown size" if total is None else in_bytes(total)
        words = f"Downloading the weights of {name}, {size}, from {url} into {folder}"
        listener = _listener.get()
        if listener is None:
            print(words, file=sys.stderr, flush=True)
        else:
            listener(words)

    def go_on_from(self, have: int) -> None:
        self.have = have
        if self.bar is not None:
            self.bar.n = have

    def add(self, count: int) -> None:
        self.have += count
        if self.bar is not None:
            self.bar.update(count)
        elif self.total:
            percent = 100 * self.have // self.total
            listener = _listener.get()
            if listener is not None and percent != self.percent:
                self.percent = percent
                listener(f"Downloading the weights of {self.name}: {percent} %")

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
