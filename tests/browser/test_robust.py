"""Tests that no widget stops working, in a real Chromium: interrupts, models that fail to load.

They also cover the views that ``test_flows`` does not open: channel responses, curves, strip.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .flows import MINUTE, load, picture, press, runs, searching, status
from .servers import BIN, browser, open_in_lab, server, write_notebook

pytestmark = pytest.mark.slow

SMALL = 'iw.InversionPanel("coffee", layer="blocks.1", size=96, seeds=2, steps={steps})'
CELLS = {
    "long": ("import invwidgets as iw", f"panel = {SMALL.format(steps=4000)}\npanel"),
    "short": ("import invwidgets as iw", f"panel = {SMALL.format(steps=30)}\npanel"),
    "twice": ("import invwidgets as iw", f"panel = {SMALL.format(steps=30)}\npanel", "panel"),
    "strip": (
        "import invwidgets as iw\n"
        'strip = iw.LayerStrip("coffee", layers=["blocks.0", "blocks.2", "blocks.4"], steps=20)',
        "strip",
    ),
    "picker": (
        "import asyncio, invwidgets as iw, ipywidgets as w\n"
        "from invwidgets.images import read_photo, to_uint8\n"
        'phi = iw.representation("efficientnet_lite0").at("blocks.2")\n'
        'pixels = to_uint8(read_photo("coffee", (224, 224)))\n'
        'regions, said, box, more = [], w.Label("none"), w.VBox(), w.Button(description="More")\n'
        "def chosen(change):\n"
        "    regions.append(change['new'])\n"
        "    said.value = f'chosen {regions}'\n"
        "async def show(picker, seconds):\n"
        "    picker.observe(chosen, 'value')\n"
        "    await asyncio.sleep(seconds)\n"
        "    picker.show_photo(pixels)\n"
        "    picker.show_layer(phi, (224, 224))\n"
        "async def shown():\n"
        "    pickers = [iw.controls.RegionPicker() for _ in range(12)]\n"
        "    box.children = [w.VBox([p, p.exact]) for p in pickers]\n"
        "    await asyncio.gather(*(show(p, n / 20) for n, p in enumerate(pickers)))\n"
        "    more.description = 'Shown'\n"
        "more.on_click(lambda _: asyncio.ensure_future(shown()))",
        "w.VBox([more, said, box])",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: Any) -> Path:
    made: Path = tmp_path_factory.mktemp("robust")
    for name, cells in CELLS.items():
        write_notebook(made / f"{name}.ipynb", *cells)
    return made


@pytest.fixture(scope="module")
def lab(folder: Path) -> Iterator[str]:
    with server("lab", folder) as address:
        yield address


def interrupt(page: Any) -> None:
    """Press the notebook's ■ button, which does the same as its menu and keys."""
    page.evaluate("window.jupyterapp.commands.execute('notebook:interrupt-kernel')")


def test_an_interrupted_kernel_leaves_a_panel_that_works(lab: str) -> None:
    with browser(1280, 1400) as page:
        load(page, ("lab", lab), notebook="long.ipynb")
        for _ in range(3):  # at rest, in the middle of a run, and once more
            interrupt(page)
            page.wait_for_timeout(300)
            if page.get_by_role("button", name="Start", exact=True).count():
                press(page, "Start")
            searching(page)
        press(page, "Stop")
        status(page, "Stopped early")
        page.locator(".iw-stage", has_text="blocks.2").click()
        page.locator(".iw-layer-words code", has_text="blocks.2").first.wait_for(timeout=MINUTE)
        press(page, "Start again")
        searching(page, "Searching for images with the same features")
        press(page, "Stop")
        status(page, "feature error at blocks.2")
        runs(page).nth(1).wait_for(timeout=MINUTE)
        assert not page.troubles


