"""Tests of a lecturer's use of the panel, in a real Chromium under Voila."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from .flows import MINUTE, load, picture, press, status
from .servers import browser, server, write_notebook
from .test_flows import serious

pytestmark = pytest.mark.slow

CELL = """import invwidgets as iw
panel = iw.InversionPanel("coffee", layer="blocks.4", seeds=2, steps=4)
panel"""
PLACES = (".iw-stages", ".iw-status", ".iw-gallery", ".iw-classes", ".widget-tab")


@pytest.fixture(scope="module")
def site(tmp_path_factory: Any) -> Iterator[tuple[str, str]]:
    notebook = write_notebook(tmp_path_factory.mktemp("lecture") / "panel.ipynb", CELL)
    with server("voila", notebook) as address:
        yield "voila", address


def places(page: Any) -> list[int]:
    """The vertical positions of the panel's parts in the page, in pixels."""
    found: list[int] = page.evaluate(
        """(names) => {
  const panel = document.querySelector('.iw-panel').getBoundingClientRect().top;
  const of = (name) => document.querySelector(name).getBoundingClientRect().top - panel;
  return names.map((name) => Math.round(of(name)));
}""",
        PLACES,
    )
    return found


def test_nothing_moves_and_a_far_search_is_run_longer(site: tuple[str, str]) -> None:
    with browser(1280, 1400) as page:
        load(page, site)
        page.wait_for_timeout(1500)  # drawn as wide as the page
        before = places(page)
        press(page, "Start")
        status(page, "Not converged")
        page.locator(".iw-classes table .iw-same").first.wait_for(timeout=MINUTE)
        assert places(page) == before, "the room of the classes was kept"
        picture(page, "lecture-far")
        press(page, "Run 12 steps")
        page.locator(".iw-classes.iw-awaited").wait_for(state="attached", timeout=MINUTE)
        assert places(page) == before
        page.locator(".iw-figures", has_text="12 of 12 steps").wait_for(timeout=MINUTE)
        knob = page.get_by_role("slider", name="Smoothness")
        heard = knob.get_attribute("aria-valuetext")
        assert heard == page.locator(".iw-how .widget-readout").first.text_content()
        wide = page.evaluate(
            "[...document.querySelectorAll('.iw-controls .slider-container')]"
            ".filter((one) => one.clientWidth).map((one) => one.clientWidth)"
        )
        assert len(set(wide)) == 1, wide
        page.get_by_text("Advanced", exact=True).click()
        size = page.locator(".iw-knob", has_text="Photo size: 224 × 224").locator("select")
        chosen = size.evaluate("one => one.selectedOptions[0].textContent")
        assert chosen.replace("\xa0", " ") == "the network's own"
        assert serious(page) == []

        scrub = page.get_by_role("slider", name="Playback")
        scrub.focus()
        page.keyboard.press("Home")
        page.wait_for_function(
            "document.querySelector('.iw-gallery').dataset.shown === '1'", timeout=MINUTE
        )
        assert scrub.get_attribute("aria-valuetext") == "step 1 of 12"
        assert places(page) == before
        picture(page, "lecture-scrubbed")
        for _ in range(11):  # the End key goes to the first place, which is ipywidgets' own slider
            page.keyboard.press("ArrowRight")
        page.wait_for_function(
            "document.querySelector('.iw-gallery').dataset.shown === '12'", timeout=MINUTE
        )

        press(page, "Compare")
        page.locator(".iw-big").wait_for(timeout=MINUTE)
        page.keyboard.down("b")
        assert page.locator(".iw-wipe").input_value() == "100"
        page.keyboard.up("b")
        picture(page, "lecture-compare")
        assert serious(page) == []
        page.keyboard.press("Escape")
        page.locator(".iw-big").wait_for(state="hidden", timeout=MINUTE)
        assert places(page) == before
        page.keyboard.press("p")
        page.locator(".iw-presenting .iw-stage-slider:focus").wait_for(timeout=MINUTE)
        assert page.locator(".iw-shot:visible").count() == 2
        others = ".iw-status, .iw-controls, .iw-classes, .iw-column > .iw-note"
        assert page.locator(others).count() > 3
        assert page.locator(others).filter(visible=True).count() == 0
        picture(page, "lecture-presented", whole=True)
        page.keyboard.press("Escape")
        assert page.locator(".iw-presenting").count() == 0

        page.get_by_title("What Smoothness means").click()
        page.locator(".iw-note", has_text="the total variation").wait_for(timeout=MINUTE)
        page.get_by_role("tab", name="Export").click()
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        press(page, "Copy settings")
        press(page, "Copied")
        held = json.loads(page.evaluate("navigator.clipboard.readText()"))
        assert (held["photo"], held["layer"], held["steps"]) == ("coffee", "blocks.4", 12)
        picture(page, "lecture-asked")
        assert serious(page) == []
        assert not page.troubles
