"""A strip and the grid of a sweep in a real Chromium, without a kernel.

With ``INVWIDGETS_SCREENSHOTS`` set to a folder, pictures of them are left there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from invwidgets.widgets.base.picture_view import PictureView

from ..widgets.test_picture_view import gray, grid, strip
from .alone import show_alone, update_alone
from .flows import picture
from .servers import browser
from .test_gallery import BOXES, becomes

pytestmark = pytest.mark.slow

WATCH = """window.blanks = 0; window.looks = 0;
const images = () => [...document.querySelectorAll('.iw-shot img')];
const there = (image) => !image.hidden && image.complete && image.naturalWidth > 0;
const first = images(), most = first.filter(there).length;
(function look() {
  const now = images();
  window.looks += 1;
  const other = now.some((image, place) => image !== first[place]);
  if (other || now.filter(there).length < most) window.blanks += 1;
  requestAnimationFrame(look);
})();"""


@contextmanager
def shown(view: PictureView, width: int = 900, dark: bool = False) -> Iterator[Any]:
    with browser(width, 700, dark) as page:
        show_alone(page, view, dark)
        told(page, view)
        yield page
        assert page.troubles == []


def told(page: Any, view: PictureView) -> None:
    """The page has all that the view has, laid out for the page's width."""
    width = "document.querySelector('.iw-gallery').clientWidth"
    becomes(page, lambda: view.width == page.evaluate(width))
    update_alone(page, view)
    page.locator(f".iw-gallery[data-shown='{view.shown}']").wait_for()


def has(page: Any) -> int:
    return int(page.locator(".iw-shot img:visible").count())


def test_a_press_a_key_and_escape() -> None:
    view = strip()
    with shown(view) as page:
        assert has(page) == 3
        assert page.get_by_role("img", name="coffee").count() == 1
        assert page.get_by_role("group", name="coffee and 2 of 4 layers").count() == 1
        assert page.locator(".iw-shot").nth(2).inner_text() == "layer 1\nerror 1.0 %"
        page.get_by_role("button", name="layer 1: enlarge beside the photo").click()
        back = page.get_by_role("button", name="layer 1: back to all")
        back.wait_for()
        assert view.enlarged == 1
        assert back.get_attribute("aria-pressed") == "true"
        assert back.locator(".iw-cross").is_visible()
        photo, _, chosen, *_ = page.locator(".iw-shot").evaluate_all(BOXES)
        assert chosen[1] == photo[1], "beside the photo"
        assert chosen[0] > photo[2]
        page.keyboard.press("Enter")
        again = page.get_by_role("button", name="layer 1: enlarge beside the photo")
        again.wait_for()
        assert view.enlarged == -1
        focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert focused == again.get_attribute("aria-label")
        page.keyboard.press("Enter")
        back.wait_for()
        page.keyboard.press("Escape")
        again.wait_for()
        assert view.enlarged == -1
        assert page.locator(".iw-cross:visible").count() == 0


def test_a_long_run_of_updates_leaves_no_blank() -> None:
    view = strip(layers=12, done=10)
    with shown(view, 560) as page:
        page.evaluate(WATCH)
        kept = page.locator("[data-key=s2] img").get_attribute("src")
        for number in range(40):
            name = f"layer {9 if number % 2 else 8}"
            view.pictures[name] = (gray(5 * number), name, f"error {number}.0 %")
            view.redraw()
            update_alone(page, view)
            page.wait_for_timeout(20)
        last = page.locator("[data-key=s9] .iw-second")
        becomes(page, lambda: last.inner_text() == "error 39.0 %")
        view.enlarged = 3
        update_alone(page, view)
        page.get_by_role("button", name="layer 3: back to all").wait_for()
        assert page.locator("[data-key=s2] img").get_attribute("src") == kept
        assert page.evaluate("window.looks") > 20
        assert page.evaluate("window.blanks") == 0
        page.evaluate("document.querySelector('.iw-shot img').src = ''")  # this one is seen
        becomes(page, lambda: page.evaluate("window.blanks") > 0)


@pytest.mark.parametrize("width", [560, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_grid_of_a_sweep(width: int, dark: bool) -> None:
    view = grid()
    with shown(view, width, dark) as page:
        assert has(page) == 5
        heads = page.locator(".iw-axis-head")
        assert heads.all_inner_texts()[:2] == ["tv_weight", "blocks.0"]
        columns, shots = heads.evaluate_all(BOXES)[1:5], page.locator(".iw-shot")
        boxes = shots.evaluate_all(BOXES)
        for head, shot in zip(columns, boxes[:4], strict=True):
            assert head[0] == pytest.approx(shot[0], abs=1)
            assert head[3] <= shot[1] + 1
        assert shots.last.inner_text() == "failed"
        assert shots.last.locator("button").count() == 0
        assert page.get_by_role("figure", name="0.01 · blocks.3").count() == 1
        assert page.locator(".iw-cross:visible").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        color = "one => getComputedStyle(one).backgroundColor"
        ground = page.locator(".iw-pic").first.evaluate(color)
        assert (ground == "rgb(33, 33, 33)") == dark, "as the page"
        assert Axe().run(page, context=".iw-panel").response["violations"] == []
        picture(page, f"grid-{width}-{'dark' if dark else 'light'}")
        page.get_by_role("button", name="open 0.01 · blocks.0 (4.0 %)").press("Enter")
        becomes(page, lambda: view.enlarged == 10)


def test_a_grid_wider_than_the_page_is_scrolled_in_its_view() -> None:
    view = grid(done=30, rows=2, columns=15)
    with shown(view, 560) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 560
        across = page.locator(".iw-shot").nth(1).evaluate_all(BOXES)[0]
        assert 39.5 <= across[2] - across[0] < 45, "as wide as a picture is at least"
        page.get_by_role("button", name="open 0.00 · blocks.14").focus()
        assert page.evaluate("document.querySelector('.iw-gallery').scrollLeft") > 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_strip_is_read_by_axe(dark: bool) -> None:
    view = strip(layers=12, done=10)
    for width in (560, 1280):
        with shown(view, width, dark) as page:
            assert Axe().run(page, context=".iw-panel").response["violations"] == []
            picture(page, f"strip-{width}-{'dark' if dark else 'light'}")
