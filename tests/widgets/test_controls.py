"""Tests of the controls alone: typed values to link, to observe and to give to ``invert``."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import traitlets

pytest.importorskip("anywidget")
pytest.importorskip("ipywidgets")

import invwidgets as iw
from invwidgets.errors import SelectionError, UnknownNameError
from invwidgets.representations.classes import channel_names
from invwidgets.widgets.panel.options import OPTIONS

DOC = Path(__file__).parents[2] / "docs" / "panel.md"
EXAMPLES = re.findall(r"<!-- control (\w+) -->\n```python\n(.*?)```", DOC.read_text("utf-8"), re.S)
CONTROLS: dict[str, tuple[Any, Any, Any]] = {
    "LayerSlider": (lambda: iw.controls.LayerSlider("efficientnet_lite0", size=64),
                    "blocks.4", "blocks.1"),
    "RegionPicker": (
        lambda: iw.controls.RegionPicker("coffee", layer="blocks.0", size=64), (2, 4, 2, 6), None,
    ),
    "ChannelSelector": (
        lambda: iw.controls.ChannelSelector("coffee", layer="blocks.0", size=64), "color:top", (3,),
    ),
    "PriorKnobs": (lambda: iw.controls.PriorKnobs(layer="blocks.0"),
                   {"tv_weight": 0.5}, {"beta": 1.0}),
}  # fmt: skip


@pytest.mark.parametrize(("name", "code"), EXAMPLES)
def test_the_examples_of_the_docs_run(name: str, code: str) -> None:
    told: list[Any] = []
    made: dict[str, Any] = {"iw": iw, "print": lambda *words: told.append(words)}
    exec(code.replace("steps=60", "steps=3, seeds=1"), made)
    assert told, "observe has told of the change"
    assert isinstance(made["result"], iw.Reconstruction)
    assert name in {type(value).__name__ for value in made.values()}
    made["control"].close()


def test_every_public_control_has_its_example() -> None:
    assert {name for name, _ in EXAMPLES} == set(CONTROLS)


@pytest.mark.parametrize("name", CONTROLS)
def test_a_value_is_linked_and_observed(name: str) -> None:
    make, first, second = CONTROLS[name]
    control, twin, told = make(), make(), []
    traitlets.link((control, "value"), (twin, "value"))
    control.observe(lambda change: told.append(change["new"]), "value")
    control.value = first
    assert twin.value == first
    twin.value = second
    assert control.value == second
    assert told == [first, second]
    control.close()
    twin.close()


def test_bad_values_are_refused_with_what_there_is() -> None:
    slider = iw.controls.LayerSlider("efficientnet_lite0", size=64)
    with pytest.raises(UnknownNameError, match="conv9"):
        slider.value = "conv9"
    picker = iw.controls.RegionPicker("coffee", layer="blocks.2", size=64)
    with pytest.raises(SelectionError, match="0:99"):
        picker.value = (0, 99, 0, 1)
    with pytest.raises(SelectionError, match="rows and columns"):
        picker.value = "a part"
    knobs = iw.controls.PriorKnobs(layer="blocks.0")
    with pytest.raises(UnknownNameError, match="tv_wieght"):
        knobs.value = {"tv_wieght": 1.0}
    for control in (slider, picker, knobs):
        control.close()


def test_knobs_go_back_to_the_preset() -> None:
    knobs = iw.controls.PriorKnobs(layer="blocks.2")
    before = knobs.knobs["tv_weight"].value
    knobs.knobs["tv_weight"].control.value = 1.0
    assert knobs.value == {"tv_weight": 1.0}
    assert knobs.overridden == {"tv_weight"}
    knobs.knobs["tv_weight"].back.click()
    assert knobs.value == {}
    assert knobs.knobs["tv_weight"].value == before
    knobs.close()


def test_a_slider_names_what_lies_inside_a_stage() -> None:
    slider = iw.controls.LayerSlider("efficientnet_lite0", "blocks.2.0.conv_dw")
    assert slider.stages[slider.overview.at].short_name == "blocks.2"
    assert "blocks.2.0.conv_dw" in slider.inner.options
    slider.value = "blocks.6"
    assert "<code>blocks.6</code>" in slider.caption.value
    assert "sees the whole photo and beyond its edges (851 × 851 pixels)" in slider.caption.value
    slider.close()


def test_every_option_of_a_panel_is_linked_to_its_control() -> None:
    """Set in Python, each control shows it; the panel's twin follows by a link."""

    async def both() -> None:
        one = iw.InversionPanel("coffee", layer="blocks.0", size=64)
        two = iw.InversionPanel("coffee", layer="blocks.0", size=64)
        for name in set(OPTIONS) - {"photo"}:
            traitlets.link((one, name), (two, name))
        values = {"seeds": 3, "tv_weight": 0.2, "beta": 1.5, "bound": None, "steps": 40,
                  "preset": "ijcv2016", "jitter": 2, "objective": "caricature", "crop": 0.2,
                  "precision": "float32", "data_weight": 7.0, "alpha_weight": 0.1}  # fmt: skip
        settings = {
            **two.knobs.knobs,
            **two.advanced.settings,
            "seeds": two.inputs.seeds,
            "objective": two.inputs.goal,
            "crop": two.inputs.crop,
        }
        for name, value in values.items():
            setattr(one, name, value)
            assert getattr(two, name) == value
            assert settings[name].value == value
        one.close()
        two.close()

    asyncio.run(both())


def test_a_class_is_chosen_by_its_name_and_a_channel_without_one_by_its_number() -> None:
    def shown(selector: Any) -> list[bool]:
        return [one.layout.display is None for one in (selector.one, selector.search)]

    selector = iw.controls.ChannelSelector("coffee", layer="classifier", value=(0,))
    assert shown(selector) == [False, True]
    assert len(selector.search.names) == 1000
    assert selector.search.value == 0
    selector.search.value = 281
    assert selector.value == (281,)
    assert selector.caption.value == "<b>tabby</b> is channel 281 of 1000"
    selector.value = (285,)
    assert selector.search.value == 285
    selector.show_layer(24)
    assert shown(selector) == [True, False]
    assert selector.caption.value == "<b>1</b> of 24 channels"
    selector.value = "color:top"
    assert shown(selector) == [False, False]
    selector.close()


@pytest.mark.parametrize(
    ("layer", "weights", "names"),
    [("classifier", "pretrained", 1000), ("blocks.2", "pretrained", 0),
     ("global_pool", "pretrained", 0), ("classifier", "random", 0)],
)  # fmt: skip
def test_only_the_classes_of_a_trained_classifier_have_names(
    layer: str, weights: str, names: int
) -> None:
    found = channel_names(iw.representation("efficientnet_lite0", layer, weights=weights))
    assert len(found) == names
    assert not found or found[281] == "tabby"
