"""The server of ``invwidgets app``: Voila with a token and a limited number of sessions.

It listens only on localhost; ``docs/class-server.md`` explains the proxy that a class needs.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_server import DEFAULT_STATIC_FILES_PATH
from jupyter_server.auth.identity import IdentityProvider
from jupyter_server.base.handlers import FileFindHandler
from jupyter_server.services.kernels.handlers import KernelHandler
from jupyterlab_server.themes_handler import ThemesHandler
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.routing import Router
from traitlets.config import Config
from voila.app import Voila
from voila.static_file_handler import MultiStaticFileHandler

from .channels import Channels, WholeMessages
from .pages import EndSession, MissingPage, PanelPage
from .sessions import OwnSession, Sessions

_GONE_SECONDS = 180  # how long a session without a page is kept, in case a connection was lost
_STARTUP_SECONDS = 300  # sessions start slowly if many start at once on few cores
_LONGEST_FOLDER = 33  # characters; with 70 more, a socket's name is within the limit of 104
_TEMPLATES = Path(__file__).parent / "templates"
_CONTENT = (  # pages load nothing from other servers; widget code arrives as text and is evaluated
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; connect-src 'self' ws: wss:; "
    "frame-ancestors 'self'"
)
_MOST_BODY = 2**20  # bytes of a plain request; pictures are sent by the websocket
_MOST_MESSAGE = 10 * 2**20  # bytes of a websocket message; the panel's limit of photos is smaller


class ThisPython(KernelSpecManager):
    """A kernel manager that always uses the running Python, whatever "python3" refers to."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernel_dirs = []


class WithoutQueries(Router):
    """A router that removes the query, which may contain the token, from logged addresses.

    The arguments of the request are kept.
    """

    def __init__(self, routes: Router) -> None:
        self._routes = routes

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """The handler of a request."""
        request.uri, request.query = request.path, ""
        return self._routes.find_handler(request, **kwargs)


class PanelServer(Voila):
    """The server of the app; ``start`` serves until SIGINT or SIGTERM and ends all sessions."""

    opens = False
    _sockets: Sequence[socket.socket] = ()

    @classmethod
    def of(
        cls,
        notebook: Path,
        sockets: Sequence[socket.socket],
        token: str,
        dark: bool,
        sessions: int,
        idle_seconds: float,
    ) -> PanelServer:
        """A server for one notebook."""
        settings = Config()
        settings.Voila.token = token
        settings.Voila.identity_provider_class = IdentityProvider
        settings.Voila.authorizer_class = OwnSession
        settings.Voila.kernel_websocket_connection_class = WholeMessages
        settings.Voila.connection_dir_root = str(notebook.parent)
        settings.Voila.tornado_settings = {
            "headers": {"Content-Security-Policy": _CONTENT},
            "login_url": "/",
            "static_path": DEFAULT_STATIC_FILES_PATH,  # where jupyter-server's error pages look
            "websocket_max_message_size": _MOST_MESSAGE,
        }
        settings.VoilaConfiguration.theme = "dark" if dark else "light"
        settings.VoilaConfiguration.allow_theme_override = "NO"
        settings.VoilaConfiguration.allow_template_override = "NO"
        settings.VoilaConfiguration.multi_kernel_manager_class = Sessions
        settings.VoilaConfiguration.kernel_spec_manager_class = ThisPython
        settings.VoilaExecutor.startup_timeout = _STARTUP_SECONDS
        settings.Sessions.most = sessions
        settings.Sessions.gone_seconds = min(_GONE_SECONDS, idle_seconds)
        settings.Sessions.cull_idle_timeout = max(1, round(idle_seconds))
        settings.Sessions.cull_interval = max(1, min(30, round(idle_seconds / 4)))
        settings.Sessions.cull_connected = True
        settings.KernelManager.autorestart = False  # another kernel would not have the panel
        if sys.platform != "win32" and len(str(notebook.parent)) < _LONGEST_FOLDER:
            settings.KernelManager.transport = "ipc"  # any user of the machine may listen to a port
        server = cls(config=settings, notebook_path=str(notebook), log_level="ERROR")
        server.config_file_paths = []  # ignores the settings of other Voila servers
        server._sockets = sockets
        server.port = sockets[0].getsockname()[1]
        server.initialize([])
        server.template_paths = [str(_TEMPLATES), *server.template_paths]
        return server

    @property
    def address(self) -> str:
        return f"http://localhost:{self.port}/"

    def init_handlers(self) -> list[Any]:
        """The handlers of Voila that a page needs, and those of the app."""
        needed = (KernelHandler, ThemesHandler, FileFindHandler, MultiStaticFileHandler)
        kept = [handler for handler in super().init_handlers() if handler[1] in needed]
        page = {
            "notebook_path": Path(self.notebook_path).name,
            "template_paths": self.template_paths,
            "config": self.config,
            "voila_configuration": self.voila_configuration,
        }
        static = {"paths": self.static_paths}
        return [
            *kept,
            (r"/api/kernels/(?P<kernel_id>[\w-]+)/channels", Channels),
            (r"/voila/templates/lab/static/(.*)", MultiStaticFileHandler, static),
            (r"/voila/api/shutdown/(?P<kernel_id>[\w-]+)", EndSession),
            (r"/", PanelPage, page),
            (r".*", MissingPage),
        ]

    def listen(self) -> None:
        """Answer requests until a signal to end."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        for name in ("access", "general", "application"):  # not each page refused
            logging.getLogger(f"tornado.{name}").setLevel(logging.ERROR)
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        sessions: Sessions = self.kernel_manager
        with _on_end_signal(lambda: loop.call_soon_threadsafe(ended.set)):
            server = HTTPServer(WithoutQueries(self.app), max_body_size=_MOST_BODY, xheaders=True)
            server.add_sockets(self._sockets)
            if self.opens:
                threading.Thread(target=self._open, daemon=True).start()
            await ended.wait()
            server.stop()
            await sessions.end()

    def _open(self) -> None:
        """Open the browser with a file that redirects to the address.

        All users of a machine can see the arguments of a process, so the token must not be in them.
        """
        page = Path(self.notebook_path).with_name("open.html")
        page.write_text(
            f'<meta http-equiv="refresh" content="0; url={self.address}?token={self.token}">'
        )
        webbrowser.open(page.as_uri())


@contextmanager
def _on_end_signal(end: Any) -> Any:
    """A context in which signals that end a program call ``end``."""
    with ExitStack() as stack:
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                number = getattr(signal, name)
                before = signal.signal(number, lambda *_: end())
                stack.callback(signal.signal, number, before)
        yield
