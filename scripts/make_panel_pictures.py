"""The program that makes the docs' pictures of the panel's states.

    python -m scripts.make_panel_pictures

A Chromium browser operates the panel under Voila with default settings. It needs the extra
``invwidgets[test]``.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from scripts.few_colors import in_few_colors
from scripts.make_pictures import TARGET
from tests.browser.flows import MINUTE, press, searching, status
from tests.browser.servers import browser, server, write_notebook

CELL = 'import invwidgets as iw\npanel = iw.InversionPanel("coffee")\npanel'
SIZES = {"1280": (1280, 900), "1440": (1440, 1000), "560": (560, 900)}


def keep(page: Any, name: str) -> None:
    """Save a picture of the window, in 128 colors."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)
    path = TARGET / f"state-{name}.png"
    page.screenshot(path=str(path))
    in_few_colors(Image.open(path).convert("RGB"), 128).save(path, optimize=True)
    print(f"made {path.name}", flush=True)


def finished(page: Any, dark: bool) -> None:
    """Do a run to its end, and save a picture of it in every size of the window."""
    press(page, "Start")
    page.wait_for_function("+document.querySelector('.iw-gallery').dataset.shown > 30",
                           timeout=MINUTE)  # fmt: skip
    if not dark:
        keep(page, "running")
    status(page, "Done")
    page.locator(".iw-classes table").first.wait_for(timeout=MINUTE)
    for name, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        keep(page, f"finished-{name}-{'dark' if dark else 'light'}")
    page.set_viewport_size({"width": 1280, "height": 900})


def states(page: Any) -> None:
    """Save pictures of channels, a maximized channel, a failed search, and random weights."""
    menus = page.locator(".iw-menus select")
    channels = page.locator(".iw-how select").first
    channels.select_option("chosen from pictures")
    sheet = page.locator(".iw-tiles[aria-label='Channels by their responses'] .iw-tile")
    sheet.nth(39).wait_for(timeout=MINUTE)
    sheet.nth(3).click()
    sheet.nth(7).click()
    status(page, "Only 2 channels had to match")
    keep(page, "channels")
    channels.select_option("all")
    menus.nth(1).select_option("maximize")
    status(page, "times as much")
    keep(page, "maximize")
    menus.nth(1).select_option("reconstruct")
    page.locator(".iw-stage", has_text="blocks.5").click()
    searching(page, "at blocks.5")
    press(page, "Stop")
    status(page, "Not converged")
    keep(page, "not-converged")
    menus.nth(0).select_option("squeezenet1_1 (no weights)")
    press(page, "Use random weights")
    status(page, "Note: random weights")
    press(page, "Start")  # the run before was stopped
    status(page, "Done")
    keep(page, "random-weights")


def asks(page: Any) -> None:
    """Save a picture of the question whether a changed knob stays for another layer."""
    knob = page.get_by_role("slider", name="Smoothness")
    knob.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.locator(".iw-status", has_text="Moved: Smoothness").first.wait_for(timeout=MINUTE)
    page.locator(".iw-stage", has_text="blocks.3").click()
    page.get_by_text("Keep for this layer?").wait_for(timeout=MINUTE)
    status(page, "Done")
    keep(page, "asks")


def two(page: Any) -> None:
    """A second column with random weights; a class, found by its name."""
    page.get_by_label("Beside", exact=True).select_option("random weights")
    column = page.locator(".iw-column").nth(1)
    column.get_by_text("Best image:").wait_for(timeout=MINUTE)
    keep(page, "two-columns")
    page.get_by_label("Beside", exact=True).select_option("nothing")
    page.locator(".iw-menus select").nth(1).select_option("maximize")
    page.locator(".iw-stage", has_text="classifier").click()
    page.get_by_role("combobox", name="Class").fill("cat")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    status(page, "is the class Persian cat.")
    status(page, "Done")
    page.get_by_role("combobox", name="Class").fill("cat")
    keep(page, "class")


def main() -> None:
    os.environ["INVWIDGETS_OFFLINE"] = "1"  # a network without weights stays one
    with tempfile.TemporaryDirectory() as folder:
        notebook = write_notebook(Path(folder) / "panel.ipynb", CELL)
        with server("voila", notebook) as address:
            for dark in (False, True):
                with browser(1280, 900, dark) as page:
                    page.goto(f"{address}/?theme={'dark' if dark else 'light'}", timeout=2 * MINUTE)
                    status(page, "Ready")
                    finished(page, dark)
                    if not dark:
                        states(page)
                        for more in (asks, two):
                            page.reload()
                            status(page, "Ready")
                            press(page, "Start")
                            status(page, "Done")
                            more(page)


if __name__ == "__main__":
    main()
