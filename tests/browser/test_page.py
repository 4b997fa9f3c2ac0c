"""Tests of every control of a page, which is opened from its file in Chromium without a network.

With ``INVWIDGETS_SCREENSHOTS`` set to a folder, pictures of it are left there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import invwidgets as iw

from ..small_networks import phi, picture
from .flows import PICTURES
from .servers import browser

pytestmark = pytest.mark.slow

HOSTILE = '</script><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>&amp;$x_$'
LAYERS = ["blocks.0", "blocks.2", "blocks.4"]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a trained classifier: three layers × two weights of the prior, with holes."""
    folder = tmp_path_factory.mktemp("page")
    given: dict[str, Any] = {
        "photos": "coffee", "seeds": 2, "size": 96, "store": folder / "store",
        "settings": {"steps": 6, "frames": 4, "tv_weight": [0.002, 0.02]},
    }  # fmt: skip
    done = iw.Sweep(layers=LAYERS, **given)
    assert done.run().complete
    iw.page([done, iw.Sweep(layers=["blocks.6"], **given)], folder / "page.html")
    return folder / "page.html"


@contextmanager
def opened(path: Path, width: int = 1280, height: int = 900, **options: Any) -> Iterator[Any]:
    """A page of the file without a network; ``requests`` counts its requests."""
    with browser() as first:
        options.setdefault("color_scheme", "light")
        context = first.context.browser.new_context(
            viewport={"width": width, "height": height}, **options
        )
        context.set_offline(True)
        page = context.new_page()
        page.troubles, page.asked = [], []
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on("console", lambda message: page.troubles.append(message.text))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(path.as_uri())
        yield page
        assert page.troubles == []
        outside = [url for url in page.asked if not url.startswith("data:")]
        assert outside == [path.as_uri()]


def here(page: Any) -> str:
    """The current layer according to the slider."""
    found: str = page.locator(".stop-slider").get_attribute("aria-valuetext")
    return found.split(",")[0]


def source(page: Any, place: str = ".iw-under") -> str:
    found: str = page.locator(place).first.get_attribute("src")
    return found


def mark(page: Any) -> tuple[str, str]:
    found = page.locator(".stage").evaluate(
        "stage => [stage.style.getPropertyValue('--x'), stage.style.getPropertyValue('--y')]"
    )
    return float(found[0][:-1]), float(found[1][:-1])  # type: ignore[return-value]


def wiped(page: Any) -> int:
    return int(page.get_by_label("How much of the photo").input_value())


# ---- by keyboard


def test_the_slider_of_layers_by_keyboard(written: Path) -> None:
    with opened(written) as page:
        first, code = source(page), page.locator("pre").text_content()
        assert here(page) == "blocks.0"
        page.locator(".stop-slider").focus()
        page.keyboard.press("ArrowRight")
        assert here(page) == "blocks.2"
        assert source(page) != first
        assert page.locator(".stop.here .stop-name").text_content() == "blocks.2"
        assert page.locator(".chart-stop.here").count() == 1
        assert page.locator("pre").text_content() != code
        page.keyboard.press("End")
        assert here(page) == "blocks.6"
        page.get_by_text("is not in the store yet: run the sweep").first.wait_for()
        assert not page.locator(".iw-under").is_visible()
        page.keyboard.press("Home")
        assert source(page) == first


