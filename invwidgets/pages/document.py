"""The HTML file of a page: pictures and numbers as markup, and data for its scripts.

>>> document(content, [Still(...)], {}, "What each layer keeps of coffee")[:15]
'<!DOCTYPE html>'

Without scripts, and in print, the file is a sheet of pictures with their numbers. With scripts it
shows one of the same pictures at a time. A Content-Security-Policy in the file allows its own
script and style, by their digests, and the pictures in the file, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Any

from .pictures import Pictures, data_url

MODULES = ("dom", "overview", "chart", "choices", "compare", "pictures", "film", "numbers", "code",
           "sheet", "tour", "page")  # fmt: skip
DATA, FILMS = "invwidgets-page", "invwidgets-films"  # the ids of the elements with the data
_LONGEST = 300  # the largest number of characters of a title


@dataclass(frozen=True)
class Still:
    """An entry as it is shown without scripts: its title, and its pictures or why it has none."""

    words: str
    described: dict[str, Any] | None
    pictures: Pictures | None
    reason: str = ""


def document(
    content: dict[str, Any],
    stills: Sequence[Still],
    photos: Sequence[tuple[str, bytes, tuple[int, int]]],
    title: str,
) -> str:
    """The complete file; equal content gives an equal file."""
    script, style = bundle(static, *MODULES), static("compare.css") + static("page.css")
    films = {
        f"e{place}": [data_url(film) for film in still.pictures.films]
        for place, still in enumerate(stills)
        if still.pictures is not None and still.pictures.films
    }
    policy = (
        f"default-src 'none'; img-src data:; script-src '{_digest(script)}'; "
        f"style-src '{_digest(style)}'; base-uri 'none'; form-action 'none'"
    )
    short = title if len(title) <= _LONGEST else f"{title[: _LONGEST - 1]}…"
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f'<meta name="generator" content="invwidgets {escape(content["version"])}">',
        f"<title>{escape(short)}</title>",
        f"<style>{style}</style>",
        "</head>",
        "<body>",
        f'<header><h1>{escape(short)}</h1><p id="about">{escape(content["about"])}</p></header>',
        '<main id="app" hidden></main>',
        *_sheet(stills, photos),
        _made(content),
        f'<script type="application/json" id="{DATA}">{_json(content)}</script>',
        f'<script type="application/json" id="{FILMS}">{_json(films)}</script>',
        f'<script type="module">{script}</script>',
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def static(name: str) -> str:
    """A static file of the page, as text."""
    return (resources.files(__package__) / "static" / name).read_text(encoding="utf-8")


def bundle(read: Callable[[str], str], *modules: str) -> str:
    """Modules as one text, each before those that import it. ``read`` gives a file's text."""
    texts = []
    for name in modules:
        text = re.sub(r"^import [^;]*;\n", "", read(f"{name}.js"), flags=re.M)
        texts.append(re.sub(r"^export (?=function|const|class|async)", "", text, flags=re.M))
    return "\n".join(texts)


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _json(content: Any) -> str:
    """JSON that an HTML parser cannot mistake for markup."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


# ---- the sheet of stills


def _sheet(
    stills: Sequence[Still], photos: Sequence[tuple[str, bytes, tuple[int, int]]]
) -> list[str]:
    lines = ['<section id="sheet" aria-labelledby="sheet-title">',
             '<h2 id="sheet-title">All pictures</h2>']  # fmt: skip
    if photos:
        lines.append('<div class="photos">')
        for place, (name, picture, size) in enumerate(photos):
            lines.append(_figure(picture, f"p{place}", f"photo {name}", size, f"the photo {name}"))
        lines.append("</div>")
    lines.append('<div class="entries">')
    for place, still in enumerate(stills):
        lines += _entry(place, still)
    lines += ["</div>", "</section>"]
    return lines


def _entry(place: int, still: Still) -> list[str]:
    words = escape(still.words)
    if still.pictures is None or still.described is None:
        return [f'<div class="entry hole" id="e{place}"><h3>{words}</h3>',
                f"<p>{escape(still.reason)}</p></div>"]  # fmt: skip
    pictures, told = still.pictures, still.described
    lines = [f'<div class="entry" id="e{place}"><h3>{words}</h3><div class="row">']
    for index, picture in enumerate(pictures.seeds):
        numbers = [f"{one['name']} {one['value']}" for one in told["numbers"][index][:3]]
        seed = f"seed {told['seeds'][index]}"
        best = " best" if index == told["best"] else ""
        caption = f"{seed}: {', '.join(numbers)}" if numbers else seed
        alt = f"{still.words}, {seed}"
        lines.append(_figure(picture, f"e{place}s{index}", alt, pictures.size, caption, best))
    for name, one in (("mean", pictures.mean), ("spread", pictures.spread)):
        if one is not None:
            alt = f"{still.words}, {name} of the seeds"
            lines.append(_figure(one, f"e{place}{name}", alt, pictures.size, name, " other"))
    lines.append("</div>")
    if told["more"]:
        count = len(told["seeds"])
        lines.append(f"<p>{count} of {count + told['more']} seeds are shown.</p>")
    if told["classes"]:
        lines.append(f"<p>{escape(_classes(told))}</p>")
    lines.append("</div>")
    return lines


def _classes(told: dict[str, Any]) -> str:
    """The likeliest class of each picture in words."""
    names = ["the photo", *(f"seed {seed}" for seed in told["seeds"])]
    said = [
        f"{name} {rows[0][0]} {rows[0][1]:.2f}"
        for name, rows in zip(names, told["classes"], strict=True)
        if rows
    ]
    return f"Likeliest class: {', '.join(said)}."


def _figure(
    picture: bytes, name: str, alt: str, size: tuple[int, int], caption: str, kind: str = ""
) -> str:
    return (
        f'<figure class="still{kind}"><img id="{name}" alt="{escape(alt)}" width="{size[1]}" '
        f'height="{size[0]}" loading="lazy" decoding="async" src="{data_url(picture)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _made(content: dict[str, Any]) -> str:
    """The settings with which the pictures were made, as a table."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in content["made"]
    )
    return (
        '<section id="made" aria-labelledby="made-title"><h2 id="made-title">How it was made</h2>'
        f"<table>{rows}</table></section>"
    )
