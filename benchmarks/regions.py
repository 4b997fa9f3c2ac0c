"""The time of a step on a region of 5x5 cells, compared with a step on the whole map.

python -m benchmarks regions
"""

from __future__ import annotations

from statistics import median
from typing import Any

import torch
from torch import nn

import invwidgets as iw
from invwidgets.inversion.prepare import prepare
from invwidgets.inversion.run import Run
from invwidgets.selection import center_region

from .stopwatch import alternate, spread, steps_of

CASES = (
    ("efficientnet_lite0", "conv_stem", "pretrained"),
    ("efficientnet_lite0", "blocks.0", "pretrained"),
    ("efficientnet_lite0", "blocks.1", "pretrained"),
    ("efficientnet_lite0", "blocks.2", "pretrained"),
    ("alexnet", "features.2", "random"),
    ("vgg16", "features.3", "random"),
    ("vgg16", "features.8", "random"),
    ("vgg16", "features.15", "random"),
    ("hogb", "decompose", "pretrained"),
    ("dsift", "renormalize", "pretrained"),
)


def measure() -> dict[str, Any]:
    rows = []
    for model, layer, weights in CASES:
        phi = iw.representation(model, layer, weights)
        region = center_region(phi.layer_info(), 5)
        options: dict[str, Any] = {"steps": 10_000, "precision": "float32"}
        whole, part = (
            prepare("coffee", phi, **options),
            prepare("coffee", phi, region=region, **options),
        )
        count = 2 if model == "vgg16" else 5
        around = prepare("coffee", _nothing(phi), region=(0, 1, 0, 1), **options)
        sides = {"whole": whole, "region": part, "around": around}
        seconds = alternate({name: steps_of(side, count) for name, side in sides.items()}, 6)
        box = part.window.box if part.window else None
        pixels = 1.0 if box is None else box.height * box.width / (phi.size[0] * phi.size[1])
        row: dict[str, Any] = {
            "": f"{model} {layer}",
            "whole, ms": spread(seconds["whole"]),
            "region, ms": spread(seconds["region"]),
            "of which image, prior, optimizer, ms": spread(seconds["around"]),
            "region / whole": f"{median(seconds['region']) / median(seconds['whole']):.2f}",
            "pixels computed %": f"{100 * pixels:.0f}",
            "largest difference of a feature": f"{_difference(part):.0e}",
        }
        rows.append(row)
        print(row, flush=True)
    return {"rows": rows}


def _nothing(phi: iw.Representation) -> iw.Representation:
    """A representation that computes nothing, so a step is only image, prior and optimizer."""
    flat = nn.Sequential(nn.Identity(), nn.AvgPool2d(1))
    nothing = iw.representation(flat, mean=(0, 0, 0), std=(1, 1, 1), size=phi.size)
    nothing.grayscale = phi.grayscale
    return nothing


def _difference(job: Run) -> float:
    """The largest difference between window and whole photo, divided by the largest feature."""
    if job.window is None or job.photo is None:
        return 0.0
    with torch.no_grad():
        given = job.window.selection.of(job.representation(job.window.of(job.photo[None])))
    wanted = job.selection.of(job.target)
    return float((given - wanted).abs().max() / wanted.abs().max())
