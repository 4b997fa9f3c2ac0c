"""Tests of pages as files: content, equal bytes, holes, hostile names, a strict policy."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch

import invwidgets as iw
from invwidgets.cli import main
from invwidgets.errors import BadSettingError, OutputError
from invwidgets.images import to_pil
from invwidgets.pages.content import Describer
from invwidgets.pages.document import MODULES, bundle, static
from invwidgets.pages.entries import table_of
from invwidgets.pages.pictures import EFFORTS, encoded
from invwidgets.sweeps.store import Store

from ..small_networks import filled, phi, picture
from ..sweeps.nets import TINY

HOSTILE = '</script><img src=x onerror="window.hacked=1">\'&amp;$x_$\u2028'
LAYERS = ["relu", "relu_1", "relu_2"]


def small(layer: str = "relu_1", **options: Any) -> iw.Reconstruction:
    given = {"seeds": 2, "steps": 4, "frames": 3, "threads": 1, **options}
    return iw.invert(picture(), phi(layer), **given)


@pytest.fixture(scope="module")
def results() -> list[iw.Reconstruction]:
    return [small(layer) for layer in LAYERS]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two layers × two weights of the prior."""
    folder = tmp_path_factory.mktemp("sweep")
    to_pil(picture()).save(folder / "photo.png")
    assert sweep(folder).run().complete
    return folder


def sweep(folder: Path, **changes: Any) -> iw.Sweep:
    given: dict[str, Any] = {
        "photos": folder / "photo.png", "models": TINY, "layers": ["relu", "relu_1"], "seeds": 2,
        "settings": {"steps": 3, "frames": 3, "tv_weight": [0.01, 0.1]}, "store": folder / "store",
    }  # fmt: skip
    return iw.Sweep(**{**given, **changes})


def content(path: Path) -> dict[str, Any]:
    found = re.search(r'id="invwidgets-page">(.*?)</script>', path.read_text(), re.S)
    assert found
    read: dict[str, Any] = json.loads(found[1])
    return read


# ---- what a page holds


def test_a_page_gives_the_settings_back(results: list[iw.Reconstruction], tmp_path: Path) -> None:
    made = iw.page(results, tmp_path / "page.html", "Three layers")
    back = iw.load_page(tmp_path / "page.html")
    assert back == made
    assert back.title == "Three layers"
    assert back.axes == {"layer": ("relu", "relu_1", "relu_2")}
    assert [one.settings for one in back.results] == [one.settings for one in results]
    assert [one.at for one in back.results] == [{"layer": layer} for layer in LAYERS]
    for one, result in zip(back.results, results, strict=True):
        summary = result.summary()
        del summary["seconds"]
        assert one.summary == json.loads(json.dumps(summary))
        assert f"size={result.settings.size}" in one.code
    assert back.bytes == (tmp_path / "page.html").stat().st_size < 200_000


def test_one_result_has_no_axis(tmp_path: Path) -> None:
    made = iw.page(small(), tmp_path / "page.html")
    assert made.axes == {}
    assert content(tmp_path / "page.html")["main"] == "layer"


def test_a_page_of_a_sweep_has_its_axes_and_its_day(stored: Path, tmp_path: Path) -> None:
    made = iw.page(sweep(stored), tmp_path / "page.html")
    assert made.axes == {"layer": ("relu", "relu_1"), "tv_weight": ("0.01", "0.1")}
    assert len(made.results) == 4
    assert not made.holes
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", made.date)
    given = iw.page(sweep(stored), tmp_path / "page.html", date="2020-02-02")
    assert given.date == "2020-02-02"
    assert "from tests.sweeps.nets import tiny" in made.results[0].code
    assert "tiny()" in made.results[0].code


