"""Tests of copied settings, from which another panel is made."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("anywidget")
pytest.importorskip("ipywidgets")

import invwidgets as iw
from invwidgets.errors import BadSettingError, InvwidgetsError, UnknownNameError
from invwidgets.widgets.panel.options import PanelOptions
from invwidgets.widgets.panel.settings import read_settings, settings_of, settings_text

CHOSEN: dict[str, Any] = {
    "photo": "chelsea", "layer": "blocks.1", "region": (2, 6, 2, 6), "channels": (1, 3),
    "seeds": 2, "size": 64, "tv_weight": 0.25, "steps": 30, "objective": "caricature",
}  # fmt: skip


def made(**options: Any) -> PanelOptions:
    panel = PanelOptions()
    panel.take(options)
    return panel


def text_of(panel: PanelOptions) -> str:
    return settings_text(panel.values, panel.overridden)


def test_settings_make_the_same_options_again() -> None:
    panel = made(**CHOSEN)
    again = made(**read_settings(text_of(panel)))
    assert {n: getattr(again, n) for n in CHOSEN} == CHOSEN
    assert again.overridden == {"tv_weight", "steps"}
    assert text_of(again) == text_of(panel)


def test_what_follows_the_preset_is_not_in_settings() -> None:
    held = settings_of(made(layer="blocks.1").values, frozenset())
    assert not held.keys() & {"tv_weight", "alpha_weight", "steps", "optimizer", "theme"}
    assert (held["photo"], held["layer"], held["region"]) == ("coffee", "blocks.1", None)


def test_a_photo_that_is_a_file_is_named_and_another_left_out() -> None:
    assert settings_of(made(photo=Path("a.png")).values, frozenset())["photo"] == "a.png"
    held = settings_of({**made(photo=b"bytes").values, "photo_name": "mine"}, frozenset())
    assert (held["photo"], held["photo_name"]) == (None, "mine")
    with pytest.raises(BadSettingError, match=r"'mine', which they do not hold: give it as photo"):
        iw.InversionPanel.from_settings(held)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("{", BadSettingError, "'{' is not JSON .* give the complete text"),
        ("[1]", BadSettingError, r"must be a dict or its JSON text, not \[1\]"),
        ({"photo": "coffee", "layerr": "x"}, UnknownNameError, "'layerr'; did you mean 'layer'"),
        ({"photo": "coffee", "seeds": "many"}, BadSettingError, "take these settings: .*seeds"),
        ({"photo": "coffee", "region": "x"}, InvwidgetsError, "x"),
    ],
)  # fmt: skip
def test_what_are_no_settings_is_refused_in_words(given: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        iw.InversionPanel.from_settings(given)


def test_an_object_of_ones_own_is_refused_in_words() -> None:
    with pytest.raises(BadSettingError, match="the panel's model is an object of your own"):
        settings_of({**made().values, "model": object()}, frozenset())


def test_a_panel_is_made_of_another_ones_settings() -> None:
    async def inner() -> None:
        one = iw.InversionPanel(**CHOSEN)
        held = one.settings
        assert json.loads(one.export.settings or text_of(one)) == held
        one.close()
        other = iw.InversionPanel.from_settings(json.dumps(held), seeds=1)
        assert other.settings == {**held, "seeds": 1}
        other.close()

    asyncio.run(inner())
