"""Tests of downloads from a server on this machine: resumed, checked, announced, forbidden."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from invwidgets.errors import WeightsError
from invwidgets.models import downloads, sources
from invwidgets.models.downloads import fetch, fetch_from_hub, messages_to
from invwidgets.models.zoo import ZOO
from invwidgets.widgets.panel.words import models

CONTENT = bytes(range(256)) * 4096
HASH = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """A server of ``content`` whose connection breaks after the given numbers of bytes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.breaks: list[int] = []
        self.ranges = True
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/net-{HASH[:8]}.pth"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Any = self.server
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        whole, start = server.content, 0
        if wanted and server.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(whole):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(whole)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        self.send_header("Content-Length", str(len(whole) - start))
        self.end_headers()
        end = start + server.breaks.pop(0) if server.breaks else len(whole)
        self.wfile.write(whole[start:end])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.delenv(downloads.OFFLINE, raising=False)
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    with Server() as made:
        threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
        yield made
        made.shutdown()


def test_what_comes_is_said_before_whole_and_kept(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "checkpoints" / "net.pth"
    assert fetch("net", server.url, path, HASH[:8]) == path
    assert path.read_bytes() == CONTENT
    said = capsys.readouterr().err
    first = f"Downloading the weights of net, 1049 kB, from {server.url} into {path.parent}\n"
    assert said.startswith(first)
    assert "net: 100%" in said
    fetch("net", server.url, path, HASH)
    assert server.asked == [None]
    assert {found.suffix for found in path.parent.iterdir()} <= {".pth", ".lock"}


def test_a_broken_connection_is_gone_on_from(server: Server, tmp_path: Path) -> None:
    server.breaks = [300_000, 10, 200_000]
    path = fetch("net", server.url, tmp_path / "net.pth", HASH)
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=300010-", "bytes=500010-"]


def test_so_is_an_earlier_download(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    server.breaks = [300_000, 0, 0, 0]
    with pytest.raises(WeightsError, match=r"of net .*the 300 kB that arrived are kept.*'random'"):
        fetch("net", server.url, path, HASH)
    assert not path.exists()
    server.asked.clear()
    assert fetch("net", server.url, path, HASH).read_bytes() == CONTENT
    assert server.asked == ["bytes=300000-"]


@pytest.mark.parametrize("have", [100, len(CONTENT), len(CONTENT) + 5])
def test_a_server_may_only_send_all(server: Server, tmp_path: Path, have: int) -> None:
    server.ranges = have != 100
    (tmp_path / "net.pth.part").write_bytes((CONTENT + b"other")[:have])
    assert fetch("net", server.url, tmp_path / "net.pth", HASH).read_bytes() == CONTENT


def test_another_file_is_refused_and_removed(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(
        WeightsError, match=rf"SHA-256 begins with \w{{8}} instead of {HASH[:8]}.*again"
    ):
        fetch("net", server.url, tmp_path / "net.pth", HASH[:8])
    assert not [*tmp_path.glob("net.pth"), *tmp_path.glob("*.part")]
    server.content = CONTENT
    assert fetch("net", server.url, tmp_path / "net.pth", HASH[:8]).read_bytes() == CONTENT


def test_without_a_hash_nothing_is_asked_for(server: Server, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"without a hash .*weights=PATH"):
        fetch("net", server.url, tmp_path / "net.pth", "")
    assert not server.asked


def test_two_at_once_download_once(server: Server, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        path = tmp_path / "net.pth"
        for found in [pool.submit(fetch, "net", server.url, path, HASH) for _ in range(2)]:
            assert found.result().read_bytes() == CONTENT
    assert server.asked == [None]


def test_without_a_connection_the_words_say_what_to_do(server: Server, tmp_path: Path) -> None:
    server.shutdown()
    server.server_close()
    words = r"weights of net .*not be downloaded from http.*refused.*put net.pth into .*'random'"
    with pytest.raises(WeightsError, match=words):
        fetch("net", server.url, tmp_path / "net.pth", HASH)


def test_a_place_that_cannot_be_written_to(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match=r"cannot be kept in .*TORCH_HOME"):
        fetch("net", server.url, tmp_path / "file" / "net.pth", HASH)


@pytest.mark.parametrize("value", ["1", "true"])
def test_offline_nothing_is_asked_for(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("INVWIDGETS_OFFLINE", value)
    words = rf"weights of net .*INVWIDGETS_OFFLINE={value} forbids.*unset it.*put net.pth.*'random'"
    with pytest.raises(WeightsError, match=words):
        fetch("net", server.url, tmp_path / "net.pth", HASH)
    assert not server.asked
    (tmp_path / "net.pth").write_bytes(CONTENT)  # what is here is used
    assert fetch("net", server.url, tmp_path / "net.pth", HASH).is_file()
    with pytest.raises(WeightsError, match=r"timm/a.*INVWIDGETS_OFFLINE"):
        fetch_from_hub("timm/a", "timm/a", ["model.safetensors"])
    monkeypatch.setenv("INVWIDGETS_OFFLINE", "0")
    (tmp_path / "net.pth").unlink()
    assert fetch("net", server.url, tmp_path / "net.pth", HASH).is_file()


def test_a_panel_is_told_instead_of_stderr(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    with messages_to(told.append):
        fetch("net", server.url, tmp_path / "net.pth", HASH)
    assert told[0].startswith("Downloading the weights of net, 1049 kB, from http")
    assert told[-1] == "Downloading the weights of net: 100 %"
    assert not capsys.readouterr().err


def test_the_menu_says_how_much_a_choice_downloads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.delenv(downloads.OFFLINE, raising=False)
    labels = {name: words for words, name in models()}
    assert labels["vgg16"] == "vgg16 (↓ 553 MB)"
    assert labels["caffenet"] == "caffenet (no weights)"
    monkeypatch.setenv("INVWIDGETS_OFFLINE", "1")
    assert dict(map(reversed, models()))["vgg16"] == "vgg16 (no weights)"


def test_torchvisions_files_have_a_hash_and_the_size_that_is_said() -> None:
    sources.import_torchvision()
    from torchvision.models import get_model_weights

    told = {name: spec.megabytes for name, spec in ZOO.items() if spec.megabytes is not None}
    assert len(told) == 8
    for name, megabytes in told.items():
        found = get_model_weights(name)["IMAGENET1K_V1"]
        assert len(sources.hash_in(found.url)) == 8
        assert found.meta["_file_size"] == pytest.approx(megabytes, abs=0.1)


# --- the other hub ----------------------------------------------------------------------------


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """A hub with a single file, ``pytorch_model.bin``."""
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError

    made = SimpleNamespace(asked=[], etag=HASH, path=tmp_path / "model", error=None)

    def metadata(url: str) -> Any:
        made.asked.append(url.rsplit("/", 1)[-1])
        if made.error:
            raise made.error
        if not url.endswith("pytorch_model.bin"):
            raise EntryNotFoundError.__new__(EntryNotFoundError)
        return SimpleNamespace(etag=made.etag, size=len(CONTENT))

    def download(repository: str, filename: str, revision: str | None) -> str:
        made.asked.append(f"{repository} {filename} {revision}")
        made.path.write_bytes(CONTENT)
        return str(made.path)

    def cached(repository: str, filename: str, revision: str | None) -> str | None:
        return str(made.path) if made.path.is_file() else None

    monkeypatch.delenv(downloads.OFFLINE, raising=False)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", metadata)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", cached)
    return made


FILES = ("model.safetensors", "pytorch_model.bin")


def test_a_hubs_file_is_said_checked_and_then_read_from_its_cache(
    hub: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch_from_hub("timm/a", "timm/a@v1", FILES) == hub.path
    assert hub.asked == [*FILES, "timm/a pytorch_model.bin v1"]
    said = capsys.readouterr().err
    assert said.startswith(
        "Downloading the weights of timm/a, 1049 kB, from https://huggingface.co"
    )
    assert fetch_from_hub("timm/a", "timm/a@v1", FILES) == hub.path
    assert len(hub.asked) == 3, "the second time nothing is asked for"


def test_a_hubs_damaged_file_is_refused_and_removed(hub: SimpleNamespace) -> None:
    hub.etag = "0" * 64
    with pytest.raises(WeightsError, match=r"not contain the weights of timm/a.*removed"):
        fetch_from_hub("timm/a", "timm/a", FILES)
    assert not hub.path.exists()


@pytest.mark.parametrize(
    ("etag", "error", "words"),
    [
        ("abc", None, "has no hash"),
        (None, None, "has no hash"),
        (HASH, OSError("no route to host"), r"could not be downloaded.*no route to host.*'random'"),
    ],
)
def test_a_hub_without_a_hash_or_a_connection(
    hub: SimpleNamespace, etag: str | None, error: Exception | None, words: str
) -> None:
    hub.etag, hub.error = etag, error
    with pytest.raises(WeightsError, match=words):
        fetch_from_hub("timm/a", "timm/a", FILES)
    assert not hub.path.exists()


def test_timms_network_gets_the_file_that_was_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sources.import_torchvision()
    import timm
    from safetensors.torch import save_file

    state = timm.create_model("test_resnet").state_dict()
    save_file(state, tmp_path / "model.safetensors")
    asked: list[Any] = []

    def file(name: str, repository: str, files: Any) -> Path:
        asked.append((name, repository, files))
        return tmp_path / "model.safetensors"

    def never(*_: Any, **__: Any) -> nn.Module:
        raise AssertionError("timm asked the hub itself")

    monkeypatch.setattr(sources, "fetch_from_hub", file)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", never)
    found = sources.timm_spec("timm/test_resnet").pretrained()
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())
    assert asked == [("timm/test_resnet", "timm/test_resnet.r160_in1k", FILES)]
