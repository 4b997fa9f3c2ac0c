"""Seconds to the papers' error: our default against the presets cvpr2015 and ijcv2016.

    python -m benchmarks goals

A preset runs as published, in our own engine with all its speed; the last column sets as many
steps of the plain loop against ours instead, which is how its authors' text reads. Then our
default, in the fewest steps of a ladder that end at no larger an error and no lower an SSIM to the
photo. All end measured in float32; two seeds, mean.
"""

from __future__ import annotations

from statistics import mean, median
from typing import Any

import invwidgets as iw

from .plain import PlainNetwork, plain_adam
from .stopwatch import Marks

CASES = (
    ("efficientnet_lite0", "blocks.1", "pretrained"),
    ("efficientnet_lite0", "blocks.2", "pretrained"),
    ("efficientnet_lite0", "blocks.4", "pretrained"),
    ("alexnet", "features.7", "random"),
    ("vgg16", "features.15", "random"),
    ("hog", "decompose", "pretrained"),
    ("hogb", "decompose", "pretrained"),
    ("dsift", "renormalize", "pretrained"),
)
HELD_OUT = ("flower", "rocket")  # the default was chosen on others
PHOTOS = {"vgg16": HELD_OUT[:1]}
LADDER = (10, 14, 20, 24, 28, 34, 40, 48, 56, 68, 80, 96, 112, 136, 160, 224, 320, 400)


def measure() -> dict[str, Any]:
    rows = []
    for preset in ("cvpr2015", "ijcv2016"):
        for model, layer, weights in CASES:
            photos = PHOTOS.get(model, HELD_OUT)
            found = [_compare(photo, preset, model, layer, weights) for photo in photos]
            row: dict[str, Any] = {"preset": preset, "": f"{model} {layer}"}
            for name in ("error %", "SSIM", "seconds", "steps"):
                for side in ("theirs", "ours"):
                    values = [f[side][name] for f in found if f[side]]
                    row[f"{name}, {side}"] = f"{mean(values):.3g}" if values else "not reached"
            ratios = [f["theirs"]["seconds"] / f["ours"]["seconds"] for f in found if f["ours"]]
            reached = len(ratios) == len(found)
            row["times faster"] = f"{median(ratios):.1f}" if reached else "–"
            if reached and model not in ("hog", "hogb", "dsift"):
                steps = found[0]["theirs"]["steps"] / mean(f["ours"]["seconds"] for f in found)
                row["times faster than theirs as a plain loop"] = (
                    f"{steps * _plain_step(model, layer, weights):.1f}"
                )
            rows.append(row)
            print(row, flush=True)
    return {"rows": rows, "ladder": LADDER}


def _plain_step(model: str, layer: str, weights: str) -> float:
    """Seconds a step of the plain loop: parameters unfrozen, float32, the network as written."""
    marks = Marks()
    network = PlainNetwork(model, layer, frozen=False, weights=weights)
    plain_adam(network, iw.read_photo("coffee", (224, 224)), seeds=2, steps=6, each=marks)
    return median(marks.seconds)


def _compare(photo: str, preset: str, model: str, layer: str, weights: str) -> dict[str, Any]:
    options: dict[str, Any] = {"weights": weights, "seeds": 2, "frames": 0}
    iw.invert(photo, model, layer, steps=2, **options)  # loads and warms up
    theirs = _scores(iw.invert(photo, model, layer, preset=preset, **options))
    for steps in LADDER:
        ours = _scores(iw.invert(photo, model, layer, steps=steps, **options))
        if ours["error %"] <= theirs["error %"] and ours["SSIM"] >= theirs["SSIM"]:
            return {"theirs": theirs, "ours": ours}
    return {"theirs": theirs, "ours": None}


def _scores(result: iw.Reconstruction) -> dict[str, float]:
    return {
        "error %": 100 * mean(result.relative_error or ()),
        "SSIM": mean(result.ssim or ()),
        "seconds": result.seconds,
        "steps": result.steps,
    }
