"""The actions of the browser tests: open a notebook, press, wait for a text, take a picture.

With ``INVWIDGETS_SCREENSHOTS`` set to a folder, the pictures of the README are left there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from .servers import CHROMIUM, open_in_lab

pytest.importorskip("anywidget")
pytest.importorskip("axe_playwright_python")
pytest.importorskip("playwright")
pytest.importorskip("voila")
if CHROMIUM is None:
    if os.environ.get("CI"):
        pytest.fail("CI has no Chromium: apt-get install chromium", pytrace=False)
    pytest.skip("no Chromium here: apt-get install chromium", allow_module_level=True)

MINUTE = 300_000  # milliseconds: a stop against hanging, many of a loaded machine's minutes
PICTURES = os.environ.get("INVWIDGETS_SCREENSHOTS")
STEPS = 200 if PICTURES else 60  # for a picture, as many as the panel's own default


def load(
    page: Any, site: tuple[str, str], dark: bool = False, notebook: str = "panel.ipynb"
) -> None:
    """Open a notebook with a panel in JupyterLab, or the one that Voila serves."""
    kind, address = site
    if kind == "lab":
        open_in_lab(page, address, notebook, dark)
    else:
        page.goto(f"{address}/?theme={'dark' if dark else 'light'}", timeout=2 * MINUTE)
    status(page, "Ready")


def status(page: Any, words: str) -> None:
    page.locator(".iw-status", has_text=words).first.wait_for(timeout=MINUTE)


def searching(page: Any, words: str = "Searching") -> None:
    """Wait until a run has done a step, so that it has images when it is stopped."""
    status(page, words)
    page.locator(".iw-figures", has_text="left").first.wait_for(timeout=MINUTE)


def runs(page: Any) -> Any:
    return page.locator(".iw-tiles[aria-label='Finished runs'] .iw-tile")


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).first.click()


def picture(page: Any, name: str, whole: bool = False) -> None:
    """Save a picture of the panel or of the whole window, if pictures are wanted."""
    if PICTURES:
        page.mouse.move(0, 0)
        page.wait_for_timeout(700)
        shown = page if whole else page.locator(".iw-panel").first
        shown.screenshot(path=str(Path(PICTURES) / f"{name}.png"))
