"""The pages of ``invwidgets app``: the panel and the error pages."""

from __future__ import annotations

from typing import Any, cast

from jupyter_server.auth.decorator import allow_unauthenticated, authorized
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado.iostream import StreamClosedError
from tornado.web import authenticated
from voila.handler import VoilaHandler

from .sessions import VISIT, Sessions, Visit

_RETRY_SECONDS = 60
_LOOK = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 18vh auto; }
body { padding: 0 1rem; }
h1 { font-size: 1.4rem; }
input, button { font: inherit; padding: .3rem .6rem; }
"""
_FORM = (
    '<form action="/"><input name="token" type="password" aria-label="Token" autofocus> '
    "<button>Open</button></form>"
)
_NOT_BEGUN = (
    '<p role="alert" style="font: 16px/1.5 system-ui, sans-serif; padding: 0 8px">The session '
    "could not begin. Load the page again; the server's log says more.</p>"
    '<script>document.getElementById("iw-loading")?.remove()</script>'
)


def words_page(title: str, words: str, rest: str = "") -> str:
    """A page with a title and a text; neither may contain user input."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><link rel="icon" href="data:,"><style>{_LOOK}</style>'
        f"<h1>{title}</h1><p>{words}</p>{rest}</html>"
    )


class _Words(JupyterHandler):
    """The base class of pages, which shows errors as text, never as a traceback."""

    @property
    def sessions(self) -> Sessions:
        return cast(Sessions, self.kernel_manager)

    def say(self, status: int, title: str, words: str, rest: str = "") -> None:
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(words_page(title, words, rest))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if status_code == 503:
            self.set_header("Retry-After", str(_RETRY_SECONDS))
            self.say(
                503,
                "All places are taken",
                f"This server has room for {self.sessions.most} at once, and no place is free. "
                "Come back in a few minutes: a place is free as soon as somebody closes the page.",
                '<form action="/"><button>Try again</button></form>',
            )
        else:
            self.say(status_code, "That did not work", "Go back, and load the page again.")


class PanelPage(_Words, VoilaHandler):
    """The page of the panel, which starts a new session each time it is opened."""

    @allow_unauthenticated
    async def get(self) -> None:
        if self.current_user is None:
            wrong = bool(self.get_query_argument("token", ""))
            title = "That is not the token" if wrong else "A token is needed"
            self.say(
                403,
                title,
                "Open the address that <code>invwidgets app</code> printed when it began, with "
                "its token, or give the token here:",
                _FORM,
            )
            return
        if self.get_query_argument("token", None) is not None:
            self.redirect("/")  # the token is in the cookie now, and need not be seen
            return
        purpose = self.request.headers.get("Sec-Purpose") or self.request.headers.get("Purpose", "")
        if "prefetch" in purpose.lower():
            self.set_status(204)  # a browser that only guesses gets no session
            return
        visit = Visit(self.current_user.username)
        await self.sessions.reserve(visit)
        try:
            await self._panel(visit)
        except StreamClosedError:
            pass  # the page was closed while it loaded
        finally:
            self.sessions.rendered(visit.session)

    @allow_unauthenticated
    def head(self) -> None:
        self.set_status(200 if self.current_user is not None else 403)

    async def _panel(self, visit: Visit) -> None:
        """Send the loading page at once, and then the panel when its session has made it."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.xsrf_token  # noqa: B018  # sets the cookie with which a closed page says so
        start = self.get_template("start.html.j2")
        self.write(start.render(theme=self.voila_configuration.theme, base_url=self.base_url))
        await self.flush()
        VISIT.set(visit)
        try:
            async for html in self.get_generator():
                self.write(html)
                await self.flush()
                if await self.sessions.is_dead(visit.session):
                    self.write(_NOT_BEGUN)  # Voila would wait for ever
                    return
        except StreamClosedError:
            raise
        except Exception:
            self.log.error("a session could not begin", exc_info=True)
            self.write(_NOT_BEGUN)


class MissingPage(_Words):
    """The page for any other address."""

    @allow_unauthenticated
    def get(self, *_: Any) -> None:
        self.say(404, "No such page", 'There is one page here: <a href="/">the panel</a>.')

    post = put = delete = patch = head = options = get


class EndSession(APIHandler):
    """The address that a page calls when it is closed."""

    auth_resource = "kernels"

    @authenticated
    @authorized
    async def post(self, kernel_id: str) -> None:
        await self.kernel_manager.shutdown_kernel(kernel_id, now=True)
        self.set_status(204)
