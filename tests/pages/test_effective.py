"""The measured effective receptive fields of a page: which cells, where, and what is refused."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import invwidgets as iw
from invwidgets.analysis.fields import EffectiveField
from invwidgets.errors import BadSettingError
from invwidgets.pages.effective import checked

from ..small_networks import phi, picture
from .test_page import content, small

CELLS = [(row, column) for row in (1, 4, 8) for column in (2, 9)]


def fields(layer: str = "relu_1", cells: Any = CELLS) -> list[EffectiveField]:
    here = phi(layer)
    return [
        iw.analysis.effective_field(here, [picture()], region=(r, r + 1, c, c + 1), probes=2)
        for r, c in cells
    ]


def written(tmp_path: Path, **given: Any) -> dict[str, Any]:
    results = [small("relu"), small("relu_1")]
    iw.page(results, tmp_path / "page.html", network=phi(), **given)
    return content(tmp_path / "page.html")


def test_a_page_has_the_fields_of_the_layers_that_were_measured(tmp_path: Path) -> None:
    found = written(tmp_path, effective_fields={"relu_1": fields()})
    (measured,) = found["effective"]
    assert (measured["rows"], measured["columns"]) == ([1, 4, 8], [2, 9])
    assert measured["sides"] == [field.side for field in fields()]
    assert [entry["told"]["effective"] for entry in found["entries"]] == [None, 0]


def test_a_page_without_them_has_none(tmp_path: Path) -> None:
    found = written(tmp_path)
    assert found["effective"] == []
    assert [entry["told"]["effective"] for entry in found["entries"]] == [None, None]


def test_the_picture_is_dark_where_a_cell_sees(tmp_path: Path) -> None:
    given = fields()
    (measured,) = written(tmp_path, effective_fields={"relu_1": given[::-1]})["effective"]
    data = base64.b64decode(measured["sheet"].split(",")[1])
    veil = 1 - np.asarray(Image.open(io.BytesIO(data)).convert("L")) / 255
    high, wide = veil.shape[0] // 3, veil.shape[1] // 2
    for place, field in enumerate(given):
        row, column = divmod(place, 2)
        tile = veil[row * high : (row + 1) * high, column * wide : (column + 1) * wide]
        rows, columns = field.weight.shape
        box = field.box
        top, bottom = (round(edge * high / rows) for edge in (box.top, box.bottom))
        left, right = (round(edge * wide / columns) for edge in (box.left, box.right))
        inside = tile[top:bottom, left:right]
        assert inside.max() > 0.8
        assert tile.sum() < 1.1 * inside.sum()  # and hardly anything beside the receptive field


def test_one_field_is_a_grid(tmp_path: Path) -> None:
    found = written(tmp_path, effective_fields={"relu": fields("relu", [(3, 3)])})
    assert (found["effective"][0]["rows"], found["effective"][0]["columns"]) == ([3], [3])


def test_what_is_refused() -> None:
    one = fields(cells=[(1, 2)])[0]
    several = iw.analysis.effective_field(phi("relu_1"), [picture()], region=(1, 3, 2, 5), probes=1)
    larger = replace(one, weight=one.weight.repeat(2, 2), region=(1, 2, 3, 4))
    for given, words in [
        ([one], "give a dict from layers to lists"),
        ({"relu_2": [one]}, "layer 'relu_2': the results have the layers relu, relu_1"),
        ({"relu": [1]}, "1 is none; give a list"),
        ({"relu": []}, "measure every combination"),
        ({"relu": [several]}, "has 6 cells; measure single cells"),
        ({"relu": fields(cells=[(1, 2), (1, 3), (2, 2)])}, "cell (2, 3) is missing"),
        ({"relu": [one, larger]}, "at one image size"),
        (
            {"relu": [replace(one, region=(0, 1, c, c + 1)) for c in range(65)]},
            "1 × 65 cells; measure at most 64 × 64",
        ),
    ]:
        with pytest.raises(BadSettingError, match=re.escape(words)):
            checked(given, ["relu", "relu_1"])


def test_other_sizes_and_unknown_networks_are_refused(tmp_path: Path) -> None:
    one = fields(cells=[(1, 2)])[0]
    tall = replace(one, weight=one.weight.repeat(2, 1))
    result = small("relu_1")
    with pytest.raises(BadSettingError, match="measured at 48 × 28 pixels, and the results have"):
        iw.page(result, tmp_path / "page.html", network=phi(), effective_fields={"relu_1": [tall]})
    with pytest.raises(BadSettingError, match="if the network is your own, give it as network="):
        iw.page(result, tmp_path / "page.html", effective_fields={"relu_1": [one]})
    assert not (tmp_path / "page.html").exists()


def test_regions_that_go_with_the_layers_are_no_axis_of_their_own(tmp_path: Path) -> None:
    parts = {"relu": (0, 3, 0, 3), "relu_1": (4, 6, 4, 6)}
    results = [small(layer, region=region) for layer, region in parts.items()]
    assert list(iw.page(results, tmp_path / "page.html").axes) == ["layer"]
    results.append(small("relu", region=(4, 6, 4, 6)))
    assert list(iw.page(results, tmp_path / "page.html").axes) == ["layer", "region"]


def test_a_page_shows_in_a_notebook(tmp_path: Path) -> None:
    made = iw.page(small(), tmp_path / "page.html", 'It\'s 5 < 6 & "more"')
    html = made.show("20rem")._repr_html_()
    kept = re.search(r"srcdoc='([^']*)'", html)
    assert kept is not None
    assert unescape(kept[1]) == (tmp_path / "page.html").read_text()
    assert "height: 20rem" in html
    assert "<iframe" in html.splitlines()[0]
    (tmp_path / "page.html").unlink()
    with pytest.raises(iw.errors.OutputError, match="cannot be read"):
        made.show()
