"""Tests of the glyphs of HOG and SIFT, which must show the features."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from invwidgets.errors import BadSettingError
from invwidgets.figures.hog_glyphs import hog_glyph_image, hog_glyphs
from invwidgets.figures.sift_glyphs import sift_glyph_image, sift_glyphs

torch.set_num_threads(1)


@pytest.mark.parametrize("channels", [27, 31, 12, 16])
def test_a_hog_glyph_lies_along_the_edge(channels: int) -> None:
    """Orientation 0, a horizontal gradient, is a vertical bar in its cell and nowhere else."""
    features = torch.zeros(channels, 3, 5)
    features[0, 1, 2] = 1
    image = hog_glyph_image(features, cell_pixels=21, brightest=1)
    assert image.shape == (63, 105)
    glyph = image[21:42, 42:63]
    assert image.sum() == glyph.sum() > 0
    assert glyph.max() == 1
    assert glyph[:, 10].sum() > 15
    assert glyph[:, :8].sum() == glyph[:, 13:].sum() == 0


def test_directed_and_undirected_entries_count_alike() -> None:
    pictures = []
    for channel in (3, 12, 21):
        features = torch.zeros(31, 2, 2)
        features[channel, 0, 1] = 0.4
        pictures.append(hog_glyph_image(features, brightest=0.4))
    assert np.array_equal(pictures[0], pictures[1])
    assert np.array_equal(pictures[0], pictures[2])


def test_a_sift_petal_points_along_the_gradient() -> None:
    descriptors = torch.zeros(128, 1, 2)
    descriptors[2 + 8 * (3 + 4 * 1), 0, 0] = 1  # downwards, row 1, column 3
    descriptors[:, 0, 1] = 1e-3
    image = sift_glyph_image(descriptors, every=1, bin_pixels=25)
    assert image.shape == (100, 200)
    rose = image[25:50, 75:99]
    assert rose[13:, 12].sum() > 9
    assert rose[2:11].sum() < rose[14:].sum() / 3


def test_every_fourth_descriptor() -> None:
    assert sift_glyph_image(torch.rand(128, 9, 13), bin_pixels=10).shape == (120, 160)


def test_figures_are_made_without_pyplot() -> None:
    photo = torch.rand(1, 3, 48, 64)
    assert len(hog_glyphs(torch.rand(2, 31, 6, 8), photo).axes) == 3
    figure = sift_glyphs(torch.rand(128, 8, 8), photo[0], title="DSIFT")
    assert [axes.get_title() for axes in figure.axes] == ["photo", "DSIFT, 2 × 2 descriptors"]
    figure.canvas.draw()
    assert "matplotlib.pyplot" not in sys.modules


def test_blank_features_make_a_black_picture() -> None:
    assert hog_glyph_image(torch.zeros(31, 4, 4)).max() == 0
    assert np.isfinite(sift_glyph_image(torch.zeros(128, 4, 4))).all()


def test_what_is_no_map_is_refused() -> None:
    with pytest.raises(BadSettingError, match=r"\(32, 4, 4\) are no HOG map"):
        hog_glyph_image(torch.zeros(32, 4, 4))
    with pytest.raises(BadSettingError, match=r"\(31, 4, 4\) are no SIFT map"):
        sift_glyph_image(torch.zeros(31, 4, 4))
    with pytest.raises(BadSettingError, match="every=0 shows nothing"):
        sift_glyph_image(torch.zeros(128, 4, 4), every=0)
