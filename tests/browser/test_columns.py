"""Tests of class search, photo patches and the second column, under Voila."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .flows import MINUTE, picture, press, runs, status
from .servers import browser, server, write_notebook
from .test_flows import serious

pytestmark = pytest.mark.slow

CELL = """import invwidgets as iw
panel = iw.InversionPanel("coffee", seeds=2, steps=4, size=96)
panel"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: Any) -> Iterator[str]:
    notebook = write_notebook(tmp_path_factory.mktemp("columns") / "panel.ipynb", CELL)
    with server("voila", notebook) as address:
        yield address


def opened(page: Any, address: str) -> None:
    page.goto(address, timeout=2 * MINUTE)
    status(page, "Ready")


def names(page: Any) -> list[str]:
    found: list[str] = page.locator(".iw-search li").all_inner_texts()
    return [" ".join(one.split()) for one in found]


def test_a_class_is_found_by_a_part_of_its_name(address: str) -> None:
    with browser(1280, 1400) as page:
        opened(page, address)
        page.locator(".iw-menus select").nth(1).select_option("maximize")
        number = page.get_by_label("Number")
        number.wait_for(timeout=MINUTE)
        page.locator(".iw-stage", has_text="classifier").click()
        box = page.get_by_role("combobox", name="Class")
        box.wait_for(timeout=MINUTE)
        assert not number.is_visible()
        assert box.input_value() == "tench"
        box.click()
        assert len(names(page)) == 1000
        page.keyboard.type("cat")
        assert names(page)[:4] == ["tiger cat 282", "Persian cat 283", "Siamese cat 284",
                                   "Egyptian cat 285"]  # fmt: skip
        assert names(page)[-1] == "polecat 358"
        assert box.get_attribute("aria-expanded") == "true"
        picture(page, "columns-search")
        assert serious(page) == []
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowUp")
        chosen = page.locator(".iw-search li[aria-selected='true']")
        assert chosen.inner_text().split()[:2] == ["Persian", "cat"]
        assert box.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
        page.keyboard.press("Escape")
        assert (box.input_value(), box.get_attribute("aria-expanded")) == ("tench", "false")
        page.keyboard.type("285")
        page.keyboard.press("Enter")
        page.locator(".iw-note", has_text="Egyptian cat is channel 285").wait_for(timeout=MINUTE)
        box.click()
        page.keyboard.type("zebra crossing")
        assert names(page) == ["No name has “zebra crossing”"]
        box.fill("tabby")
        page.locator(".iw-search li").first.click()
        assert box.input_value() == "tabby"
        press(page, "Start")
        status(page, "Channel 281 is the class tabby")
        patches = page.locator(".iw-patches figure")
        patches.nth(3).wait_for(timeout=MINUTE)
        assert "excite channel 281, tabby, most" in page.locator(".iw-patches p").inner_text()
        first = patches.first.inner_text().split("\n")
        assert first[0] == "chelsea", "the photo of a cat"
        assert first[1].startswith("activation ")
        assert first[1].endswith("(×1.00)")
        broken = "images => images.filter((one) => !one.naturalWidth).length"
        assert page.locator(".iw-patches img").evaluate_all(broken) == 0
        status(page, "Done")
        page.locator(".iw-classes table .iw-class").nth(8).wait_for(timeout=MINUTE)
        picture(page, "columns-patches")
        assert serious(page) == []
        assert not page.troubles


def test_two_columns_with_one_start(address: str) -> None:
    with browser(1280, 1400) as page:
        opened(page, address)
        menu = page.get_by_label("Beside", exact=True)
        menu.select_option("another layer")
        column = page.locator(".iw-column").nth(1)
        column.get_by_text("efficientnet_lite0, blocks.3").wait_for(timeout=MINUTE)
        page.get_by_label("Layer beside").select_option("blocks.4")
        column.get_by_text("efficientnet_lite0, blocks.4").wait_for(timeout=MINUTE)
        column.get_by_text("Ready").wait_for(timeout=MINUTE)
        press(page, "Start")
        status(page, "Done")
        column.get_by_text("feature error at blocks.4").wait_for(timeout=MINUTE)
        column.locator(".iw-classes .iw-same").first.wait_for(timeout=MINUTE)
        runs(page).nth(1).wait_for(timeout=MINUTE)
        boxes = [one.bounding_box() for one in page.locator(".iw-gallery").all()]
        assert boxes[0]["y"] == boxes[1]["y"], "the pictures stand side by side, in one line"
        assert boxes[0]["x"] + boxes[0]["width"] < boxes[1]["x"]
        assert abs(boxes[0]["width"] - boxes[1]["width"]) < 4
        picture(page, "columns-two")
        page.get_by_role("tab", name="Export").click()
        page.get_by_role("button", name="right: efficientnet_lite0, blocks.4").click()
        press(page, "Show code")
        page.locator(".iw-code pre", has_text="'blocks.4'").wait_for(timeout=MINUTE)
        assert serious(page) == []
        menu.select_option("random weights")
        column = page.locator(".iw-column").nth(1)
        column.get_by_text("random weights").first.wait_for(timeout=MINUTE)
        column.get_by_text("feature error at blocks.2").wait_for(timeout=MINUTE)
        picture(page, "columns-random")
        page.set_viewport_size({"width": 560, "height": 1400})
        page.wait_for_timeout(1500)
        picture(page, "columns-narrow")
        wide = "(() => { const p = document.querySelector('.iw-panel');"
        assert page.evaluate(wide + " return p.scrollWidth - p.clientWidth; })()") <= 1
        menu.select_option("nothing")
        page.locator(".iw-column").nth(1).wait_for(state="detached", timeout=MINUTE)
        assert not page.troubles
