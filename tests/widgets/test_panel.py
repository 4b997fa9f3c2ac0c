"""Tests of the panel without a browser: options, results, and memory after closing."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import io
import resource
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("anywidget")
pytest.importorskip("ipywidgets")

import ipywidgets

import invwidgets as iw
from invwidgets.errors import BadSettingError, InvwidgetsError, UnknownNameError
from invwidgets.search.colors import color_basis

from .waiting import until

SMALL: dict[str, Any] = {"layer": "blocks.0", "seeds": 2, "size": 64, "steps": 8}


def run(coroutine: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(coroutine())


def with_panel(
    **options: Any,
) -> Callable[[Callable[[iw.InversionPanel], Awaitable[None]]], Callable[[], None]]:
    """Run a test with a panel that has loaded its network."""

    def decorate(test: Callable[[iw.InversionPanel], Awaitable[None]]) -> Callable[[], None]:
        def wrapped() -> None:
            async def inner() -> None:
                panel = iw.InversionPanel("coffee", **{**SMALL, **options})
                try:
                    await until(lambda: panel.now.loaded, panel)
                    await test(panel)
                finally:
                    panel.close()

            run(inner)

        wrapped.__name__ = test.__name__
        return wrapped

    return decorate


@with_panel()
async def test_start_gives_the_result(panel: iw.InversionPanel) -> None:
    assert panel.state == "idle"
    result = await panel.start()
    assert panel.result is result
    assert panel.state == "finished"
    assert len(panel.history.entries) == 1
    assert [one[:2] for one in panel.gallery.files.values()] == 4 * [b"\xff\xd8"], (
        "and mean, spread"
    )
    assert panel.export.ready
    panel.export.send_wanted({"want": "code"})
    assert "iw.invert(" in panel.export.code
    same = iw.invert("coffee", **SMALL, micro_batch=result.settings.micro_batch)
    assert torch.equal(result.images, same.images)


@with_panel()
async def test_start_twice_ends_in_one_result(panel: iw.InversionPanel) -> None:
    first, second = panel.start(), panel.start()
    assert await first is await second
    assert len(panel.history.entries) == 1


@with_panel(steps=5000)
async def test_layer_and_photo_change_while_running(panel: iw.InversionPanel) -> None:
    task = panel.start()
    await until(lambda: panel.state == "running")
    panel.layer = "blocks.1"
    panel.photo = "chelsea"
    panel.steps = 6
    result = await task
    assert (result.layer, result.photo_name, result.steps) == ("blocks.1", "chelsea", 6)


@with_panel(steps=5000)
async def test_ten_knob_changes_a_second_all_act(panel: iw.InversionPanel) -> None:
    task = panel.start()
    await until(lambda: panel.state == "running")
    for place in range(10):
        panel.tv_weight = 0.1 * (place + 1)
        await asyncio.sleep(0.1)

    def last() -> float | None:
        return next((v for _, n, v in panel.session.curves()[1][::-1] if n == "tv_weight"), None)

    await until(lambda: last() == 1.0)  # a step may take longer than the pause above
    panel.stop()
    result = await task
    assert result.stopped
    assert [v for _, name, v in result.knob_changes if name == "tv_weight"][-1] == 1.0
    assert len(result.knob_changes) >= 5


@with_panel(steps=5000)
async def test_buttons_mean_something_or_are_disabled(panel: iw.InversionPanel) -> None:
    controls = panel.controls
    assert not controls.start.disabled
    assert controls.pause.disabled
    assert controls.stop.disabled
    controls.step.click()
    await until(lambda: panel.now.phase == "paused" and panel.now.run.step == 1)
    assert controls.pause.description == "Resume"
    controls.step.click()
    await until(lambda: panel.now.phase == "paused" and panel.now.run.step == 2)
    controls.pause.click()
    await until(lambda: controls.pause.description == "Pause")
    await until(lambda: controls.bar.value > 2)
    controls.stop.click()
    await until(lambda: panel.result is not None)
    assert panel.result.stopped
    assert controls.stop.disabled


@with_panel()
async def test_controls_and_traits_are_in_step(panel: iw.InversionPanel) -> None:
    slider = panel.layer_slider
    assert slider.value == "blocks.0"
    assert slider.stages[slider.overview.at].short_name == "blocks.0"
    slider.overview.set_state({"at": 4})
    await until(lambda: panel.layer == "blocks.3" and panel.region_picker.canvas.rows == 4)
    panel.region_picker.canvas.set_state({"box": [1, 3, 0, 2]})
    await until(lambda: panel.region == (1, 3, 0, 2))
    assert panel.region_picker.rows.value == (1, 2)
    panel.region = "0:2,0:2"
    assert list(panel.region_picker.canvas.box) == [0, 2, 0, 2]
    await asyncio.sleep(0.01)  # asked for together with a layer, it would be meant for that
    panel.layer = "blocks.0"
    await until(lambda: panel.region_picker.canvas.rows == 32)
    assert panel.region is None
    panel.channel_selector.kind.value = "halves"
    await until(lambda: panel.channels == "group:1")
    assert "<b>8</b> of 16" in panel.channel_selector.caption.value
    panel.channel_selector.kind.value = "top"
    await until(lambda: isinstance(panel.channels, tuple) and len(panel.channels) == 8)
    assert "<b>8</b> of 16" in panel.channel_selector.caption.value
    panel.channel_selector.kind.value = "eye"
    await until(lambda: len(panel.channel_selector.sheet.labels) == 16)
    panel.channel_selector.sheet.selected = [2, 5, 7]
    await until(lambda: panel.channels == (2, 5, 7))
    assert "<b>3</b> of 16" in panel.channel_selector.caption.value
    panel.theme = "dark"
    await until(lambda: panel.gallery.theme == "dark")


@with_panel()
async def test_presets_and_resets(panel: iw.InversionPanel) -> None:
    preset = panel.tv_weight
    assert preset > 0
    knob = panel.knobs.knobs["tv_weight"]
    knob.control.value = 1.0
    await until(lambda: panel.tv_weight == 1.0)
    knob.back.click()
    await until(lambda: panel.tv_weight == preset)
    panel.preset = "ijcv2016"
    await until(lambda: panel.data_weight == 300)
    assert panel.optimizer == "adagrad-momentum"


@with_panel()
async def test_errors_are_said_in_the_panel_and_it_lives(panel: iw.InversionPanel) -> None:
    panel.layer = "conv9"
    await until(lambda: "conv9" in panel.controls.error.value)
    with pytest.raises(InvwidgetsError, match="conv9"):
        await panel.start()
    panel.layer = "blocks.1"
    await until(lambda: panel.layer_slider.value == "blocks.1")
    await until(lambda: panel.controls.error.value == "")
    assert (await panel.start()).layer == "blocks.1"


@with_panel()
async def test_a_model_that_fails_to_load_takes_nothing_away(panel: iw.InversionPanel) -> None:
    await panel.start()
    panel.model_menu.value = "caffenet"  # its weights have to be given
    await until(lambda: "caffenet" in panel.controls.error.value)
    assert panel.model_menu.value == panel.model == "efficientnet_lite0", "what is shown"
    panel.model = "caffenet"
    with pytest.raises(InvwidgetsError, match="weights=PATH"):
        await panel.start()
    assert len(panel.history.entries) == 1
    assert panel.export.ready
    assert not panel.controls.start.disabled
    panel.history.tiles.selected = [0]
    await until(lambda: not panel.history.bring.disabled)
    panel.history.bring.click()
    await until(lambda: panel.now.phase == "restored" and not panel.loading)
    assert panel.model_menu.value == "efficientnet_lite0"
    assert panel.controls.error.value == ""
    assert (await panel.start()).model == "efficientnet_lite0"


@pytest.mark.parametrize("model", ["hog", "hogb", "dsift"])
def test_descriptors_and_their_stages_on_the_same_slider(model: str) -> None:
    @with_panel(layer="", size=48, steps=3)
    async def chosen(panel: iw.InversionPanel) -> None:
        panel.model_menu.value = model
        slider = panel.layer_slider
        stages = [layer.name for layer in iw.representation(model).layers((48, 48))]
        await until(lambda: [stage.name for stage in slider.stages] == stages)
        assert panel.layer == stages[-1], "opens on the descriptor itself"
        for stage in (stages[0], stages[-1]):
            slider.value = stage
            await until(lambda stage=stage: panel.layer == stage)
            result = await panel.start()
            assert (result.model, result.layer) == (model, stage)
            assert "channels" in panel.layer_slider.caption.value

    chosen()


@with_panel()
async def test_uploads(panel: iw.InversionPanel) -> None:
    panel.photos.take({"name": "broken.png"}, [b"not a picture"])
    assert "broken.png" in panel.controls.error.value
    assert panel.photo == "coffee"
    file = io.BytesIO()
    Image.fromarray(np.full((50, 80, 3), 200, np.uint8)).save(file, "PNG")
    panel.photos.take({"name": "mine.png"}, [memoryview(file.getvalue())])
    await until(lambda: "mine" in panel.photos.caption.value)
    result = await panel.start()
    assert (result.steps, result.photo_name) == (8, "mine")
    assert "mine" in panel.history.tiles.captions[-1]


@with_panel()
async def test_history_brings_back_and_deletes(panel: iw.InversionPanel) -> None:
    first = await panel.start()
    panel.layer = "blocks.1"
    await until(lambda: len(panel.history.entries) == 2)
    panel.history.tiles.selected = [0, 1]
    panel.history.side.click()
    await until(lambda: [*panel.history.pair.files] == ["left", "right"])
    panel.history.tiles.selected = [0]
    await until(lambda: not panel.history.bring.disabled)
    panel.history.bring.click()
    await until(lambda: panel.layer == "blocks.0" and panel.result is first)
    await asyncio.sleep(0.3)
    assert panel.state == "idle", "bringing back starts nothing"
    panel.history.tiles._handle_custom_msg({"delete": 0}, [])
    await until(lambda: len(panel.history.entries) == 1)


@with_panel(steps=3)
async def test_knobs_stand_where_the_run_has_them(panel: iw.InversionPanel) -> None:
    whole = panel.tv_weight
    panel.region = "4:6,4:6"
    await until(lambda: panel.tv_weight != whole)
    result = await panel.start()
    assert panel.tv_weight == result.settings.tv_weight > whole
    assert panel.alpha_weight == result.settings.alpha_weight
    panel.region = None
    await until(lambda: panel.tv_weight == whole)


@with_panel(channels=(1, 2), region=(2, 6, 2, 6))
async def test_bringing_back_another_grid_keeps_region_and_channels(
    panel: iw.InversionPanel,
) -> None:
    first = await panel.start()
    assert (first.selection.channels, first.selection.region) == ((1, 2), (2, 6, 2, 6))
    panel.layer = "blocks.3"
    await until(lambda: len(panel.history.entries) == 2)
    assert (panel.channels, panel.region) == (None, None), "they mean nothing in another layer"
    panel.history.tiles.selected = [0]
    await until(lambda: not panel.history.bring.disabled)
    panel.history.bring.click()
    await until(lambda: panel.now.phase == "restored" and not panel.loading)
    assert (panel.layer, panel.channels, panel.region) == ("blocks.0", (1, 2), (2, 6, 2, 6))
    assert panel.region_picker.value == (2, 6, 2, 6)
    assert "<b>2</b> of 16" in panel.channel_selector.caption.value
    assert (await panel.start()).selection == first.selection


@with_panel()
async def test_export_sends_files(panel: iw.InversionPanel) -> None:
    sent: list[tuple[Any, Any]] = []
    await panel.start()
    panel.export.send = lambda content, buffers=None: sent.append((content, buffers))
    for kind in ("png", "pdf", "gif", "safetensors"):
        panel.export.send_wanted({"want": kind})
    starts = [bytes(buffers[0][:4]) for _, buffers in sent]
    assert starts[:3] == [b"\x89PNG", b"%PDF", b"GIF8"]
    assert sent[3][0]["save"] == "coffee-blocks.0.safetensors"


@with_panel(steps=5000)
async def test_cancelling_the_task_leaves_the_run(panel: iw.InversionPanel) -> None:
    task = panel.start()
    await until(lambda: panel.state == "running")
    task.cancel()
    await asyncio.sleep(0.05)
    assert panel.state == "running"
    panel.stop()
    await until(lambda: panel.result is not None)


def test_unknown_keywords_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="nonsense"):
        iw.InversionPanel("coffee", nonsense=1)


def test_two_panels_at_once() -> None:
    async def both() -> None:
        one, two = (
            iw.InversionPanel("coffee", **{**SMALL, "layer": n}) for n in ("blocks.0", "blocks.1")
        )
        first, second = await asyncio.gather(one.start(), two.start())
        assert (first.layer, second.layer) == ("blocks.0", "blocks.1")
        one.close()
        two.close()

    run(both)


def test_the_strip_fills_layer_by_layer() -> None:
    async def strip() -> None:
        strip = iw.LayerStrip("coffee", layers=["blocks.0", "blocks.1"], size=64, steps=5)
        stills: list[Any] = []
        strip.snapshot.keep = lambda draw: stills.append(draw())  # type: ignore[method-assign]
        results = await strip.start()
        assert list(results) == ["blocks.0", "blocks.1"]
        assert [len(still.plan.spots) for still in stills] == [3], "kept in the notebook"
        assert strip.view.order == ["photo", "s0", "s1"]
        assert [one[:2] for one in strip.view.files.values()] == 2 * [b"\xff\xd8"]
        assert strip.view.photo_file[:2] == b"\xff\xd8"
        assert strip.view.captions[0] == ["coffee", "the photo"]
        shown = strip.view.pictures["blocks.1"]
        assert strip.view.captions[2] == [*shown[1:]] == ["blocks.1", shown[2]]
        assert shown[2].startswith("error ")
        assert strip._model_name == "VBoxModel", "ipywidgets' own: the page finds its class by it"
        assert strip.title.value == "What each layer keeps of coffee, by efficientnet_lite0"
        await until(lambda: strip.export.ready)
        strip.view.enlarged = 0
        await until(lambda: "are of blocks.0" in strip.export.note)
        photo, first, second = strip.view.spots
        assert photo[1:4] == first[1:4], "the same top and size"
        assert first[2] > second[2]
        assert strip.view.labels == [
            "",
            "blocks.0: back to all",
            "blocks.1: enlarge beside the photo",
        ]
        assert strip.view.pressed == "s0"
        sent: dict[str, bytes] = {}
        strip.export.send = lambda content, buffers: sent.update({content["save"]: buffers[0]})
        for kind in ("png", "gif", "safetensors"):
            strip.export.send_wanted({"want": kind})
        names = ["coffee-layers.png", "coffee-blocks.0.gif", "coffee-blocks.0.safetensors"]
        assert list(sent) == names
        strip.export.show_code()
        assert "'blocks.0'" in strip.export.code
        classifier = iw.LayerStrip("coffee", size=64)
        await until(lambda: classifier.view.layers)
        assert classifier.view.layers[0] == "conv_stem"
        assert classifier.view.layers[-1] == "classifier"
        classifier.close()
        strip.close()

    run(strip)
    assert not _widgets()


def test_the_strip_takes_what_invert_takes() -> None:
    with pytest.raises(BadSettingError, match="features are of one layer"):
        iw.LayerStrip("coffee", target=torch.zeros(1, 3))
    with pytest.raises(UnknownNameError, match=r"no setting 'stepps'.*steps"):
        iw.LayerStrip("coffee", stepps=5)

    async def strip() -> None:
        torch.manual_seed(0)
        gray = torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 3)
        )
        options = {"mean": 0.5, "std": 0.5, "fit": "stretch", "tv_chroma": 0.0, "frames": 2}
        strip = iw.LayerStrip("coffee", gray, ["0", "2"], size=32, steps=3, **options)
        results = await strip.start()
        assert strip.view.photo.shape[:2] == (32, 32)
        for layer, result in results.items():
            same = iw.invert("coffee", gray, layer, seeds=1, size=32, steps=3, **options)
            assert torch.equal(result.images, same.images)
            assert len(result.frames) == len(same.frames)
            assert (result.settings.fit, result.settings.tv_chroma) == ("stretch", 0.0)
        strip.close()

    run(strip)


def _widgets() -> int:
    return len(ipywidgets.widgets.widget._instances)


def _tensors() -> Counter[str]:
    """The number of tensors of each kind, after closed panels have ended their work."""
    for thread in threading.enumerate():
        if thread.name.startswith("invwidgets"):
            thread.join(60)
    gc.collect()
    all_of_them = [o for o in gc.get_objects() if issubclass(type(o), torch.Tensor)]
    return Counter(f"{type(o).__name__} {tuple(o.shape)} {o.dtype}" for o in all_of_them)


async def _open_and_close(running: bool) -> None:
    panel = iw.InversionPanel("coffee", **{**SMALL, "steps": 5000})
    if running:
        panel.start()
        await until(lambda: panel.state == "running")
    panel.close()
    panel.close()


def test_closed_while_running_leaves_nothing() -> None:
    async def some() -> None:
        for _ in range(3):
            await _open_and_close(True)

    run(some)
    tensors, threads = _tensors(), threading.active_count()
    run(some)
    assert not _tensors() - tensors
    assert threading.active_count() <= threads
    assert not _widgets()


@pytest.mark.slow
def test_two_hundred_panels_leave_nothing() -> None:
    """In a process of its own, where no other test's caches come and go."""
    code = "from tests.widgets import test_panel; test_panel.open_and_close_two_hundred()"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert "grew by" in done.stdout


