"""HTML tables for the display of objects in notebooks, with all text escaped.

>>> html_table("settings", [("steps", 150)])
'<table><caption>settings</caption><tr><th>steps</th><td>150</td></tr></table>'
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def html_table(caption: str, rows: Iterable[Sequence[object]]) -> str:
    """An HTML table of rows; the first cell of each row is a heading."""
    lines = []
    for first, *rest in rows:
        cells = "".join(f"<td>{escape(str(cell))}</td>" for cell in rest)
        lines.append(f"<tr><th>{escape(str(first))}</th>{cells}</tr>")
    return f"<table><caption>{escape(caption)}</caption>{''.join(lines)}</table>"
