"""The lessons as they are stored: small, without widgets, with pictures that are in step."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from PIL import Image

from scripts.make_lessons import LIMIT, VIEW, digest

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


def test_what_is_stored_is_in_step_with_the_code(lesson: Any) -> None:
    kept = lesson.metadata.get("invwidgets", {}).get("pictures")
    assert kept == digest(lesson), "run python scripts/make_lessons.py, and look at its pictures"


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
    live = re.compile(r"InversionPanel\(|LayerStrip\(|@interact|SweepPanel\(")
    assert any(live.search(source) for source in cells), "something to do"
    assert "panel.close()" not in "".join(cells)


def test_there_are_ten() -> None:
    assert [path.name[:2] for path in LESSONS] == [f"{n:02d}" for n in range(1, 11)]


def test_links_lead_to_files(path: Path, lesson: Any) -> None:
    for cell in lesson.cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)#:]+)\)", cell.source):
                assert (path.parent / target).exists(), target