def open_and_close_two_hundred() -> None:
    async def many(count: int) -> None:
        for place in range(count):
            await _open_and_close(place % 10 == 0)

    color_basis(torch.zeros(()))  # kept once a process; a panel closed at once may not have asked
    run(lambda: many(30))
    tensors, threads, before = _tensors(), threading.active_count(), _resident()
    run(lambda: many(200))
    more = _tensors() - tensors
    assert not more, more
    assert threading.active_count() <= threads
    assert not _widgets()
    grown = _resident() - before
    print(f"grew by {grown / 1e6:.1f} MB")
    assert grown < 20e6


def _resident() -> float:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # what is free already does not count
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def test_a_closed_panel_or_strip_is_not_begun() -> None:
    """Nothing would ever end what is awaited."""

    async def inner() -> None:
        for closed in (
            iw.InversionPanel("coffee", **SMALL),
            iw.LayerStrip("coffee", layers=["blocks.0"], size=64, seeds=1, steps=2),
        ):
            closed.close()
            with pytest.raises(BadSettingError, match="is closed: make a new one"):
                await asyncio.wait_for(closed.start(), 60)

    run(inner)


def gray_net() -> iw.Representation:
    torch.manual_seed(0)
    parts = [torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 8, 3)]
    return iw.representation(torch.nn.Sequential(*parts), "1", mean=0.5, std=0.25, size=(32, 32))


