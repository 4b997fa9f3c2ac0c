"""Tests that a name with an underscore is used only in the module that defines it."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = [
    path
    for folder in ("invwidgets", "tests", "benchmarks", "scripts")
    for path in (ROOT / folder).rglob("*.py")
]


def private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("_")


def defined(tree: ast.Module) -> set[str]:
    """The private names that a module defines."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.id if isinstance(node, ast.Name) else node.attr)
    return {name for name in names if private(name)}


def used(tree: ast.Module) -> set[str]:
    """The private names that a module reads from others or replaces in them."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") != "self":
            names.add(node.attr)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "setattr":
            words = [a.value for a in node.args if isinstance(a, ast.Constant)]
            names |= {word.rsplit(".", 1)[-1] for word in words if isinstance(word, str)}
    return {name for name in names if private(name)}


def test_no_module_uses_anothers_private_names() -> None:
    trees = {path.relative_to(ROOT): ast.parse(path.read_text()) for path in FILES}
    ours = set().union(*(defined(tree) for tree in trees.values()))
    foreign = {
        "_css",
        "_esm",
        "_exit",
        "_fields",
        "_modules",
        "_replace",
        "_version",
    }  # of anywidget, os, torch and tuples, by chance
    wrong = {
        str(path): names
        for path, tree in trees.items()
        if (names := (used(tree) & ours) - defined(tree) - foreign)
    }
    assert wrong == {}
