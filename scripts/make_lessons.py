"""The program that runs the lessons and stores their outputs.

    python scripts/make_lessons.py [01-quickstart …]

The stored outputs are visible without a kernel: pictures as PNG, and for a panel the still picture
of a run. Widgets and their state are left out. Functions under ``@interact`` are only defined here,
because nbclient sometimes waits for their controls without end; nbval runs them. A digest of
everything that determines the pictures (the cells, the presets, settings, search and figures) is
stored with them, so that a test fails if they are out of date.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
DRAWN_BY = (  # beside the cells
    "invwidgets/inversion/presets.py",
    "invwidgets/inversion/settings.py",
    "invwidgets/search",
    "invwidgets/figures",
)
PNG, VIEW = "image/png", "application/vnd.jupyter.widget-view+json"
LIMIT = 1_500_000  # bytes of a stored notebook
WIDEST = 1100  # pixels of a stored picture
STILL = "still"  # the tag of a cell that shows a panel named ``panel``


def digest(notebook: Any) -> str:
    """A digest of the cells' code and of the package's code that determines the pictures."""
    found = hashlib.sha256()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            found.update(_plain(cell.source))
    for place in DRAWN_BY:
        path = ROOT / place
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            found.update(_plain(file.read_text()))
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
    run.cells = cells
    NotebookClient(run, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
    outputs = {cell.id: cell for cell in run.cells}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [kept for out in outputs[cell.id].outputs if (kept := _static(out))]
            cell.execution_count = None
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


def _static(out: Any) -> Any:
    """An output that is visible without a kernel; None for a widget."""
    if out.output_type == "stream":
        return None if out.name == "stderr" else out
    data = out.get("data", {})
    if VIEW in data:
        return None
    if PNG in data:
        data[PNG] = _changed(data[PNG], _no_wider)
    return out if any(str(value).strip() for value in data.values()) else None


def _lighten(notebook: Any) -> None:
    """Reduce the largest pictures to 256 colors until the lesson is small enough."""
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    pictures = [out.data for out in outputs if PNG in out.get("data", {})]
    for data in sorted(pictures, key=lambda data: -len(data[PNG])):
        if len(nbformat.writes(notebook)) < 0.85 * LIMIT:
            break
        data[PNG] = _changed(data[PNG], _few_colors)


def _changed(picture: str, change: Callable[[Image.Image], Image.Image]) -> str:
    file = io.BytesIO()
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    change(image).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def _no_wider(image: Image.Image) -> Image.Image:
    """A picture, reduced to the width of a page."""
    if image.width <= WIDEST:
        return image
    size = (WIDEST, round(image.height * WIDEST / image.width))
    return image.resize(size, Image.Resampling.LANCZOS)


def _few_colors(image: Image.Image) -> Image.Image:
    """A dithered picture with 256 colors, in which a white page stays white."""
    few = image.quantize(palette=image.quantize(256))
    colors = np.array(few.getpalette()).reshape(-1, 3)
    colors[colors.min(1) > 245] = 255
    few.putpalette(colors.ravel().tolist())
    return few


if __name__ == "__main__":
    names = sys.argv[1:] or [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
    for name in names:
        size = make(NOTEBOOKS / f"{name}.ipynb")
        print(f"{name}: {size / 1e6:.2f} MB", flush=True)
        if size > LIMIT:
            sys.exit(f"{name} is larger than {LIMIT / 1e6} MB: show smaller pictures")
