"""Tests that docstrings, comments and docs contain no phrase of a list of unclear phrases."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# a turn of phrase, as a regular expression, and what to write instead
TURNS = {
    r"still knows?\b": "keeps",
    r"cannot tell (from|apart)": "has the same features as",
    r"be one to a layer|are one to a layer": "look the same to a layer",
    r"\bsooner at\b": "reaches … sooner",
    r"\bseeds apart\b": "diversity",
    r"\bheeds?\b|\bheeded\b|\bheeding\b": "weights",
    r"\bowes? to\b": "depends on",
    r"\bgives? way\b": "is replaced",
    r"\bstragglers?\b": "outlier",
    r"did not come near": "not converged",
    r"could have (come out|been) otherwise": "a measurement that could have disproved the claim",
    r"on which nothing was chosen": "held-out",
    r"\bsomebody's own\b": "custom",
    r"\bTo stop is to\b": "Leaving the loop stops it",
    r"whatever stands there|what stands there": "what is shown",
    r"\bkeepsake\b": "snapshot",
    r"\bslip of the keyboard\b": "typing error",
    r"\bbrought back\b": "restored",
    r"\bMind:": "Note:",
    r"\bHow [a-z]+ stands\b": "progress",
    r"\bnot in the first run\b": "say what the brackets contain",
    r"\bone wish of\b": "one run of",
    r"\bthe latest wish\b": "the latest run",
    r"\bare in words\b|\bsaid in words\b": "a message",
    r"\bone's own\b": "custom",
    r"\bbe told\b|\btold of\b": "receive, be reported",
    r"\bby the size of\b": "divided by the norm of",
    r"\blets? go of\b": "frees",
}


def prose_of(path: Path) -> Iterator[tuple[int, str]]:
    """The docstrings and comments of a module, or the lines of a page, with their line numbers."""
    text = path.read_text()
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            words = ast.get_docstring(node) or ""
            yield getattr(node, "lineno", 1), " ".join(words.split())
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def turns_in(path: Path) -> list[str]:
    """The phrases of the list in a file, each with its line and what to write instead."""
    return [
        f"{path.name}:{line}: {found[0]!r}: write {instead!r}"
        for line, words in prose_of(path)
        for turn, instead in TURNS.items()
        if (found := re.search(turn, words, re.I))
    ]


FILES = [
    *sorted((ROOT / "invwidgets").rglob("*.py")),
    *sorted((ROOT / "benchmarks").rglob("*.py")),
    *sorted((ROOT / "scripts").rglob("*.py")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
]


def test_prose_is_plain() -> None:
    assert len(FILES) > 150
    assert [turn for path in FILES for turn in turns_in(path)] == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("docstring.py", '"""What a layer\nstill knows of a photo."""\n'),
        ("function.py", 'def f():\n    """The pixels that a cell heeds."""\n'),
        ("comment.py", "x = 1  # one straggler more\n"),
        ("page.md", "# Words\n\nImages that a layer cannot tell from the photo.\n"),
    ],
)
def test_a_planted_turn_is_found(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert len(turns_in(tmp_path / name)) == 1


def test_plain_prose_has_none(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text('"""What a layer keeps of a photo."""\nx = "stragglers"\n')
    assert turns_in(tmp_path / "plain.py") == []
