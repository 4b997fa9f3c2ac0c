"""Tests that figures of a sweep show the right picture and number at each place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import invwidgets as iw
from invwidgets.errors import BadSettingError, UnknownNameError
from invwidgets.figures.error_map import error_map
from invwidgets.figures.sweep_grid import cell_of, sweep_grid, sweep_sheet
from invwidgets.images import to_pil
from invwidgets.sweeps.plane import plane_of

from ..small_networks import picture
from ..sweeps.nets import TINY
from .test_figures import pixels as pixels_of


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> iw.Sweep:
    """A sweep of 2 photos × 2 layers × 3 weights; the file of one photo is missing."""
    folder: Path = tmp_path_factory.mktemp("sweep")
    to_pil(picture()).save(folder / "here.png")
    made = iw.Sweep(
        [str(folder / "here.png"), "gone.png"], TINY, ["relu", "relu_1"],
        settings={"steps": 3, "tv_weight": [0.01, 0.1, 1.0]}, seeds=1, store=folder / "store",
    )  # fmt: skip
    made.run()
    return made


def test_a_plane_finds_the_points_of_two_axes(sweep: iw.Sweep) -> None:
    plane = plane_of(sweep.grid, sweep.points)
    assert (plane.rows, plane.columns) == ("tv_weight", "layer")
    assert plane.row_heads == ("0.01", "0.1", "1")
    assert plane.held == {"photo": sweep.grid.photos[0]}
    assert plane.held_words == "photo here"
    assert len(plane.places) == 6
    for (row, column), place in plane.places.items():
        point = sweep.points[place]
        assert point.value("tv_weight") == (0.01, 0.1, 1.0)[row]
        assert point.layer == ("relu", "relu_1")[column]
        assert point.photo == sweep.grid.photos[0]
    other = plane_of(sweep.grid, sweep.points, "photo", "tv_weight", {"layer": "relu_1"})
    assert {sweep.points[place].layer for place in other.places.values()} == {"relu_1"}
    line = plane_of(sweep.grid, sweep.points, "", "layer", {"tv_weight": 0.1})
    assert (line.row_heads, len(line.places)) == (("",), 2)


def test_axes_that_are_not_there(sweep: iw.Sweep) -> None:
    with pytest.raises(UnknownNameError, match="no axis with several values 'lambda' in this swe"):
        sweep.pictures(rows="lambda")
    with pytest.raises(UnknownNameError, match=r"no tv_weight 3. There are: 0.01, 0.1, 1"):
        sweep.pictures(rows="photo", tv_weight=3)
    with pytest.raises(BadSettingError, match="rows and columns are both 'layer'"):
        sweep.pictures("layer", "layer")
    with pytest.raises(UnknownNameError, match="no measure 'snr'"):
        sweep.error_map(measure="snr")


def test_each_place_shows_its_own_job(sweep: iw.Sweep) -> None:
    found, _ = sweep.store.survey(sweep.keys)
    plane = plane_of(sweep.grid, sweep.points)
    cells = {
        place: cell_of(sweep.store, found[sweep.keys[place]]) for place in plane.places.values()
    }
    drawn = pixels_of(sweep_sheet(plane, cells, 600).figure)
    alone = {}
    for (row, column), place in plane.places.items():
        sheet = sweep_sheet(plane, {place: cells[place]}, 600)
        spot = sheet.plan.spots[row * 2 + column]
        box = np.s_[spot.top : spot.top + spot.height, spot.left : spot.left + spot.width]
        alone[place] = pixels_of(sheet.figure)[box]
        assert np.array_equal(drawn[box], alone[place])
        error = (sweep.result(place).relative_error or (0.0,))[0]
        assert cells[place].words == f"{100 * error:.1f} %"
    assert len({picture.tobytes() for picture in alone.values()}) == 6


def test_the_map_has_the_numbers_of_the_table(sweep: iw.Sweep) -> None:
    figure = error_map(sweep)
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown == [
        f"{100 * row['relative_error']:.1f}"
        for weight in (0.01, 0.1, 1.0)
        for row in sorted(sweep.table(), key=lambda row: str(row["layer"]))
        if row["tv_weight"] == weight
    ]
    bold = [text for text in figure.axes[0].texts if text.get_fontweight() == "bold"]
    assert len(bold) == 2
    figure.canvas.draw()
    by_photo = error_map(sweep, rows="photo", columns="layer", measure="ssim")
    assert len(by_photo.axes[0].texts) == 2  # nothing of the photo that is gone
    sweep_grid(sweep, "photo", "layer").canvas.draw()
