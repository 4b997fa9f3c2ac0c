"""Text from outside never becomes HTML: names of files, layers and models, and errors."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from PIL import Image

pytest.importorskip("anywidget")
pytest.importorskip("ipywidgets")

import ipywidgets

import invwidgets as iw
from invwidgets.inversion.progress import Progress, State
from invwidgets.representations.base import Layer
from invwidgets.widgets.export import file_name
from invwidgets.widgets.layer_slider import LayerSlider
from invwidgets.widgets.loop import Loop
from invwidgets.widgets.parts import Line, Markup, heading, note
from invwidgets.widgets.photo_chooser import MOST_BYTES, PhotoChooser, short
from invwidgets.widgets.run_controls import RunControls, in_words

WIDGETS = Path(iw.__file__).parent / "widgets"
HOSTILE = "<img src=x onerror='alert(1)'>"


def bytes_of(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "PNG")
    return file.getvalue()


def sent(name: object, data: bytes | None, **content: Any) -> tuple[list[Any], str]:
    """What a chooser makes of a message from the page: the photos chosen, and its complaint."""
    chooser = PhotoChooser(Loop())
    buffers = [] if data is None else [memoryview(data)]
    chooser.upload._handle_custom_msg({"name": name, **content}, buffers)
    chosen = [(chooser.value, chooser.name)] if chooser.value else []
    return chosen, chooser.error or chooser.caption.value


@pytest.mark.parametrize("make", [Line, heading, note, lambda words: Line(name="x", words=words)])
def test_a_line_escapes_what_it_is_given(make: Any) -> None:
    line = make(HOSTILE)
    assert "<" not in line.value
    line.value = f"{HOSTILE} again"
    assert "<" not in line.value
    line.value = Markup("<b>{}</b>").format(HOSTILE)
    assert re.findall("<[^>]*>", line.value) == ["<b>", "</b>"]


def test_only_one_place_makes_html() -> None:
    for path in WIDGETS.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name != "parts.py":
            assert not re.search(r"\bHTML(Math)?\(|html\.escape|allow_html", text), path.name
        for literal in re.findall(r"Markup\(([^)]*)\)", text):  # never a text that was put together
            assert path.name == "parts.py" or literal.startswith('"'), (path.name, literal)
    for path in WIDGETS.rglob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)


def test_no_widget_of_a_panel_takes_html_but_lines() -> None:
    panel = iw.InversionPanel("coffee", layer="blocks.0", size=64)
    try:
        for widget in list(ipywidgets.widgets.widget._instances.values()):
            assert not isinstance(widget, ipywidgets.HTML) or isinstance(widget, Line)
            assert not getattr(widget, "description_allow_html", False)
    finally:
        panel.close()


def test_errors_and_layers_are_escaped() -> None:
    controls = RunControls()
    controls.show_error(HOSTILE)
    controls.question = HOSTILE
    controls.say(HOSTILE)
    assert "<" not in controls.error.value + controls.status.value + controls.asked.value
    slider = LayerSlider()
    layer = Layer(0, HOSTILE, HOSTILE, (3, 4, 4), (1, 1), (1, 1), (0, 0), False)
    slider.show_layers((layer,), HOSTILE, (8, 8))
    assert "<img" not in slider.caption.value
    assert "&lt;img" in slider.caption.value


def test_an_upload_with_a_hostile_name_is_shown_as_text() -> None:
    (photo,), caption = sent(f"{HOSTILE}.png", bytes_of(8, 8))
    assert photo[1] == HOSTILE
    assert caption.startswith("<b>&lt;img src=x")
    assert "<img" not in caption


def test_an_upload_over_the_limits_is_refused_in_words() -> None:
    chosen, words = sent("big.png", bytes(MOST_BYTES + 1))
    assert not chosen
    assert "big.png: 8.0 MB arrived, and at most 8 MB are taken; scale" in words
    chosen, words = sent("wide.png", bytes_of(8000, 1000))  # few bytes, many pixels
    assert not chosen
    assert "8000 × 1000 pixels, and at most 4 megapixels are taken; scale" in words
    chosen, words = sent("x.png", b"no picture")
    assert not chosen
    assert "x.png: the 10 bytes given is not an image" in words
    assert sent("x.png", None) == ([], "x.png: nothing arrived")
    assert sent("x.png", None, error="no")[1] == "x.png: no"


@pytest.mark.parametrize("name", [None, 3, ["x"], {"a": 1}, "", "\n\x00", "\u202egnp", "y" * 5000])
def test_any_name_of_an_upload_is_a_short_line(name: object) -> None:
    (photo,), _ = sent(name, bytes_of(8, 8))
    assert 1 <= len(photo[1]) <= 60
    assert photo[1].isprintable()


def test_a_long_name_keeps_its_ending() -> None:
    assert short("y" * 300 + ".jpeg").endswith("…yyy.jpeg")
    assert len(short("y" * 300)) == 60


def test_names_of_exported_files() -> None:
    assert file_name("coffee", "blocks.2", "png") == "coffee-blocks.2.png"
    assert file_name("../<a>", "x/y", "gif") == "__a_-x_y.gif"
    assert len(file_name("z" * 5000, "conv1", "png")) < 80


@pytest.mark.parametrize("state", get_args(State))
def test_every_state_of_a_run_is_said(state: State) -> None:
    """Also between a run's last step and its result, which takes a moment to measure."""
    if state != "idle":
        assert in_words(Progress(1, state, step=3, steps=9), "blocks.0", "coffee", None)
