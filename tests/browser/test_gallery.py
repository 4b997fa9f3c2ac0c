"""Tests of the gallery in Chromium without a kernel: marks, comparison, presenter view.

With ``INVWIDGETS_SCREENSHOTS`` set to a folder, pictures of it are left there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from invwidgets.widgets.views.live_gallery import LiveGallery

from ..widgets.test_gallery import frame, made
from .alone import show_alone, update_alone
from .flows import PICTURES
from .servers import browser

pytestmark = pytest.mark.slow

FIELDS = {
    "rows": [[0.0, 0.5], [0.25, 0.75], [0.5, 1.0]],
    "columns": [[0.0, 0.4], [0.2, 0.8], [0.6, 1.0]],
    "side": [24, 26],
    "assumed": False,
}
LAYERS = (
    '<div><div class="iw-overview"><input type="range" class="iw-stage-slider" aria-label="Layer">'
    '</div><div class="iw-layer-words">words of the layer</div></div><div>knobs</div>'
)


BOXES = """shots => shots.map((shot) => shot.getBoundingClientRect())
  .map(({left, top, right, bottom}) => [left, top, right, bottom])"""


@contextmanager
def shown(
    gallery: LiveGallery, width: int = 1010, height: int = 800, dark: bool = False
) -> Iterator[Any]:
    with browser(width, height, dark) as page:
        show_alone(page, gallery, dark, LAYERS)
        page.locator(".iw-live[data-shown='5']").wait_for()
        settled(page)
        becomes(page, lambda: page.locator(".iw-shot img:visible").count() == 6)
        yield page
        assert page.troubles == []


@pytest.fixture
def gallery() -> LiveGallery:
    made_ = made(fields=FIELDS)
    made_.show(frame())
    return made_


def settled(page: Any) -> None:
    """Wait until the gallery has the layout for the current width of the window."""
    page.wait_for_timeout(300)  # a width is told when it has been the same for a while
    page.wait_for_function(
        "(({dataset, clientWidth}) => +dataset.width === clientWidth)"
        "(document.querySelector('.iw-live'))"
    )


def becomes(page: Any, condition: Callable[[], bool]) -> None:
    """Wait up to half a minute for a value that the page or Python receives later."""
    for _ in range(300):
        if condition():
            return
        page.wait_for_timeout(100)
    assert condition()


def keep(page: Any, name: str) -> None:
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"gallery-{name}.png"))


def source(page: Any, place: str) -> str:
    found: str = page.locator(place).first.get_attribute("src")
    return found


def wiped(page: Any) -> int:
    return int(page.locator(".iw-wipe").input_value())


def compare(page: Any) -> Any:
    page.get_by_role("button", name="Compare", exact=True).click()
    big = page.locator(".iw-big")
    big.wait_for()
    return big.bounding_box()


def test_words_are_text_and_pictures_are_swapped(gallery: LiveGallery) -> None:
    with shown(gallery) as page:
        shots = page.locator(".iw-shot")
        assert shots.locator("img:visible").count() == 6
        assert shots.nth(1).inner_text() == "error 4.0 %\nseed 0 · 0.0 dB"
        assert page.locator(".iw-best").get_attribute("data-key") == "s0"
        assert page.get_by_role("group", name="coffee: 3 images after 5 steps").count() == 1
        before, same = (source(page, f"[data-key={key}] img") for key in ("s0", "s1"))
        gallery.show(frame((200, 80, 40), index=8))
        update_alone(page, gallery)
        page.locator(".iw-live[data-shown='9']").wait_for()
        assert source(page, "[data-key=s0] img") != before
        assert source(page, "[data-key=s1] img") == same, "it is the same picture"
        assert page.locator(".iw-best").get_attribute("data-key") == "s2"
        gallery.show_photo(None, "", range(2))
        update_alone(page, gallery)
        page.locator(".iw-live[data-shown='']").wait_for()
        assert shots.locator("img:visible").count() == 0, "empty places"
        assert page.get_by_role("button", name="Compare").is_disabled()


def test_a_place_is_marked_in_every_picture_with_its_field(gallery: LiveGallery) -> None:
    with shown(gallery) as page:
        box = page.locator("[data-key=spread] .iw-pic").bounding_box()
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.9 * box["height"])
        page.locator(".iw-place-words", has_text="Cell (2, 1) of 3 × 3 sees 24 × 38 pix").wait_for()
        where = """pics => pics.map(pic => {
  const mark = getComputedStyle(pic, '::after'), field = getComputedStyle(pic, '::before');
  const part = (value, side) => Math.round(100 * parseFloat(value) / side);
  return [part(mark.left, pic.clientWidth), part(mark.top, pic.clientHeight),
    part(field.left, pic.clientWidth), part(field.top, pic.clientHeight)];
})"""
        found = page.locator(".iw-shot .iw-pic").evaluate_all(where)
        assert len(found) == 6
        for mark in found:
            assert mark == [pytest.approx(value, abs=1) for value in (50, 90, 20, 50)]
        page.mouse.move(2, 2)
        page.locator(".iw-marked").wait_for(state="detached")


def test_the_wipe_by_mouse_key_and_finger(gallery: LiveGallery) -> None:
    with shown(gallery) as page:
        box = compare(page)
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 0.5 * box["width"], middle)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.8 * box["width"], middle, steps=4)
        page.mouse.up()
        assert wiped(page) == pytest.approx(80, abs=1)
        slider = page.get_by_role("slider", name="How much of the photo")
        slider.focus()
        page.keyboard.press("ArrowLeft")
        assert slider.get_attribute("aria-valuetext") == f"{wiped(page)} % photo"
        assert wiped(page) == pytest.approx(79, abs=1)
        session = page.context.new_cdp_session(page)
        for kind, places in (("touchStart", [0.6]), ("touchMove", [0.4]), ("touchMove", [0.25]),
                             ("touchEnd", [])):  # fmt: skip
            points = [{"x": box["x"] + place * box["width"], "y": middle} for place in places]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        assert wiped(page) == pytest.approx(25, abs=2)
        clip = page.locator(".iw-over").evaluate("image => getComputedStyle(image).clipPath")
        assert clip.startswith("inset(0px 7")


def test_the_blink_key_and_which_picture(gallery: LiveGallery) -> None:
    with shown(gallery) as page:
        compare(page)
        becomes(page, lambda: gallery.compared == "s0")  # the best one
        page.keyboard.down("b")
        assert wiped(page) == 100
        page.keyboard.up("b")
        assert wiped(page) == 0
        first = source(page, ".iw-under")
        page.get_by_label("Which picture is compared").select_option("mean")
        page.locator("[data-key=mean] .iw-place[aria-pressed=true]").wait_for()
        becomes(page, lambda: gallery.compared == "mean")
        becomes(page, lambda: source(page, ".iw-under") == source(page, "[data-key=mean] img"))
        assert source(page, ".iw-under") != first
        page.keyboard.press("b")
        assert wiped(page) == 0, "a letter in a menu chooses there"
        page.get_by_role("button", name="seed 2: compare with the photo").click()
        menu = page.get_by_label("Which picture is compared")
        becomes(page, lambda: menu.input_value() == "s2")
        becomes(page, lambda: page.locator(".iw-lens:visible").count() == 2)  # the pointer is there
        assert Axe().run(page, context=".iw-panel").response["violations"] == []
        keep(page, "compare")
        page.locator(".iw-big").focus()
        page.keyboard.press("Escape")
        page.locator(".iw-big").wait_for(state="hidden")
        becomes(page, lambda: gallery.compared == "")


def test_what_a_cell_sees_is_magnified(gallery: LiveGallery) -> None:
    with shown(gallery) as page:
        box = compare(page)
        page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.1 * box["height"])
        style = (
            "images => images.map(({style}) => [style.left, style.top, style.width, style.height])"
        )
        found = page.locator(".iw-lens img").evaluate_all(style)
        values = [[float(value.rstrip("%")) for value in one] for one in found]
        assert values == 2 * [[pytest.approx(v) for v in (-150, 0, 250, 200)]]  # 0.6 … 1, 0 … 0.5


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_presenter_view(gallery: LiveGallery, dark: bool) -> None:
    with shown(gallery, dark=dark) as page:
        page.get_by_role("button", name="seed 1: enlarge").click()
        page.get_by_role("button", name="seed 1: back to all").wait_for()
        for width, height in ((1280, 900), (1920, 1080)):
            page.set_viewport_size({"width": width, "height": height})
            page.keyboard.press("p")
            settled(page)
            seen = page.locator(".iw-shot:visible")
            assert seen.evaluate_all("shots => shots.map(({dataset}) => dataset.key)") == [
                "photo", "s1",
            ]  # fmt: skip
            for left, top, right, bottom in seen.evaluate_all(BOXES):
                assert right - left > 0.4 * width
                assert left >= 0
                assert top >= 0
                assert right <= width
                assert bottom <= height
            size = "line => parseFloat(getComputedStyle(line).fontSize)"
            assert seen.nth(1).locator(".iw-first").evaluate(size) > 0.03 * height
            assert page.locator(".iw-stage-slider").is_visible()
            assert page.evaluate("document.activeElement.className") == "iw-stage-slider"
            for other in (".iw-layer-words", ".iw-gallery-row"):
                assert page.locator(other).is_hidden()
            assert page.get_by_text("knobs").is_hidden()
            assert Axe().run(page, context=".iw-panel").response["violations"] == []
            keep(page, f"present-{width}-{'dark' if dark else 'light'}")
            page.keyboard.press("Escape")
            assert page.get_by_text("knobs").is_visible()
            assert page.locator(".iw-shot:visible").count() == 6
        page.get_by_role("button", name="Present").click()
        page.get_by_role("button", name="Leave the presenter view").click()
        assert page.locator(".iw-presenting").count() == 0
