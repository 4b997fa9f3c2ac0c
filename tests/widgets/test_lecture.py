"""Tests of a lecturer's use of a finished run: frames, explanations of knobs."""

from __future__ import annotations

import pytest

pytest.importorskip("anywidget")
pytest.importorskip("ipywidgets")

import torch

import invwidgets as iw
from invwidgets.inversion.progress import kept_frame, last_frame

from .test_panel import with_panel
from .waiting import until


@with_panel()
async def test_a_finished_run_is_scrubbed_from_noise_to_its_end(panel: iw.InversionPanel) -> None:
    playback = panel.playback
    assert playback.layout.visibility == "hidden"
    result = await panel.start()
    await until(lambda: playback.layout.visibility == "visible")
    last = len(result.frame_steps) - 1
    assert playback.slider.value == last
    assert playback.slider.label == "step 8 of 8"
    end = panel.gallery.files
    playback.slider.value = 0
    await until(lambda: panel.now.playback == 0)
    assert playback.slider.label == "step 1 of 8"
    assert "2 images after 1 step" in panel.gallery.describes
    assert panel.gallery.files != end
    playback.slider.value = last
    await until(lambda: panel.now.playback is None)
    assert panel.gallery.files == end
    playback.slider.value = 0
    panel.seeds = 1
    await until(lambda: len(panel.history.entries) == 2)
    await until(lambda: playback.slider.label == "step 8 of 8")
    assert panel.now.playback is None


def test_a_kept_frame_is_as_large_as_the_images_and_the_last_one_is_the_result() -> None:
    result = iw.invert("coffee", layer="blocks.0", size=192, seeds=2, steps=3)
    frame = kept_frame(result, len(result.frame_steps) - 1)
    end = last_frame(result)
    assert frame.index == end.index
    assert frame.images.shape == end.images.shape
    assert frame.spread is not None
    off = torch.from_numpy(frame.images).float() - torch.from_numpy(end.images).float()
    assert off.abs().mean() < 8, "a smaller copy of the same images"
    first = torch.from_numpy(kept_frame(result, 0).images).float()
    assert (first - torch.from_numpy(end.images).float()).abs().mean() > 8


def test_a_knob_says_its_term_when_it_is_asked() -> None:
    knobs = iw.controls.PriorKnobs(layer="blocks.0")
    for knob in knobs.knobs.values():
        assert knob.ask is not None
        assert knob.meaning.layout.display == "none"
        knob.ask.value = True
        assert knob.meaning.layout.display is None
        assert len(knob.meaning.value) > 40
    assert "λ<sub>V</sub> · R<sub>V</sub>" in knobs.knobs["tv_weight"].meaning.value
    assert knobs.knobs["tv_weight"].ask.tooltip == "What Smoothness means"
    knobs.show_goal(False)
    assert knobs.knobs["data_weight"].ask.tooltip == "What Response means"
    knobs.close()