def test_the_other_axis_seeds_wipe_and_mark_by_keyboard(written: Path) -> None:
    with opened(written) as page:
        first = source(page)
        page.get_by_role("radio", name="0.002").focus()
        page.keyboard.press("ArrowRight")
        assert page.get_by_role("radio", name="0.02", exact=True).is_checked()
        assert source(page) != first

        page.get_by_role("button", name="mean").focus()
        page.keyboard.press("Enter")
        mean = source(page)
        assert mean == source(page, ".tile[aria-pressed=true] img")
        page.get_by_role("button", name="seed 1").focus()
        page.keyboard.press("Space")
        assert source(page) != mean

        page.get_by_label("How much of the photo").focus()
        page.keyboard.press("ArrowRight")
        assert wiped(page) == 51
        page.keyboard.press("End")
        clip = page.locator(".iw-over").evaluate("image => getComputedStyle(image).clipPath")
        assert clip in ("inset(0px)", "inset(0px 0% 0px 0px)")

        page.locator(".iw-big").focus()
        page.keyboard.press("ArrowRight")
        before = mark(page)
        page.keyboard.press("ArrowDown")
        assert mark(page)[0] == before[0]
        assert mark(page)[1] == pytest.approx(before[1] + 100 / 48, abs=0.01)  # a cell of 48 × 48
        page.locator(".iw-place-words", has_text="of 48 × 48 sees").wait_for()
        page.keyboard.press("Escape")
        assert page.locator(".iw-marked").count() == 0


def test_the_blink_key_shows_the_photo_while_it_is_held(written: Path) -> None:
    with opened(written) as page:
        page.get_by_role("button", name="mean").focus()
        page.keyboard.down("b")
        assert wiped(page) == 100
        page.keyboard.up("b")
        assert wiped(page) == 0
        box = page.get_by_role("button", name="Blink (B)").bounding_box()
        page.mouse.move(box["x"] + 5, box["y"] + 5)
        page.mouse.down()
        assert wiped(page) == 100
        page.mouse.up()
        assert wiped(page) == 0
        page.keyboard.press("Control+b")
        assert wiped(page) == 0


def test_playback_by_keyboard(written: Path) -> None:
    with opened(written) as page:
        page.locator(".film-words", has_text="step 6 of 6").wait_for()
        end = source(page)
        slider = page.get_by_label("Step of the search")
        slider.focus()
        page.keyboard.press("Home")
        page.locator(".film-words", has_text="step 1 of 6").wait_for()
        film = source(page)
        assert film != end
        tiles = page.locator(".tile img").evaluate_all("images => images.map(image => image.src)")
        assert film in tiles[1:3]  # the seeds beside it stand at the same step
        assert page.locator(".tile.unfilmed").count() == 2  # mean and spread were not kept
        shown = "image => image.style.objectPosition"
        places = []
        for _ in range(3):
            places.append(page.locator(".iw-under").evaluate(shown))
            page.keyboard.press("ArrowRight")
        assert len(set(places)) == len(places)
        page.keyboard.press("End")
        assert source(page) == end
        page.get_by_role("button", name="Play").focus()
        page.keyboard.press("Enter")
        page.locator(".film-words", has_text="step 1 of 6").wait_for()
        page.locator(".film-words", has_text="step 6 of 6").wait_for()
        assert source(page) == end


def test_numbers_have_their_definitions_by_keyboard(written: Path) -> None:
    with opened(written) as page:
        page.locator(".number", has_text="feature error").focus()
        page.locator(".means", has_text="the distance between the features").wait_for()
        page.locator(".number", has_text="PSNR").hover()
        page.locator(".means", has_text="Peak signal-to-noise ratio").wait_for()


def test_all_pictures_by_keyboard(written: Path) -> None:
    with opened(written) as page:
        assert page.locator(".entry").count() == 8
        assert page.locator(".entry.hole").count() == 2
        page.locator(".entry[tabindex='0']").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        assert here(page) == "blocks.2"
        assert page.get_by_role("radio", name="0.02", exact=True).is_checked()
        assert page.locator(".entry[tabindex='0']").count() == 1


# ---- by mouse


