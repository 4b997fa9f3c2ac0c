"""Tests of the panel's sentences, and that text from outside never becomes HTML."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("anywidget")
pytest.importorskip("ipywidgets")

import ipywidgets

import invwidgets as iw
from invwidgets.representations.base import Layer
from invwidgets.selection import Selection
from invwidgets.widgets.base.loop import Loop
from invwidgets.widgets.base.parts import Line, Markup, heading, note
from invwidgets.widgets.controls.layer_slider import LayerSlider
from invwidgets.widgets.controls.photo_chooser import MOST_BYTES, PhotoChooser, short_name
from invwidgets.widgets.panel.options import PanelOptions
from invwidgets.widgets.panel.state import Excited, HistoryEntry, PanelRun, PanelState, Request
from invwidgets.widgets.panel.words import history_words, outcome, sentences
from invwidgets.widgets.views.export import file_name
from invwidgets.widgets.views.run_controls import RunControls

WIDGETS = Path(iw.__file__).parent / "widgets"
HOSTILE = "<img src=x onerror='alert(1)'>"


def bytes_of(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "PNG")
    return file.getvalue()


def sent(name: object, data: bytes | None, **content: Any) -> tuple[list[Any], str]:
    """The photos chosen, and the error shown, after a message from the page."""
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
    controls.trouble.show(HOSTILE)
    controls.question = HOSTILE
    controls.say(HOSTILE)
    assert "<" not in controls.error.value + controls.status.value + controls.prompt.value
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
    assert "big.png: 8.0 MB were uploaded, but at most 8 MB are accepted; reduce" in words
    chosen, words = sent("wide.png", bytes_of(8000, 1000))  # few bytes, many pixels
    assert not chosen
    assert "it has 8000 × 1000 pixels, but at most 4 megapixels are accepted; reduce" in words
    chosen, words = sent("x.png", b"no picture")
    assert not chosen
    assert "x.png: the 10 bytes given is not an image" in words
    assert sent("x.png", None) == ([], "x.png: the upload was empty")
    assert sent("x.png", None, error="no")[1] == "x.png: no"


@pytest.mark.parametrize("name", [None, 3, ["x"], {"a": 1}, "", "\n\x00", "\u202egnp", "y" * 5000])
def test_any_name_of_an_upload_is_a_short_line(name: object) -> None:
    (photo,), _ = sent(name, bytes_of(8, 8))
    assert 1 <= len(photo[1]) <= 60
    assert photo[1].isprintable()


def test_a_long_name_keeps_its_ending() -> None:
    assert short_name("y" * 300 + ".jpeg").endswith("…yyy.jpeg")
    assert len(short_name("y" * 300)) == 60


def test_names_of_exported_files() -> None:
    assert file_name("coffee", "blocks.2", "png") == "coffee-blocks.2.png"
    assert file_name("../<a>", "x/y", "gif") == "__a_-x_y.gif"
    assert len(file_name("z" * 5000, "conv1", "png")) < 80


# ---- every sentence of the panel, once


def panel_state(phase: str = "", **facts: Any) -> PanelState:
    """A state with a network and a run in a phase."""
    phi = SimpleNamespace(name="efficientnet_lite0", note=facts.pop("note", ""))
    loaded: Any = SimpleNamespace(
        representation=phi, channel_name=lambda channel: "tabby" if channel == 281 else ""
    )
    options = {**PanelOptions().values, "layer": "blocks.2", **facts.pop("options", {})}
    overridden = facts.pop("overridden", frozenset())
    run_facts = {n: facts.pop(n) for n in ("step", "again", "continued") if n in facts}
    run = None
    if phase:
        state: Any = phase
        run = PanelRun(1, Request(options, overridden, loaded), state, **run_facts)
    shown: Any = facts.pop("shown", "run" if phase else "places")
    return PanelState(
        options=options, overridden=overridden, loaded=loaded, model="hog", run=run, shown=shown,
        **facts,
    )  # fmt: skip


KNOB: Any = {"options": {"tv_weight": 1.0}, "overridden": frozenset({"tv_weight"})}


@pytest.fixture(scope="module")
def result() -> iw.Reconstruction:
    return iw.invert("coffee", layer="blocks.0", size=64, seeds=1, steps=2)


SAID: list[tuple[PanelState, str]] = [
    (PanelState(loading=True), "Loading the network …"),
    (PanelState(error="no", refused="alexnet"), "Choose another model."),
    (panel_state(loading=True, unloaded=frozenset({"model"}), options={"model": "dsift"}),
     "Loading dense SIFT …"),
    (panel_state(), "Ready. Press Start, and the images sharpen step by step."),
    (panel_state(note="random weights"),
     "Ready. Press Start, and the images sharpen step by step. Note: random weights."),
    (panel_state(**KNOB),
     "Ready. Press Start, and the images sharpen step by step. Moved: Smoothness 1.0."),
    (panel_state(error="no", refused="alexnet"), "Choose another model; HOG is still in use."),
    (panel_state(stages={"conv": b""}, stages_busy=True),
     "Making a small reconstruction of each stage; 1 are finished."),
    (panel_state("preparing"), "Preparing blocks.2 …"),
    (panel_state("running"), "Searching for images with the same features as coffee at blocks.2 …"),
    (panel_state("running", options={"objective": "maximize", "channels": (3,)}),
     "Searching for images that excite channel 3 of blocks.2 …"),
    (panel_state("running", options={"objective": "maximize", "channels": (281,)}),
     "Searching for images that excite channel 281 of blocks.2 … Channel 281 is the class tabby."),
    (panel_state("running", options={"objective": "caricature"}),
     "Raising what blocks.2 sees in coffee …"),
    (panel_state("preparing", again=frozenset({"seeds", "region"})),
     "Started again because the number of seeds and region changed. Preparing blocks.2 …"),
    (panel_state("running", continued=frozenset({"tv_weight"}), **KNOB),
     "Smoothness 1.0: the search continues from the finished images for 60 steps."),
    (panel_state("paused", step=3), "Paused after step 3. Resume or Step continues."),
    (panel_state("finished", step=3), "Measuring the images …"),
    (panel_state("stopped", step=3), "Stopped. Measuring the images …"),
    (panel_state("stopped"), "Stopped before the first step. Press Start to begin."),
    (panel_state("failed"), "The run failed. Everything else still works."),
]  # fmt: skip


@pytest.mark.parametrize(("state", "words"), SAID, ids=[words[:30] for _, words in SAID])
def test_what_is_said_of_a_state(state: PanelState, words: str) -> None:
    assert sentences(state).status == words


def test_a_search_that_did_not_come_near_offers_the_steps_it_names(
    result: iw.Reconstruction,
) -> None:
    values = panel_state().options
    far = replace(result, relative_error=(0.5,), steps=150)
    for one, offered in (
        (far, "Run 450 steps"),
        (replace(far, steps=400), "Run 1000 steps"),
        (replace(far, steps=1000), ""),
        (replace(far, stopped=True), ""),
        (replace(far, relative_error=(0.1,)), ""),
    ):
        said = sentences(panel_state("finished", entry=HistoryEntry(one, values)))
        assert said.more == offered
        assert not offered or offered.removeprefix("Run ") in said.status


def test_what_is_said_over_the_photos_patches() -> None:
    loaded = panel_state().loaded
    for excited, words in (
        (Excited(loaded, 3), "Looking for the patches of the bundled photos that excite channel 3 "
                             "most …"),
        (Excited(loaded, 281, ("patch",)), "The patches of the bundled photos that excite channel "
                                           "281, tabby, most"),
        (Excited(loaded, 281, ()), "None of the bundled photos excites channel 281, tabby."),
        (Excited(loaded, 3, None, "no memory"), "The patches could not be found: no memory"),
        (None, ""),
    ):  # fmt: skip
        assert sentences(panel_state(excited=excited)).patches == words


def test_channels_by_eye_say_that_none_is_marked() -> None:
    selector = iw.controls.ChannelSelector("coffee", layer="blocks.0", size=64)
    selector.kind.value = "eye"
    assert selector.caption.value.startswith("All 16 channels are selected. Press")
    selector.sheet.selected = [3]
    assert selector.caption.value == "<b>1</b> of 16 channels"
    selector.close()


def test_what_is_said_of_finished_runs(result: iw.Reconstruction) -> None:
    values = panel_state().options
    entry = HistoryEntry(result, values)
    done = panel_state("finished", step=2, entry=entry, result=result, history=(entry,))
    status = sentences(done).status
    assert status.startswith("Done. Best image: ")
    assert "try 6 steps or less smoothness" in status
    assert sentences(done).start == "Start again"
    stopped = panel_state("stopped", step=2, entry=entry, result=result, **KNOB)
    words = "You set Smoothness 1.0 after these images were made. Start again makes new ones."
    assert sentences(stopped).status == words
    kept = panel_state(history=(entry,), replaced=True)
    assert sentences(kept).status.endswith("step by step. The previous images are in History.")
    restored = panel_state(shown="restored", entry=entry, result=result, history=(entry,))
    words = "Run 1 is restored. Start repeats it with these settings."
    assert sentences(restored).status == words
    assert sentences(replace(restored, restoring=True)).status == "Restoring run 1 …"
    assert history_words(entry).startswith("blocks.0\ncoffee\nerror")
    assert history_words(replace(entry, unit="tabby")).startswith("tabby\nblocks.0\ncoffee")
    said = outcome(replace(result, selection=Selection(None, (281,))), "coffee", "tabby")
    assert " Channel 281 is the class tabby." in said


def test_what_is_asked_and_what_helps() -> None:
    state = panel_state(question=frozenset({"photo", "layer"}), **KNOB)
    assert sentences(state).question == "You moved Smoothness 1.0. Keep for this layer and photo?"
    assert sentences(replace(state, overridden=frozenset())).question == ""
    state = panel_state(error="the weights are not here", random_helps=True)
    said = sentences(state)
    assert (said.error, said.remedy) == ("The weights are not here", "Use random weights")
    assert sentences(replace(state, error="")).remedy == ""
