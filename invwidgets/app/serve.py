"""The function that serves the panel as a web page.

>>> serve("coffee", 8866, browser=True, dark=False)   # until Ctrl-C or SIGTERM
invwidgets app: http://localhost:8866/?token=…
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import socket
import tempfile
from pathlib import Path

from ..errors import BadSettingError, OutputError

SESSION_BYTES = 700 * 10**6  # after a run of four seeds, rounded up: benchmarks.app_sessions
SHARE = 0.8  # the part of the free memory that sessions may use
MOST_SESSIONS = 200
IDLE_MINUTES = 30.0

_CELL = "import invwidgets as iw\npanel = iw.InversionPanel({photo!r})\npanel"


def serve(
    photo: str,
    port: int,
    browser: bool,
    dark: bool,
    sessions: int | None = None,
    idle: float = IDLE_MINUTES,
) -> int:
    """Serve the panel on this machine until interrupted, and return the exit code 0.

    ``photo`` is a bundled name or a file. Port 0 means any free port. ``sessions`` is the number of
    pages that may be open at once, each with its own process; None chooses it by the free memory.
    ``idle`` is the number of minutes after which an unused session ends.

    Raises ``OutputError`` without Voila, ``BadSettingError`` for a port that cannot be used.
    """
    if importlib.util.find_spec("voila") is None:
        raise OutputError("the web page needs Voila: pip install 'invwidgets[lab]'")
    free = _free_memory()
    most = sessions_for(free) if sessions is None else sessions
    if isinstance(most, bool) or not 1 <= most <= MOST_SESSIONS:
        raise BadSettingError(f"{most} sessions: give 1 to {MOST_SESSIONS}")
    if not 0 < idle <= 24 * 60:
        raise BadSettingError(f"{idle:g} minutes: a session ends after at most 1440 (a day)")
    sockets = listening(port)
    token = os.environ.pop("JUPYTER_TOKEN", "") or secrets.token_urlsafe(24)
    from .server import PanelServer

    with tempfile.TemporaryDirectory(prefix="iw-") as folder:
        server = PanelServer.of(
            notebook=_notebook(Path(folder), photo),
            sockets=sockets,
            token=token,
            dark=dark,
            sessions=most,
            idle_seconds=60 * idle,
        )
        print(f"invwidgets app: {server.address}?token={token}", flush=True)
        print(_in_words(most, free, idle), flush=True)
        server.opens = browser
        server.start()
    return 0


def sessions_for(memory: int) -> int:
    """The number of sessions that fit into so many free bytes, at least one.

    >>> sessions_for(8 * 10**9)
    9
    """
    return max(1, min(MOST_SESSIONS, int(SHARE * memory) // SESSION_BYTES))


def listening(port: int) -> list[socket.socket]:
    """Sockets on localhost for IPv4 and IPv6 with the same port; 0 means any free port."""
    if isinstance(port, bool) or not 0 <= port <= 65535:
        raise BadSettingError(f"port {port}: give 1 to 65535, or 0 for any free port")
    from tornado.netutil import bind_sockets

    try:
        return bind_sockets(port, "localhost")
    except OSError as error:
        raise BadSettingError(
            f"port {port} cannot be used ({os.strerror(error.errno or 0)}): give another with "
            "--port, or --port 0 for any free port"
        ) from None


def _free_memory() -> int:
    import torch

    from ..inversion.hardware.memory import available_memory

    return available_memory(torch.device("cpu"))


def _in_words(most: int, free: int, idle: float) -> str:
    each = SESSION_BYTES / 1e9
    words = (
        f"At most {most} session{'s' if most > 1 else ''} at once, about {each:.1f} GB each "
        f"(more for larger runs); {free / 1e9:.1f} GB of memory are free.\n"
    )
    if most * SESSION_BYTES > free:
        words += f"That may be too many: {sessions_for(free)} fit.\n"
    return words + (
        f"A session ends when its page is closed, or after {idle:g} minutes without anything "
        "done.\nAnyone who has the address with its token can use it. Ctrl-C ends all sessions."
    )


def _notebook(folder: Path, photo: str) -> Path:
    """Write a notebook with one cell that shows the panel."""
    import nbformat

    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(_CELL.format(photo=photo))],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    path = folder / "invwidgets.ipynb"
    nbformat.write(notebook, path)
    return path
