"""The lessons as the site shows them: copies with the links and explorable pages of the site."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

_LINK = re.compile(r"\[([^\[\]]*)\]\((\d\d-[\w-]+\.ipynb)\)")
_PAGE = re.compile(r"<iframe class=\"invwidgets-page\"[^>]*? srcdoc='([^']*)'></iframe>.*", re.S)
_FRAME = (
    '<iframe class="front" loading="lazy" title="{title}" '
    'src="../_static/lessons/{name}.html?embedded"></iframe>'
)


def beside(notebooks: Path, docs: Path) -> None:
    """Write ``docs/lessons``, and the lessons' pages into ``docs/_static/lessons``."""
    lessons, pages = docs / "lessons", docs / "_static" / "lessons"
    names = {path.name for path in notebooks.glob("*.ipynb")}
    for folder in (lessons, pages):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
    for name in sorted(names):
        notebook = json.loads((notebooks / name).read_text())
        page = _framed(notebook, Path(name).stem)
        if page:
            (pages / name).with_suffix(".html").write_text(page)
        text = json.dumps(notebook).replace("](../docs/", "](../")
        (lessons / name).write_text(_LINK.sub(lambda m: m[0] if m[2] in names else m[1], text))


def _framed(notebook: dict[str, Any], name: str) -> str:
    """The page of a lesson, for which the notebook gets frames: one at its top, one in its place.

    Empty if the lesson has no page.
    """
    for cell in notebook["cells"]:
        outputs = cell.get("outputs", [])
        for place, out in enumerate(outputs):
            found = _PAGE.search("".join(out.get("data", {}).get("text/html", "")))
            if found is None:
                continue
            page = unescape(found[1])
            title = re.search(r"<title>(.*?)</title>", page)[1]  # type: ignore[index]
            frame = _FRAME.format(title=title, name=name)
            out["data"]["text/html"] = frame
            cell["outputs"] = [out, *(one for one in outputs[:place] if _is_html(one))]
            top = {"cell_type": "markdown", "id": "page", "metadata": {}, "source": frame}
            notebook["cells"].insert(1, top)
            return page
    return ""


def _is_html(out: dict[str, Any]) -> bool:
    return "text/html" in out.get("data", {})