def test_the_mark_stands_at_one_place_in_all_pictures(written: Path) -> None:
    with opened(written) as page:
        box = page.locator(".tile .iw-pic").nth(1).bounding_box()
        page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.75 * box["height"])
        assert mark(page) == (pytest.approx(25, abs=1), pytest.approx(75, abs=1))
        where = "pic => { const m = getComputedStyle(pic, '::after'), w = pic.clientWidth;"
        where += " return [parseFloat(m.left) / w, parseFloat(m.top) / w, m.content]; }"
        found = page.locator(".iw-pic").evaluate_all(f"pics => pics.map({where})")
        assert len(found) == 6  # the large one, the photo, two seeds, mean and spread
        for left, top, content in found:
            assert content == '""'
            assert (left, top) == (pytest.approx(0.25, abs=0.02), pytest.approx(0.75, abs=0.02))
        page.mouse.move(5, 5)
        assert page.locator(".iw-marked").count() == 0


def test_the_frame_is_the_field_that_the_network_has(written: Path) -> None:
    network = iw.representation("efficientnet_lite0", "blocks.2")
    with opened(written) as page:
        page.locator(".stop-slider").fill("1")
        box = page.locator(".iw-big").bounding_box()
        page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.6 * box["height"])
        field = network.receptive_field((7, 8, 3, 4), (96, 96)).clipped  # of 12 × 12 cells
        names = ["--top", "--left", "--high", "--wide"]
        read = f"stage => {names}.map(name => parseFloat(stage.style.getPropertyValue(name)))"
        found = page.locator(".stage").evaluate(read)
        wanted = [field.top, field.left, field.height, field.width]
        assert found == [pytest.approx(100 * value / 96, abs=0.02) for value in wanted]
        words = f"Cell (7, 3) of 12 × 12 sees {field.height} × {field.width} pixels"
        page.locator(".iw-place-words", has_text=words).wait_for()


def test_a_drag_wipes_and_a_press_on_the_chart_goes_there(written: Path) -> None:
    with opened(written) as page:
        box = page.locator(".iw-big").bounding_box()
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 0.5 * box["width"], middle)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.8 * box["width"], middle, steps=4)
        page.mouse.up()
        assert wiped(page) == pytest.approx(80, abs=1)
        page.locator(".chart-stop").nth(2).click()
        assert here(page) == "blocks.4"
        page.locator(".stop").nth(1).click()
        assert here(page) == "blocks.2"
        page.locator(".entry").nth(0).scroll_into_view_if_needed()
        page.locator(".entry").nth(0).click()
        assert here(page) == "blocks.0"


def test_what_the_network_says_goes_with_the_picture(written: Path) -> None:
    with opened(written) as page:
        assert page.locator(".classes caption").all_text_contents() == ["the photo", "seed 0"] or (
            page.locator(".classes caption").all_text_contents() == ["the photo", "seed 1"]
        )
        page.get_by_role("button", name="seed 1").click()
        assert page.locator(".classes caption").nth(1).text_content() == "seed 1"
        assert page.locator(".classes tr").count() == 10


