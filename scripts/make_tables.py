"""The program that fills the tables of README and docs from ``benchmarks/results``.

    python -m scripts.make_tables

A table is between two comments, ``<!-- table: NAME -->`` and ``<!-- end -->``. A test compares the
pages with the output of this program.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "sweeps.md")
RESULTS = ROOT / "benchmarks" / "results"

Row = dict[str, Any]


def kept(name: str) -> dict[str, Any]:
    text = (RESULTS / f"{name}.json").read_text()
    # for older results, which have British spelling
    found: dict[str, Any] = json.loads(text.replace("colour", "color").replace("grey", "gray"))
    return found


def table(rows: list[Row]) -> str:
    """Rows as a Markdown table; missing values are blank."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join(str(row.get(name, '')) for name in names)} |" for row in rows]
    return "\n".join(lines)


def made_on(name: str) -> str:
    where = kept(name)["machine"]
    return (
        f"\n\n{where['processor']}, {where['cores']} cores, {where['threads']} torch threads, "
        f"torch {where['torch']}; `python -m benchmarks.{name}`."
    )


def layers() -> str:
    """The rows of four layers, for the README."""
    rows = [row for row in kept("quality")["layers"] if row["layer"] in README_LAYERS]
    parts = {row["layer"]: row for row in kept("recomposition")["rows"]}
    return table(
        [
            {
                "after": row["layer"],
                "feature error %": row["error %"],
                "PSNR dB": row["PSNR dB"],
                "diversity": row["diversity"],
                "displacement (shuffled)": "{moved} ({shuffled})".format(**parts[row["layer"]]),
                "patches reused": parts[row["layer"]]["used again"],
            }
            for row in rows
        ]
    )


README_LAYERS = ("blocks.0", "blocks.2", "blocks.4", "blocks.6")


def quality() -> str:
    return table(kept("quality")["layers"]) + made_on("quality")


def quality_by_photo() -> str:
    found = kept("quality")
    rows = [
        row | {"": f"{row['']} (chosen on)" if row[""] in found["chosen_on"] else row[""]}
        for row in found["by_photo"]
    ]
    return table(rows) + made_on("quality")


def plain_loop() -> str:
    return table(kept("quality")["plain"]) + made_on("quality")


def casts() -> str:
    return table(kept("casts")["rows"]) + made_on("casts")


def judged() -> str:
    """The default on both groups of photos, and other searches on the first crops."""
    found = kept("judged")["groups"]
    groups = ("ours", "references", "previous", "chosen", "peers", "vectors", "others", "hourglass")
    rows = [row for name in groups for row in found.get(name, [])]
    return table(rows) + made_on("judged")


def judged_tried() -> str:
    found = kept("judged")["groups"]
    rows = [*found["explored"], *found.get("tried", [])]
    names = list(found["explored"][0])
    return table([{name: row.get(name, "") for name in names} for row in rows])


def judged_short() -> str:
    """The results of the default on held-out photos with another judge, the goals, and blurs."""
    groups = kept("judged")["groups"]
    rows = {row["after"]: row for row in groups["ours"] if row["judge"] == JUDGE}
    found = [
        {"after": layer}
        | {name: f"{rows[layer][name]} ({aim})" for name, aim in zip(JUDGED, aims, strict=True)}
        for layer, aims in AIMS.items()
    ]
    blurs = [
        {"after": f"*{row['settings']}*"} | {name: row[name] for name in JUDGED}
        for row in groups["references"]
        if row["judge"] == JUDGE and "blurred" in row["settings"]
    ]
    return table(found + blurs)


AIMS = {
    "blocks.2": ("≥ 0.85", "≤ 0.40", "0.9 … 1.1", "≤ 4"),
    "blocks.4": ("≥ 0.80", "≤ 0.50", "0.8 … 1.2", "≤ 7"),
    "blocks.6": ("≥ 0.60", "≤ 0.75", "0.7 … 1.3", "≤ 10"),
}
JUDGE = "efficientnet_lite2"
JUDGED = (
    "class probability, by the photo's", "feature distance", "color, by the photo's",
    "mean color off by, %",
)  # fmt: skip


def regions() -> str:
    return table(kept("quality")["regions"]) + made_on("quality")


def regions_short() -> str:
    rows = [row for row in kept("quality")["regions"] if row["error %"]]
    names = ("layer", "receptive field", "variance outside / inside")
    return table([{name: row[name] for name in names} for row in rows])


def invariance() -> str:
    return table(kept("invariance")["rows"]) + made_on("invariance")


def recomposition() -> str:
    return table(kept("recomposition")["rows"]) + made_on("recomposition")


def channels() -> str:
    return table(kept("channels")["rows"]) + made_on("channels")


def channels_short() -> str:
    halves = {"color:top": "the more colorful half", "color:bottom": "the other half"}
    return table([row | {"channels": halves[row["channels"]]} for row in kept("channels")["rows"]])


def descriptors() -> str:
    return table(_named(kept("descriptors")["rows"])) + made_on("descriptors")


def descriptors_short() -> str:
    names = ("", "Table 1 of the paper %", "cvpr2015: error %", "default: error %")
    return table(
        [{name: row[name] for name in names} for row in _named(kept("descriptors")["rows"])]
    )


def _named(rows: list[Row]) -> list[Row]:
    words = {"hog": "HOG", "hogb": "HOGb", "dsift": "dense SIFT"}
    return [row | {"": words.get(row[""], row[""])} for row in rows]


