"""A class found by its name, the photos' patches beside it, and two columns, under Voila."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .flows import MINUTE, picture, press, status
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
    with browser(1280, 900) as page:
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
