"""Tests of claims from both sides: each holds, and fails when its cause is removed.

The claims of the lessons are their asserts. Tests of findings are marked ``claim`` with their
saboteurs; ``conftest.py`` runs them once more with each. CONTRIBUTING has the table of both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import pytest

from tests.lessons import Lesson
from tests.saboteurs import (
    Saboteur,
    another_outcome,
    blank,
    colored,
    equal_seeds,
    even_field,
    faint_photos,
    ignored,
    leap,
    no_blend,
    noise,
    not_pulled_back,
    one_error,
    one_job,
    one_pixel,
    other_photo,
    ours_from_photo,
    parts_in_place,
    photo_itself,
    random_matches,
    scattered_seeds,
    stand_still,
    uninterrupted,
    untrained,
)

ROOT = Path(__file__).parents[1]
TABLE = re.compile(r"(?<=<!-- claims -->\n\n).*?(?=\n?<!-- end -->)", re.S)

no_channels, no_layer, no_weights = ignored("channels"), ignored("layer"), ignored("weights")
no_lambda, no_beta, no_preset = ignored("tv_weight"), ignored("beta"), ignored("preset")
no_model, no_target = ignored("model"), ignored("target")
no_parts = ignored("priors", "objective", "parametrization", "optimizer")
no_parts.__name__ = "ignored_parts"

# lesson -> what an assert of it asserts -> who must make it fail
LESSONS: dict[str, dict[str, tuple[Saboteur, ...]]] = {
    "01": {
        "min(result.relative_error) > 0.02 and max(result.relative_error) < another_photo / 3": (
            noise, other_photo, photo_itself,
        ),
        "min(result.psnr) > 15 and max(result.psnr) < 30": (noise, other_photo, photo_itself),
        "result.diversity['pixels'] > 0.01": (equal_seeds,),
    },
    "02": {
        "best > 0.02 and worst < 0.4": (noise, other_photo, photo_itself),
        "psnr[0] > psnr[1] + 1 > psnr[2] + 2 > psnr[3] + 3 > psnr[4] + 4": (
            no_layer, photo_itself, noise,
        ),
        "psnr[0] > 28 > 20 > psnr[-1]": (no_layer, photo_itself, other_photo),
        "apart[0] < 0.01 and apart[-1] > 0.05": (equal_seeds, noise),
        "0.02 < distance[0] < 0.3 < distance[1] < distance[2]": (photo_itself, noise, other_photo),
        "distance[2] < distance[3] < 0.8 < distance[4] < other_photo": (
            photo_itself, noise, other_photo, no_layer,
        ),
        "recognized == [True, True, True, True, False]": (
            photo_itself, noise, other_photo, no_layer,
        ),
        "moved[0] < 0.02 < moved[2] < moved[3] - 0.05 < moved[4] - 0.1": (
            parts_in_place, random_matches, no_layer, photo_itself,
        ),
        "again[0] < 0.02 and 0.15 < again[3] < 0.8 and (again[3] > again[2] + 0.05)": (
            parts_in_place, random_matches, no_layer, photo_itself,
        ),
        "0.15 * found[3].shuffled < moved[3] < 0.7 * found[3].shuffled": (
            parts_in_place, random_matches, other_photo,
        ),
        "found[3].similarity > found[3].elsewhere + 0.05": (other_photo,),
        "abs(likeness[4]) < 0.5 * likeness[3]": (no_layer, photo_itself),
    },
    "03": {
        "0 < spread(column) < spread(tried[1]) / 4": (no_beta, no_lambda, photo_itself),
        "few[0] > 1.3 * few[1] > 1.3 * few[2]": (no_beta, noise, photo_itself),
        "ssim[2] > ssim[0] + 0.03 and ssim[2] > ssim[3] + 0.03": (no_lambda, noise, photo_itself),
        "error[3] > 2 * error[2]": (no_lambda, noise, photo_itself),
        "0.1 < both < 0.75 * no_tv": (no_lambda, noise, photo_itself),
        "abs(no_alpha - both) < 0.4 * (no_tv - both)": (no_lambda, noise, photo_itself),
        "0.5 * reached < ours.relative_error[0] < 1.05 * reached": (ours_from_photo,),
        "ours.steps < theirs.steps / 2": (no_preset,),
    },
    "04": {
        "0 < early.diversity['pixels'] < 0.01": (equal_seeds, noise, scattered_seeds),
        "deep['pixels'] > 10 * early.diversity['pixels']": (equal_seeds, noise, scattered_seeds),
        "0.02 < deep['features'] < 0.3": (equal_seeds, scattered_seeds),
        "path.blend_error[3] > 1.7 * ends": (no_blend, noise),
        "0.7 * ends < min(path.error) and max(path.error) < 1.4 * ends": (not_pulled_back, noise),
        "0.6 * two.diversity['pixels'] < way < 1.5 * two.diversity['pixels']": (
            stand_still, equal_seeds,
        ),
        "max(path.strides) < sum(path.strides) / 2": (leap, stand_still),
    },
    "05": {
        "0 < outside < 0.05": (photo_itself, blank, noise),
        "max((max(result.relative_error) for result in results)) < 0.25": (blank, other_photo),
        "0.9 > coverage[0] > 2 * coverage[2] > 0.04": (even_field, one_pixel),
        "all((0.1 < field.side / field.box.width < 0.9 for field in fields))": (
            even_field, one_pixel,
        ),
        "fields[-1].side > 2 * fields[0].side": (one_pixel,),
        "1.3 * min(sides) < max(sides) < 67": (even_field, one_pixel),
    },
    "06": {
        "colorful[0] < 0.85 * min(off)": (no_channels, noise, photo_itself),
        "other[0] > 5 * usual and other[0] > max(off)": (no_channels, noise, photo_itself),
        "0.7 < colorful[1] < min(edges) - 0.02": (no_channels, noise, photo_itself),
        "other[1] > sorted(edges)[5]": (no_channels, photo_itself),
        "not red & set(halves[worst]) and with_red < off[worst] / 4": (
            no_channels, noise, photo_itself,
        ),
    },
    "07": {
        "kept['gradient'] > kept['decompose'] + 0.1": (no_layer, noise, photo_itself),
        "min(lost) > 0.08 and max(lost) < 0.3": (no_layer, noise, photo_itself),
        "results[0].scored_on == 'whole image, gray values'": (colored,),
        "0.3 * hog < hogb < 0.8 * hog and dsift < 0.8 * hog": (no_model, noise, photo_itself),
        "min(ratios) > 0.1 and max(ratios) < 1": (noise, other_photo, photo_itself),
    },
    "08": {
        "0.02 < max(alone.relative_error) < 0.9 * min(between.relative_error)": (
            no_target, noise,
        ),
        "max(between.relative_error) < 0.5": (noise,),
        "0.85 < right < 1": (untrained,),
        "max((max(result.relative_error) for result in written)) < 0.05": (noise, other_photo),
        "psnr[0] > 50 > psnr[1] > 35 > psnr[2] > 15 > psnr[3] > 4": (
            photo_itself, noise, other_photo,
        ),
        "min(errors) > 0.02 and max(errors) < 0.35": (noise, other_photo, photo_itself),
        "max(off[0]) < 0.75 * min(off[1])": (no_weights, noise, photo_itself),
        "0.1 * color(plain) < color(gray) < 0.7 * color(plain)": (no_parts, photo_itself, blank),
        "float(falls.max()) < 0.1 and max(texture.psnr) < min(plain.psnr) - 3": (
            no_parts, photo_itself, noise,
        ),
        "torch.allclose(squares, coarse.images, atol=0.0001)": (no_parts, noise, photo_itself),
        "max(plain.relative_error) < min(coarse.relative_error)": (no_parts, photo_itself),
        "max(coarse.relative_error) < 0.6": (noise, other_photo),
    },
    "09": {
        "min(found) > 1.2 and max(found) < 20": (noise, faint_photos),
        "min(raised) > 1.05": (noise, photo_itself),
    },
    "10": {
        "sum(little) < sum(much)": (one_error,),
        "3 <= len(before) < 12 and all(equal)": (another_outcome, uninterrupted),
        "len(different) == 12": (one_job,),
    },
}  # fmt: skip
PAIRS = [
    (number, saboteur)
    for number, claims in LESSONS.items()
    for saboteur in dict.fromkeys(s for saboteurs in claims.values() for s in saboteurs)
]


# a claim that its own file sabotages: (claim, file, saboteurs)
ELSEWHERE = [
    (
        "a walk that is pulled back stays among pre images",
        "tests/analysis/test_interpolation.py",
        "stands still, straight, a leap, backwards, elsewhere, one error",
    ),
]


def table() -> str:
    """The table in CONTRIBUTING: each claim, its place, and its saboteurs."""
    rows = [
        (f"`{claim.replace('|', chr(92) + '|')}`", f"lesson {int(number)}", named(saboteurs))
        for number, claims in LESSONS.items()
        for claim, saboteurs in claims.items()
    ]
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if "mark.claim(" not in path.read_text() or path == Path(__file__):
            continue
        place = path.relative_to(ROOT)
        module = import_module(".".join(place.with_suffix("").parts))
        for name, test in vars(module).items():
            for mark in getattr(test, "pytestmark", []):
                if mark.name == "claim":
                    words = name.removeprefix("test_").replace("_", " ")
                    rows.append((words, f"`{place}`", named(mark.kwargs["saboteurs"])))
    rows += [(claim, f"`{place}`", saboteurs) for claim, place, saboteurs in ELSEWHERE]
    lines = ["| claim | where | saboteurs |", "|---|---|---|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows]) + "\n"


def named(saboteurs: Sequence[Saboteur]) -> str:
    return ", ".join(saboteur.__name__.replace("_", " ") for saboteur in saboteurs)


@lru_cache(maxsize=1)  # one at a time: it keeps all its results
def run(number: str) -> Lesson:
    """A lesson that was run without a saboteur, so all its claims hold."""
    lesson = Lesson(number)
    assert [claim for claim, held in lesson.run().items() if not held] == []
    return lesson


@pytest.mark.parametrize("number", LESSONS)
def test_every_assert_of_a_lesson_has_a_saboteur(number: str) -> None:
    assert Lesson(number).claims == list(LESSONS[number])
    assert all(LESSONS[number].values())


def test_the_table_is_the_one_of_contributing() -> None:
    shown = TABLE.search((ROOT / "CONTRIBUTING.md").read_text())
    assert shown is not None
    assert shown[0] == table(), "write it anew: python -m tests.test_claims"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "saboteur"), PAIRS, ids=[f"{n}-{saboteur.__name__}" for n, saboteur in PAIRS]
)
def test_a_sabotaged_lesson_fails(number: str, saboteur: Saboteur) -> None:
    meant = {claim for claim, saboteurs in LESSONS[number].items() if saboteur in saboteurs}
    failed = {claim for claim, held in run(number).run(saboteur).items() if not held}
    assert meant - failed == set(), "these held all the same"


if __name__ == "__main__":
    page = ROOT / "CONTRIBUTING.md"
    page.write_text(TABLE.sub(lambda _: table(), page.read_text()))