def test_a_model_without_its_weights_says_so_and_the_rest_lives(lab: str) -> None:
    with browser(1280, 1400) as page:
        load(page, ("lab", lab), notebook="short.ipynb")
        press(page, "Start")
        status(page, "feature error at blocks.1")
        menu = page.locator(".iw-menus select").first
        menu.select_option("caffenet (no weights)")  # its weights have to be given
        page.locator(".iw-error:visible", has_text="caffenet").wait_for(timeout=MINUTE)
        status(page, "efficientnet_lite0 is still in use")
        page.get_by_role("button", name="Use random weights").wait_for(timeout=MINUTE)
        picture(page, "panel-error")
        runs(page).first.wait_for(timeout=MINUTE)
        menu.select_option("dense SIFT")
        runs(page).nth(1).wait_for(timeout=MINUTE)
        status(page, "Done")
        assert page.locator(".iw-error:visible").count() == 0
        assert not page.troubles


def test_channels_by_eye_and_curves(lab: str) -> None:
    with browser(1280, 1700) as page:
        load(page, ("lab", lab), notebook="short.ipynb")
        page.locator(
            "select", has=page.locator("option", has_text="chosen from pictures")
        ).select_option("chosen from pictures")
        sheet = page.locator(".iw-tiles[aria-label='Channels by their responses'] .iw-tile")
        sheet.nth(23).wait_for(timeout=MINUTE)  # blocks.1 has 24
        sheet.nth(3).click()
        sheet.nth(7).click()
        page.locator(".iw-note", has_text="2 of 24 channels").wait_for(timeout=MINUTE)
        page.get_by_role("tab", name="Curves").click()
        press(page, "Start")
        page.wait_for_timeout(300)
        knob = page.locator(".iw-how .noUi-handle").first
        knob.focus()
        page.keyboard.press("ArrowRight")
        status(page, "Done")
        page.locator(".iw-note", has_text="Smoothness at step").wait_for(timeout=MINUTE)
        curves = page.locator(".iw-panel img.widget-image:visible")
        curves.wait_for(timeout=MINUTE)
        assert curves.evaluate("image => image.naturalWidth") > 300
        picture(page, "panel-channels-curves")
        assert not page.troubles


def test_only_a_hand_chooses_a_region(lab: str) -> None:
    """Sliders whose range and ends Python sets told of a range of one cell."""
    with browser(1280, 1000) as page:
        open_in_lab(page, lab, "picker.ipynb")
        press(page, "More")
        page.get_by_role("button", name="Shown").wait_for(timeout=MINUTE)
        page.locator(".noUi-handle").nth(47).wait_for(timeout=MINUTE)  # 12 pickers of 2 ranges
        page.wait_for_timeout(1000)
        assert page.get_by_text("none", exact=True).count() == 1
        page.locator(".noUi-handle").first.focus()  # where the rows begin
        page.keyboard.press("ArrowRight")
        page.get_by_text("chosen [(1, 28, 0, 28)]").wait_for(timeout=MINUTE)
        assert not page.troubles


def test_a_panel_shown_twice_saves_a_file_once(lab: str) -> None:
    with browser(1280, 1700) as page:
        load(page, ("lab", lab), notebook="twice.ipynb")
        page.locator(".iw-panel").nth(1).wait_for(timeout=MINUTE)
        press(page, "Start")
        status(page, "feature error at blocks.1")
        saved: list[str] = []
        page.on("download", lambda download: saved.append(download.suggested_filename))
        page.get_by_role("tab", name="Export").first.click()
        press(page, "Picture (PNG)")
        with page.expect_download(  # what was asked for first has come when this one has
            lambda download: download.suggested_filename.endswith("safetensors"), timeout=MINUTE
        ):
            press(page, "Result file")
        page.wait_for_timeout(500)
        assert sorted(saved) == ["coffee-blocks.1.png", "coffee-blocks.1.safetensors"]
        assert not page.troubles


