"""Tests of actions during other actions: during a run, its measurement, or loading.

In any order, pictures must be shown with their own captions, and a run is kept with its own
settings.
"""

from __future__ import annotations

import io
import threading
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("anywidget")
pytest.importorskip("ipywidgets")

import invwidgets as iw
from invwidgets.errors import InvwidgetsError
from invwidgets.widgets.panel import effects

from .test_panel import with_panel
from .waiting import until


@with_panel(steps=4000)
async def test_a_run_stopped_for_another_photo_is_kept_and_not_shown_beside_it(
    panel: iw.InversionPanel,
) -> None:
    task = panel.start()
    await until(lambda: panel.controls.bar.value > 1)
    panel.stop()
    panel.photo = "chelsea"
    panel.seeds = 1
    result = await task
    assert (result.photo_name, len(result.seeds)) == ("coffee", 2)
    await until(lambda: "chelsea, and 1 empty places" in panel.gallery.describes)
    await until(lambda: panel.now.phase == "idle" and panel.now.replaced)
    assert not panel.classes.rows
    assert panel.controls.start.description == "Start"
    (kept,) = panel.history.entries
    assert (kept.settings["photo"], kept.settings["seeds"]) == ("coffee", 2)
    panel.history.tiles.selected = [0]
    panel.history.bring.click()
    await until(lambda: panel.now.phase == "restored" and not panel.loading)
    assert (panel.photo, panel.seeds, panel.result) == ("coffee", 2, kept.result)
    assert panel.gallery.describes.startswith("coffee: 2 images")


