"""The strip, the grid of a sweep and two runs side by side: which pictures and words they send."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("anywidget")
pytest.importorskip("ipywidgets")

from invwidgets.figures.sweep_grid import Cell
from invwidgets.sweeps.plane import Plane
from invwidgets.widgets.base.loop import Loop
from invwidgets.widgets.base.picture_view import PictureView
from invwidgets.widgets.panel.state import HistoryEntry
from invwidgets.widgets.strip import StripView
from invwidgets.widgets.sweep.view import SweepView
from invwidgets.widgets.views.history import PairView

SHAPE = (48, 64)
pytestmark = pytest.mark.usefixtures("no_widget_stays")


def gray(shade: int) -> Any:
    return np.full((*SHAPE, 3), shade, np.uint8)


def shade(file: bytes) -> int:
    return int(np.asarray(Image.open(io.BytesIO(file))).mean().round())


def strip(layers: int = 4, done: int = 2) -> StripView:
    view, names = StripView(Loop()), [f"layer {place}" for place in range(layers)]
    view.lay_out(gray(120), "coffee", names)
    for place, name in enumerate(names[:done]):
        view.pictures[name] = (gray(20 * place), name, f"error {place}.0 %")
    view.redraw()
    return view


def grid(done: int = 5, rows: int = 2, columns: int = 4) -> SweepView:
    """Some of the cells are done, one has failed, the others are to come."""
    places = {(r, c): max(10, columns) * r + c for r in range(rows) for c in range(columns)}
    plane = Plane(
        "tv_weight", "layer", tuple(f"0.0{r}" for r in range(rows)),
        tuple(f"blocks.{c}" for c in range(columns)), {}, places,
    )  # fmt: skip
    cells = {p: Cell(gray(8 * n), f"{n}.0 %") for n, p in enumerate(list(places.values())[:done])}
    cells[places[rows - 1, columns - 1]] = Cell(None, "failed")
    view = SweepView(Loop())
    view.show(plane, cells)
    return view


def test_a_strip_sends_each_layer_and_its_words() -> None:
    view = strip()
    assert view.order == ["photo", "s0", "s1", "s2", "s3"]
    assert view.names == ["coffee", *view.layers]
    assert {key: shade(file) for key, file in view.files.items()} == {"s0": 0, "s1": 20}
    assert shade(view.photo_file) == 120
    assert view.captions[0] == ["coffee", "the photo"]
    assert view.captions[2:4] == [["layer 1", "error 1.0 %"], ["layer 2", ""]]
    assert (view.shown, view.describes) == ("2", "coffee and 2 of 4 layers")
    assert view.labels == ["", *(f"layer {place}: enlarge beside the photo" for place in range(4))]
    small, photo = view.spots[2], view.photo_file
    view.enlarged = 1
    assert view.spots[0][1:4] == view.spots[2][1:4], "the photo and it: the same top and size"
    assert view.spots[2][2] > small[2]
    assert (view.pressed, view.labels[2]) == ("s1", "layer 1: back to all")
    assert view.describes.endswith("layer 1 enlarged")
    assert view.photo_file is photo


def test_a_picture_is_made_a_file_once() -> None:
    view = strip()
    before = dict(view.files)
    view.pictures["layer 1"] = (gray(90), "layer 1", "error 0.5 %")
    view.redraw()
    assert view.files["s0"] is before["s0"]
    assert shade(view.files["s1"]) == 90


def test_a_narrower_view_lays_its_pictures_into_more_rows() -> None:
    view = strip(layers=10)
    rows = {spot[1] for spot in view.spots}
    view.width = 320
    assert len({spot[1] for spot in view.spots}) > len(rows)
    assert view.extent[0] == 320
    for left, _, width, *_ in view.spots:
        assert 0 <= left < left + width <= 320


def test_a_sweep_sends_what_is_done_with_heads_of_rows_and_columns() -> None:
    view = grid()
    assert view.order == ["s0", "s1", "s2", "s3", "s10", "s11", "s12", "s13"]
    assert [*view.files] == ["s0", "s1", "s2", "s3", "s10"]
    assert view.names[4] == "0.01 · blocks.0"
    assert view.labels[4] == "open 0.01 · blocks.0 (4.0 %)"
    assert view.labels[5:] == ["", "", ""], "nothing to open"
    assert [lines[0] for lines in view.captions[4:]] == ["4.0 %", "", "", "failed"]
    assert (view.shown, view.describes) == ("5", "5 of 8 jobs")
    assert view.pressed is None, "a press opens and leaves nothing pressed"
    axis, *heads = view.heads
    assert axis[3:] == ["tv_weight", True]
    assert [head[3] for head in heads] == [*(f"blocks.{c}" for c in range(4)), "0.00", "0.01"]
    for head, spot in zip(heads[:4], view.spots[:4], strict=True):
        assert (head[0], head[2]) == (spot[0], spot[2]), "a head is as wide as its column"
        assert head[1] < spot[1]
    for head, spot in zip(heads[4:], (view.spots[0], view.spots[4]), strict=True):
        assert head[0] + head[2] <= spot[0]
        assert spot[1] < head[1] < spot[1] + spot[3]


def test_a_plane_with_holes_has_each_cell_in_its_row_and_column() -> None:
    whole = grid()
    plane = whole.plane
    assert plane is not None
    del plane.places[0, 1]
    whole.redraw()
    assert whole.order[1] == "s2"
    assert whole.spots[1][0] == whole.heads[3][0], "below the third column's head"


def test_two_runs_are_side_by_side_in_their_own_proportions(results: list[Any]) -> None:
    view = PairView(Loop())
    view.show([HistoryEntry(result) for result in results])
    assert view.order == ["left", "right"]
    sizes = [Image.open(io.BytesIO(view.files[key])).size for key in view.order]
    assert sizes == [(32, 32), (48, 32)], "neither is squashed"
    assert view.labels == ["", ""]
    assert view.names[0].endswith("keeps of coffee")
    title, said = view.captions[0]
    assert title == view.names[0]
    assert said.startswith("error ")
    assert said.endswith("random weights")
    first, second = view.spots
    assert first[1:4] == second[1:4]
    view.width = 400
    assert view.extent[0] == 400


@pytest.fixture(scope="module")
def results() -> list[Any]:
    from invwidgets.inversion.invert import invert

    options = {"layer": "blocks.0", "steps": 2, "seeds": 1, "weights": "random"}
    return [invert("coffee", size=size, **options) for size in (32, (32, 48))]


def test_a_still_has_what_the_view_has() -> None:
    for view, cells in ((strip(), 5), (grid(), 8)):
        assert len(view.still().plan.spots) == cells
        assert len(view.still().figure.axes) == len(view.files) + bool(view.photo_file)


def test_a_theme_is_the_pages_until_it_is_chosen() -> None:
    view = PictureView(Loop())
    view.page_theme, view.page_ground = "dark", "#202020"
    assert (view.colors, view.figure_theme.face) == ("dark", "#202020")
    view.theme = "light"
    assert (view.colors, view.figure_theme.face) == ("light", "#ffffff")
