"""Tests of the panel's notes at the end of a run: convergence, weights, knobs, remedies."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("anywidget")
pytest.importorskip("ipywidgets")

import invwidgets as iw
from invwidgets.figures.gallery import title_of
from invwidgets.images import resize
from invwidgets.inversion.session import WARM_STEPS
from invwidgets.representations.classes import class_names, likeliest
from invwidgets.representations.descriptors.named import DESCRIPTORS
from invwidgets.widgets.controls.layer_slider import LayerSlider
from invwidgets.widgets.panel.words import moved_knobs
from invwidgets.widgets.views.export import file_of, write_beside

from .test_panel import with_panel
from .waiting import until


def picture(height: int, width: int) -> bytes:
    file = io.BytesIO()
    shades = np.linspace(0, 255, height * width * 3).reshape(height, width, 3).astype(np.uint8)
    Image.fromarray(shades).save(file, "PNG")
    return file.getvalue()


@with_panel(layer="conv_head", steps=2)
async def test_a_run_that_did_not_come_near_says_so(panel: iw.InversionPanel) -> None:
    result = await panel.start()
    assert result.relative_error is not None
    assert min(result.relative_error) > 0.3
    await until(lambda: panel.now.phase == "finished" and panel.now.entry)
    said = panel.controls.status.value
    assert "Not converged" in said
    assert "try 6 steps or less smoothness" in said
    assert panel.controls.bar.bar_style == "warning"
    assert "not converged" in panel.history.tiles.captions[0]


@with_panel(weights="random", steps=3)
async def test_random_weights_are_named_wherever_they_are_shown(panel: iw.InversionPanel) -> None:
    assert "random weights" in panel.controls.status.value
    result = await panel.start()
    await until(lambda: panel.now.phase == "finished" and panel.now.entry)
    assert "Note: random weights" in panel.controls.status.value
    assert "(random weights)" in panel.gallery.describes
    assert "random weights" in panel.history.tiles.captions[0]
    assert "random weights" in repr(result)
    panel.export.show_code()
    assert "weights='random'" in panel.export.code
    assert not panel.classes.rows, "random numbers know no classes"


@with_panel(steps=3)
async def test_moved_knobs_are_named_and_asked_about(panel: iw.InversionPanel) -> None:
    preset = panel.tv_weight
    panel.knobs.knobs["tv_weight"].control.value = 1.0
    await until(lambda: panel.tv_weight == 1.0)
    result = await panel.start()
    assert result.settings.tv_weight == 1.0
    assert "Smoothness 1.0" in panel.history.tiles.captions[0]
    await until(lambda: panel.controls.status.value.endswith("Moved: Smoothness 1.0."))
    assert "(moved: Smoothness 1.0)" in panel.gallery.describes
    sent: list[bytes] = []
    panel.export.send = lambda content, buffers=None: sent.append(buffers[0])
    for kind in ("png", "gif"):
        panel.export.send_wanted({"want": kind})
    assert sent != [file_of(result, "png"), file_of(result, "gif")]
    assert sent == [file_of(result, kind, overridden="Smoothness 1.0") for kind in ("png", "gif")]
    assert not panel.controls.question
    panel.layer = "blocks.1"
    await until(lambda: panel.controls.question)
    assert panel.controls.question == "You moved Smoothness 1.0. Keep for this layer?"
    panel.controls.back.click()
    await until(lambda: panel.tv_weight != 1.0)
    assert not panel.controls.question
    assert not panel.overridden_knobs
    assert preset > 0


@with_panel(steps=3, size=None)
async def test_without_weights_there_is_a_way_on(panel: iw.InversionPanel) -> None:
    labels = dict(panel.model_menu.options)
    assert "caffenet (no weights)" in labels
    assert "efficientnet_lite0" in labels
    panel.layer = "blocks.2"
    panel.model = "caffenet"
    await until(lambda: panel.controls.remedy.description == "Use random weights")
    assert "caffenet" in panel.controls.error.value
    assert panel.model == "efficientnet_lite0", "the menu says what is shown"
    assert "efficientnet_lite0 is still in use" in panel.controls.status.value
    panel.controls.remedy.click()
    await until(lambda: panel.layer_slider.layers and panel.layer.startswith(("conv", "mpool")))
    assert panel.weights == "random"
    await until(lambda: not panel.controls.error.value)
    panel.model = "efficientnet_lite0"
    await until(lambda: panel.layer.startswith("blocks"))
    assert panel.weights == "pretrained", "the way out was of that model only"


@with_panel(steps=3)
async def test_a_goal_without_a_photo_puts_it_away(panel: iw.InversionPanel) -> None:
    panel.objective = "maximize"
    await until(lambda: panel.channel_selector.kind.value == "one")
    await until(lambda: panel.region_picker.canvas.picture == b"")
    assert panel.region_picker.caption.value.startswith("No photo is needed")
    panel.channel_selector.one.value = 5
    await until(lambda: panel.channels == (5,))
    result = await panel.start()
    assert result.selection.channels == (5,)
    await until(lambda: "times as much" in panel.controls.status.value)
    panel.objective = "inversion"
    await until(lambda: panel.channels is None and panel.region_picker.canvas.picture)


@with_panel(steps=3)
async def test_every_stage_shows_its_own_picture_and_keeps_it(panel: iw.InversionPanel) -> None:
    panel.show_stages()
    await until(lambda: len(panel.stages.done) >= 2)
    assert "Stop" in panel.inputs.every.description
    panel.show_stages()
    await until(lambda: not panel.stages.busy)
    done = dict(panel.stages.done)
    assert list(done)[:2] == ["conv_stem", "blocks.0"]
    assert panel.layer_slider.overview.pictures[0][:2] == b"\xff\xd8"
    panel.photo = "chelsea"
    await until(lambda: not panel.stages.done)
    panel.photo = "coffee"
    await until(lambda: panel.stages.done)
    assert panel.stages.done == done, "kept"


@with_panel(steps=3)
async def test_the_code_of_an_upload_runs_beside_its_photo(panel: iw.InversionPanel) -> None:
    panel.photos.take({"name": "mine.png"}, [memoryview(picture(96, 60))])
    panel.crop = 0.0
    result = await panel.start()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        panel.export.send_wanted({"want": "code"})
        assert panel.export.saves
        assert not Path("mine.png").exists(), "nothing is written unasked"
        assert "Save photo writes this file" in panel.export.note
        panel.export.send_wanted({"want": "photo"})
        assert (
            panel.export.note
            == "mine.png was written into the notebook's folder. The code reads it."
        )
        assert "iw.read_photo('mine.png', (64, 64), at=0)" in panel.export.code
        made: dict[str, Any] = {}
        exec(panel.export.code, made)
    assert torch.equal(made["result"].images, result.images)


def test_a_file_is_never_written_over_another(tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path):
        assert write_beside("a.png", b"one") == "a.png"
        assert write_beside("a.png", b"one") == "a.png"
        assert write_beside("a.png", b"two") == "a-2.png"
        assert Path("a.png").read_bytes() == b"one"


def test_the_crop_of_a_tall_photo_can_be_moved() -> None:
    data = picture(90, 30)
    top, middle, bottom = (iw.read_photo(data, 30, at=at) for at in (0, 0.5, 1))
    whole = iw.read_photo(data)
    for got, start in ((top, 0), (middle, 30), (bottom, 60)):
        assert torch.equal(got, whole[:, start : start + 30])
    with pytest.raises(iw.errors.InvwidgetsError, match="at"):
        iw.read_photo(data, 30, at=2)


def test_the_network_says_what_it_sees() -> None:
    phi = iw.representation("efficientnet_lite0", "blocks.2")
    ((first, second, *_),) = likeliest(phi, iw.read_photo("coffee", phi.size)[None])
    assert first[0] == "espresso"
    assert first[1] > 0.8 > second[1]
    for model, weights in (("hog", "pretrained"), ("resnet18", "random")):
        assert class_names(iw.representation(model, weights=weights)) == ()


def test_a_notebook_shows_what_ends_its_cell() -> None:
    result = iw.invert("coffee", layer="blocks.0", size=64, seeds=2, steps=3)
    still = Image.open(io.BytesIO(result._repr_png_()))
    assert still.width > still.height > 200
    assert repr(result).startswith("<Reconstruction: What blocks.0 keeps of coffee")
    assert "\n" not in repr(result)
    phi = iw.representation("efficientnet_lite0", "blocks.2")
    assert "<td>blocks.2</td>" in phi._repr_html_()
    assert "<td>InvertedResidual</td>" in phi.layer_info()._repr_html_()
    assert "<th>steps</th><td>3</td>" in result.settings._repr_html_()


@with_panel(steps=3)
async def test_a_moved_knob_says_that_it_takes_up_a_finished_run(panel: iw.InversionPanel) -> None:
    await panel.start()
    await until(lambda: panel.now.phase == "finished" and panel.now.entry)
    said: list[str] = []
    panel.controls.status.observe(lambda change: said.append(change["new"]), "value")
    panel.knobs.knobs["tv_weight"].control.value = 1.0
    await until(lambda: panel.result is not None and panel.result.steps == 3 + WARM_STEPS)
    await until(lambda: panel.now.phase == "finished" and panel.now.entry)
    words = "Smoothness 1.0: the search continues from the finished images for 60 steps."
    assert said[0] == words
    assert said[-1].endswith("Moved: Smoothness 1.0.")


@with_panel(layer="blocks.0", steps=100, size=64, seeds=1)
async def test_what_is_said_of_the_images_follows_a_knob_at_once(panel: iw.InversionPanel) -> None:
    panel.start()
    await until(lambda: panel.session.state == "running")
    panel.knobs.knobs["alpha_weight"].control.value = 1.0
    await until(lambda: "(moved: Pale colors 1.0)" in panel.gallery.describes)
    assert panel.session.state == "running"
    panel.stop()


@with_panel(steps=3)
async def test_goals_are_said_in_a_sentence_and_knobs_named_for_them(
    panel: iw.InversionPanel,
) -> None:
    goal, knob = panel.inputs.goal_note, panel.knobs.knobs["data_weight"].control
    assert goal.value == "Find images with the same features as the photo."
    assert knob.description == "Match photo"
    panel.objective = "maximize"
    await until(lambda: "excite one channel" in goal.value)
    assert knob.description == "Response"
    panel.data_weight = 10.0
    assert moved_knobs(panel.values, panel.overridden) == "Response 10"
    panel.objective = "inversion"
    await until(lambda: knob.description == "Match photo")


@with_panel(model="hog", layer="decompose", steps=3, size=(64, 64))
async def test_a_descriptor_is_called_by_its_name(panel: iw.InversionPanel) -> None:
    assert panel.layer == "decompose", "its path stays usable"
    assert panel.layer_slider.overview.stages[-1]["label"] == "HOG"
    assert "<b>HOG</b> (layer <code>decompose</code>)" in panel.layer_slider.caption.value
    assert {"HOG", "HOGb", "dense SIFT"} < {label for label, _ in panel.model_menu.options}
    result = await panel.start()
    assert title_of(result) == "What HOG keeps of coffee"
    await until(lambda: panel.now.phase == "finished" and panel.now.entry)
    assert "feature error at HOG" in panel.controls.status.value
    assert panel.history.tiles.captions[0].startswith("HOG\ncoffee\nerror")


def sized_for_judge(result: iw.Reconstruction) -> torch.Tensor:
    size = iw.representation("efficientnet_lite2").size
    assert result.photo is not None
    return resize(result.photo, size, "stretch")[None]


@with_panel(steps=3)
async def test_classes_stand_beneath_their_images_and_never_beneath_others(
    panel: iw.InversionPanel,
) -> None:
    await panel.start()
    await until(lambda: panel.classes.rows)
    assert len(panel.classes.boxes) == 1 + panel.seeds
    first_left, _, first_width, *_ = panel.gallery.spots[0]
    left, width, row = panel.classes.boxes[0]
    assert (left, width, row) == (
        first_left / panel.gallery.extent[0], first_width / panel.gallery.extent[0], 0,
    )  # fmt: skip
    entry, rows = panel.history.entries[-1], tuple(panel.classes.rows)
    assert panel.classes.judge == "efficientnet_lite2" != panel.model
    photo = rows[0]
    assert photo[1] != photo[2], "another network, on which nothing was searched, is asked too"
    [said] = likeliest(iw.representation(panel.classes.judge), sized_for_judge(entry.result), 2)
    assert [name for name, _ in photo[2]] == [name for name, _ in said]
    assert [sure for _, sure in photo[2]] == pytest.approx([sure for _, sure in said], rel=1e-3)
    panel.layer = "blocks.1"
    await until(lambda: not panel.classes.rows)
    assert entry.result is panel.history.entries[0].result


@with_panel(steps=3)
async def test_a_crop_is_of_its_photo(panel: iw.InversionPanel) -> None:
    before = panel.region_picker.canvas.picture
    panel.crop = 0.0
    await until(lambda: panel.region_picker.canvas.picture != before)
    await until(lambda: not panel.loading)
    panel.photo = "flower"
    await until(lambda: panel.crop == 0.5)
    panel.photo, panel.crop = "coffee", 0.1
    await until(lambda: not panel.loading)
    assert panel.crop == 0.1


@with_panel(steps=3)
async def test_the_size_menu_shows_the_size_in_use(panel: iw.InversionPanel) -> None:
    menu = panel.advanced.settings["size"].control
    assert menu.value == panel.size == 64
    panel.size = 96
    await until(lambda: menu.value == 96 and panel.gallery.shape == [96, 96])
    for name, value in (("photo", "chelsea"), ("model", "hog"), ("photo", "coffee")):
        setattr(panel, name, value)
        await until(lambda: not panel.loading)
        assert menu.value == panel.size == 96
        assert (await panel.start()).settings.size == (96, 96)
    panel.size = None
    await until(lambda: not panel.loading)
    assert menu.label == "the network's own"
    assert (await panel.start()).settings.size == (192, 256)


def test_a_stages_label_is_never_cut_in_its_middle() -> None:
    layers = iw.representation("vit_b_16", weights="random").layers()
    columns = LayerSlider(None)
    columns.show_layers(layers, "encoder.layers.encoder_layer_3", (224, 224), "vit_b_16")
    labels = [stage["label"] for stage in columns.overview.stages]
    assert "encoder_layer_3" in labels
    assert len(set(labels)) == len(labels)
    columns.close()


def test_what_a_descriptors_last_layer_is() -> None:
    for name, descriptor in DESCRIPTORS.items():
        assert iw.representation(name).layers()[-1].short_name == descriptor.last


@with_panel(steps=3)
async def test_a_photo_of_ones_own_stays_among_the_thumbnails(panel: iw.InversionPanel) -> None:
    photos, bundled = panel.photos, len(panel.photos.names)
    mine = picture(30, 40)
    for name in ("mine.png", "again.png"):  # the same photo has one place
        photos.take({"name": name}, [mine])
    assert len(photos.tiles.labels) == bundled + 1
    assert photos.tiles.labels[-1] == "mine, your own photo"
    assert photos.tiles.selected == [bundled]
    photos.tiles.selected = [0]
    await until(lambda: panel.photo == photos.names[0])
    photos.tiles.selected = [bundled]
    await until(lambda: panel.photo == mine)
    assert panel.photo_name == "mine"
    for side in range(31, 35):
        photos.take({"name": "more.png"}, [picture(side, 40)])
    assert len(photos.tiles.labels) == bundled + 3, "the last three"


@with_panel(steps=3)
async def test_a_photo_that_arrives_after_another_was_picked_is_only_kept(
    panel: iw.InversionPanel,
) -> None:
    """A browser takes seconds to scale a large one down."""
    photos, bundled = panel.photos, len(panel.photos.names)
    photos.take({"name": "huge.png", "reading": 0.1, "begun": True}, [])
    photos.tiles.selected = [0]
    await until(lambda: panel.photo == photos.names[0])
    photos.take({"name": "huge.png", "reading": 0.1}, [picture(30, 40)])
    assert photos.tiles.labels[bundled:] == ["huge, your own photo"]
    assert (photos.value, photos.tiles.selected) == (photos.names[0], [0])
    for reading in (0.2, 0.3):
        photos.take({"name": "now.png", "reading": reading, "begun": True}, [])
    photos.take({"name": "older.png", "reading": 0.2}, [picture(31, 40)])
    assert photos.value == photos.names[0]
    photos.take({"name": "now.png", "reading": 0.3}, [picture(32, 40)])
    await until(lambda: panel.photo_name == "now")


@with_panel(steps=3, region="2:6,2:3")
async def test_a_run_brought_back_has_its_curves_and_its_goal(panel: iw.InversionPanel) -> None:
    await panel.start()
    assert "rows 2–5, column 2" in panel.history.tiles.captions[0]
    panel.objective = "maximize"
    await until(lambda: len(panel.history.entries) == 2)
    assert panel.history.tiles.captions[1].startswith("maximize\n")
    panel.layer = "blocks.3"  # the run before is let go
    await until(lambda: len(panel.history.entries) == 3)
    panel.tabs.selected_index = 1
    await until(lambda: panel.curves.image.value)
    drawn = panel.curves.image.value
    panel.theme = "dark"  # of the panel, not of a run
    panel.history.tiles.selected = [0]
    panel.history.bring.click()
    await until(lambda: panel.now.phase == "restored" and not panel.loading)
    assert panel.curves.image.value != drawn
    assert (panel.theme, panel.gallery.theme) == ("dark", "dark")


@with_panel(steps=4000)
async def test_a_knob_moved_after_stop_says_that_the_images_are_older(
    panel: iw.InversionPanel,
) -> None:
    task = panel.start()
    await until(lambda: panel.controls.bar.value > 1)
    panel.controls.stop.click()
    result = await task
    await until(lambda: panel.controls.status.value.startswith("Stopped early. Start again starts"))
    panel.knobs.knobs["tv_weight"].control.value = 1.0
    words = "You set Smoothness 1.0 after these images were made. Start again makes new ones."
    await until(lambda: panel.controls.status.value.startswith(words))
    assert panel.result is result
    words = words.replace("Start again", "Start")
    for at_once in (False, True):  # restored, it is shown as it was made as well
        panel.knobs.reset()
        await until(lambda: not panel.overridden_knobs)
        panel.restore(panel.history.entries[0])
        if not at_once:
            await until(lambda: panel.now.phase == "restored" and not panel.loading)
        panel.knobs.knobs["tv_weight"].control.value = 1.0
        await until(lambda: panel.controls.status.value.startswith(words))
        await until(lambda: not panel.loading)
        assert panel.controls.status.value.startswith(words)


@with_panel(steps=3, objective="maximize")
async def test_the_code_of_a_run_without_a_photo_writes_none(panel: iw.InversionPanel) -> None:
    panel.photos.take({"name": "mine.png"}, [memoryview(picture(96, 60))])
    await panel.start()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        panel.export.show_code()
        assert not os.listdir(folder)
    assert panel.export.note == ""
    assert "mine.png" not in panel.export.code


@with_panel(steps=4000)
async def test_what_makes_a_run_give_way_is_said(panel: iw.InversionPanel) -> None:
    panel.start()
    await until(lambda: panel.controls.bar.value > 1)
    said = panel.controls.status
    panel.region = "2:6,2:6"
    await until(lambda: said.value.startswith("Started again because the region changed. Sea"))
    panel.layer = "blocks.1"  # the sentence itself says it
    panel.start()
    await until(lambda: said.value.startswith("Searching for images with the same features as"))
    await until(lambda: panel.controls.bar.value > 1)
    panel.controls.stop.click()
    await until(lambda: said.value.startswith("Stopped early."))
    panel.seeds = 3
    await until(lambda: said.value.startswith("Ready. Press Start"))
    assert "The previous images are in History." in said.value
    panel.knobs.knobs["tv_weight"].control.value = 1.0  # of no images: they have gone
    await until(lambda: "tv_weight" in panel.overridden)
    assert said.value.startswith("Ready.")


@with_panel(model="dsift", layer="", size=None, objective="maximize")
async def test_a_square_network_after_sift_has_a_square_grid(panel: iw.InversionPanel) -> None:
    canvas = panel.region_picker.canvas
    assert canvas.image_size == [192, 256]
    panel.model = "efficientnet_lite0"
    await until(lambda: canvas.image_size == [224, 224])
    panel.model = "alexnet"
    await until(lambda: "Choose another model" in panel.controls.status.value)
    assert "efficientnet_lite0 is still in use" in panel.controls.status.value
    panel.model = "dsift"
    await until(lambda: canvas.image_size == [192, 256])
    panel.model = "alexnet"
    await until(lambda: "dense SIFT is still in use" in panel.controls.status.value)


@with_panel(steps=3)
async def test_a_cut_is_said(panel: iw.InversionPanel) -> None:
    said = panel.inputs.crop
    panel.photo = "astronaut"  # square
    await until(lambda: said.layout.display == "none")
    panel.photos.take({"name": "tall.png"}, [memoryview(picture(60, 100))])
    await until(lambda: said.layout.display is None)
    assert said.control.description == "Crop: 40 % is cut off"
    assert said.control.tooltip.endswith("40 % is cut off to fit 64 × 64 pixels")
