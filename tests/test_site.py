"""Tests of the site: it builds without warnings, its examples run, its tables are current."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from html.parser import HTMLParser
from inspect import ismodule
from pathlib import Path
from typing import Any

import pytest
import torch

import invwidgets as iw
from benchmarks.timm_families import write_page
from scripts.make_pictures import gallery_code
from scripts.make_tables import PAGES, TABLES, filled

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))


def in_reference(page: Path) -> tuple[list[str], set[str]]:
    """The names in the table of a page of the API reference, and the explained names."""
    text = page.read_text()
    table = text.partition(":nosignatures:")[2].partition("```")[0]
    explained = re.findall(r"^\.\. auto(?:function|class|exception):: (\S+)", text, re.M)
    return [f"invwidgets.{name.lstrip('~')}" for name in table.split()], set(explained)


REFERENCE = {path.stem: in_reference(path) for path in (ROOT / "docs/api").glob("*.md")}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_tables_are_what_the_results_say(page: Path) -> None:
    text = page.read_text()
    assert "<!-- table: " in text
    assert text == filled(text), "run python -m scripts.make_tables"


def test_every_table_is_shown() -> None:
    shown = {n for page in PAGES for n in re.findall(r"<!-- table: (\w+) -->", page.read_text())}
    assert shown == set(TABLES)


def test_the_page_of_networks_is_what_the_results_say(tmp_path: Path) -> None:
    written = write_page(tmp_path / "networks.md").read_text()
    assert (ROOT / "docs/networks.md").read_text() == written, "run timm_families.write_page()"


def test_the_readme_leads_to_files() -> None:
    text = (ROOT / "README.md").read_text()
    found = re.findall(r"\]\(([^)#]+)\)", text)
    local = [target for target in found if not target.startswith("http")]
    assert len(local) > 15
    assert [target for target in local if not (ROOT / target).exists()] == []


# ---- the API reference


def public() -> list[str]:
    """Every public name, with those of the namespaces."""
    names = []
    for name in iw.__all__:
        given = getattr(iw, name)
        within = [f"{name}.{part}" for part in given.__all__] if ismodule(given) else [name]
        names += [f"invwidgets.{one}" for one in within]
    return names


def test_every_public_name_is_on_one_page_of_the_reference() -> None:
    explained = [name for _, names in REFERENCE.values() for name in names]
    assert len(explained) == len(set(explained))
    assert set(public()) - set(explained) == set()


@pytest.mark.parametrize("page", REFERENCE)
def test_a_page_of_the_reference_begins_with_a_table_of_its_names(page: str) -> None:
    table, explained = REFERENCE[page]
    assert len(table) == len(set(table))
    assert set(table) == explained
    assert f"api/{page}\n" in (ROOT / "docs/api.md").read_text()


# ---- examples


def small_invert(*args: Any, **options: Any) -> iw.Reconstruction:
    """A version of ``invert`` with few steps and a small image, for the examples."""
    size = options.pop("size", None) or (224 if "vit_b_16" in args else 64)
    cut = {"steps": min(options.pop("steps", 3), 3), "size": size, "threads": 1}
    return iw.invert(*args, **options | cut)


class Small:
    """The package ``iw`` with a fast ``invert``."""

    invert = staticmethod(small_invert)
    InversionPanel = staticmethod(lambda photo: None)  # tests/widgets build it

    def __getattr__(self, name: str) -> Any:
        return getattr(iw, name)


def examples(page: Path) -> list[str]:
    """The Python blocks of a page; ``<!-- not run: why -->`` above one leaves it out."""
    text = re.sub(r"<!-- not run: [^>]+ -->\n```python\n.*?```", "", page.read_text(), flags=re.S)
    return re.findall(r"^```python\n(.*?)^```", text, re.S | re.M)


PAGES_WITH_CODE = [
    page for page in (ROOT / "README.md", *DOCS) if examples(page) and page.name != "own-parts.md"
]  # tests/test_own_parts.py runs those whole


@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=lambda path: path.stem)
def test_the_examples_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {"torch": torch}
    for code in examples(page):
        code = code.replace("import invwidgets as iw\n", "")
        known["iw"] = Small()
        exec(compile(code, str(page), "exec"), known)
    if "ipywidgets" in sys.modules:
        sys.modules["ipywidgets"].Widget.close_all()


def test_the_gallery_shows_every_picture_with_the_code_that_makes_it() -> None:
    text = (ROOT / "docs/gallery.md").read_text()
    shown = set(re.findall(r"pictures/[\w-]+\.\w+", text))
    kept = {f"pictures/{path.name}" for path in (ROOT / "docs/pictures").glob("gallery-*")}
    assert shown == kept == set(gallery_code())
    assert [*gallery_code().values()] == examples(ROOT / "docs/gallery.md")
    assert all("figure = " in code for code in gallery_code().values())
    assert sum((ROOT / "docs" / path).stat().st_size for path in kept) < 2**20


# ---- the site itself


def test_the_front_page_embeds_the_page_that_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs/_extensions"))
    front = importlib.import_module("front")
    text = front.with_page((ROOT / "docs/index.md").read_text())
    assert '<iframe class="front" src="_static/front.html?embedded" title="' in text
    assert "hero.gif" not in text
    with pytest.raises(AssertionError, match=r"no hero\.gif"):
        front.with_page(text)


class Page(HTMLParser):
    """The resources, links and anchors of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.leads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors.add(given.get("id", ""))
        if tag in ("script", "img", "iframe", "source", "video"):
            self.loads.append(given.get("src", ""))
        if tag == "link" and given.get("rel", "") not in ("index", "search", "next", "prev"):
            self.loads.append(given.get("href", ""))
        if tag == "a":
            self.leads.append(given.get("href", ""))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "docs", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_it_needs_nothing_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        for load in Page(path).loads:
            assert not re.match(r"(https?:)?//", load), f"{path.name} loads {load}"
    for style in site.rglob("*.css"):
        found = re.findall(r"url\([\"']?((?:https?:)?//[^)]+)|@import", style.read_text())
        assert found == [], style


@pytest.mark.slow
def test_its_links_lead_somewhere(site: Path) -> None:
    pages = {path.resolve(): Page(path) for path in site.rglob("*.html")}
    broken = []
    for path, page in pages.items():
        for lead in [*page.leads, *page.loads]:
            if re.match(r"[a-z]+:|//", lead) or not lead:
                continue
            file, _, anchor = lead.split("?")[0].partition("#")
            target = (path.parent / file).resolve() if file else path
            known = pages[target].anchors if target in pages else {anchor}
            if not target.exists() or (anchor and anchor not in known):
                broken.append((path.name, lead))
    assert broken == []


@pytest.mark.slow
def test_it_shows_every_lesson_and_every_name_of_the_reference(site: Path) -> None:
    for lesson in (ROOT / "notebooks").glob("*.ipynb"):
        page = (site / "lessons" / f"{lesson.stem}.html").read_text()
        assert "cell_output" in page
        assert "Traceback" not in page
    shown = {path.stem: Page(path).anchors for path in (site / "api").glob("*.html")}
    for page, (_, explained) in REFERENCE.items():
        assert explained - shown[page] == set()
