"""Tests of the server of ``invwidgets app``: number, owners and end of its sessions."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("voila")
pytest.importorskip("psutil")

import psutil
from jupyter_server.services.kernels import kernelmanager
from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from websockets.exceptions import ConnectionClosed, InvalidStatus

from invwidgets.app.channels import PROTOCOL, Channels, WholeMessages, is_whole
from invwidgets.app.serve import SESSION_BYTES, listening, serve, sessions_for
from invwidgets.app.server import PanelServer, WithoutQueries
from invwidgets.app.sessions import Sessions
from invwidgets.cli import main
from invwidgets.errors import BadSettingError
from tests.patience import wait_until

from .app import GONE, App, Visitor, app
from .servers import write_notebook


@pytest.fixture(scope="module")
def small() -> Iterator[App]:
    """A server for two sessions."""
    with app("--sessions", "2") as running:
        yield running


def words(*numbers: int) -> bytes:
    """Numbers of eight bytes each."""
    return b"".join(number.to_bytes(8, "little") for number in numbers)


def drain(opened: Any) -> None:
    """Read a websocket until it closes."""
    while True:
        opened.recv(30)


def nothing_left(names: list[psutil.Process]) -> bool:
    return not [one for one in names if one.is_running() and one.status() != "zombie"]


def test_places_go_by_memory() -> None:
    assert sessions_for(0) == 1
    assert sessions_for(10 * SESSION_BYTES) == 8
    assert sessions_for(10**15) == 200


@pytest.mark.parametrize("port", [-1, 65536, 99999, True])
def test_a_port_that_cannot_be_is_refused(port: int) -> None:
    with pytest.raises(BadSettingError, match="1 to 65535"):
        listening(port)


def test_a_port_in_use_is_refused_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["app", "--no-browser", "--port", str(port)]) == 2
        words = capsys.readouterr().err
        assert f"port {port} cannot be used" in words
        assert "--port" in words


@pytest.mark.parametrize(("sessions", "idle"), [(0, 30), (-1, 30), (201, 30), (2, 0), (2, 1e9)])
def test_limits_that_make_no_sense_are_refused(sessions: int, idle: float) -> None:
    with pytest.raises(BadSettingError):
        serve("coffee", 0, browser=False, dark=False, sessions=sessions, idle=idle)


@pytest.mark.slow
def test_it_says_what_it_takes(small: App) -> None:
    assert "At most 2 sessions at once, about 0.7 GB each" in small.words
    assert "after 30 minutes" in small.words
    assert len(small.token) >= 32


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/", 403, "A token is needed"),
        ("/?token=wrong", 403, "That is not the token"),
        ("/?token=%3Cscript%3E", 403, "That is not the token"),
        ("/favicon.ico", 404, "No such page"),
        ("/nope/%3Cscript%3Ealert(1)%3C/script%3E", 404, "No such page"),
        ("/invwidgets.ipynb", 404, "No such page"),
        ("/../../etc/passwd", 404, "No such page"),
        ("/voila/templates/lab/../../etc/passwd", 404, "No such page"),
        ("/voila/files/invwidgets.ipynb", 404, "No such page"),
        ("/voila/render/invwidgets.ipynb", 404, "No such page"),
        ("/api/kernels", 404, "No such page"),
        ("/login", 404, "No such page"),
        ("/voila/static/nope.js", 403, "403"),
        ("/api/kernels/00000000-0000-0000-0000-000000000000", 403, "Forbidden"),
    ],
)
def test_a_stranger_gets_words_and_no_session(
    small: App, path: str, status: int, words: str
) -> None:
    before = {one.pid for one in small.sessions}
    answer, page, _ = Visitor(small, enters=False).get(path)
    assert answer == status
    assert words in page
    assert "Traceback" not in page
    assert "<script" not in page
    assert {one.pid for one in small.sessions} <= before


ODD = (
    "/voila/templates/lab/../../etc/passwd", "/voila/templates/lab", "/voila/templates/a/b/c",
    "/voila/templates/none/static/x", "/voila/templates/lab/static/../../../../etc/passwd",
    "/voila/templates/lab/static/%2e%2e/%2e%2e/x", "/voila/templates/lab/static/%00",
    "/voila/templates/lab/static", "/voila/templates/lab/static/", "/voila/static/%00",
    "/voila/static/../../../../etc/passwd", "/voila/static/", "/voila/labextensions/../../x",
    "/voila/labextensions/%00", "/voila/labextensions/", "/voila/api/themes/../../x",
    "/voila/api/themes/%00", "/voila/api/themes/", "/%ff", "/%00", "/..", "//", "/voila/%ff/%00",
    "/api/kernels/x/channels", "/api/kernels/00000000-0000-0000-0000-000000000000/channels",
    "/api/kernels/00000000-0000-0000-0000-000000000000", "/voila/api/shutdown/x",
)  # fmt: skip


@pytest.mark.slow
def test_no_odd_address_is_an_error_of_the_server_and_none_is_logged() -> None:
    with app("--sessions", "1") as running:
        visitors = [Visitor(running, enters=False), Visitor(running)]
        for path in ODD:
            for visitor in visitors:
                status, page, _ = visitor.get(f"{path}?token={running.token}")
                assert status in (302, 400, 403, 404, 405), path
                assert "root:" not in page
                assert "Traceback" not in page
        status, page, _ = visitors[0].get(f"{ODD[0]}?token={running.token}")
        assert status == 404
        assert "No such page" in page
    log = running.log.splitlines()
    assert [line for line in log if not line.endswith("Sec-WebSocket-Protocol")] == []


class Fails(RequestHandler):
    def get(self) -> None:
        raise RuntimeError(f"with {self.get_query_argument('token')[:1]}…")


async def test_no_log_line_holds_a_token(caplog: pytest.LogCaptureFixture) -> None:
    routes = Application([(r"/fails", Fails)])
    for server, seen in ((HTTPServer(WithoutQueries(routes)), False), (HTTPServer(routes), True)):
        (bound,) = bind_sockets(0, "127.0.0.1")
        server.add_sockets([bound])
        caplog.clear()
        address = f"http://127.0.0.1:{bound.getsockname()[1]}/fails?x=1&token=secret"
        answer = await AsyncHTTPClient().fetch(address, raise_error=False)
        server.stop()
        assert answer.code == 500
        assert "RuntimeError: with s…" in caplog.text  # the handler has the argument
        assert "GET /fails" in caplog.text
        assert ("secret" in caplog.text) == seen


@pytest.mark.slow
def test_the_first_bytes_say_what_this_is_and_that_it_loads(small: App) -> None:
    visitor = Visitor(small)
    first, rest = visitor.opening()
    for words in ("<title>invwidgets", "<h1>", "what a layer of a network keeps of a photo",
                  "The panel is loading", "<summary>Help</summary>"):  # fmt: skip
        assert words in first
    assert "kernelId" not in first  # there is no session yet
    page = first + rest()
    for element in ("html", "head", "title", "body", "main"):
        assert len(re.findall(f"<{element}[ >]", page)) == 1
        assert page.count(f"</{element}>") == 1
    assert not re.findall(r"""(?:src|href|from|import)\s*[=(]?\s*["'](?:https?:)?//""", page)
    found = re.search(r'"kernelId": "([^"]+)"', page)
    assert found
    visitor.leave(found[1])


@pytest.mark.slow
def test_a_page_whose_session_dies_ends_in_words(small: App) -> None:
    before = {one.pid for one in small.sessions}
    _, rest = Visitor(small).opening()
    wait_until(lambda: {one.pid for one in small.sessions} - before, "a session begins", GONE)
    for one in small.sessions:
        if one.pid not in before:
            one.kill()
    assert "The session could not begin" in rest()


@pytest.mark.slow
def test_nothing_but_a_page_begins_a_session(small: App) -> None:
    visitor = Visitor(small)
    before = {one.pid for one in small.sessions}
    assert visitor.get("/", "HEAD")[0] == 200
    assert visitor.get("/", **{"Sec-Purpose": "prefetch;prerender"})[0] == 204
    assert visitor.get("/", **{"Purpose": "prefetch"})[0] == 204
    status, _, headers = visitor.get(f"/?token={small.token}")
    assert (status, headers["location"]) == (302, "/")
    for path in ("/nope", "/voila/labextensions/x", "/voila/api/themes/x", "/voila/static/x"):
        status, page, _ = visitor.get(path)
        assert status in (403, 404)
        assert "Traceback" not in page
    assert {one.pid for one in small.sessions} <= before


@pytest.mark.slow
def test_places_owners_and_a_dead_session(small: App) -> None:
    first, second, third = (Visitor(small) for _ in range(3))
    one, two = first.open(), second.open()
    assert one != two
    status, page, headers = third.get("/")
    assert status == 503
    assert "All places are taken" in page
    assert headers["retry-after"] == "60"

    assert first.get(f"/api/kernels/{one}")[0] == 200  # each its own, and nobody else's
    for other in (second, third, Visitor(small, enters=False)):
        assert other.get(f"/api/kernels/{one}")[0] == 403
        assert other.get(f"/api/kernels/{one}", "DELETE")[0] == 403
        assert other.get(f"/voila/api/shutdown/{one}?_xsrf=x", "POST")[0] == 403
        with pytest.raises(InvalidStatus, match="403"), other.websocket(one):
            pass
    assert first.get(f"/api/kernels/{one}")[0] == 200

    processes = small.sessions
    (dead,) = [p for p in processes if one in " ".join(p.cmdline())]
    dead.kill()
    dead.wait(60)
    three = third.open()  # its place is free at once
    assert three not in (one, two)
    assert first.get(f"/api/kernels/{one}")[0] == 403

    again = second.open()  # a reload takes the place of the page that is gone
    assert again != two
    assert second.get(f"/api/kernels/{two}")[0] == 403
    second.leave(again)
    wait_until(lambda: len(small.sessions) == 1, "a closed page ends its session", GONE)


@pytest.mark.parametrize(
    ("message", "whole"),
    [
        (b"", False),
        (b"1234567", False),
        ("words", False),
        (words(2**60), False),  # a list of so many would be built
        (words(2**60, 16, 16, 16, 16, 16, 16), False),
        (words(0), False),
        (words(1, 16), False),
        (words(2, 24, 24), False),  # no header
        (words(6, 56, 56, 56, 56, 56), False),  # an offset is missing
        (words(6, 56, 56, 56, 56, 56, 57), False),  # beyond the end
        (words(6, 48, 56, 56, 56, 56, 56), False),  # within the offsets
        (words(6, 56, 60, 56, 60, 56, 60) + b"1234", False),  # parts that overlap
        (words(1002, *[8 * 1003] * 1002), False),
        (words(1001, *[8 * 1002] * 1001), True),
        (words(6, 56, 56, 56, 56, 56, 56), True),
        (serialize_msg_to_ws_v1([b"{}"] * 4, "shell"), True),
        (serialize_msg_to_ws_v1([b"{}"] * 4 + [b"\0" * 99] * 9, "shell"), True),
    ],
)
def test_only_a_whole_message_is_read(message: Any, whole: bool) -> None:
    assert is_whole(message) == whole


def test_a_message_for_a_page_that_has_gone_is_dropped() -> None:
    """In the older format, the first eight bytes of a message with buffers are a huge number."""
    gone = Channels.__new__(Channels)
    gone.ws_connection = None
    assert gone.write_message(b"\0\0\0\2" + b"\xff" * 60, binary=True) is None
    connection = WholeMessages.__new__(WholeMessages)
    assert connection.subprotocol == PROTOCOL


@pytest.mark.slow
def test_no_websocket_can_stop_the_server(small: App) -> None:
    visitor = Visitor(small)
    session = visitor.open()
    for protocols in ((), ("v2.kernel.websocket.jupyter.org", "x")):
        with pytest.raises(InvalidStatus) as refused, visitor.websocket(session, protocols):
            pass
        assert refused.value.response.status_code == 400
        assert PROTOCOL in refused.value.response.body.decode()

    foreign: list[Any] = [b"\xff" * 64, "words", words(6, 56, 60, 56, 60, 56, 60) + b"1234"]
    for header in (b"no JSON", b"[" * 10**5, b"[]", b"{}"):
        foreign.append(serialize_msg_to_ws_v1([header] * 4, "shell"))
    for message in foreign:
        with visitor.websocket(session) as opened:
            opened.send(message)
            with pytest.raises(ConnectionClosed) as closed:
                drain(opened)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1007

    with visitor.websocket(session, ("x", PROTOCOL)) as opened:  # all is well
        assert opened.subprotocol == PROTOCOL
        sent = {"msg_id": "1", "msg_type": "kernel_info_request", "session": "x",
                "username": "", "date": "2026-01-01T00:00:00Z", "version": "5.3"}  # fmt: skip
        parts = [json.dumps(sent).encode(), b"{}", b"{}", b"{}"]
        opened.send(serialize_msg_to_ws_v1(parts, "shell"))
        assert isinstance(opened.recv(60), bytes)
    visitor.leave(session)


@pytest.mark.parametrize(
    ("idle", "state", "ends"),
    [(61, "idle", True), (59, "idle", False), (61, "busy", False), (0, "idle", False)],
)
async def test_an_idle_session_ends_though_a_page_looks_at_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, idle: float, state: str, ends: bool
) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        notebook = write_notebook(tmp_path / "panel.ipynb", "")
        server = PanelServer.of(notebook, [found], "token", False, sessions=1, idle_seconds=60)
    sessions = Sessions(config=server.config)
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    monkeypatch.setattr(kernelmanager, "utcnow", lambda: now)
    session = SimpleNamespace(
        execution_state=state, last_activity=now - timedelta(seconds=idle), kernel_name="python3",
        kernel_spec=SimpleNamespace(metadata={}), is_alive=lambda: True,
    )  # fmt: skip
    monkeypatch.setattr(sessions, "_kernels", {"one": session})
    monkeypatch.setattr(sessions, "get_kernel", lambda name: session)
    ended: list[str] = []

    async def end(name: str, now: bool = False) -> None:
        ended.append(name)

    monkeypatch.setattr(sessions, "shutdown_kernel", end)
    sessions._kernel_connections = {"one": 0}
    sessions.notify_connect("one")
    await sessions.cull_kernel_if_idle("one")
    assert ended == (["one"] if ends else [])


