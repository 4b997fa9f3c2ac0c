"""How well each stage is inverted: ours against 150 steps of the plain loop, and small regions.

    python -m benchmarks.quality [--photos coffee,chelsea] [--seeds 4]

EfficientNet-Lite0 with its ImageNet weights, default settings. Errors are means over photos and
seeds, in percent, of the clipped pictures; SSIM and PSNR are to the photo. Both sides run in turn
in this one process. Diversity is the root mean square difference between seeds' pixels.
"""

from __future__ import annotations

import argparse
from statistics import mean
from typing import Any

import torch

import invwidgets as iw
from invwidgets.inversion.reconstruction import image_scores
from invwidgets.objectives import relative_error
from invwidgets.selection import centre_region

from .plain import PlainNetwork, plain_adam
from .report import keep, machine, table

MODEL = "efficientnet_lite0"
LAYERS = [f"blocks.{stage}" for stage in range(7)] + ["classifier"]
PHOTOS = "coffee,chelsea,china,astronaut"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", default=PHOTOS)
    parser.add_argument("--layers", default=",".join(LAYERS))
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    photos, layers = options.photos.split(","), options.layers.split(",")
    print(f"{machine()}\n{len(photos)} photos ({options.photos}), {options.seeds} seeds\n")
    rows = [_compare(layer, photos, options.seeds) for layer in layers]
    print(table(rows), "\n")
    regions = [_region(layer, photos, options.seeds) for layer in layers[:-1]]
    print(table(regions))
    keep("quality", {"photos": photos, "layers": rows, "regions": regions})


def _compare(layer: str, photos: list[str], seeds: int) -> dict[str, Any]:
    phi = iw.representation(MODEL, layer)
    plain = PlainNetwork(MODEL, phi.layer_info().name)
    ours, theirs = [], []
    for photo in photos:
        pixels = iw.read_photo(photo, phi.size)
        images, seconds = plain_adam(plain, pixels, seeds)
        with torch.no_grad():
            error = relative_error(phi(images), phi.target(pixels), iw.Selection())
        psnr, ssim = image_scores(images, pixels)
        theirs.append((float(error.mean()), mean(psnr), mean(ssim), seconds))
        r = iw.invert(photo, phi, seeds=seeds, frames=0)
        assert r.relative_error
        assert r.psnr
        assert r.ssim
        ours.append(
            (mean(r.relative_error), mean(r.psnr), mean(r.ssim), r.seconds,
             r.diversity["pixels"], r.diversity["features"])
        )  # fmt: skip
    o, t = ([mean(column) for column in zip(*side, strict=True)] for side in (ours, theirs))
    row = {
        "layer": layer,
        "error %": f"{100 * o[0]:.1f}",
        "PSNR dB": f"{o[1]:.1f}",
        "SSIM": f"{o[2]:.3f}",
        "diversity": f"{o[4]:.3f}",
        "seconds": f"{o[3]:.1f}",
        "plain: error %": f"{100 * t[0]:.1f}",
        "plain: PSNR dB": f"{t[1]:.1f}",
        "plain: SSIM": f"{t[2]:.3f}",
        "plain: seconds": f"{t[3]:.1f}",
    }
    print(row, flush=True)
    return row


def _region(layer: str, photos: list[str], seeds: int) -> dict[str, Any]:
    phi = iw.representation(MODEL, layer)
    region = centre_region(phi.layer_info())
    results = [iw.invert(photo, phi, seeds=seeds, region=region, frames=0) for photo in photos]
    field = results[0].receptive_field
    assert field is not None
    outside = [max(r.outside_variance) for r in results if r.outside_variance]
    top, left, bottom, right = field["box"]
    row = {
        "layer": layer,
        "cells": "{}:{},{}:{}".format(*region),
        "receptive field": f"{bottom - top}×{right - left}",
        "error %": f"{100 * mean(mean(r.relative_error or ()) for r in results):.1f}",
        "variance outside / inside": f"{100 * max(outside):.3f} %" if outside
        else "covers the image",
    }  # fmt: skip
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
