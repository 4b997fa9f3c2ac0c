"""The site's front page: the explorable page in place of the moving picture, where it was made."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

PAGE = "_static/front.html"  # docs/front.toml says how it is made
_PICTURE = re.compile(r"```\{image\} pictures/hero\.gif\n.*?```\n\n\*.*?\*\n", re.S)
_FRAME = f"""```{{raw}} html
<iframe class="front" src="{PAGE}?embedded" title="What each layer keeps of two photos"></iframe>
```

*Two photos, and what each depth of EfficientNet-Lite0 keeps of them. It moves by itself until you
touch it. Make [your own](pages.md).*
"""


def with_page(text: str) -> str:
    """The front page's text with the explorable page in place of the picture."""
    found, count = _PICTURE.subn(_FRAME, text)
    assert count == 1, "docs/index.md has no hero.gif with a caption below it"
    return found


def _read(app: Sphinx, name: str, source: list[str]) -> None:
    if name == "index" and (Path(app.srcdir) / PAGE).exists():
        source[0] = with_page(source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}
