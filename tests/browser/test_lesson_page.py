"""Tests of a stored lesson as HTML, in which its page replaces the still picture."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter

from .servers import browser

pytestmark = pytest.mark.slow

LESSON = Path(__file__).parents[2] / "notebooks/01-quickstart.ipynb"
STILL = "cell-3"  # the live cell


def exported(folder: Path, frames: bool) -> Path:
    notebook = nbformat.read(LESSON, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.id == STILL]
    text = HTMLExporter().from_notebook_node(notebook)[0]
    if not frames:  # as a viewer that shows no foreign frames
        text = re.sub(r"<iframe .*?</iframe>", "", text, flags=re.S)
    text = re.sub(r"<script src=[^>]*></script>", "", text)  # from a CDN, and needless here
    path = folder / f"{frames}.html"
    path.write_text(text)
    return path


def test_the_page_is_shown_in_place_of_the_still(tmp_path: Path) -> None:
    with browser(width=1000) as page:
        page.goto(exported(tmp_path, frames=True).as_uri(), wait_until="domcontentloaded")
        frame = page.frame_locator("iframe.invwidgets-page")
        frame.locator("html.live.embedded").wait_for(state="attached", timeout=60_000)
        assert not page.locator(".jp-OutputArea img").first.is_visible()
        assert not frame.locator("header").is_visible(), "the compact form"
        box = page.locator("iframe.invwidgets-page").bounding_box()
        assert min(box["width"], box["height"]) > 600
        assert page.troubles == []


def test_the_still_is_shown_where_there_are_no_frames(tmp_path: Path) -> None:
    with browser(width=1000) as page:
        page.goto(exported(tmp_path, frames=False).as_uri(), wait_until="domcontentloaded")
        assert page.locator("iframe").count() == 0
        assert page.locator(".jp-OutputArea img").first.is_visible()
