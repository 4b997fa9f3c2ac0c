"""The program that runs the lessons and stores their outputs.

    python -m scripts.make_lessons [01-quickstart …]

The stored outputs are visible without a kernel: pictures as PNG, and for a panel the still picture
of a run. Below the still is a page of the lesson's own results (``iw.page``), which replaces the
still where a viewer shows HTML; ``docs/conf.py`` puts the same page at the top of the lesson on the
site. At the end the hand-in sheet is written. Widgets and their state are left out. Functions under
``@interact`` are only defined here, because nbclient sometimes waits for their controls without
end; nbval runs them. A digest of everything that determines the pictures (the cells, the presets,
settings, search, figures and pages) is stored with them, so that a test fails if they are out of
date.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from runpy import run_path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

from invwidgets.pages.page import IN_NOTEBOOK, Shown
from scripts.few_colors import in_few_colors

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
DRAWN_BY = (  # in addition to the cells
    "invwidgets/inversion/presets.py",
    "invwidgets/inversion/settings.py",
    "invwidgets/search",
    "invwidgets/figures",
    "invwidgets/pages",
    "invwidgets/pages/static",
)
PNG, VIEW = "image/png", "application/vnd.jupyter.widget-view+json"
LIMIT = 1_500_000  # bytes of a stored notebook
WIDEST = 1100  # pixels of a stored picture
STILL = "still"  # the tag of a cell that shows a panel named ``panel``
LIVE = re.compile(r"InversionPanel\(|LayerStrip\(|@interact|SweepPanel\(")
PAGE_MEGABYTES = 0.28
# the results of a lesson that its page shows, the title of the page, and further options
PAGES = {
    "01": ("result", "What a layer keeps of a cup of coffee"),
    "02": ("results", "What each layer keeps of a tower"),
    "03": ("[one for row in tried for one in row]", "The same features, with other priors"),
    "04": ("[early, result]", "Nine images that look the same to a layer"),
    "05": ("results", "What 5 × 5 cells see", "effective_fields=measured"),
    "06": ("results", "A flower from some channels"),
    "07": ("staged", "What each stage of HOG keeps"),
    "08": ("both", "A trained network and an untrained one"),
    "09": ("more", "A cat, and its caricature"),
    "10": ("sweep", "A sweep of twelve jobs"),
}
_STYLE = f"""<style>
.jp-OutputArea-child:has(img):has(~ .jp-OutputArea-child iframe.{IN_NOTEBOOK}),
.output_area:has(img):has(~ .output_area iframe.{IN_NOTEBOOK})
{{ display: none !important; }}
</style>"""  # hides the still if the page below it is shown


def digest(notebook: Any) -> str:
    """A digest of the cells' code and of the package's code that determines the pictures."""
    found = hashlib.sha256()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            found.update(_plain(cell.source))
    for place in DRAWN_BY:
        path = ROOT / place
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            if file.suffix == ".py":
                found.update(_plain(file.read_text()))
            elif file.suffix in (".js", ".css"):
                found.update(file.read_bytes())
    return found.hexdigest()[:16]


def _plain(source: str) -> bytes:
    """The code without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and ast.get_docstring(node) is not None:
            node.body.pop(0)
    return ast.dump(tree).encode()


def make(path: Path) -> int:
    """Run one lesson and store it; return the size of its file in bytes."""
    notebook = nbformat.read(path, as_version=4)
    run = nbformat.from_dict(notebook)
    cells = []
    for cell in run.cells:
        cell.source = re.sub(r"^@interact\(.*\)$", "", cell.source, flags=re.M)
        cells.append(cell)
        if STILL in cell.metadata.get("tags", ()):
            cells.append(nbformat.v4.new_code_cell("_ = await panel.start()"))
    results, title, *options = PAGES[path.stem[:2]]
    more = "".join(f", {option}" for option in options)
    with TemporaryDirectory() as folder:
        file = Path(folder, "page.html")
        cells.append(nbformat.v4.new_code_cell(
            f"iw.page({results}, {str(file)!r}, {title!r}, megabytes={PAGE_MEGABYTES}{more}); None"
        ))  # fmt: skip
        run.cells = cells
        place = {"metadata": {"path": str(path.parent)}}
        NotebookClient(run, timeout=600, resources=place).execute()
        page = file.read_text()
    outputs = {cell.id: cell for cell in run.cells}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [kept for out in outputs[cell.id].outputs if (kept := _static(out))]
            cell.execution_count = None
    show_page(notebook, page)
    count = 0
    for cell in notebook.cells:
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            for out in cell.outputs:
                if out.output_type == "execute_result":
                    out.execution_count = count
        cell.metadata.pop("execution", None)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python", "pygments_lexer": "ipython3"},
        "invwidgets": {"pictures": digest(notebook)},
    }
    _lighten(notebook)
    nbformat.validate(notebook)
    nbformat.write(notebook, path)
    return path.stat().st_size


def show_page(notebook: Any, page: str) -> None:
    """Put a page below the still of a lesson's live cell."""
    cell = next(cell for cell in notebook.cells if LIVE.search(cell.source))
    frame = Shown(page, "The results of this lesson", "46rem")._repr_html_()
    html = f"{frame}\n{_STYLE}"
    cell.outputs.append(nbformat.v4.new_output("display_data", {"text/html": html}))


def shown_page(notebook: Any) -> str:
    """The page of a stored lesson, as ``iw.page`` wrote it."""
    for cell in notebook.cells:
        for out in cell.get("outputs", ()):
            found = re.search(r"srcdoc='([^']*)'", out.get("data", {}).get("text/html", ""))
            if found:
                return found[1].replace("&#39;", "'").replace("&amp;", "&")
    raise ValueError("the lesson has no page: run python -m scripts.make_lessons")


def _static(out: Any) -> Any:
    """An output that is visible without a kernel; None for a widget."""
    if out.output_type == "stream":
        return None if out.name == "stderr" else out
    data = out.get("data", {})
    if VIEW in data or IN_NOTEBOOK in data.get("text/html", ""):  # the page is stored once
        return None
    if PNG in data:
        data[PNG] = _changed(data[PNG], _no_wider)
    return out if any(str(value).strip() for value in data.values()) else None


def _lighten(notebook: Any) -> None:
    """Reduce the largest pictures to 256 colors until the lesson is small enough."""
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    in_256 = partial(in_few_colors, count=256)
    pictures = [out.data for out in outputs if PNG in out.get("data", {})]
    for change in (in_256, lambda image: in_256(_no_wider(image, WIDEST * 2 // 3))):
        for data in sorted(pictures, key=lambda data: -len(data[PNG])):
            if len(nbformat.writes(notebook)) < 0.95 * LIMIT:
                return
            data[PNG] = _changed(data[PNG], change)


def _changed(picture: str, change: Callable[[Image.Image], Image.Image]) -> str:
    file = io.BytesIO()
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    change(image).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def _no_wider(image: Image.Image, widest: int = WIDEST) -> Image.Image:
    """A picture, reduced to the width of a page."""
    if image.width <= widest:
        return image
    size = (widest, round(image.height * widest / image.width))
    return image.resize(size, Image.Resampling.LANCZOS)


if __name__ == "__main__":
    names = sys.argv[1:] or [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
    for name in names:
        size = make(NOTEBOOKS / f"{name}.ipynb")
        print(f"{name}: {size / 1e6:.2f} MB", flush=True)
        if size > LIMIT:
            sys.exit(f"{name} is larger than {LIMIT / 1e6} MB: show smaller pictures")
    run_path(str(ROOT / "scripts/make_hand_in.py"), run_name="__main__")
