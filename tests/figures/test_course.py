"""Tests of the lessons' figures: a picture in every place, with its error."""

from __future__ import annotations

import pytest

import invwidgets as iw
from invwidgets.figures.interpolation import interpolation_figure
from invwidgets.figures.matrix import matrix
from invwidgets.figures.panels import panels
from invwidgets.figures.strip import strip


@pytest.fixture(scope="module")
def run() -> iw.Reconstruction:
    return iw.invert("coffee", layer="conv_stem", size=48, seeds=2, steps=2, frames=0)


def test_a_matrix_names_its_rows_and_columns(run: iw.Reconstruction) -> None:
    figure = matrix([[run, run, run], [run, run, run]], ["β = 1", "$x$"], ["a", "b", "c"])
    assert len(figure.axes) == 6
    assert [axes.get_title() for axes in figure.axes[:3]] == ["a", "b", "c"]
    assert {"β = 1", "$x$"} <= {text.get_text() for text in figure.texts}
    assert figure.axes[0].get_xlabel() == f"{100 * run.relative_error[0]:.0f} %"


def test_a_strip_says_beneath_a_picture_what_was_asked_for(run: iw.Reconstruction) -> None:
    more = iw.invert("coffee", layer="conv_stem", objective="caricature", size=48, seeds=1, steps=2)
    for result, title, below in (
        (run, "What is kept of coffee", f"{100 * run.relative_error[0]:.0f} %"),
        (more, "Caricature of coffee", f"response ×{more.scores[0]:.2f}"),
    ):
        figure = strip([result, result])
        words = [text.get_text() for text in figure.texts]
        assert words[0] == title
        assert figure.axes[1].get_xlabel() == below
        assert any("feature error" in text for text in words) == (result is run)


def test_a_walk_has_two_rows(run: iw.Reconstruction) -> None:
    path = iw.analysis.interpolate(
        run, iw.representation("efficientnet_lite0", "conv_stem"), points=4, steps=0
    )
    figure = interpolation_figure(path)
    assert [axes.get_xlabel() for axes in figure.axes[:4]] == [
        f"{100 * error:.0f} %" for error in path.blend_error
    ]
    assert len(figure.axes) == 8


def test_a_figure_shows_itself_in_a_notebook(run: iw.Reconstruction) -> None:
    for figure in (run.gallery(), panels([run.photo.movedim(0, -1).numpy()])):
        picture, shown = figure._repr_png_()
        assert picture[:4] == b"\x89PNG"
        assert shown["width"] == round(96 * figure.get_figwidth())
