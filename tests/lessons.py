"""The code of a lesson, run in a plain namespace, and which of its asserts hold."""

from __future__ import annotations

import ast
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import nbformat
import pytest

import invwidgets as iw
from scripts.make_lessons import LIVE

FOLDER = Path(__file__).parents[1] / "notebooks"
MOST_SEEDS = 3  # of one search: seed k is the same among fewer
MADE_ONCE = (  # what takes seconds
    (iw, "invert"),
    (iw.analysis, "interpolate"),
    (iw.analysis, "effective_field"),
    (iw.analysis, "exciting_patches"),
)


class Lesson:
    """The cells of a lesson without its panels, which can be run several times.

    >>> lesson = Lesson("01")
    >>> lesson.run()
    {'max(result.psnr) < 30': True, …}

    What searches and measurements answered in the first run is given again in later ones, call by
    call, so that a run with a saboteur, which changes the answers, takes a moment.
    """

    def __init__(self, number: str) -> None:
        (path,) = FOLDER.glob(f"{number}-*.ipynb")
        cells = nbformat.read(path, as_version=4).cells
        self.name = path.stem
        self.cells = [
            ast.parse(cell.source)
            for cell in cells
            if cell.cell_type == "code" and not LIVE.search(cell.source)
        ]
        self._answers: dict[tuple[str, int], Any] = {}
        self._begun: list[dict[str, Any]] = []  # the names before each cell of the first run

    @property
    def claims(self) -> list[str]:
        """The conditions of its asserts, as code."""
        nodes = [node for cell in self.cells for node in ast.walk(cell)]
        return [ast.unparse(node.test) for node in nodes if isinstance(node, ast.Assert)]

    def run(self, saboteur: Callable[[pytest.MonkeyPatch], None] | None = None) -> dict[str, bool]:
        """Run it, with a saboteur's patches or without, and return whether each claim holds.

        A saboteur with an attribute ``cells`` runs only the cells that hold one of these codes.
        """
        held = dict.fromkeys(self.claims, True)
        first = not self._begun
        wanted = [] if first else getattr(saboteur, "cells", [""])
        chosen = [n for n, cell in enumerate(self.cells) if first or _holds(cell, wanted)]
        names = {} if first else dict(self._begun[chosen[0]])
        with pytest.MonkeyPatch.context() as patch:
            for owner, name in MADE_ONCE:
                patch.setattr(owner, name, self._made_once(owner, name))
            if saboteur is not None:
                saboteur(patch)
            for number in chosen:
                cell = self.cells[number]
                if first:
                    self._begun.append(dict(names))
                tree = ast.fix_missing_locations(_Noted().visit(ast.parse(ast.unparse(cell))))
                names["_held"] = held
                exec(compile(tree, f"{self.name}[{number}]", "exec"), names)
        return held

    def _made_once(self, owner: Any, name: str) -> Callable[..., Any]:
        real, numbers = getattr(owner, name), count()

        def answer(*args: Any, **options: Any) -> Any:
            if "seeds" in options:
                options["seeds"] = min(options["seeds"], MOST_SEEDS)
            call = (name, next(numbers))
            if call not in self._answers:
                self._answers[call] = real(*args, **options)
            return self._answers[call]

        return answer


def _holds(cell: ast.Module, codes: list[str]) -> bool:
    return any(code in ast.unparse(cell) for code in codes)


class _Noted(ast.NodeTransformer):
    """A transformation of asserts, which record whether they hold and continue."""

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        try_ = ast.parse(
            f"try:\n    pass\nexcept AssertionError:\n    _held[{ast.unparse(node.test)!r}] = False"
        ).body[0]
        assert isinstance(try_, ast.Try)
        try_.body = [node]
        return try_
