"""Tests of the stored lessons: small, without widgets, with pictures of the current code."""

from __future__ import annotations

import base64
import importlib
import io
import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from PIL import Image

import invwidgets as iw
from scripts.make_lessons import LIMIT, LIVE, PAGES, VIEW, digest, shown_page

ROOT = Path(__file__).parents[1]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_LINES = 16


def name(path: Path) -> str:
    return path.stem


@pytest.fixture(params=LESSONS, ids=name)
def path(request: Any) -> Path:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def lesson(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def outputs(lesson: Any) -> list[Any]:
    return [out for cell in lesson.cells for out in cell.get("outputs", ())]


def code(lesson: Any) -> list[str]:
    return [cell.source for cell in lesson.cells if cell.cell_type == "code"]


def test_it_is_small_and_shows_without_a_kernel(path: Path, lesson: Any) -> None:
    assert path.stat().st_size < LIMIT
    assert "widgets" not in lesson.metadata
    found = outputs(lesson)
    assert not [out for out in found if VIEW in out.get("data", {})]
    assert not [out for out in found if out.output_type == "error"]
    pictures = [out.data["image/png"] for out in found if "image/png" in out.get("data", {})]
    assert pictures
    for picture in pictures:
        image = Image.open(io.BytesIO(base64.b64decode(picture)))
        low, high = image.convert("L").getextrema()
        assert image.width >= 300
        assert high - low > 100, "a blank picture"


def test_it_has_a_page_of_its_results_below_the_still(
    path: Path, lesson: Any, tmp_path: Path
) -> None:
    text = shown_page(lesson)
    (tmp_path / "page.html").write_text(text)
    page = iw.load_page(tmp_path / "page.html")
    assert page.title == PAGES[path.stem[:2]][1]
    assert len(page.results) >= 2 or page.results[0].settings.frames
    assert 50_000 < page.bytes < 300_000
    live = next(cell for cell in lesson.cells if LIVE.search(cell.source))
    kinds = [next(iter(out.data)) for out in live.outputs]
    assert kinds[-1] == "text/html"
    assert ("image/png" in kinds) == ("still" in live.metadata.get("tags", ()))


def test_the_site_shows_the_page_at_the_top_and_in_its_place(
    path: Path, lesson: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs/_extensions"))
    beside = importlib.import_module("lessons").beside
    (tmp_path / "notebooks").mkdir()
    shutil.copy(path, tmp_path / "notebooks")
    for _ in range(2):  # a second build begins with what the first left
        beside(tmp_path / "notebooks", tmp_path / "docs")
    pages = list((tmp_path / "docs/_static/lessons").iterdir())
    assert [page.name for page in pages] == [f"{path.stem}.html"]
    assert pages[0].read_text() == shown_page(lesson)
    copy = (tmp_path / "docs/lessons" / path.name).read_text()
    assert "srcdoc" not in copy
    cells = nbformat.reads(copy, as_version=4).cells
    frame = f'src="../_static/lessons/{path.stem}.html?embedded"'
    assert frame in cells[1].source
    live = next(cell for cell in cells if LIVE.search(cell.source))
    assert frame in live.outputs[0].data["text/html"]
    assert not [out for out in live.outputs if "image/png" in out.get("data", {})]


def test_what_is_stored_is_in_step_with_the_code(lesson: Any) -> None:
    kept = lesson.metadata.get("invwidgets", {}).get("pictures")
    assert kept == digest(lesson), "run python -m scripts.make_lessons, and look at the pictures"


def test_a_change_of_code_is_seen(lesson: Any) -> None:
    before = digest(lesson)
    cell = next(cell for cell in lesson.cells if cell.cell_type == "code")
    cell.source += "\n# a comment is no change"
    assert digest(lesson) == before
    cell.source += "\nmore = 1"
    assert digest(lesson) != before


def test_it_is_built_as_a_lesson_is(lesson: Any) -> None:
    text = "\n".join(cell.source for cell in lesson.cells if cell.cell_type == "markdown")
    first = lesson.cells[0].source
    assert re.match(r"# \d+ · .+\?", first), "it opens with a question"
    assert "image/png" in outputs(lesson)[0].data, "and a picture"
    assert "Do it yourself" in text
    assert "What would have made it fail" in text
    tries = text.split("Three things to try")[1]
    assert re.findall(r"^(\d)\. ", tries.split("<details>")[0], re.M) == ["1", "2", "3"]
    assert "*(hard)*" in tries
    assert "<details><summary>Answers</summary>" in tries
    cells = code(lesson)
    assert max(len(source.splitlines()) for source in cells) <= MOST_LINES
    asserts = [source for source in cells if re.search(r"^ *assert ", source, re.M)]
    assert asserts, "a number that could have come out otherwise"
    assert any(LIVE.search(source) for source in cells), "something to do"
    assert "panel.close()" not in "".join(cells)


def test_there_are_ten() -> None:
    assert [path.name[:2] for path in LESSONS] == [f"{n:02d}" for n in range(1, 11)]


def test_links_lead_to_files(path: Path, lesson: Any) -> None:
    for cell in lesson.cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)#:]+)\)", cell.source):
                assert (path.parent / target).exists(), target