def test_the_panel_takes_a_network_of_gray_images() -> None:
    async def inner() -> None:
        panel = iw.InversionPanel("coffee", model=gray_net(), seeds=2, steps=20, crop=0.2)
        try:
            await until(lambda: panel.layer_slider.layers)
            result = await panel.start()
            assert result.images.shape == (2, 1, 32, 32)
            wanted = iw.read_photo("coffee", 32, at=0.2, channels=1)
            assert torch.equal(result.photo, wanted)
            assert max(result.relative_error) < 0.5
            panel.channel_selector.kind.value = "eye"
            await until(lambda: panel.channel_selector.features is not None)
            assert panel.channel_selector.features.shape[0] == 8
        finally:
            panel.close()

    run(inner)


def test_the_panel_refuses_a_network_of_other_channels_in_words() -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(4, 8, 3), torch.nn.ReLU())
    phi = iw.representation(net, mean=0.5, std=0.25, size=(32, 32))

    async def inner() -> None:
        panel = iw.InversionPanel("coffee", model=phi, seeds=1, steps=2)
        try:
            await until(lambda: "takes images of 4 channels" in panel.controls.error.value)
            assert "shows those of 1 and 3" in panel.controls.error.value
        finally:
            panel.close()

    run(inner)


@with_panel(objective="maximize", channels=(3,), layer="blocks.2", steps=3)
async def test_the_photos_that_excite_the_channel_stand_beside_its_images(
    panel: iw.InversionPanel,
) -> None:
    view = panel.patches
    await until(lambda: view.pictures)
    phi = iw.representation("efficientnet_lite0", "blocks.2")
    found = iw.analysis.exciting_patches(phi, 3)
    assert view.names == [patch.photo for patch in found if patch.response > 0]
    assert view.says[0] == f"{found[0].response:.3g} (×1.00)"
    assert Image.open(io.BytesIO(view.pictures[0])).size == found[0].pixels.shape[:0:-1]
    panel.channels = (5,)
    await until(lambda: "channel 5" in view.words and view.pictures)
    assert view.says[0] == f"{iw.analysis.exciting_patches(phi, 5)[0].response:.3g} (×1.00)"
    panel.objective = "inversion"
    await until(lambda: not view.words)
    assert view.pictures == []


@with_panel(objective="maximize")
async def test_a_channel_that_no_photo_excites_says_so(panel: iw.InversionPanel) -> None:
    convolution = torch.nn.Conv2d(3, 2, 3)
    with torch.no_grad():
        convolution.weight.fill_(-1.0)
        convolution.bias.fill_(0.0)
    silent = torch.nn.Sequential(convolution, torch.nn.ReLU())
    panel.model = iw.representation(silent, mean=(0, 0, 0), std=(1, 1, 1), size=(32, 32))
    await until(lambda: panel.patches.words.startswith("None of the bundled photos excites"))
    assert panel.patches.pictures == []
