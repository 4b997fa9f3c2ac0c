"""A process with ``invwidgets app``, and a visitor without a browser."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from invwidgets.app.channels import PROTOCOL

SECONDS = 600
GONE = 300.0  # seconds: a session that no page looks at ends after three minutes


class App:
    """A running server.

    ``words`` is what it printed at its start; ``log`` is what it printed later, known at its end.
    """

    log = ""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        self.words = "".join(lines)
        found = re.search(r"http://localhost:(\d+)/\?token=(\S+)", lines[0])
        assert found, f"no address in {self.words!r}"
        self.port, self.token = int(found[1]), found[2]
        self.address = f"http://localhost:{self.port}/"
        self.entrance = f"{self.address}?token={self.token}"

    @property
    def sessions(self) -> list[psutil.Process]:
        """The processes of its sessions."""
        return list(psutil.Process(self.process.pid).children(recursive=True))


class Visitor:
    """A client that requests pages and keeps its cookies."""

    def __init__(self, app: App, enters: bool = True) -> None:
        self._app = app
        self.cookies: dict[str, str] = {}
        if enters:
            assert self.get(f"/?token={app.token}")[0] == 302

    def get(
        self, path: str, method: str = "GET", **headers: str
    ) -> tuple[int, str, dict[str, str]]:
        """The status, the page and the headers of an address."""
        connection = http.client.HTTPConnection("localhost", self._app.port, timeout=SECONDS)
        try:
            cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            sent = headers | ({"Cookie": cookies} if cookies else {})
            connection.request(method, path, headers=sent)
            answer = connection.getresponse()
            text = answer.read().decode()
            for cookie in answer.headers.get_all("Set-Cookie", []):
                name, _, value = cookie.split(";")[0].partition("=")
                self.cookies[name] = value
            return answer.status, text, {k.lower(): v for k, v in answer.headers.items()}
        finally:
            connection.close()

    def opening(self) -> tuple[str, Callable[[], str]]:
        """The first part of the panel's page, and a function that reads the rest."""
        connection = http.client.HTTPConnection("localhost", self._app.port, timeout=SECONDS)
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection.request("GET", "/", headers={"Cookie": cookies})
        answer = connection.getresponse()
        assert answer.status == 200
        for cookie in answer.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.split(";")[0].partition("=")
            self.cookies[name] = value
        return answer.read1().decode(), lambda: answer.read().decode()

    def leave(self, session: str) -> None:
        """End a session in the way of a page that is closed."""
        path = f"/voila/api/shutdown/{session}?_xsrf={self.cookies['_xsrf']}"
        assert self.get(path, "POST")[0] == 204

    def websocket(self, session: str, protocols: Sequence[str] = (PROTOCOL,)) -> Any:
        """The websocket of a session, as a context with ``send`` and ``recv``."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        address = f"ws://localhost:{self._app.port}/api/kernels/{session}/channels?session_id=x"
        return connect(
            address, subprotocols=[Subprotocol(one) for one in protocols] or None,
            additional_headers={"Cookie": cookies}, open_timeout=60, close_timeout=5, proxy=None,
            max_size=None,
        )  # fmt: skip

    def open(self) -> str:
        """Open the panel's page, and return the name of its session."""
        status, page, _ = self.get("/")
        assert status == 200, page
        found = re.search(r'"kernelId": "([^"]+)"', page)
        assert found, page[:2000]
        return found[1]


@contextmanager
def app(*options: str, photo: str = "coffee", folder: Path | None = None) -> Iterator[App]:
    """A server on a free port, which must leave no process behind."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "invwidgets.cli", "app", photo, "--no-browser"]
    process = subprocess.Popen([*command, "--port", str(port), *options], text=True, cwd=folder,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    running = None
    try:
        running = App(process)
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            assert process.stdout is not None
            if running is not None:
                running.log = process.stdout.read()
            process.stdout.close()