def test_a_page_names_no_folder_of_its_machine(stored: Path, tmp_path: Path) -> None:
    missing = sweep(stored, photos=[stored / "photo.png", stored / "gone.png"])
    iw.page(missing, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "gone.png" in text
    assert str(stored) not in text
    assert str(tmp_path) not in text


def test_equal_stores_make_equal_bytes(stored: Path, tmp_path: Path) -> None:
    for name in ("one.html", "two.html"):
        iw.page(iw.Sweep.reopen(stored / "store"), tmp_path / name)
    one, two = ((tmp_path / name).read_bytes() for name in ("one.html", "two.html"))
    assert one == two
    iw.page(iw.Sweep.reopen(stored / "store"), tmp_path / "two.html", "Another title")
    assert one != (tmp_path / "two.html").read_bytes()


def test_a_setting_becomes_an_axis_only_where_it_tells_results_apart(tmp_path: Path) -> None:
    by_layer = [small("relu", tv_weight=0.01), small("relu_1", tv_weight=0.1)]
    assert table_of(by_layer).axes == {"layer": ("relu", "relu_1")}
    both = [small("relu", tv_weight=w, steps=s) for w, s in ((0.01, 3), (0.1, 4))]
    assert table_of([*both, by_layer[1]]).axes == {
        "layer": ("relu", "relu_1"), "steps": ("3", "4")
    }  # fmt: skip
    assert list(table_of([small(seeds=[0]), small(seeds=[1])]).axes) == ["seeds"]
    other = phi(module=filled(phi_module(), 3))
    twice = [small(), iw.invert(picture(), other, seeds=2, steps=4, frames=3, threads=1)]
    assert table_of(twice).axes == {"model": ("Small", "Small (2)")}


def phi_module() -> torch.nn.Module:
    from ..small_networks import Small

    return Small()


def test_an_own_network_gives_fields_and_sizes(tmp_path: Path) -> None:
    iw.page(small(), tmp_path / "page.html")
    assert content(tmp_path / "page.html")["fields"] == []
    own = phi()
    iw.page(small(), tmp_path / "page.html", network=own)
    found = content(tmp_path / "page.html")
    field = found["fields"][found["entries"][0]["told"]["field"]]
    height, width = own.size
    rows, columns = own.layer_info().grid or (0, 0)
    assert (len(field["rows"]), len(field["columns"])) == (rows, columns)
    for row in range(rows):
        for column in range(columns):
            box = own.receptive_field((row, row + 1, column, column + 1)).clipped
            assert field["rows"][row] == pytest.approx(
                [box.top / height, box.bottom / height], abs=1e-4
            )
            assert field["columns"][column] == pytest.approx(
                [box.left / width, box.right / width], abs=1e-4
            )
    assert found["entries"][0]["told"]["shape"]["words"] == "8×12×14"
    wrong = phi(module=filled(phi_module(), 3))
    iw.page(small(), tmp_path / "page.html", network=wrong)  # of other weights: it says nothing
    assert content(tmp_path / "page.html")["fields"] == []


def test_a_classifier_says_what_each_picture_is() -> None:
    result = iw.invert("coffee", layer="blocks.0", seeds=2, steps=1, size=64, threads=1)
    told = Describer().of(table_of(result).entries[0], result)
    assert len(told["classes"]) == 3
    assert all(len(rows) == 5 and 0 <= rows[0][1] <= 1 for rows in told["classes"])
    assert told["shape"]["name"] == "blocks.0"


# ---- holes


def test_a_grid_with_holes_shows_them_with_the_reason(stored: Path, tmp_path: Path) -> None:
    more = sweep(stored, layers=["relu", "relu_1", "relu_2"])
    made = iw.page(more, tmp_path / "page.html")
    assert len(made.results) == 4
    assert [place for place, _ in made.holes] == [
        {"layer": "relu_2", "tv_weight": "0.01"}, {"layer": "relu_2", "tv_weight": "0.1"}
    ]  # fmt: skip
    assert all("is not in the store yet: run the sweep" in reason for _, reason in made.holes)
    text = (tmp_path / "page.html").read_text()
    assert text.count('class="entry hole"') == 2


def test_a_damaged_entry_is_named(stored: Path, tmp_path: Path) -> None:
    shutil.copytree(stored / "store", tmp_path / "store")
    again = sweep(stored, store=tmp_path / "store")
    key = again.keys[0]
    tensors = next((tmp_path / "store").rglob(f"{key}-*.safetensors"))
    tensors.write_bytes(tensors.read_bytes()[:-1] + b"x")
    made = iw.page(again, tmp_path / "page.html")
    assert len(made.results) == 3
    assert made.holes[0][0] == {"layer": "relu", "tv_weight": "0.01"}
    assert f"the record {key} in the store is damaged" in made.holes[0][1]


# ---- bad input


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "a page of no results"),
        ({}, "a page of no results"),
        ("coffee", "a page of 'coffee'"),
        ([1], "a page of 1"),
        (None, "a page of None"),
    ],
)
def test_what_is_no_result_is_refused(given: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettingError, match=re.escape(words)):
        iw.page(given, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_results_beside_sweeps_are_refused(stored: Path, tmp_path: Path) -> None:
    with pytest.raises(BadSettingError, match="not both"):
        iw.page([small(), sweep(stored)], tmp_path / "page.html")  # type: ignore[list-item]


def test_a_sweep_that_was_not_run_is_refused(stored: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="none of 4 jobs is stored"):
        iw.page(sweep(stored, store=tmp_path / "empty"), tmp_path / "page.html")


def test_results_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    result = small()
    assert len(iw.page([result, result], tmp_path / "page.html").results) == 1
    with pytest.raises(BadSettingError, match="results 0 and 1 of a page"):
        iw.page([result, replace(result, images=result.images / 2)], tmp_path / "page.html")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"title": 3}, "title 3: give text"),
        ({"date": "yesterday"}, "date 'yesterday'"),
        ({"network": "alexnet"}, "network 'alexnet'"),
        ({"megabytes": -1}, "megabytes -1"),
    ],
)
def test_a_bad_option_is_refused(options: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettingError, match=re.escape(words)):
        iw.page(small(), tmp_path / "page.html", **options)