@with_panel(steps=4000)
async def test_a_run_that_ends_while_another_network_loads_keeps_its_settings(
    panel: iw.InversionPanel,
) -> None:
    goes_on, load = threading.Event(), effects.load_model

    def slow(*given: Any, **options: Any) -> Any:
        goes_on.wait()
        return load(*given, **options)

    panel.knobs.knobs["tv_weight"].control.value = 1.0
    await until(lambda: panel.tv_weight == 1.0)
    task = panel.start()
    await until(lambda: panel.controls.bar.value > 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(effects, "load_model", slow)
        panel.model, panel.layer, panel.region = "hog", "", (0, 2, 0, 2)
        await until(lambda: panel.loading)
        panel.controls.back.click()  # what was moved is asked about, and given back
        await until(lambda: not panel.overridden_knobs)
        panel.stop()
        result = await task
        goes_on.set()
        await until(lambda: not panel.loading)
    (kept,) = panel.history.entries
    settings = kept.settings
    assert (settings["model"], settings["layer"]) == (result.model, "blocks.0")
    assert (settings["region"], settings["tv_weight"]) == (None, 1.0)
    assert "Smoothness 1.0" in panel.history.tiles.captions[0]


@with_panel(steps=4000)
async def test_resume_pressed_as_the_paused_run_gives_way_does_not_pause_the_next(
    panel: iw.InversionPanel,
) -> None:
    panel.start()
    await until(lambda: panel.controls.bar.value > 1)
    controls = panel.controls
    controls.pause.click()
    await until(lambda: panel.now.phase == "paused")
    panel.seeds = 3  # another run begins; the page still says Resume
    controls.pause.click()
    await until(lambda: panel.gallery.describes.startswith("coffee: 3 images"))
    await until(lambda: controls.bar.value > 3)
    assert (panel.state, controls.pause.description) == ("running", "Pause")
    controls.pause.click()
    await until(lambda: panel.now.phase == "paused")


@with_panel(steps=4)
async def test_controls_are_heard_while_an_animation_is_made(panel: iw.InversionPanel) -> None:
    goes_on, sent = threading.Event(), []
    export, make = panel.export, panel.export.file
    await panel.start()

    def slow(*given: Any) -> Any:
        assert goes_on.wait(60)
        return make(*given)

    export.send = lambda content, buffers: sent.append((content["save"], bytes(buffers[0][:4])))
    export.file = slow
    for want in ("gif", "code", "gif"):  # pressed twice, made once
        export._handle_custom_msg({"want": want}, [])
    await until(lambda: export.code)
    panel.layer = "blocks.1"
    await until(lambda: len(panel.history.entries) == 2)
    assert not sent
    goes_on.set()
    await until(lambda: sent)
    assert sent == [("coffee-blocks.0.gif", b"GIF8")], "of the run that stood there"
    assert not export.note


@with_panel(steps=3)
async def test_a_run_brought_back_wins_over_what_was_asked_before(panel: iw.InversionPanel) -> None:
    await panel.start()
    panel.layer = "blocks.1"
    await until(lambda: len(panel.history.entries) == 2)
    panel.layer = "blocks.2"
    waiting = panel.start()  # begins when it has been loaded
    assert panel.loading
    first = panel.history.entries[0]
    panel.restore(first)
    with pytest.raises(InvwidgetsError, match="another run was restored"):
        await waiting
    await until(lambda: panel.now.phase == "restored" and not panel.loading)
    assert (panel.layer, panel.state, panel.result) == ("blocks.0", "idle", first.result)
    panel.restore(panel.history.entries[1])
    panel.photo = "chelsea"  # before its network is there
    await until(lambda: panel.now.phase == "idle" and not panel.loading)
    assert "chelsea, and 2 empty places" in panel.gallery.describes


@with_panel(steps=3)
async def test_a_start_that_is_refused_leaves_the_button(panel: iw.InversionPanel) -> None:
    await until(lambda: not panel.loading)
    panel.region = (0, 100, 0, 100)
    await until(lambda: panel.controls.error.value)
    with pytest.raises(InvwidgetsError):
        await panel.start()
    assert not panel.controls.start.disabled
    panel.region = None
    await panel.start()


@with_panel(steps=3)
async def test_stopped_while_it_loads_a_run_has_no_result(panel: iw.InversionPanel) -> None:
    panel.photo = "chelsea"
    waiting = panel.start()
    panel.stop()
    with pytest.raises(InvwidgetsError, match="stopped before its first step"):
        await waiting


@with_panel(steps=4000)
async def test_a_photo_that_cannot_be_read_is_not_the_run_s(panel: iw.InversionPanel) -> None:
    task = panel.start()
    await until(lambda: panel.controls.bar.value > 1)
    panel.photo = "nosuch.png"
    panel.tv_weight = 1.0  # moved while it loads
    await until(lambda: "nosuch.png" in panel.controls.error.value)
    with pytest.raises(InvwidgetsError, match=r"nosuch\.png"):
        await task
    await until(lambda: any(name == "tv_weight" for _, name, _ in panel.session.curves()[1]))
    panel.stop()
    await until(lambda: len(panel.history.entries) == 1)
    (kept,) = panel.history.entries
    assert (kept.settings["photo"], kept.settings["tv_weight"]) == ("coffee", 1.0)


@with_panel(steps=3)
async def test_photos_keep_their_names(panel: iw.InversionPanel) -> None:
    file = io.BytesIO()
    Image.new("RGB", (40, 40), "teal").save(file, "PNG")
    panel.photos.take({"name": "mine.png"}, [file.getvalue()])
    await panel.start()
    panel.photo = "chelsea"
    await until(lambda: len(panel.history.entries) == 2)
    panel.restore(panel.history.entries[0])
    await until(lambda: panel.now.phase == "restored" and not panel.loading)
    assert panel.photo_name == "mine"
    await panel.start()
    assert panel.result.photo_name == "mine"
    panel.photo = np.zeros((40, 40, 3), np.uint8)
    await until(lambda: panel.result.photo_name != "mine")


@with_panel(model="efficientnet_lite0", weights="pretrained", layer="blocks.0", steps=2, seeds=2)
async def test_a_new_run_does_not_wait_for_the_classes_of_the_last_one(
    panel: iw.InversionPanel,
) -> None:
    goes_on, classified, likeliest = threading.Event(), [0], effects.likeliest

    def slow(phi: Any, images: Any, *count: int) -> Any:
        classified[0] += len(images)
        goes_on.wait()
        return likeliest(phi, images, *count)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(effects, "likeliest", slow)
        await panel.start()
        await until(lambda: classified[0])
        first = panel.session.number
        task = panel.start()
        await until(lambda: panel.session.number > first)
        goes_on.set()
        await task
        await until(lambda: panel.classes.rows)
    both_networks = 2 * (1 + panel.seeds)
    assert classified[0] == 2 + both_networks, "one image of the first run, all of the second"
