"""The quality of inversions by stage: over photos, compared with the plain loop, and in regions.

    python -m benchmarks.quality [--layers blocks.0,blocks.2] [--seeds 4]

With ``--layers``, the rows of other layers keep their last results.

It uses EfficientNet-Lite0 with its ImageNet weights and default settings, in float32 on every
machine. Every number is the mean over photos of the mean over seeds, ± the standard deviation over
photos. The photos are held out; errors are also given for the photos that the default was chosen
on. Errors are in percent and those of the clipped pictures; SSIM and PSNR compare with the photo.
Diversity is the root mean square difference between seeds' pixels. *Worst* is the largest error of
any seed, divided by the median error of its photo. The plain loop runs 150 steps on the photos
``COMPARED_ON``, in turn with this package in one process.
"""

from __future__ import annotations

import argparse
import json
from statistics import mean, median, stdev
from typing import Any

import torch

import invwidgets as iw
from invwidgets.inversion.metrics import Reference, psnr, relative_error, ssim
from invwidgets.selection import center_region

from .photos import CHOSEN_ON, JUDGES, PHOTOS, photo
from .plain import PlainNetwork, plain_adam
from .report import RESULTS, keep, machine, table

MODEL = "efficientnet_lite0"
LAYERS = [f"blocks.{stage}" for stage in range(7)] + ["classifier"]
COMPARED = LAYERS[:5]  # with the plain loop
COMPARED_ON = ("china", "flower", "rocket", "motorcycle")
SCORES = {"error %": 1, "PSNR dB": 1, "SSIM": 3, "diversity": 3}  # and their digits

Scores = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", default=",".join(LAYERS))
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    layers = options.layers.split(",")
    print(f"{machine()}\n{', '.join(PHOTOS)}; {options.seeds} seeds\n", flush=True)
    rows, beside, by_photo = [], [], {name: {"": name} for name in PHOTOS}
    for layer in layers:
        phi = iw.representation(MODEL, layer)
        found = {name: _inverted(phi, name, options.seeds) for name in PHOTOS}
        rows.append(_row(layer, found))
        for name, scores in found.items():
            by_photo[name][layer] = f"{scores['error %']:.1f}"
        print(rows[-1], flush=True)
        if layer in COMPARED:
            beside.append(_beside_plain(layer, options.seeds, found))
            print(beside[-1], flush=True)
    regions = [_region(layer, options.seeds) for layer in layers if layer != "classifier"]
    print(table(rows), table(list(by_photo.values())), table(regions), sep="\n\n")
    found = {"layers": rows, "plain": beside, "regions": regions}
    path = RESULTS / "quality.json"
    old = json.loads(path.read_text()) if path.exists() else {}
    kept = {name: _renewed(old.get(name, []), part) for name, part in found.items()}
    for row in old.get("by_photo", []):
        by_photo[row[""]] = row | by_photo[row[""]]
    photos = {"photos": PHOTOS, "chosen_on": CHOSEN_ON, "compared_on": COMPARED_ON}
    keep("quality", photos | {"by_photo": list(by_photo.values())} | kept)


def _renewed(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The stored rows by layer, with new rows in place of old ones."""
    rows = {row["layer"]: row for row in [*old, *new]}
    return [rows[layer] for layer in LAYERS if layer in rows]


def _inverted(phi: iw.Representation, name: str, seeds: int) -> Scores:
    r = iw.invert(photo(name), phi, seeds=seeds, frames=0, precision="float32")
    assert r.relative_error
    assert r.psnr
    assert r.ssim
    return {
        "error %": 100 * mean(r.relative_error),
        "PSNR dB": mean(r.psnr),
        "SSIM": mean(r.ssim),
        "diversity": r.diversity["pixels"],
        "worst": max(r.relative_error) / median(r.relative_error),
        "seconds": r.seconds,
    }


def _row(layer: str, found: dict[str, Scores]) -> dict[str, str]:
    judged = [found[name] for name in JUDGES]
    row = {"layer": layer} | {name: _spread(judged, name) for name in SCORES}
    row["worst"] = f"{max(scores['worst'] for scores in judged):.2f}"
    row["error %, chosen on"] = _spread([found[name] for name in CHOSEN_ON], "error %")
    return row


def _spread(results: list[Scores], name: str) -> str:
    values, digits = [scores[name] for scores in results], SCORES[name]
    return f"{mean(values):.{digits}f} ± {stdev(values):.{digits}f}"


def _beside_plain(layer: str, seeds: int, found: dict[str, Scores]) -> dict[str, str]:
    phi = iw.representation(MODEL, layer)
    plain = PlainNetwork(MODEL, phi.layer_info().name)
    theirs, ours, ratios = [], [found[name] for name in COMPARED_ON], []
    for name in COMPARED_ON:
        pixels = iw.read_photo(photo(name), phi.size)
        images, seconds = plain_adam(plain, pixels, seeds)
        again = _inverted(phi, name, seeds)["seconds"]  # in turn with the loop
        ratios.append(again / seconds)
        with torch.no_grad():
            error = relative_error(phi(images), phi.target(pixels), iw.types.Selection())
        whole = Reference(pixels)
        theirs.append(
            {
                "error %": 100 * float(error.mean()),
                "PSNR dB": mean(psnr(images, whole)),
                "SSIM": mean(ssim(images, whole)),
            }
        )
    row = {"layer": layer}
    for name in ("error %", "PSNR dB", "SSIM"):
        row |= {f"{name}, ours": _spread(ours, name), f"{name}, plain": _spread(theirs, name)}
    return row | {"time, ours / plain (median)": f"{median(ratios):.2f}"}


def _region(layer: str, seeds: int) -> dict[str, Any]:
    phi = iw.representation(MODEL, layer)
    region = center_region(phi.layer_info())
    field = phi.receptive_field(region)
    row = {
        "layer": layer,
        "cells": "{}:{},{}:{}".format(*region),
        "receptive field": f"{field.clipped.height}×{field.clipped.width}",
        "error %": "",
        "variance outside / inside": "covers the image",
    }
    if not field.covers(phi.size):
        results = [
            iw.invert(photo(n), phi, seeds=seeds, region=region, frames=0, precision="float32")
            for n in COMPARED_ON
        ]
        outside = max(max(r.outside_variance) for r in results if r.outside_variance)
        row["error %"] = f"{100 * mean(mean(r.relative_error or ()) for r in results):.1f}"
        row["variance outside / inside"] = f"{100 * outside:.2f} %"
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