def test_the_python_is_copied(written: Path) -> None:
    with opened(written, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.locator("summary").click()
        page.get_by_role("button", name="Copy Python").click()
        page.locator(".copied", has_text="Copied.").wait_for()
        code = page.evaluate("navigator.clipboard.readText()")
        assert code.startswith("import invwidgets as iw")
        assert "size=(96, 96)" in code
        assert "tv_weight=0.002" in code
        compile(code, "copied", "exec")


# ---- by touch


def test_each_control_by_touch(written: Path) -> None:
    with opened(written, 360, 740, has_touch=True, is_mobile=True) as page:
        first = source(page)
        page.locator(".stop").nth(2).tap()
        assert here(page) == "blocks.4"
        assert source(page) != first
        page.locator(".chart-stop").nth(0).tap()
        assert here(page) == "blocks.0"
        page.locator("label", has_text="0.02").last.tap()
        assert page.get_by_role("radio", name="0.02", exact=True).is_checked()
        page.get_by_role("button", name="spread").tap()
        assert source(page) == source(page, ".tile[aria-pressed=true] img")
        page.locator(".iw-big").tap(position={"x": 60, "y": 200})
        assert page.locator(".iw-marked.iw-fielded").count() == 1
        box = page.get_by_label("How much of the photo").bounding_box()
        page.touchscreen.tap(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
        assert wiped(page) > 80
        page.locator(".number", has_text="SSIM").tap()
        page.locator(".means", has_text="Structural similarity").wait_for()
        page.get_by_role("button", name="Play").tap()
        page.locator(".film-words", has_text="step 1 of 6").wait_for()
        page.locator(".film-words", has_text="step 6 of 6").wait_for()
        page.locator("summary").tap()
        assert page.locator("pre").is_visible()
        page.locator(".entry").nth(2).tap()
        assert here(page) == "blocks.2"


def test_a_finger_wipes_across_the_picture(written: Path) -> None:
    with opened(written, 360, 740, has_touch=True, is_mobile=True) as page:
        page.locator(".iw-big").scroll_into_view_if_needed()
        box = page.locator(".iw-big").bounding_box()
        session = page.context.new_cdp_session(page)
        row = box["y"] + box["height"] / 2

        def touch(kind: str, *places: float) -> None:
            points = [{"x": box["x"] + place * box["width"], "y": row} for place in places]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        touch("touchStart", 0.5)
        for place in (0.45, 0.4, 0.3, 0.2):
            touch("touchMove", place)
        touch("touchEnd")
        assert wiped(page) == pytest.approx(20, abs=2)


# ---- by itself


@pytest.fixture(scope="module")
def playing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of three layers that is playing."""
    one = iw.invert(picture(), phi(), seeds=1, steps=2, threads=1)
    results = [replace(one, layer=f"layer.{place}") for place in range(3)]
    place = tmp_path_factory.mktemp("page") / "page.html"
    iw.page(results, place, plays=True)
    return place


def at(page: Any, layer: str) -> None:
    page.locator(".stop.here .stop-name", has_text=layer).wait_for()


def test_it_moves_until_it_is_touched(playing: Path) -> None:
    with opened(playing) as page:
        for layer in ("layer.1", "layer.2", "layer.0"):
            at(page, layer)
        page.locator(".iw-big").click()
        page.get_by_role("button", name="Move by itself").wait_for()
        stopped = here(page)
        page.wait_for_timeout(2500)
        assert here(page) == stopped
        page.get_by_role("button", name="Move by itself").press("Enter")
        at(page, f"layer.{(int(stopped[-1]) + 1) % 3}")
        page.get_by_role("button", name="Stop moving").click()
        page.get_by_role("button", name="Move by itself").wait_for()


def test_it_does_not_begin_where_motion_is_unwanted(playing: Path) -> None:
    with opened(playing, reduced_motion="reduce") as page:
        page.get_by_role("button", name="Move by itself").wait_for()
        page.wait_for_timeout(2500)
        assert here(page) == "layer.0"


def test_embedded_it_is_the_slider_and_the_pictures(playing: Path, tmp_path: Path) -> None:
    frame = f'<iframe src="{playing.as_uri()}?embedded" width="700" height="900"></iframe>'
    (tmp_path / "site.html").write_text(frame)
    with browser() as page:
        page.goto((tmp_path / "site.html").as_uri())
        inside = page.frame_locator("iframe")
        inside.locator(".stop.here .stop-name", has_text="layer.1").wait_for()
        assert inside.locator("h1").is_hidden()
        assert inside.locator("#made").is_hidden()
        assert inside.locator(".iw-big").is_visible()


def test_an_axis_of_one_value_has_no_slider(tmp_path: Path) -> None:
    one = iw.invert(picture(), phi(), seeds=1, steps=2, threads=1)
    iw.page(one, tmp_path / "page.html", "x" * 10_000, plays=True)
    with opened(tmp_path / "page.html", 360, 740) as page:
        assert page.locator(".stop-slider, .chart, .tour").count() == 0
        assert page.locator(".iw-big").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        lines = "node => node.clientHeight / parseFloat(getComputedStyle(node).lineHeight)"
        assert page.locator("h1").evaluate(lines) < 4.5


# ---- everywhere


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_fits_and_axe_finds_nothing(written: Path, dark: bool) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with opened(written, color_scheme="dark" if dark else "light") as page:
        for width in (360, 768, 1280, 1920):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            clipped = "nodes => nodes.filter(n => n.scrollWidth > n.clientWidth + 1).length"
            assert (
                page.locator("button, .iw-place-words, .legend, .means").evaluate_all(clipped) == 0
            )
            found = Axe().run(page).response["violations"]
            assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
            if PICTURES:
                name = f"page-{width}-{'dark' if dark else 'light'}.png"
                page.screenshot(path=str(Path(PICTURES) / name), full_page=True)


def test_without_scripting_it_is_stills_and_numbers(written: Path) -> None:
    with opened(written, java_script_enabled=False) as page:
        assert page.locator("#app").is_hidden()
        assert page.locator(".still img").count() == 1 + 6 * 4
        for image in page.locator(".still img").all():
            assert image.is_visible()
        page.get_by_text("feature error").first.wait_for()
        assert page.locator(".hole").count() == 2
        page.get_by_text("Weights' digest").wait_for()
        if PICTURES:
            page.screenshot(path=str(Path(PICTURES) / "page-no-script.png"), full_page=True)


def test_printed_it_is_a_sheet_of_all_stills(written: Path) -> None:
    with opened(written, 800, 1100) as page:
        page.emulate_media(media="print")
        assert page.locator("#app").is_hidden()
        for image in page.locator(".still img").all():
            assert image.is_visible()
        assert page.pdf(format="A4").count(b"/Subtype /Image") >= 10
        if PICTURES:
            page.screenshot(path=str(Path(PICTURES) / "page-print.png"), full_page=True)


def test_hostile_names_run_nothing_and_the_policy_holds(tmp_path: Path) -> None:
    result = iw.invert(picture(), phi(), seeds=2, steps=2, threads=1)
    bad = replace(result, photo_name=HOSTILE, layer=HOSTILE, weights=HOSTILE)
    iw.page([result, bad], tmp_path / "page.html", HOSTILE)
    with opened(tmp_path / "page.html") as page:
        assert page.locator("h1").text_content() == HOSTILE
        page.get_by_label("layer", exact=True).first.press("End")
        assert page.evaluate("window.hacked") is None
        assert page.locator("img[src='x']").count() == 0
        blocked = page.evaluate("""() => new Promise((done) => {
            document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
            const script = document.createElement("script");
            script.textContent = "window.hacked = 2";
            document.body.append(script);
        })""")  # noqa: E501
        assert blocked.startswith("script-src")
        assert page.evaluate("window.hacked") is None
        page.troubles.clear()  # Chromium tells of it on the console


def test_four_hundred_pictures(tmp_path: Path) -> None:
    """A step changes what is in view, not the four hundred: counted, not timed."""
    one = iw.invert(picture(), phi(), seeds=1, steps=2, threads=1)
    results = [
        replace(one, layer=f"layer.{column}", settings=one.settings.replace(tv_weight=row / 100))
        for row in range(1, 21)
        for column in range(20)
    ]
    iw.page(results, tmp_path / "page.html", network=phi())
    with opened(tmp_path / "page.html") as page:
        assert page.locator(".entry").count() == 400
        page.evaluate("""() => {
            window.changed = new Set();
            new MutationObserver((all) => all.forEach((one) => {
                window.changed.add(one.target);
                one.addedNodes.forEach((node) => window.changed.add(node));
            })).observe(document.body, { subtree: true, childList: true, attributes: true });
        }""")
        page.locator(".stop-slider").press("ArrowRight")
        assert here(page) == "layer.1"
        assert 5 < page.evaluate("window.changed.size") < 200
        menu = page.locator("select")
        menu.select_option(index=19)
        assert page.locator(".entry.here").get_attribute("aria-label") == (
            "layer.1 · λ (total variation) 0.2"
        )