def test_the_strip_arrives_layer_by_layer(lab: str) -> None:
    with browser(1280, 800) as page:
        open_in_lab(page, lab, "strip.ipynb")
        status(page, "Ready")
        page.evaluate(
            "window.said = []; new MutationObserver(() => window.said.push("
            "document.querySelector('.iw-status').textContent)).observe("
            "document.querySelector('.iw-status'), {subtree: true, childList: true})"
        )
        press(page, "Start")
        status(page, "Done: 3 layers")
        said = page.evaluate("window.said")
        assert any(words.startswith("Layer blocks.2, 2 of 3") for words in said), said
        assert any("left" in words for words in said), said
        title = page.locator(".iw-panel .iw-heading").first.inner_text()
        assert title == "What each layer keeps of coffee, by efficientnet_lite0"
        page.get_by_role("group", name="coffee and 3 of 3 layers").wait_for(timeout=MINUTE)
        assert page.locator(".iw-shot img:visible").count() == 4
        picture(page, "strip")
        page.get_by_role("button", name="blocks.2: enlarge beside the photo").click()
        page.get_by_role("button", name="blocks.2: back to all").wait_for(timeout=MINUTE)
        picture(page, "strip-enlarged")
        for name, file in (
            ("Picture (PNG)", "coffee-layers.png"),
            ("Animation (GIF)", "coffee-blocks.2.gif"),
        ):
            with page.expect_download() as download:
                press(page, name)
            assert download.value.suggested_filename == file
        press(page, "Show code")
        page.locator(".iw-code pre", has_text="'blocks.2'").wait_for(timeout=MINUTE)
        press(page, "Start")
        status(page, "Layer blocks.0, 1 of 3")
        press(page, "Stop")
        status(page, "Stopped after")
        assert not page.troubles


def complains(page: Any) -> int:
    """The number of visible messages that the panel cannot be displayed."""
    return int(page.get_by_text("Error displaying widget").locator("visible=true").count())


def test_a_saved_notebook_shows_the_still_and_no_complaint(lab: str, folder: Path) -> None:
    """Reopened where no kernel runs; and as a page of nbconvert."""
    with browser(1280, 1000) as page:
        load(page, ("lab", lab), notebook="short.ipynb")
        press(page, "Start")
        status(page, "feature error at blocks.1")
        page.wait_for_timeout(500)
        page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
        page.wait_for_timeout(1500)
        page.evaluate(
            "window.jupyterapp.serviceManager.sessions.shutdownAll()"
            ".then(() => window.jupyterapp.serviceManager.kernels.shutdownAll())"
        )
        page.goto(f"{lab}/lab/workspaces/saved/tree/short.ipynb?reset")
        page.locator(".jp-OutputArea img").first.wait_for(timeout=MINUTE)
        page.wait_for_timeout(2000)
        picture(page, "notebook-saved", whole=True)
        assert complains(page) == 0
        assert page.locator(".jp-OutputArea img").first.is_visible()
        convert = [BIN / "jupyter", "nbconvert", "--to", "html", folder / "short.ipynb"]
        subprocess.run(convert, check=True, capture_output=True)
        page.goto((folder / "short.html").as_uri())
        still = page.locator(".jp-OutputArea img").first
        still.wait_for(timeout=MINUTE)
        page.wait_for_timeout(1000)
        picture(page, "notebook-html", whole=True)
        assert complains(page) == 0
        assert still.is_visible()


def test_a_reload_in_the_middle_of_a_run_shows_no_complaint(lab: str) -> None:
    with browser(1280, 1000) as page:
        load(page, ("lab", lab), notebook="long.ipynb")
        press(page, "Start")
        searching(page)
        page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
        page.wait_for_timeout(1500)
        page.reload()
        shown = page.locator(".jp-OutputArea img, .iw-gallery img").locator("visible=true").first
        shown.wait_for(timeout=MINUTE)
        page.wait_for_timeout(3000)
        picture(page, "notebook-reloaded", whole=True)
        assert complains(page) == 0
        assert shown.is_visible()
