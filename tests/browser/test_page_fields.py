"""Effective receptive fields under the pointer in a real Chromium: by mouse, keyboard, touch."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import invwidgets as iw

from ..small_networks import phi, picture
from .test_page import opened

pytestmark = pytest.mark.slow

ROWS, COLUMNS = (1, 5, 9), (2, 6, 11)  # of 12 × 14 cells


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers, of which the second was measured."""
    results = [
        iw.invert(picture(), phi(layer), seeds=2, steps=4, threads=1)
        for layer in ("relu", "relu_1")
    ]
    here = phi("relu_1")
    fields = [
        iw.analysis.effective_field(here, [picture()], region=(r, r + 1, c, c + 1), probes=2)
        for r in ROWS
        for c in COLUMNS
    ]
    path = tmp_path_factory.mktemp("page") / "page.html"
    iw.page(results, path, network=phi(), effective_fields={"relu_1": fields})
    return path


def words(page: Any) -> str:
    found: str = page.locator(".iw-place-words").text_content()
    return found


def veiled(page: Any) -> bool:
    shown = page.locator(".iw-veil").evaluate_all("veils => veils.map(v => v.checkVisibility())")
    assert len(shown) == 6  # the large picture, the photo, two seeds, mean and spread
    assert len(set(shown)) == 1
    return bool(shown[0])


def frame(page: Any) -> list[float]:
    names = ["--top", "--left", "--high", "--wide"]
    read = f"stage => {names}.map(name => parseFloat(stage.style.getPropertyValue(name)))"
    found: list[float] = page.locator(".stage").evaluate(read)
    return found


def wanted(row: int, column: int) -> list[Any]:
    box = phi("relu_1").receptive_field((row, row + 1, column, column + 1), (24, 28)).clipped
    parts = [box.top / 24, box.left / 28, box.height / 24, box.width / 28]
    return [pytest.approx(100 * part, abs=0.02) for part in parts]


def test_by_mouse(written: Path) -> None:
    with opened(written) as page:
        page.locator(".iw-big").hover()
        assert "effective" not in words(page)
        assert not veiled(page), "the first layer was not measured"
        page.locator(".stop").nth(1).click()
        assert "pixels of little weight fade" in words(page)
        box = page.locator(".iw-big").bounding_box()
        page.mouse.move(box["x"] + 0.57 * box["width"], box["y"] + 0.3 * box["height"])
        assert words(page).startswith("Cell (5, 6) of 12 × 14 sees")  # the nearest measured one
        assert "effective area" in words(page)
        assert frame(page) == wanted(5, 6)
        assert veiled(page)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.3 * box["height"], steps=4)
        assert not veiled(page), "while the border is moved"
        page.mouse.up()
        page.mouse.move(5, 5)
        assert not veiled(page)


def test_the_bright_part_is_where_the_cell_has_its_weight(written: Path) -> None:
    with opened(written) as page:
        page.locator(".stop").nth(1).click()
        page.locator(".iw-big img").evaluate_all("images => images.forEach(i => i.remove())")
        page.locator(".iw-big").evaluate("big => { big.style.background = 'black'; }")
        big = page.locator(".iw-big").bounding_box()
        for row, column in ((1, 11), (5, 6), (9, 2)):
            place = (column + 0.5) / 14 * big["width"], (row + 0.5) / 12 * big["height"]
            page.mouse.move(big["x"] + place[0], big["y"] + place[1])
            page.locator(".stage").evaluate("s => s.classList.remove('iw-marked', 'iw-fielded')")
            shot = Image.open(io.BytesIO(page.screenshot(clip=big))).convert("L")
            light = 255 - np.asarray(shot, dtype=float)  # the veil is white, the picture black
            light[light < 0.6 * light.max()] = 0
            rows, columns = np.indices(light.shape)
            middle = (light * columns).sum() / light.sum(), (light * rows).sum() / light.sum()
            assert middle[0] == pytest.approx(place[0], abs=0.08 * big["width"])
            assert middle[1] == pytest.approx(place[1], abs=0.08 * big["height"])


def test_by_keyboard(written: Path) -> None:
    with opened(written) as page:
        page.locator(".stop").nth(1).click()
        page.locator(".iw-big").focus()
        page.keyboard.press("ArrowRight")
        assert words(page).startswith("Cell (5, 11) of 12 × 14")  # beside the middle's
        page.keyboard.press("ArrowUp")
        assert words(page).startswith("Cell (1, 11) of 12 × 14")
        assert frame(page) == wanted(1, 11)
        assert veiled(page)
        page.keyboard.press("ArrowUp")
        assert words(page).startswith("Cell (1, 11) of 12 × 14")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        assert words(page).startswith("Cell (1, 2) of 12 × 14")
        page.keyboard.press("Escape")
        assert not veiled(page)


def test_by_touch(written: Path) -> None:
    with opened(written, 360, 740, has_touch=True, is_mobile=True) as page:
        page.locator(".stop").nth(1).tap()
        box = page.locator(".iw-big").bounding_box()
        place = {"x": 0.2 * box["width"], "y": 0.1 * box["height"]}
        page.locator(".iw-big").tap(position=place)
        assert words(page).startswith("Cell (1, 2) of 12 × 14")
        assert veiled(page)
        page.locator(".iw-big").tap(position={"x": place["x"], "y": 0.8 * box["height"]})
        assert words(page).startswith("Cell (9, 2) of 12 × 14")
        assert veiled(page)
        page.locator(".iw-big").tap(position={"x": place["x"], "y": 0.8 * box["height"]})
        assert not veiled(page), "a second touch of the same cell"
        page.locator(".iw-big").tap(position=place)
        page.locator(".stop").nth(0).tap()
        assert not veiled(page), "another layer, which was not measured"
