"""Tests of public docstrings: numpydoc's form, with an example and every parameter."""

from __future__ import annotations

import ast
import dataclasses
import doctest
import inspect
import operator
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import invwidgets as iw

NOT_OURS = {
    "EX01": "the example stands first, under the summary",
    "ES01": "where the summary says all, nothing follows it",
    "SA01": "docs and README lead from one to another",
    "GL01": "the summary begins where the quotes do",
    "GL02": "a docstring of one line ends where it does",
    "PR01": "here with the attributes of dataclasses",
    "PR02": "here with the attributes of dataclasses",
    "PR04": "types stand in the signature; here where they help",
    "PR08": "a parameter's description may begin with a value or a symbol",
    "RT02": "what is returned has a type only",
    "RT03": "a returned value's description may begin with a symbol",
    "SS05": "a summary may be of a thing",
}


def of(name: str) -> Any:
    return operator.attrgetter(name)(iw)


def public() -> list[str]:
    """Every public name and those of the namespaces, without the widgets."""
    return [name for name in every_name() if not is_widget(name)]


def is_widget(name: str) -> bool:
    return "widgets" in of(name).__module__[10:]


def every_name() -> list[str]:
    spaces = ["analysis", "descriptors", "lessons", "types"]
    names = [name for name in iw.__all__ if not inspect.ismodule(of(name))]
    names += [f"{space}.{name}" for space in spaces for name in of(space).__all__]
    names += [f"controls.{name}" for name in iw.controls.__all__]
    return [*names, "errors.InvwidgetsError"]


def signature(given: Any) -> set[str]:
    """The parameters of a call, with ``**options`` as numpydoc writes them."""
    if inspect.isclass(given) and "__init__" not in vars(given):
        return set()
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    found = inspect.signature(given).parameters.values()
    return {stars.get(parameter.kind, "") + parameter.name for parameter in found}


def described(doc: NumpyDocString, *sections: str) -> set[str]:
    return {name for s in sections for entry in doc[s] for name in entry.name.split(", ")}


@pytest.mark.parametrize("name", public())
def test_a_public_docstring(name: str) -> None:
    given = of(name)
    text = inspect.getdoc(given)
    assert text, "it has none"
    errors = validate(f"{given.__module__}.{given.__name__}")["errors"]
    assert [error for error in errors if error[0] not in NOT_OURS] == []
    doc = NumpyDocString(text)
    opening = text.split("\nParameters\n")[0].split("\nAttributes\n")[0].split("\nReturns\n")[0]
    assert ">>>" in opening, "no example before the sections"
    if dataclasses.is_dataclass(given):
        fields = {field.name for field in dataclasses.fields(given) if field.init}
        assert described(doc, "Parameters", "Attributes") >= fields
    else:
        wanted = signature(given)
        assert described(doc, "Parameters") == wanted - {"**misspelt"}


ELSEWHERE = re.compile(r"^(as|see|the same as|those of)\b.*``|(?<!such )\bas (for )?``", re.I)


def parameters_elsewhere(text: str) -> list[str]:
    """The parameters that a docstring does not explain or leaves to another."""
    described = NumpyDocString(text)["Parameters"]
    return [p.name for p in described if not p.desc or ELSEWHERE.search(" ".join(p.desc))]


@pytest.mark.parametrize("name", every_name())
def test_every_parameter_is_explained_where_it_stands(name: str) -> None:
    given = of(name)
    every = [given, *(vars(given).values() if inspect.isclass(given) else ())]
    for one in every:
        if one is given or (inspect.isfunction(one) and not one.__name__.startswith("_")):
            assert parameters_elsewhere(inspect.getdoc(one) or "") == [], one.__name__


@pytest.mark.parametrize(
    "text",
    [
        "As ``invert`` takes them.",
        "The photos, as for ``read_photo``; by default all.",
        "",
        "See ``f``.",
    ],
)
def test_a_parameter_explained_elsewhere_is_found(text: str) -> None:
    planted = (
        f"Do it.\n\nParameters\n----------\nfirst : int\n    A number.\nsecond : int\n    {text}\n"
    )
    assert parameters_elsewhere(planted) == ["second"]


class Lenient(doctest.OutputChecker):
    """A checker that allows output that an example does not show."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return not want or super().check_output(want, got, optionflags)


SLOW = ("invert", "Sweep")  # run as they are written
SMALL: dict[str, Any] = {"size": 64, "seeds": 1, "threads": 1}


def small_invert(*args: Any, **options: Any) -> iw.Reconstruction:
    """A version of ``invert`` with two steps, for the examples."""
    asked = options.pop("callback", lambda step: False)
    return iw.invert(*args, **options | SMALL, callback=lambda s: asked(s) or s.index == 1)


def small_prepare(*args: Any, **options: Any) -> iw.types.Run:
    return iw.prepare(*args, **options | SMALL, steps=2)


class SmallSession(iw.Session):
    def start(self, *args: Any, **options: Any) -> Any:
        return super().start(*args, **options | SMALL, steps=2)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in public()]
)
def test_its_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And print what stands there; all but the slow ones are made small."""
    monkeypatch.chdir(tmp_path)
    known = {n.rpartition(".")[2]: of(n) for n in public()} | {"torch": torch, "nn": torch.nn}
    if name not in SLOW:
        known |= {"invert": small_invert, "prepare": small_prepare, "Session": SmallSession}
    if name == "replay":
        known["result"] = small_invert("coffee", layer="blocks.0")
    text = inspect.getdoc(of(name)) or ""
    test = doctest.DocTestParser().get_doctest(text, known, name, "", 0)
    said: list[str] = []
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(Lenient(), optionflags=flags)
    runner.run(test, out=said.append)
    assert not said, "".join(said)


def docstrings() -> Iterator[tuple[Path, str]]:
    for path in Path(iw.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                yield path, ast.get_docstring(node) or ""


def test_there_is_one_dialect() -> None:
    for path, text in docstrings():
        assert not re.search(r"^(Args|Errors|Shapes|Returns|Raises|Example):{1,2}$", text, re.M), (
            path
        )
        for section in re.findall(r"^Parameters\n-+\n(.*?)(?=\n\n|\Z)", text, re.M | re.S):
            assert not re.search(r"^\w[\w, *]*: ", section.replace(" : ", " "), re.M), (
                f"{path}: write name : type"
            )


def test_public_methods_say_what_they_do() -> None:
    for name in public():
        given = of(name)
        for method, value in vars(given).items() if inspect.isclass(given) else ():
            if not method.startswith("_") and inspect.isfunction(value):
                assert inspect.getdoc(getattr(given, method)), f"{name}.{method}"
