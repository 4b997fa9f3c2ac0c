"""Tests of the panel in a real Chromium, in JupyterLab and in Voila."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from .flows import MINUTE, STEPS, load, picture, press, runs, searching, status
from .servers import browser, server, write_notebook

pytestmark = pytest.mark.slow

CELL = f'import invwidgets as iw\npanel = iw.InversionPanel("coffee", steps={STEPS})\npanel'


@pytest.fixture(scope="module", params=["lab", "voila"])
def site(request: Any, tmp_path_factory: Any) -> Iterator[tuple[str, str]]:
    folder = tmp_path_factory.mktemp("site")
    notebook = write_notebook(folder / "panel.ipynb", CELL)
    with server(request.param, folder if request.param == "lab" else notebook) as address:
        yield request.param, address


def box_of(page: Any) -> Any:
    canvas = page.locator(".iw-region-canvas")
    canvas.scroll_into_view_if_needed()
    return canvas.bounding_box()


def drag(page: Any, a: tuple[float, float], b: tuple[float, float]) -> None:
    box = box_of(page)
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (a, b)]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=3)
    page.mouse.up()


def finished(page: Any, count: int) -> None:
    """Wait for this number of runs in the history; "Done" may still refer to the run before."""
    runs(page).nth(count - 1).wait_for(timeout=MINUTE)


def region_words(page: Any, words: str) -> None:
    page.locator(".iw-note", has_text=words).first.wait_for(timeout=MINUTE)


def test_from_opening_to_taking_away(site: tuple[str, str]) -> None:
    with browser(1280, 1400) as page:
        load(page, site)
        press(page, "Start")
        page.wait_for_function(
            "+document.querySelector('.iw-gallery').dataset.shown > 0", timeout=MINUTE
        )
        press(page, "Pause")
        status(page, "Paused after step")
        press(page, "Step")
        press(page, "Resume")
        finished(page, 1)

        drag(page, (0.3, 0.3), (0.7, 0.6))  # 28 cells a side: 8.4 … 19.6, 8.4 … 16.8
        region_words(page, "rows 8–16, columns 8–19")
        finished(page, 2)
        picture(page, f"panel-region-{site[0]}")
        canvas = page.locator(".iw-region-canvas")
        canvas.focus()
        page.keyboard.press("ArrowRight")
        region_words(page, "rows 8–16, columns 9–20")
        page.keyboard.press("Shift+ArrowDown")
        region_words(page, "rows 8–17, columns 9–20")
        page.keyboard.press("Escape")
        region_words(page, "Whole photo")
        finished(page, 3)
        press(page, "Start again")
        searching(page)
        press(page, "Stop")
        status(page, "Stopped early")

        page.get_by_role("button", name="seed 1: enlarge beside the photo").click()
        page.get_by_role("button", name="seed 1: back to all").wait_for(timeout=MINUTE)
        picture(page, f"panel-enlarged-{site[0]}")
        page.get_by_role("button", name="seed 1: back to all").click()

        tiles = runs(page)
        tiles.nth(0).click()
        tiles.nth(1).click()
        press(page, "Side by side")
        page.locator("[data-key=right] img:visible").wait_for(timeout=MINUTE)
        tiles.nth(1).click()
        press(page, "Restore")
        status(page, "is restored")

        page.get_by_role("tab", name="Curves").click()
        page.get_by_role("tab", name="Export").click()
        press(page, "Show code")
        page.locator(".iw-code pre", has_text="iw.invert(").wait_for(timeout=MINUTE)
        for name, ending in (("Picture (PNG)", "png"), ("Animation (GIF)", "gif")):
            with page.expect_download() as download:
                press(page, name)
            assert download.value.suggested_filename == f"coffee-blocks.2.{ending}"
        picture(page, f"panel-export-{site[0]}")
        assert not page.troubles


def test_layer_slider_knob_and_upload(site: tuple[str, str], tmp_path: Path) -> None:
    from PIL import Image

    with browser(1280, 1400) as page:
        load(page, site)
        slider = page.get_by_role("slider", name="Layer")
        slider.focus()
        page.keyboard.press("ArrowRight")
        page.locator(".iw-layer-words code", has_text="blocks.3").first.wait_for(timeout=MINUTE)
        page.wait_for_timeout(500)
        press(page, "Start")
        searching(page, "Searching for images with the same features")
        knob = page.locator(".iw-how .noUi-handle").first
        knob.focus()
        for _ in range(4):
            page.keyboard.press("ArrowRight")
        status(page, "Done")
        page.get_by_role("tab", name="Export").click()
        press(page, "Show code")
        page.locator(".iw-code pre", has_text="'tv_weight'").wait_for(timeout=MINUTE)

        large = tmp_path / "large.jpg"
        Image.new("RGB", (11_000, 9_100), (90, 140, 60)).save(large)  # 100 megapixels
        page.locator(".iw-upload input").set_input_files(str(large))
        page.locator(".iw-note", has_text="large, your own photo").wait_for(timeout=MINUTE)
        broken = tmp_path / "broken.png"
        broken.write_bytes(b"not a picture at all")
        page.locator(".iw-upload input").set_input_files(str(broken))
        page.locator(".iw-error", has_text="broken.png").wait_for(timeout=MINUTE)
        assert not page.troubles


LOOKS = {"light": (1280, False), "dark": (1280, True), "narrow": (560, False)}


@pytest.mark.parametrize("look", LOOKS)
def test_it_looks_right_light_dark_and_narrow(site: tuple[str, str], look: str) -> None:
    width, dark = LOOKS[look]
    with browser(width, 1400 if width > 1000 else 2400, dark) as page:
        load(page, site, dark)
        drawn_for_this_page(page, dark)
        press(page, "Start")
        status(page, "Done")
        picture(page, f"panel-{look}-{site[0]}")
        overflow = page.evaluate(
            "(() => { const p = document.querySelector('.iw-panel');"
            " return p.scrollWidth - p.clientWidth; })()"
        )
        assert overflow <= 1
        assert cut_off(page) == []
        page.locator(".iw-classes table").nth(4).wait_for(timeout=MINUTE)
        assert off_their_images(page) == []
        assert serious(page) == []
        assert not page.troubles


def cut_off(page: Any) -> list[str]:
    """The visible names of stages and choices of menus that are wider than their boxes."""
    found: list[str] = page.evaluate(
        """() => {
  const pen = document.createElement('canvas').getContext('2d');
  const stages = [...document.querySelectorAll('.iw-stage')]
    .filter((one) => one.scrollWidth > one.clientWidth + 2).map((one) => one.textContent);
  const menus = [...document.querySelectorAll('.iw-panel select')].filter((one) => {
    pen.font = getComputedStyle(one).font;
    const widest = Math.max(...[...one.options].map((o) => pen.measureText(o.textContent).width));
    return one.clientWidth && widest > one.clientWidth - 24;
  }).map((one) => one.value);
  return [...stages, ...menus];
}"""
    )
    return found


def off_their_images(page: Any) -> list[Any]:
    """The lists of classes that are not aligned with their images."""
    found: list[Any] = page.evaluate(
        """() => {
  const left = (one) => Math.round(one.getBoundingClientRect().left);
  const lists = [...document.querySelectorAll('.iw-classes table')];
  const images = [...document.querySelectorAll('.iw-place')].map(left);
  return lists.slice(1).map((one, seed) => [one.caption.textContent, left(one), images[seed]])
    .filter(([, list, image]) => Math.abs(list - image) > 2);
}"""
    )
    return found


def serious(page: Any) -> list[str]:
    """The problems that axe-core finds for users who cannot see the panel or have no mouse."""
    found = Axe().run(page, context=".iw-panel").response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def test_one_view_of_network_knobs_and_all_images(site: tuple[str, str]) -> None:
    """At 1280 × 900, in Lab with its sidebar open: nothing has to be scrolled to."""
    with browser(1280, 900) as page:
        load(page, site)
        if site[0] == "lab":
            page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
        drawn_for_this_page(page, False)
        picture(page, f"panel-one-view-{site[0]}", whole=True)
        shown = page.evaluate(
            """() => {
  const pane = document.querySelector('.jp-WindowedPanel-outer, .jp-Notebook')
    ?.getBoundingClientRect().bottom ?? innerHeight;
  const bottom = (name) => Math.max(...[...document.querySelectorAll(name)].map(
    (one) => one.getBoundingClientRect().bottom));
  return ['.iw-stage', '.iw-region-canvas', '.iw-how > .iw-section .noUi-handle', '.iw-place',
    '.iw-how select'].map((name) => [name, bottom(name), Math.min(pane, innerHeight)]);
}"""
        )
        assert all(bottom <= limit for _, bottom, limit in shown), shown
        tabs = 0  # the keys' way to Start
        page.locator(".iw-panel").evaluate("panel => { panel.tabIndex = -1; panel.focus(); }")
        while page.evaluate("document.activeElement.textContent.trim()") != "Start":
            page.keyboard.press("Tab")
            tabs += 1
            assert tabs <= 8  # photo, upload, model, goal, layer, inside, every stage
        assert not page.troubles


def drawn_for_this_page(page: Any, dark: bool) -> None:
    """Wait until the gallery has the width and the background color of the page."""
    page.wait_for_function(
        """(dark) => {
  const gallery = document.querySelector('.iw-gallery');
  const ink = +getComputedStyle(gallery).color.match(/\\d+/)[0];
  return +gallery.dataset.width === Math.floor(gallery.clientWidth) && (ink > 128) === dark;
}""",
        arg=dark,
        timeout=MINUTE,
    )
