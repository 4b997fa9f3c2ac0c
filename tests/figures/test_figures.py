"""Tests of figures: made without pyplot, with complete captions and notes."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from invwidgets.figures.gallery import gallery
from invwidgets.figures.receptive_field import receptive_field_figure
from invwidgets.inversion.invert import invert
from invwidgets.inversion.result import Reconstruction
from tests.small_networks import phi, picture

ROOT = Path(__file__).parents[2]
PHOTO = picture()


@pytest.fixture(scope="module")
def result() -> Reconstruction:
    return invert(PHOTO, phi(), steps=4, seeds=3, frames=2, region="2:4,3:5", alpha_weight=0.1)


def text(figure: Figure) -> str:
    return "\n".join(
        [t.get_text() for t in figure.findobj(lambda a: hasattr(a, "get_text"))]  # type: ignore[attr-defined]
    )


def pixels(figure: Figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]  # type: ignore[attr-defined]


def test_gallery_shows_the_photo_and_every_seed(result: Reconstruction) -> None:
    figure = result.gallery()
    assert len(figure.axes) == 6  # the photo, three seeds, their mean and spread
    drawn = text(figure)
    assert result.relative_error is not None
    for seed, error in zip(result.seeds, result.relative_error, strict=True):
        assert f"error {100 * error:.1f} %" in drawn
        assert f"seed {seed} · " in drawn
    assert "dB and SSIM: in the frame" in drawn
    assert "rows 2–3, columns 3–4" in drawn
    assert "relu_1" in drawn
    frames = [a for a in figure.artists if isinstance(a, Rectangle) and not a.get_fill()]
    assert len(frames) == 2  # the best seed and the receptive field
    first = np.asarray(figure.axes[0].images[0].get_array())
    assert np.array_equal(first, (PHOTO.movedim(0, -1).numpy() * 255).round().astype(np.uint8))
    assert pixels(figure).std() > 5


def test_random_weights_are_named_and_a_stop_is_told(result: Reconstruction) -> None:
    changed = Reconstruction(**{**vars(result), "weights": "random weights", "stopped": True})
    assert "random weights" in text(changed.gallery())
    assert "stopped early" in text(changed.gallery())
    assert "random weights" in text(changed.curves())
    assert "random" not in text(result.gallery())


@pytest.mark.parametrize("seeds", [1, 2, 9, 25])
def test_galleries_of_any_number_are_readable(seeds: int) -> None:
    made = invert(PHOTO, phi(), steps=1, seeds=seeds, frames=0)
    figure = gallery(made)
    assert len(figure.axes) == seeds + 1 + 2 * (seeds > 1)
    width, height = figure.get_size_inches()
    assert width < 18
    boxes = [axes.get_position() for axes in figure.axes]
    assert all(0 <= b.x0 < b.x1 <= 1 and 0 <= b.y0 < b.y1 <= 1 for b in boxes)
    for index, one in enumerate(boxes):
        for other in boxes[index + 1 :]:
            assert not one.overlaps(other)
    assert all(b.width * width > 1 for b in boxes)
    assert len(gallery(made, limit=1).axes) == 2
    assert height > 2


@pytest.mark.parametrize("layer", ["conv_stem", "encoder.layers.encoder_layer_11.self_attention"])
def test_no_text_leaves_the_figure(result: Reconstruction, layer: str) -> None:
    figure = dataclasses.replace(result, layer=layer).gallery(columns=2)
    figure.canvas.draw()
    edge = figure.bbox
    for label in figure.findobj(lambda a: hasattr(a, "get_text")):
        if label.get_text() and label.get_visible():  # type: ignore[attr-defined]
            box = label.get_window_extent()
            assert box.x0 >= edge.x0 - 1
            assert box.x1 <= edge.x1 + 1
            assert box.y0 >= edge.y0 - 1
            assert box.y1 <= edge.y1 + 1


def test_curves_draw_every_term_and_seed(result: Reconstruction) -> None:
    figure = result.curves()
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == len(result.energies) == 4
    data = result.energies["data"].numpy()
    for seed, line in enumerate(shown[0].lines):
        np.testing.assert_allclose(line.get_ydata(), data[:, seed])
    assert shown[0].get_yscale() == "log"
    moved = Reconstruction(**{**vars(result), "knob_changes": ((2, "beta", 1.5),)})
    assert len(moved.curves().axes[0].lines) == 4
    made = invert(
        None, phi(), layer="relu_1", channels=1, objective="maximize", steps=2, seeds=1, frames=0
    )
    assert pixels(made.curves()).std() > 1
    assert "What excites channel 1 of relu_1" in text(made.gallery())


def test_receptive_field_figure_frames_and_dims() -> None:
    own = phi("conv2")
    figure = receptive_field_figure(PHOTO, own, (5, 6, 5, 6))
    box = own.receptive_field((5, 6, 5, 6)).clipped
    shown = np.asarray(figure.axes[0].images[0].get_array()).astype(int)
    photo = (PHOTO.movedim(0, -1).numpy() * 255).round().astype(int)
    inside = (slice(box.top, box.bottom), slice(box.left, box.right))
    assert np.array_equal(shown[inside], photo[inside])
    assert (shown[: box.top] >= 190).all()
    assert f"{box.height} × {box.width} pixels" in text(figure)
    whole = receptive_field_figure(PHOTO, phi("head.0"))
    assert "the whole image" in text(whole)


def test_pyplot_is_never_imported() -> None:
    code = (
        "import sys, torch\ntorch.set_num_threads(1)\n"
        "from invwidgets.inversion.invert import invert\n"
        "from invwidgets.figures.receptive_field import receptive_field_figure\n"
        "from tests.small_networks import phi, picture\n"
        "r = invert(picture(), phi(), steps=2, seeds=2)\n"
        "r.gallery().savefig('/dev/null', format='png')\n"
        "r.curves().savefig('/dev/null', format='png')\n"
        "receptive_field_figure(picture(), phi()).savefig('/dev/null', format='png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
