"""The set-up of all tests: one thread, Ctrl-C enabled, and saboteurs of claims.

All tests use one thread, so results are equal everywhere and no threads wait for each other. A
shell that starts the tests in its background makes them ignore Ctrl-C. Processes that tests start
and interrupt would ignore it too and never end, so Ctrl-C is enabled again. A test marked
``claim(saboteurs=[…])`` runs once unchanged, and once with each saboteur, when an assert must fail.
"""

from __future__ import annotations

import signal
import traceback
from collections.abc import Generator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

PACKAGE = Path(__file__).parents[1] / "invwidgets"  # an assert in there is none of a test's
torch.set_num_threads(1)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("fixed", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("fixed")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "claim(saboteurs): fails when one of them is at work")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    mark = metafunc.definition.get_closest_marker("claim")
    if mark is not None:
        metafunc.fixturenames.append("saboteur")
        saboteurs = mark.kwargs["saboteurs"]
        names = ["as_it_is", *(saboteur.__name__ for saboteur in saboteurs)]
        metafunc.parametrize("saboteur", [None, *saboteurs], ids=names)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    callspec = getattr(pyfuncitem, "callspec", None)
    saboteur = None if callspec is None else callspec.params.get("saboteur")
    if saboteur is None or pyfuncitem.get_closest_marker("claim") is None:
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        saboteur(patch)
        try:
            yield
        except AssertionError as error:
            last = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
            if PACKAGE in last.parents:
                raise
            return True
    pytest.fail(f"it holds all the same with {saboteur.__name__}: {saboteur.__doc__}")
