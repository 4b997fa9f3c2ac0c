"""Tests of ``invwidgets app`` in Chromium: separate users, hostile names, ended sessions.

With ``INVWIDGETS_SCREENSHOTS`` set to a folder, pictures of its pages are left there.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

pytest.importorskip("psutil")

from tests.patience import wait_until

from .app import GONE, SECONDS, App, app
from .flows import MINUTE, PICTURES, picture, press, searching, status
from .servers import browser

pytestmark = pytest.mark.slow

KERNEL = 'JSON.parse(document.getElementById("jupyter-config-data").textContent).kernelId'
HOSTILE = '<img src=x onerror="window.hacked=1">\'&amp;$x_$'


@pytest.fixture(scope="module")
def three() -> Iterator[App]:
    """A server for three sessions."""
    with app("--sessions", "3") as running:
        yield running


def enter(page: Any, running: App) -> None:
    page.goto(running.entrance, timeout=SECONDS * 1000)
    status(page, "Ready")
    assert "token" not in page.url


def leave(*pages: Any) -> None:
    """Close a page as a user does; if the browser is ended, the server is not notified."""
    for page in pages:
        page.goto("about:blank")


def upload(page: Any, name: str, data: bytes) -> None:
    file = {"name": name, "mimeType": "image/png", "buffer": data}
    page.locator(".iw-upload input").set_input_files(files=[file])


def photo(color: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (300, 240), color).save(file, "PNG")
    return file.getvalue()


def test_a_hostile_name_is_only_text(three: App) -> None:
    with browser(1280, 1500) as page:
        enter(page, three)
        page.evaluate("window.hacked = 0")
        upload(page, f"{HOSTILE}.png", photo((30, 90, 200)))
        page.locator(".iw-note", has_text=f"{HOSTILE}, your own photo").wait_for(timeout=MINUTE)
        press(page, "Start")
        searching(page)
        status(page, HOSTILE)
        press(page, "Stop")
        page.locator(".iw-tiles[aria-label='Finished runs'] .iw-tile").wait_for(timeout=MINUTE)
        page.locator(".iw-tile-caption", has_text=HOSTILE).wait_for(timeout=MINUTE)
        picture(page, "app-hostile-name")
        page.get_by_role("tab", name="Export").click()
        press(page, "Show code")
        page.locator(".iw-code pre", has_text="onerror").wait_for(timeout=MINUTE)
        with page.expect_download() as download:
            press(page, "Picture (PNG)")
        assert not set(download.value.suggested_filename) & set('<>"\\/:|?*')
        upload(page, f"{HOSTILE}.png", b"no picture")
        page.locator(".iw-error", has_text=HOSTILE).wait_for(timeout=MINUTE)
        upload(page, "n" * 5000 + ".png", photo((1, 2, 3)))
        page.locator(".iw-note", has_text="nnnnn…").wait_for(timeout=MINUTE)
        assert page.locator("img[src='x']").count() == 0
        assert page.evaluate("window.hacked") == 0
        assert not page.troubles
        leave(page)


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_says_at_once_what_it_is_and_asks_nothing_of_others(dark: bool) -> None:
    options = ["--dark"] if dark else []
    with app("--sessions", "1", *options) as running, browser(1280, 900, dark) as page:
        asked, refused = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda line: refused.append(line.text))
        page.goto(running.entrance, wait_until="commit", timeout=SECONDS * 1000)
        loading = page.get_by_text("The panel is loading")
        loading.wait_for(timeout=MINUTE)
        assert page.title().startswith("invwidgets")
        assert page.get_by_role("heading", name="invwidgets").is_visible()
        assert page.get_by_text("what a layer of a network keeps of a photo").is_visible()
        assert page.get_by_text("Press Start. Some images").is_visible()
        assert page.locator(".iw-panel").count() == 0
        light = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
        assert int(light) < 50 if dark else int(light) > 200
        screenshot(page, f"app-loading{'-dark' * dark}")
        status(page, "Ready")
        assert loading.count() == 0
        assert not page.get_by_text("Press Start. Some images").is_visible()
        screenshot(page, f"app{'-dark' * dark}")
        page.get_by_text("Help", exact=True).click()
        assert page.get_by_text("Press Start. Some images").is_visible()
        press(page, "Start")
        searching(page)
        press(page, "Stop")
        page.get_by_role("tab", name="Export").click()
        press(page, "Show code")
        page.locator(".iw-code pre").wait_for(timeout=MINUTE)
        session = page.evaluate(KERNEL)
        for path in ("nope", "voila/static/nope.js", "voila/labextensions/nope",
                     f"api/kernels/{session}", f"api/kernels/{session}/channels"):  # fmt: skip
            page.goto(f"{running.address}{path}")
        page.context.clear_cookies()
        page.goto(f"{running.address}?token=wrong")
        page.get_by_text("That is not the token").wait_for(timeout=MINUTE)
        hosts = {urlsplit(url).netloc for url in asked if not url.startswith(("data:", "blob:"))}
        assert hosts == {f"localhost:{running.port}"}
        assert not [line for line in refused if "Content Security Policy" in line]
        assert not page.troubles


def test_three_users_share_nothing_and_a_fourth_is_asked_to_come_back(three: App) -> None:
    with browser(1000, 1400) as page:
        contexts = [page.context.browser.new_context() for _ in range(4)]
        pages = [context.new_page() for context in contexts]
        for number, one in enumerate(pages[:3]):
            enter(one, three)
            upload(one, f"secret-{number}.png", photo((80 * number, 40, 200)))
            one.locator(".iw-note", has_text=f"secret-{number}, your own").wait_for(timeout=MINUTE)
        for one in pages[:3]:
            press(one, "Start")
        for number, one in enumerate(pages[:3]):
            status(one, "feature error at")
            own = one.locator(".iw-tile-caption", has_text=f"secret-{number}")
            own.first.wait_for(timeout=MINUTE)
            text = one.content()
            for other in {0, 1, 2} - {number}:
                assert f"secret-{other}" not in text
            runs = one.locator(".iw-tiles[aria-label='Finished runs'] .iw-tile")
            assert runs.count() == 1
        names = [one.evaluate(KERNEL) for one in pages[:3]]
        assert len(set(names)) == 3
        for number, one in enumerate(pages[:3]):
            for other, name in enumerate(names):
                asked = f"fetch('/api/kernels/{name}').then((answer) => answer.status)"
                assert one.evaluate(asked) == (200 if other == number else 403)

        fourth = pages[3]
        fourth.goto(three.entrance, timeout=SECONDS * 1000)
        fourth.get_by_text("All places are taken").wait_for(timeout=MINUTE)
        screenshot(fourth, "app-503")
        leave(pages[0])  # and so makes room
        wait_until(lambda: len(three.sessions) == 2, "a closed page ends its session", GONE)
        fourth.get_by_role("button", name="Try again").click()
        status(fourth, "Ready")
        assert not re.findall(r"secret-\d", fourth.content())
        fourth.reload(timeout=SECONDS * 1000)  # its own place is free for it again
        status(fourth, "Ready")
        leave(*pages)


def test_pages_in_words(three: App) -> None:
    with browser(900, 600) as page:
        page.goto(three.address)
        page.get_by_text("A token is needed").wait_for(timeout=MINUTE)
        screenshot(page, "app-403")
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Open").click()
        page.get_by_text("That is not the token").wait_for(timeout=MINUTE)
        page.goto(f"{three.address}nope")
        page.get_by_text("No such page").wait_for(timeout=MINUTE)
        screenshot(page, "app-404")


def test_a_page_says_that_its_session_has_ended() -> None:
    """Ended by hand: one that is idle for seconds may end before a busy machine shows its page."""
    with app("--sessions", "1") as running, browser(1280, 1000) as page:
        enter(page, running)
        assert not page.get_by_role("alert").count()
        xsrf = "document.cookie.match(/_xsrf=([^;]+)/)[1]"
        address = f"`/voila/api/shutdown/${{{KERNEL}}}?_xsrf=${{{xsrf}}}`"
        asked = f"fetch({address}, {{method: 'POST'}}).then((answer) => answer.status)"
        assert page.evaluate(asked) == 204
        wait_until(lambda: not running.sessions, "the session ends", GONE)
        ended = page.get_by_role("alert").filter(has_text="This session has ended")
        ended.wait_for(timeout=MINUTE)
        screenshot(page, "app-ended")
        ended.get_by_role("button", name="Reload").click()
        status(page, "Ready")


def test_an_upload_over_the_limit_is_refused_and_the_panel_lives(three: App) -> None:
    with browser(1280, 1400) as page:
        page.add_init_script("HTMLCanvasElement.prototype.toBlob = function (done) {"
                             " done(new Blob([new Uint8Array(9e6)])); };")  # fmt: skip
        enter(page, three)
        upload(page, "large.png", photo((9, 9, 9)))
        page.locator(".iw-error", has_text="large.png: 9.0 MB were").wait_for(timeout=MINUTE)
        press(page, "Start")
        searching(page)
        assert not page.troubles


def screenshot(page: Any, name: str) -> None:
    """Save a picture of the whole window."""
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{name}.png")
