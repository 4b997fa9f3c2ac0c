"""Tests of the second column, which shares photo, seeds and Start with the first."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import ipywidgets as w
import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("anywidget")
pytest.importorskip("ipywidgets")

import invwidgets as iw
from invwidgets.errors import BadSettingError, UnknownNameError
from invwidgets.figures.grid import plan_grid
from invwidgets.figures.sheet import Sheet
from invwidgets.widgets.base.loop import Loop
from invwidgets.widgets.base.parts import close_all
from invwidgets.widgets.controls.beside_menu import BesideMenu
from invwidgets.widgets.panel.options import PanelOptions
from invwidgets.widgets.views.snapshot import Snapshot

from .test_panel import SMALL, with_panel
from .waiting import until


def ended(panel: Any, count: int) -> Any:
    return lambda: len(panel.history.entries) == count and not panel.second.now.loading


@with_panel(beside={"layer": "blocks.1"})
async def test_one_start_runs_both_and_each_is_the_run_it_says(panel: iw.InversionPanel) -> None:
    second = panel.second
    first = await panel.start()
    await until(ended(panel, 2), panel)
    other = second.result
    assert (first.layer, other.layer) == ("blocks.0", "blocks.1")
    assert first.seeds == other.seeds
    assert torch.equal(first.photo, other.photo)
    for result in (first, other):
        alone = iw.invert("coffee", **{**SMALL, "layer": result.layer},
                          micro_batch=result.settings.micro_batch)  # fmt: skip
        assert torch.equal(result.images, alone.images)
    view = panel.view
    assert view.pictures.head.value == "efficientnet_lite0, blocks.0"
    assert view.other.head.value == "efficientnet_lite0, blocks.1"
    assert "feature error at blocks.1" in view.other.says[0].value
    assert {entry.result.layer for entry in panel.history.entries} == {"blocks.0", "blocks.1"}
    panel.export.show_code()
    assert "'blocks.0'" in panel.export.code
    view.which.value = 1
    await until(lambda: panel.export.code == "")
    panel.export.show_code()
    assert "'blocks.1'" in panel.export.code
    assert panel.export.file(other, "safetensors")[0] == "coffee-blocks.1.safetensors"
    assert json.loads(panel.export.settings)["beside"] == {"layer": "blocks.1"}


@with_panel(beside={"layer": "nonsense"})
async def test_what_is_wrong_beside_is_said_there_and_the_first_goes_on(
    panel: iw.InversionPanel,
) -> None:
    view = panel.view.other
    assert (await panel.start()).layer == "blocks.0"
    await until(lambda: "nonsense" in view.says[1].error.value, panel)
    assert panel.controls.error.value == ""
    assert len(panel.history.entries) == 1
    menu = panel.view.beside
    menu.kind.value = "weights"
    panel.view.render(panel.now)  # a report that comes before the choice is heard takes none back
    await until(lambda: panel.beside == {"weights": "random"} and panel.second.result is not None)
    assert panel.second.result.note.startswith("random weights")
    assert "random weights" in panel.view.other.head.value
    panel.restore(panel.history.entries[0])
    assert (panel.beside, panel.second, menu.kind.value) == (None, None, "")


@with_panel(size=None)
async def test_weights_that_are_not_here_have_a_way_on_beside(panel: iw.InversionPanel) -> None:
    await until(lambda: panel.now.loaded is not None, panel)
    panel.beside = {"model": "caffenet"}
    trouble = panel.view.other.says[1]
    await until(lambda: trouble.remedy.layout.display is None, panel)
    assert trouble.remedy.description == "Use random weights"
    assert "caffenet" in trouble.error.value
    assert panel.controls.trouble.layout.display == "none", "nothing is wrong on the left"
    trouble.remedy.click()
    await until(lambda: panel.second.now.loaded is not None, panel)
    assert panel.beside == {"model": "caffenet", "weights": "random"}
    assert "random weights" in panel.view.other.head.value
    assert panel.view.other.says[1].layout.display == "none"
    assert panel.view.beside.kind.value == "model"
    assert panel.weights == "pretrained", "the left column keeps its own"
    panel.view.beside.model.value = "hog"
    await until(lambda: panel.beside == {"model": "hog"}, panel)


@with_panel(seeds=2)
async def test_the_still_shows_both_columns(panel: iw.InversionPanel) -> None:
    kept: list[Any] = []
    panel.snapshot.keep = lambda draw, column=0: kept.append((column, draw()))
    panel.view.pictures.keep = panel.snapshot.keep
    await panel.start()
    assert [column for column, _ in kept] == [0]
    panel.beside = {"layer": "blocks.1"}
    await until(lambda: panel.second.result is not None, panel)
    assert [column for column, _ in kept][-1] == 1
    words = [text.get_text() for text in kept[-1][1].figure.texts]
    assert any("blocks.1" in one for one in words)


async def stills_of_two_columns() -> list[tuple[Image.Image, int]]:
    shown: list[tuple[Image.Image, int]] = []

    class Handle:
        def update(self, data: Any, metadata: Any, raw: bool) -> None:
            width = metadata["image/png"]["width"]
            shown.append((Image.open(io.BytesIO(data["image/png"])).convert("RGB"), width))

    def draw(shade: int, width: int) -> Any:
        sheet = Sheet(plan_grid(1, (32, 32), width))
        sheet.show(0, np.full((32, 32, 3), shade, np.uint8))
        return sheet

    snapshot = Snapshot(Loop())
    snapshot.keep(lambda: pytest.fail("there is no notebook"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("IPython.display.display", lambda *_, **__: Handle())
        box = w.HBox()
        snapshot.display(box)
        close_all(box)
    for shade in (10, 20, 30):  # only the last is sure to be shown
        snapshot.keep(lambda shade=shade: draw(shade, 300))  # type: ignore[misc]
    assert shown == [], "a file is written on a thread"
    await until(lambda: shown and shown[-1][0].getpixel((100, 100)) == (30, 30, 30))
    snapshot.keep(lambda: draw(200, 400), 1)
    task = asyncio.create_task(asyncio.sleep(0, "a result"))
    assert await snapshot.after(task) == "a result"
    assert shown[-1][1] == 400, "the result came after the picture"
    snapshot.drop(1)
    snapshot.keep(lambda: draw(60, 300))
    snapshot.close()
    closed = len(shown)
    snapshot.keep(lambda: draw(90, 300))
    await asyncio.sleep(0.3)
    assert len(shown) == closed
    return shown


def test_a_still_of_two_columns_has_one_below_the_other() -> None:
    (left, width), (both, wide), (again, _), (last, _) = asyncio.run(stills_of_two_columns())[-4:]
    assert (width, wide) == (300, 400)
    assert both.width == 2 * wide
    plan = plan_grid(1, (32, 32), 400)
    assert both.height == left.height + 2 * plan.height
    assert both.crop((0, 0, *left.size)).tobytes() == left.tobytes()
    assert both.getpixel((100, left.height + 100)) == (200, 200, 200)
    assert again.tobytes() == left.tobytes(), "the right one was closed"
    assert last.getpixel((100, 100)) == (60, 60, 60), "it was not written when the panel closed"


@with_panel(steps=5000, seeds=1)
async def test_a_column_opened_beside_a_run_begins_and_one_stop_ends_both(
    panel: iw.InversionPanel,
) -> None:
    task = panel.start()
    await until(lambda: panel.state == "running")
    panel.beside = {"layer": "blocks.1"}
    second = panel.second
    await until(lambda: second.session.steps_done > 0, panel)  # before it, Stop leaves no result
    panel.controls.stop.click()
    assert (await task).stopped
    await until(lambda: second.result is not None, panel)
    assert second.result.stopped
    panel.beside = None
    assert panel.second is None
    assert len(panel.view.columns.children) == 1


def test_what_differs_is_checked() -> None:
    panel = PanelOptions()
    panel.beside = {}
    assert panel.beside is None
    with pytest.raises(UnknownNameError, match=r"'photo'.*layer, model, weights"):
        panel.beside = {"photo": "chelsea"}
    with pytest.raises(BadSettingError, match=r"not 'blocks\.4'"):
        panel.beside = "blocks.4"


def test_the_menu_offers_what_differs_from_the_first_column() -> None:
    menu = BesideMenu(Loop(), [("EfficientNet", "net"), ("HOG", "hog")])
    menu.show(["a", "b", "c"], "b", "net", "pretrained")
    for kind, value in (("layer", {"layer": "c"}), ("model", {"model": "hog"}),
                        ("weights", {"weights": "random"}), ("", None)):  # fmt: skip
        menu.kind.value = kind
        assert menu.value == value
        assert [one.layout.display is None for one in (menu.layer, menu.model)] == [
            kind == "layer", kind == "model",
        ]  # fmt: skip
    menu.show(["a", "b", "c"], "c", "hog", "random")
    for kind, value in (("layer", {"layer": "b"}), ("model", {"model": "net"}),
                        ("weights", {"weights": "pretrained"})):  # fmt: skip
        menu.kind.value = kind
        assert menu.value == value
    assert menu.kind.label == "trained weights"
    menu.value = {"layer": "a.inner"}
    assert (menu.kind.value, menu.layer.value) == ("layer", "a.inner")
    menu.layer.value = "a"
    assert menu.value == {"layer": "a"}
    close_all(menu)


def test_settings_hold_both_columns() -> None:
    async def inner() -> None:
        one = iw.InversionPanel("coffee", beside={"layer": "blocks.4"}, **SMALL)
        other = iw.InversionPanel.from_settings(json.dumps(one.settings))
        assert other.beside == {"layer": "blocks.4"}
        assert other.second is not None
        assert other.settings == one.settings
        one.close()
        other.close()

    asyncio.run(inner())
