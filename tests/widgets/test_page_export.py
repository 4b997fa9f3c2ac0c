"""Tests of Export → Page for a panel, a strip and a sweep, which must not block the page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("anywidget")
pytest.importorskip("ipywidgets")

import invwidgets as iw
from invwidgets.errors import BadSettingError
from invwidgets.images import to_pil
from invwidgets.pages.page import page_text
from invwidgets.widgets.sweep.panel import SweepPanel
from invwidgets.widgets.views import export as module
from invwidgets.widgets.views.export import Export, without_folders

from ..small_networks import phi, picture
from ..sweeps.nets import TINY
from .waiting import until

SMALL: dict[str, Any] = {"seeds": 2, "steps": 3, "size": (24, 28)}


def pressed(export: Export, want: str = "html") -> dict[str, bytes]:
    """Press a button, and return the files that are sent to the browser, by name."""
    sent: dict[str, bytes] = {}
    export.send = lambda content, buffers: sent.update({content["save"]: bytes(buffers[0])})  # type: ignore[method-assign]
    export._handle_custom_msg({"want": want}, [])
    return sent


def loaded(sent: dict[str, bytes], folder: Path) -> iw.Page:
    (folder / "page.html").write_bytes(next(iter(sent.values())))
    return iw.load_page(folder / "page.html")


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


def test_a_run_of_the_panel_becomes_a_page(tmp_path: Path) -> None:
    async def scenario() -> None:
        panel = iw.InversionPanel(picture(), model=phi(), layer="relu_1", **SMALL)
        result = await panel.start()
        assert ["html", "Page (HTML)"] in [kind[:2] for kind in panel.export.kinds]
        sent = pressed(panel.export)
        await asyncio.sleep(0)
        assert panel.export.note == "Making the page …"
        await until(lambda: sent)
        assert list(sent) == [f"{result.photo_name}-relu_1.html"]
        assert not panel.export.note
        made = loaded(sent, tmp_path)
        assert made.results[0].settings == result.settings
        assert made.axes == {}
        assert b'"rows":[[' in sent[f"{result.photo_name}-relu_1.html"], "the network's own fields"
        panel.close()

    run(scenario)


def test_other_controls_are_heard_while_a_page_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, threads = threading.Event(), []

    def slow(*given: Any, **options: Any) -> str:
        threads.append(threading.current_thread())
        assert goes_on.wait(60)
        return page_text(*given, **options)

    monkeypatch.setattr(module, "page_text", slow)

    async def scenario() -> None:
        panel = iw.InversionPanel(picture(), model=phi(), layer="relu_1", **SMALL)
        await panel.start()
        sent = pressed(panel.export)
        panel.export._handle_custom_msg({"want": "html"}, [])  # pressed twice, made once
        await until(lambda: threads)
        panel.layer = "relu_2"
        await until(lambda: len(panel.history.entries) == 2)
        await until(lambda: panel.export.ready)
        assert not sent
        goes_on.set()
        await until(lambda: sent)
        assert loaded(sent, tmp_path).results[0].summary["layer"] == "relu_1", "of the press"
        await until(lambda: not panel.export.note.startswith("Making"))
        assert len(threads) == 1
        assert threads[0] is not threading.main_thread()
        panel.close()

    run(scenario)


def test_a_page_that_fails_says_why_and_can_be_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*given: Any, **options: Any) -> str:
        raise BadSettingError("megabytes=6: this page needs 7.5")

    async def scenario() -> None:
        panel = iw.InversionPanel(picture(), model=phi(), layer="relu_1", **SMALL)
        await panel.start()
        with monkeypatch.context() as patch:
            patch.setattr(module, "page_text", fails)
            sent = pressed(panel.export)
            await until(lambda: panel.now.error)
        assert panel.now.error == "megabytes=6: this page needs 7.5"
        assert not panel.export.note
        sent = pressed(panel.export)
        await until(lambda: sent)
        panel.close()

    run(scenario)


def test_two_files_at_once_leave_no_note_behind() -> None:
    async def scenario() -> None:
        panel = iw.InversionPanel(picture(), model=phi(), layer="relu_1", **SMALL)
        await panel.start()
        sent = pressed(panel.export, "gif")
        panel.export._handle_custom_msg({"want": "html"}, [])
        await asyncio.sleep(0)
        assert panel.export.note == "Making the page …"
        await until(lambda: len(sent) == 2)
        assert [Path(name).suffix for name in sent] == [".gif", ".html"]
        assert not panel.export.note
        panel.close()

    run(scenario)


def test_the_code_in_the_page_cuts_the_photo_as_the_panel_did(tmp_path: Path) -> None:
    to_pil(picture((48, 28))).save(tmp_path / "mine.png")

    async def scenario() -> None:
        panel = iw.InversionPanel(
            str(tmp_path / "mine.png"), model=phi(), layer="relu_1", crop=0.0, **SMALL
        )
        await panel.start()
        sent = pressed(panel.export)
        await until(lambda: sent)
        code = loaded(sent, tmp_path).results[0].code
        assert "iw.read_photo('mine.png', (24, 28), at=0)" in code
        assert str(tmp_path).encode() not in next(iter(sent.values()))
        panel.close()

    run(scenario)


def test_the_layers_of_a_strip_are_the_slider_of_its_page(tmp_path: Path) -> None:
    async def scenario() -> None:
        strip = iw.LayerStrip(picture(), phi(), ["relu", "relu_1"], **SMALL)
        results = await strip.start()
        await until(lambda: strip.export.ready)
        sent = pressed(strip.export)
        await asyncio.sleep(0)
        strip.export.offer_all({}, "")  # another run begins
        await until(lambda: sent)
        (name,) = sent
        assert name.endswith("-layers.html")
        made = loaded(sent, tmp_path)
        assert made.axes == {"layer": tuple(results)}
        assert b'"rows":[[' in sent[name], "the network's own fields"
        strip.close()
        assert strip.export.network is None

    run(scenario)


def test_the_page_of_a_sweep_shows_what_is_stored_and_the_holes(tmp_path: Path) -> None:
    to_pil(picture()).save(tmp_path / "here.png")
    sweep = iw.Sweep(
        [str(tmp_path / "here.png"), str(tmp_path / "gone.png")], TINY, ["relu", "relu_1"],
        settings={"steps": 2}, seeds=1, store=tmp_path / "store",
    )  # fmt: skip

    async def scenario() -> None:
        panel = SweepPanel(sweep)
        await until(lambda: panel.status is not None)
        assert not panel.export.ready
        assert pressed(panel.export) == {}
        task = panel.start()
        assert not panel.export.ready
        await task
        await until(lambda: panel.export.ready)
        assert panel.export.kinds == [["html", "Page (HTML)", panel.export.kinds[0][2]]]
        words = "2 of 4 jobs are stored; the page has empty places for the others."
        assert panel.export.note == words
        sent = pressed(panel.export)
        await until(lambda: sent)
        assert panel.export.note == words
        made = loaded(sent, tmp_path)
        assert set(made.axes) == {"photo", "layer"}
        assert (len(made.results), len(made.holes)) == (2, 2)
        assert str(tmp_path).encode() not in next(iter(sent.values()))
        panel.close()

    run(scenario)


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("'coffee'", "'coffee'"),
        ("photo", "photo"),
        ("iw.read_photo('/home/me/a b.png', (8, 8), at=1)",
         "iw.read_photo('a b.png', (8, 8), at=1)"),
    ],
)  # fmt: skip
def test_a_photo_is_named_without_its_folders(code: str, wanted: str) -> None:
    assert without_folders(code) == wanted