def test_a_page_that_cannot_be_small_enough_leaves_the_old_one(tmp_path: Path) -> None:
    place = tmp_path / "page.html"
    place.write_text("old")
    with pytest.raises(BadSettingError, match=r"this page needs 0\.\d with its smallest pictures"):
        iw.page(small(), place, megabytes=0.01)
    assert place.read_text() == "old"


def test_a_full_disk_leaves_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "page.html"
    iw.page(small(), place)
    before = place.read_bytes()

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left"):
        iw.page(small("relu"), place)
    monkeypatch.undo()
    assert place.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize(
    "text",
    ["", "<html></html>", '<script type="application/json" id="invwidgets-page">{}</script>',
     '<script type="application/json" id="invwidgets-page">[1]</script>'],
)  # fmt: skip
def test_what_is_no_page_is_not_loaded(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.html").write_text(text)
    with pytest.raises(OutputError, match=r"x.html' is not a page"):
        iw.load_page(tmp_path / "x.html")


def test_a_page_of_a_newer_version_and_a_missing_one_say_so(tmp_path: Path) -> None:
    place = tmp_path / "page.html"
    iw.page(small(), place)
    place.write_text(place.read_text().replace("invwidgets.page/1", "invwidgets.page/7"))
    with pytest.raises(OutputError, match="newer version"):
        iw.load_page(place)
    with pytest.raises(OutputError, match="cannot be read"):
        iw.load_page(tmp_path / "none.html")


# ---- safe


class Tags(HTMLParser):
    """Every tag with its attributes, and the content of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": [], "title": []}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in self.inside:
            self.inside[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self.lasttag = ""

    def handle_data(self, data: str) -> None:
        if self.lasttag in self.inside:
            self.inside[self.lasttag][-1] += data


def test_hostile_names_are_only_words(tmp_path: Path) -> None:
    result = replace(small(), photo_name=HOSTILE, model=HOSTILE, layer=HOSTILE, weights=HOSTILE)
    made = iw.page([result, small()], tmp_path / "page.html", HOSTILE, date="2026-01-31")
    assert made.title == HOSTILE
    tags = Tags((tmp_path / "page.html").read_text())
    assert {tag for tag, _ in tags.tags if tag == "img"} == {"img"}
    for tag, attributes in tags.tags:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert tag != "img" or (attributes["src"] or "").startswith("data:image/webp;base64,")
    assert len(tags.inside["script"]) == 3
    assert tags.inside["title"] == [HOSTILE]


def test_a_title_of_ten_thousand_letters_is_cut_where_it_is_shown(tmp_path: Path) -> None:
    made = iw.page(small(), tmp_path / "page.html", "x" * 10_000)
    assert made.title == "x" * 10_000
    found = re.search(r"<h1>(.*?)</h1>", (tmp_path / "page.html").read_text())
    assert found
    assert found[1] == "x" * 299 + "…"


def test_the_policy_admits_this_script_and_style_and_nothing_else(
    results: list[iw.Reconstruction], tmp_path: Path
) -> None:
    iw.page(results, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    tags = Tags(text)
    policy = next(a["content"] for t, a in tags.tags if t == "meta" and "http-equiv" in a)
    assert policy
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))

    def digest(inside: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'"

    assert rules == {
        "default-src": "'none'", "img-src": "data:",
        "script-src": digest(tags.inside["script"][-1]),
        "style-src": digest(tags.inside["style"][0]), "base-uri": "'none'",
        "form-action": "'none'",
    }  # fmt: skip
    assert not [tag for tag, attributes in tags.tags if "style" in attributes]
    addresses = re.findall(r"https?://[^\"'\s)]+", text)
    assert set(addresses) == {"http://www.w3.org/2000/svg"}  # a name, which nothing asks for


def test_what_names_a_part_of_the_page_is_there(
    results: list[iw.Reconstruction], tmp_path: Path
) -> None:
    iw.page(results, tmp_path / "page.html")
    tags = Tags((tmp_path / "page.html").read_text()).tags
    ids = {attributes["id"] for _, attributes in tags if "id" in attributes}
    aria = [(n, v) for _, attributes in tags for n, v in attributes.items() if n[:4] == "aria"]
    assert [name for name, _ in aria] == ["aria-labelledby"] * 2
    assert {value for _, value in aria} == {"sheet-title", "made-title"} <= ids


def test_a_page_plays_by_itself_only_where_it_is_asked_to(tmp_path: Path) -> None:
    for plays in (False, True):
        iw.page(small(), tmp_path / "page.html", plays=plays)
        assert content(tmp_path / "page.html")["plays"] is plays


def test_the_modules_make_one_script() -> None:
    text = bundle(static, *MODULES)
    assert not re.findall(r"^(import|export)\b", text, re.M)
    names = re.findall(r"^(?:async )?(?:function|const|let|class) (\w+)", text, re.M)
    assert len(names) == len(set(names))
    for place, name in enumerate(MODULES):
        for needed in re.findall(r'^import .* from "\./(\w+)\.js";', static(f"{name}.js"), re.M):
            assert needed in MODULES[:place], f"{name}.js needs {needed}.js before it"
    assert "</script" not in text


# ---- pictures


def test_pictures_fit_the_budget(results: list[iw.Reconstruction], tmp_path: Path) -> None:
    large = iw.page(results, tmp_path / "large.html")
    small_ = iw.page(results, tmp_path / "small.html", megabytes=0.95 * large.bytes / 1e6)
    assert small_.bytes <= 0.95 * large.bytes


def test_a_page_of_eleven_layers_would_keep_its_budget(tmp_path: Path) -> None:
    """6 MB are eleven layers × 3 seeds × 8 pictures at 224 px: a smaller grid by its area."""
    layers, size = ["blocks.0", "blocks.6"], 64
    results = [
        iw.invert("coffee", layer=layer, seeds=3, size=size, steps=9, frames=8, threads=1)
        for layer in layers
    ]
    made = iw.page(results, tmp_path / "page.html")
    told = content(tmp_path / "page.html")
    assert [entry["films"] for entry in told["entries"]] == [list(results[0].frame_steps[:-1])] * 2
    assert (
        "Pictures",
        f"WebP, quality {EFFORTS[0].quality}; the numbers are of the originals",
    ) in [tuple(row) for row in told["made"]]
    text = (tmp_path / "page.html").read_text()
    pictures = sum(len(data) for data in re.findall(r"data:image/webp;base64,([\w+/=]+)", text))
    each = pictures / (len(layers) * 3 * 8)
    budget = 6e6 / (11 * 3 * 8) * (size / 224) ** 2
    assert budget / 20 < each < budget * 0.8
    words = (made.bytes - pictures) / len(layers)
    assert words < 45_000, "what is said of a layer, and its part of the scripts"


def test_a_film_leads_up_to_the_picture() -> None:
    result = small(steps=6, frames=4)
    pictures = encoded(result, EFFORTS[0])
    assert pictures.film_steps == tuple(step for step in result.frame_steps if step < 5)
    assert len(pictures.films) == 2
    assert pictures.size == (24, 28)
    assert encoded(small(frames=0), EFFORTS[0]).films == ()
    assert encoded(small(seeds=1), EFFORTS[0]).mean is None


def test_a_gray_network_has_a_page(tmp_path: Path) -> None:
    module = filled(torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU()))
    gray = iw.representation(module, mean=(0.5,), std=(0.5,), size=(24, 28))
    result = iw.invert(picture()[:1], gray, seeds=2, steps=2, threads=1)
    assert len(iw.page(result, tmp_path / "page.html").results) == 1


def test_a_unit_and_a_target_have_a_page(tmp_path: Path) -> None:
    unit = iw.invert(model=phi(), objective="maximize", channels=1, seeds=2, steps=3, threads=1)
    target = iw.invert(
        model=phi(), target=phi().target(picture()), seeds=2, steps=3, threads=1, layer="relu_1"
    )
    for result, name in ((unit, "response"), (target, "feature error")):
        iw.page(result, tmp_path / "page.html")
        told = content(tmp_path / "page.html")["entries"][0]["told"]
        assert told["numbers"][0][0]["name"] == name
        assert content(tmp_path / "page.html")["photos"] == []


# ---- the store and the shell


def test_a_store_knows_the_day_of_a_job(stored: Path) -> None:
    store = Store(stored / "store", create=False)
    key = store.keys()[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", store.finished(key))
    assert store.seconds(key)
    assert store.finished("none") == ""


def test_the_shell_computes_what_is_missing(
    stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "page.html"
    command = ["page", str(stored / "photo.png"), "--models", TINY, "--layers", "relu,relu_1",
               "--seeds", "2", "--steps", "3", "--out", str(place), "--workers", "1"]  # fmt: skip
    assert main(command) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"wrote {place}: 2 results, 0.")
    assert said.err.startswith("2 jobs: 0 stored, 2 to do; about ")
    first = place.read_bytes()
    assert main(command) == 0
    assert "2 jobs: all are stored already" in capsys.readouterr().err
    assert place.read_bytes() == first
    assert (tmp_path / "page.html.store" / "store.json").exists()
    assert main([*command, "--regions", "everything", "0:2,0:2", "90:91,0:1"]) == 1
    said = capsys.readouterr()
    assert "relu, 90:91,0:1: " in said.err
    assert len(iw.load_page(place).holes) == 2


def test_the_shell_takes_a_plan(
    stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, place = tmp_path / "plan.toml", tmp_path / "page.html"
    text = f'photos = "{stored / "photo.png"}"\nmodels = "{TINY}"\nseeds = 1\n'
    text += 'layers = ["relu", "relu_1"]\n[settings]\nsteps = 2\nframes = 2\n'
    plan.write_text(text)
    command = ["page", str(plan), "--out", str(place), "--workers", "1"]
    assert main([*command, "--plays"]) == 0
    made = iw.load_page(place)
    assert made.axes == {"layer": ("relu", "relu_1")}
    assert made.results[0].settings.steps == 2
    assert content(place)["plays"]
    assert main([*command, "--weights", "pretrained", "random"]) == 0
    assert "2 jobs: all are stored already" in capsys.readouterr().err
    axes = {"weights": ("pretrained", "random"), "layer": ("relu", "relu_1")}
    assert iw.load_page(place).axes == axes
    for more, words in (
        (["--steps", "3"], f"--steps beside a plan: write it into {plan}"),
        (["--scheduler", "tcp://x:1"], "--workers beside --scheduler"),
    ):
        assert main([*command, *more]) == 2
        assert words in capsys.readouterr().err
    assert main(["page", str(plan), "coffee", "--out", str(place)]) == 2
    assert "give one plan, or photos without a plan" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["front", "atlas"])
def test_the_plans_of_the_site_can_be_made(name: str) -> None:
    plan = iw.Sweep.from_file(Path(__file__).parents[2] / f"docs/{name}.toml")
    assert set(plan.grid.photos) <= set(iw.photos())
    network = iw.representation("efficientnet_lite0")
    for layer in plan.grid.layers["efficientnet_lite0"]:
        assert layer is not None
        assert network.at(layer).layer_info((128, 128)).short_name == layer
    assert len(plan) == {"front": 14, "atlas": 88}[name]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--out", "x.png"], "give a file that ends in .html"),
        (["--out", "/nowhere/at/all/x.html"], "/nowhere/at/all"),
        (["--out", "x.html", "--seeds", "0"], "--seeds 0"),
    ],
)
def test_the_shell_refuses_before_it_computes(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["page", "coffee", *options]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