@pytest.mark.slow
def test_left_sessions_end_by_themselves() -> None:
    with app("--sessions", "2", "--idle", "0.05") as running:  # three seconds
        Visitor(running).open()
        wait_until(lambda: not running.sessions, "a session that no page looks at ends", GONE)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("signals", "beginning"), [(["SIGTERM"], True), (["SIGINT", "SIGINT", "SIGTERM"], False)]
)
def test_the_end_leaves_nothing(tmp_path: Path, signals: list[str], beginning: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path))
        with app("--sessions", "3") as running:
            Visitor(running).open()
            if beginning:
                visitor = Visitor(running)
                with socket.create_connection(("localhost", running.port)) as asked:
                    cookie = "; ".join(f"{k}={v}" for k, v in visitor.cookies.items())
                    head = f"GET / HTTP/1.1\r\nHost: localhost:{running.port}\r\nCookie: {cookie}"
                    asked.sendall(f"{head}\r\n\r\n".encode())
                    wait_until(lambda: len(running.sessions) == 2, "a second session begins", GONE)
            sessions = running.sessions
            assert len(sessions) == 1 + beginning
            for name in signals:
                os.kill(running.process.pid, getattr(signal, name))
                time.sleep(0.05)
            assert running.process.wait(60) == 0
            wait_until(lambda: nothing_left(sessions), "the sessions end with the server", GONE)
            assert list(tmp_path.iterdir()) == []
