"""How well each stage is inverted: ours against 150 steps of the plain loop, and small regions.

    python -m benchmarks.quality [--photos coffee,chelsea] [--seeds 4]

EfficientNet-Lite0 with its ImageNet weights, default settings. Every number is the mean over photos
of the seeds' mean, and behind ± the standard deviation over photos. Errors are in percent, of the
clipped pictures; SSIM and PSNR are to the photo. Diversity is the root mean square difference
between seeds' pixels. *Worst* is the largest error of any seed by the median of its photo's. Where
the plain loop is compared, on ``COMPARED_ON``, both sides run in turn in this one process.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import mean, median, stdev
from typing import Any

import torch

import invwidgets as iw
from invwidgets.inversion.metrics import Yardstick, psnr, relative_error, ssim
from invwidgets.selection import centre_region

from .photos import PHOTOS, photo
from .plain import PlainNetwork, plain_adam
from .report import keep, machine, table

MODEL = "efficientnet_lite0"
LAYERS = [f"blocks.{stage}" for stage in range(7)] + ["classifier"]
COMPARED = LAYERS[:5]  # with the plain loop
COMPARED_ON = ("coffee", "chelsea", "china", "astronaut")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", default=",".join(PHOTOS))
    parser.add_argument("--layers", default=",".join(LAYERS))
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument(
        "--jobs", type=int, default=1, help="rows at once, each on its share of threads"
    )
    options = parser.parse_args()
    photos, layers = options.photos.split(","), options.layers.split(",")
    print(f"{machine()}\n{len(photos)} photos ({options.photos}), {options.seeds} seeds\n")
    share = max(1, torch.get_num_threads() // options.jobs)
    workers = ProcessPoolExecutor(
        options.jobs, get_context("spawn"), torch.set_num_threads, (share,)
    )
    with workers:
        compared = [workers.submit(_compare, layer, photos, options.seeds) for layer in layers]
        maps = [layer for layer in layers if layer != "classifier"]
        small = [workers.submit(_region, layer, photos, options.seeds) for layer in maps]
        rows, regions = ([job.result() for job in jobs] for jobs in (compared, small))
    print(table(rows), "\n")
    print(table(regions))
    keep("quality", {"photos": photos, "layers": rows, "regions": regions})


def _compare(layer: str, photos: list[str], seeds: int) -> dict[str, Any]:
    phi = iw.representation(MODEL, layer)
    plain = PlainNetwork(MODEL, phi.layer_info().name)
    ours, theirs, ratios, worst = [], [], [], 0.0
    for name in photos:
        seconds = None
        if layer in COMPARED and name in COMPARED_ON:
            pixels = iw.read_photo(photo(name), phi.size)
            images, seconds = plain_adam(plain, pixels, seeds)
            with torch.no_grad():
                error = relative_error(phi(images), phi.target(pixels), iw.Selection())
            whole = Yardstick(pixels)
            scores = (mean(psnr(images, whole)), mean(ssim(images, whole)))
            theirs.append((100 * float(error.mean()), *scores))
        r = iw.invert(photo(name), phi, seeds=seeds, frames=0)
        assert r.relative_error
        assert r.psnr
        assert r.ssim
        ours.append(
            (100 * mean(r.relative_error), mean(r.psnr), mean(r.ssim), r.diversity["pixels"])
        )
        worst = max(worst, max(r.relative_error) / median(r.relative_error))
        if seconds is not None:
            ratios.append(r.seconds / seconds)
    row = {"layer": layer, **_scores("", ours), "worst": f"{worst:.2f}"}
    if theirs:
        row |= _scores("plain: ", theirs) | {"time, ours / plain (median)": f"{median(ratios):.2f}"}
    print(row, flush=True)
    return row


def _scores(side: str, results: list[tuple[float, ...]]) -> dict[str, str]:
    names = {"error %": 1, "PSNR dB": 1, "SSIM": 3, "diversity": 3}
    return {
        f"{side}{name}": _spread([result[index] for result in results], digits)
        for index, (name, digits) in enumerate(names.items())
        if index < len(results[0])
    }


def _spread(values: list[float], digits: int) -> str:
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{spread}"


def _region(layer: str, photos: list[str], seeds: int) -> dict[str, Any]:
    phi = iw.representation(MODEL, layer)
    region = centre_region(phi.layer_info())
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
            iw.invert(photo(name), phi, seeds=seeds, region=region, frames=0)
            for name in photos
            if name in COMPARED_ON
        ]
        outside = max(max(r.outside_variance) for r in results if r.outside_variance)
        row["error %"] = f"{100 * mean(mean(r.relative_error or ()) for r in results):.1f}"
        row["variance outside / inside"] = f"{100 * outside:.2f} %"
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
