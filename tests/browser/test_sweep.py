"""Tests of a sweep's panel in Chromium: it fills, pauses, and is opened and reopened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .flows import MINUTE, picture, press, status
from .servers import browser, open_in_lab, server, write_notebook

pytestmark = pytest.mark.slow

SWEEP = """import invwidgets as iw
sweep = iw.Sweep(["coffee", "chelsea", "gone.png"], layers=["blocks.0", "blocks.2", "blocks.4"],
                 settings={"steps": 60, "tv_weight": [0.002, 0.05]},
                 seeds=1, size=96, store="store")
panel = iw.SweepPanel(sweep)
panel"""
AGAIN = """import invwidgets as iw
panel = iw.SweepPanel("store")
panel"""


def shown(page: Any, count: int) -> None:
    """Wait until the grid has this number of pictures."""
    script = "(n) => document.querySelector('.iw-gallery')?.dataset.shown === String(n)"
    page.wait_for_function(script, arg=count, timeout=2 * MINUTE)


def test_from_start_to_a_run_opened_and_the_store_reopened(tmp_path: Path) -> None:
    write_notebook(tmp_path / "sweep.ipynb", SWEEP)
    write_notebook(tmp_path / "again.ipynb", AGAIN)
    with server("lab", tmp_path) as address:
        with browser(1280, 1300) as page:
            open_in_lab(page, address, "sweep.ipynb")
            status(page, "Press Start: the grid fills")
            press(page, "Start")
            page.wait_for_function(
                "+document.querySelector('.iw-gallery').dataset.shown > 0", timeout=2 * MINUTE
            )
            press(page, "Pause")
            status(page, "Paused")
            picture(page, "sweep-resting")
            press(page, "Resume")
            status(page, "12 stored, 6 failed")
            page.locator(".iw-note", has_text="gone.png").first.wait_for(timeout=MINUTE)
            shown(page, 6)
            page.locator(".iw-axes select").nth(2).wait_for(state="visible")
            press(page, "Try again")
            status(page, "12 stored, 6 failed")
            menus = page.locator(".iw-axes select")
            menus.nth(0).select_option(label="photo")
            shown(page, 6)
            picture(page, "sweep")
            page.get_by_role("button", name="open coffee · blocks.2").first.click()
            status(page, "Run 1 is restored")
            page.locator(".iw-opened .iw-shot img").first.wait_for(timeout=MINUTE)
            picture(page, "sweep-opened")
            assert not page.troubles
        with browser(700, 1000, dark=True) as page:
            open_in_lab(page, address, "again.ipynb", dark=True)
            status(page, "12 stored, 6 failed")
            shown(page, 6)
            picture(page, "sweep-dark-narrow")
            assert not page.troubles