def steps() -> str:
    """The rows that also have the times of other programs, as medians without quartiles."""
    names = ("", "torch-lucent, ms", "plain loop, ms", "plain loop, frozen, ms", "ours, ms",
             "plain / ours", "lucent / ours", "ours computes in")  # fmt: skip
    rows = [row for row in kept("steps")["rows"] if "lucent / ours" in row]
    return table([{name: str(row[name]).split(" (")[0] for name in names} for row in rows])


def goals_short() -> str:
    """The ratios of CPU time between each preset and the default."""
    rows: dict[str, Row] = {}
    for row in kept("goals")["rows"]:
        what = row[""].split()[0] if row[""].split()[0] in ("hog", "hogb", "dsift") else row[""]
        rows.setdefault(what, {"": what})[f"times faster than {row['preset']}"] = _sooner(row)
    for row in rows.values():
        for preset in ("cvpr2015", "ijcv2016"):
            row.setdefault(f"times faster than {preset}", "not measured")
    return table(_named(list(rows.values())))


def missed() -> str:
    """The goals that were not reached, each with the measured values."""
    cnn = [r for r in kept("goals")["rows"] if r[""].split()[0] not in ("hog", "hogb", "dsift")]
    slower = {f"{row['preset']} {row['']}": _sooner(row) for row in cnn if not _tenfold(row)}
    apart = {row["layer"]: float(row["diversity"].split()[0]) for row in kept("quality")["layers"]}
    falling = {
        f"{before} {apart[before]:.3f},": f"{layer} {apart[layer]:.3f}"
        for before, layer in zip(apart, list(apart)[1:], strict=False)
        if apart[layer] <= apart[before]
    }
    deep = {
        row["layer"]: "{} times, {} off".format(
            row["color, by the photo's"], row["mean color off by"]
        )
        for row in kept("casts")["rows"]
        if "default" in row["tv_chroma"]
    }
    by = "layer by layer / ours, float32"
    fused = {
        row[""]: row[by]
        for row in kept("steps")["rows"]
        if "efficientnet" in row[""] and float(row[by]) < 2
    }
    share = {
        f"{row['']}, {row['in']}": f"{row['share %']} %"
        for row in kept("share")["rows"]
        if "alexnet" in row[""] and float(row["share %"]) < 75
    }
    part = {r[""]: r["region / whole"] for r in kept("regions")["rows"]}
    part = {name: ratio for name, ratio in part.items() if float(ratio) > 0.25}
    rows = {
        f"the papers' error at no lower an SSIM ten times sooner, {len(cnn)} rows of CNNs": (
            slower and f"{len(cnn) - len(slower)} rows; the others: {_listed(slower)}", "goals",
        ),
        _picture_wanted(): (_picture_reached(), "goals"),
        "larger diversity at every stage": (_listed(falling), "quality"),
        "deep pictures without casts: as colorful as the photo, of the same mean color": (
            _listed(deep), "casts",
        ),
        "a step of EfficientNet-Lite0 twice as fast as layer by layer": (_listed(fused), "steps"),
        "a step of AlexNet at 75 % of the fastest product": (_listed(share), "share"),
        "5×5 cells in at most a quarter of a whole step": (_listed(part), "regions"),
    }  # fmt: skip
    return table(
        [
            {"wanted": wanted, "measured": measured, "by": f"`benchmarks/{name}.py`"}
            for wanted, (measured, name) in rows.items()
            if measured
        ]
    )


def _picture_wanted() -> str:
    wanted = kept("goals")["picture"]["wanted"]
    return (
        f"coffee after blocks.2, 4 seeds: {wanted['error %']} %, SSIM {wanted['SSIM']} in "
        f"{wanted['seconds']:.0f} s"
    )


def _picture_reached() -> str:
    """Two of the tried runs: the first with the wanted SSIM, and the one with the least error."""
    picture = kept("goals")["picture"]
    if (found := picture["reached"]) and found["seconds"] <= picture["wanted"]["seconds"]:
        return ""
    like = next(run for run in picture["tried"] if run["SSIM"] >= picture["wanted"]["SSIM"])
    near = min(picture["tried"], key=lambda run: float(run["error %"]))
    return "; ".join(
        f"{run['error %']:.1f} %, {run['SSIM']:.2f} in {run['steps']} steps, {run['seconds']:.1f} s"
        for run in (like, near)
    )


def _sooner(row: Row) -> str:
    return str(row["times faster"])


def _tenfold(row: Row) -> bool:
    return _sooner(row) != "–" and float(_sooner(row)) >= 10


def _listed(values: dict[str, Any]) -> str:
    return "; ".join(f"{name} {value}" for name, value in values.items())


def sweeps() -> str:
    return table(kept("sweeps")["rows"]) + made_on("sweeps")


TABLES: dict[str, Callable[[], str]] = {
    f.__name__: f
    for f in (
        layers, quality, quality_by_photo, plain_loop, casts, judged, judged_short, judged_tried,
        regions, regions_short, invariance, recomposition, channels, channels_short, descriptors,
        descriptors_short, steps, goals_short, missed, sweeps,
    )
}  # fmt: skip


def filled(page: str) -> str:
    """The page with all tables filled from the results."""

    def put(found: re.Match[str]) -> str:
        return f"<!-- table: {found[1]} -->\n\n{TABLES[found[1]]()}\n\n<!-- end -->"

    return re.sub(r"<!-- table: (\w+) -->.*?<!-- end -->", put, page, flags=re.S)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(filled(path.read_text()))
        print(f"filled {path.relative_to(ROOT)}")
