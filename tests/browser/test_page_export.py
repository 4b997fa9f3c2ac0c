"""Tests of Export → Page in Chromium: pages of a strip and of a sweep, downloaded and opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import invwidgets as iw

from .flows import MINUTE, picture, status
from .servers import browser, open_in_lab, server, write_notebook
from .test_page import here, opened

pytestmark = pytest.mark.slow

CELL = """import ipywidgets
import invwidgets as iw
layers = ["blocks.0", "blocks.2"]
strip = iw.LayerStrip("coffee", layers=layers, size=64, seeds=2, steps=3)
sweep = iw.SweepPanel(iw.Sweep("coffee", layers=layers, settings={"steps": 3}, seeds=2, size=64,
                               store="store"))
both = ipywidgets.VBox([strip, sweep])
both"""


def downloaded(page: Any, panel: Any, folder: Path) -> Path:
    with page.expect_download(timeout=MINUTE) as download:
        panel.get_by_role("button", name="Page (HTML)").click(timeout=MINUTE)
    place = folder / download.value.suggested_filename
    download.value.save_as(place)
    return place


def test_a_page_is_downloaded_and_opens(tmp_path: Path) -> None:
    write_notebook(tmp_path / "export.ipynb", CELL)
    with server("lab", tmp_path) as address, browser(1280, 1400) as page:
        open_in_lab(page, address, "export.ipynb")
        strip, sweep = page.locator(".iw-panel").nth(0), page.locator(".iw-panel").nth(1)
        status(page, "Press Start: each layer")
        assert strip.get_by_role("button", name="Page (HTML)").is_disabled()
        strip.get_by_role("button", name="Start", exact=True).click()
        status(page, "Done: 2 layers")
        sweep.get_by_role("button", name="Start", exact=True).click()
        status(page, "All jobs are stored")
        assert sweep.locator(".iw-export button:visible").count() == 1, "the page alone"
        places = [downloaded(page, panel, tmp_path) for panel in (strip, sweep)]
        picture(page, "export-page")
        assert not page.troubles
    assert [place.name for place in places] == ["coffee-layers.html", "sweep.html"]
    for place in places:
        assert iw.load_page(place).axes == {"layer": ("blocks.0", "blocks.2")}
        with opened(place) as page:
            page.locator(".stop-slider").press("ArrowRight")
            assert here(page) == "blocks.2"
