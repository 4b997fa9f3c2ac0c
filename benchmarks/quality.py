"""How well each stage is inverted: ours against 150 steps of the plain loop, and small regions.

    python -m benchmarks.quality [--photos coffee,chelsea] [--seeds 4]

EfficientNet-Lite0 with its ImageNet weights, default settings. Errors are means over photos and
seeds, in percent, of the clipped pictures; SSIM and PSNR are to the photo. Both sides run in turn
in this one process. Diversity is the root mean square difference between seeds' pixels.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import mean, median
from typing import Any

import torch

import invwidgets as iw
from invwidgets.inversion.metrics import Yardstick, psnr, relative_error, ssim
from invwidgets.selection import centre_region

from .plain import PlainNetwork, plain_adam
from .report import keep, machine, table

MODEL = "efficientnet_lite0"
LAYERS = [f"blocks.{stage}" for stage in range(7)] + ["classifier"]
COMPARED = LAYERS[:5]  # with the plain loop
PHOTOS = "coffee,chelsea,china,astronaut"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", default=PHOTOS)
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
    ours, theirs = [], []
    for photo in photos:
        if layer in COMPARED:
            pixels = iw.read_photo(photo, phi.size)
            images, seconds = plain_adam(plain, pixels, seeds)
            with torch.no_grad():
                error = relative_error(phi(images), phi.target(pixels), iw.Selection())
            whole = Yardstick(pixels)
            scores = (mean(psnr(images, whole)), mean(ssim(images, whole)))
            theirs.append((float(error.mean()), *scores, seconds))
        r = iw.invert(photo, phi, seeds=seeds, frames=0)
        assert r.relative_error
        assert r.psnr
        assert r.ssim
        scores = (mean(r.psnr), mean(r.ssim))
        ours.append((mean(r.relative_error), *scores, r.seconds, r.diversity["pixels"]))
    row = {"layer": layer, **_scores("", ours), "diversity": f"{mean(o[4] for o in ours):.3f}"}
    if theirs:
        row |= _scores("plain: ", theirs)
        ratios = [o[3] / t[3] for o, t in zip(ours, theirs, strict=True)]
        row["time, ours / plain (median)"] = f"{median(ratios):.2f}"
    print(row, flush=True)
    return row


def _scores(side: str, results: list[tuple[float, ...]]) -> dict[str, Any]:
    error, decibels, similar = (mean(result[index] for result in results) for index in range(3))
    return {
        f"{side}error %": f"{100 * error:.1f}",
        f"{side}PSNR dB": f"{decibels:.1f}",
        f"{side}SSIM": f"{similar:.3f}",
    }


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
        results = [iw.invert(photo, phi, seeds=seeds, region=region, frames=0) for photo in photos]
        outside = max(max(r.outside_variance) for r in results if r.outside_variance)
        row["error %"] = f"{100 * mean(mean(r.relative_error or ()) for r in results):.1f}"
        row["variance outside / inside"] = f"{100 * outside:.2f} %"
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
