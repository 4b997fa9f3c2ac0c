"""A measurement of the colors of deep reconstructions, for three weights of color smoothing.

    python -m benchmarks.casts [--seeds 2]

It uses EfficientNet-Lite0 with its ImageNet weights, float32, and held-out photos. ``tv_chroma`` is
the weight of the extra total variation of the chroma: zero, the default's, and four times that.
*Color* is the root mean square chroma (the difference from gray), divided by the photo's. *Mean
color off by* is the distance between the mean colors of image and photo, in percent of the range.
"""

from __future__ import annotations

import argparse
from statistics import mean
from typing import Any

import invwidgets as iw
from invwidgets.images import luminance

from .photos import photo
from .quality import COMPARED_ON, MODEL
from .report import keep, machine, table

LAYERS = ("blocks.5", "blocks.6", "classifier")
TIMES = (0.0, 1.0, 4.0)  # the default's


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    seeds = parser.parse_args().seeds
    print(f"{machine()}\n{', '.join(COMPARED_ON)}, {seeds} seeds, means\n", flush=True)
    rows = [_row(layer, times, seeds) for layer in LAYERS for times in TIMES]
    print(table(rows))
    keep("casts", {"photos": COMPARED_ON, "seeds": seeds, "rows": rows})


def _row(layer: str, times: float, seeds: int) -> dict[str, Any]:
    phi = iw.representation(MODEL, layer)
    weight = times * iw.preset("default", phi).tv_chroma
    errors, likeness, color, off = [], [], [], []
    for name in COMPARED_ON:
        r = iw.invert(
            photo(name), phi, seeds=seeds, frames=0, precision="float32", tv_chroma=weight
        )
        assert r.photo is not None
        chroma, wanted = r.images - luminance(r.images), r.photo - luminance(r.photo)
        errors.append(mean(r.relative_error or ()))
        likeness.append(mean(r.ssim or ()))
        color.append(float(chroma.square().mean().sqrt() / wanted.square().mean().sqrt()))
        means = r.images.mean((2, 3)) - r.photo.mean((1, 2))
        off.append(float(means.norm(dim=1).mean()) / 3**0.5)
    row = {
        "layer": layer,
        "tv_chroma": f"{weight:g}" + (" (the default)" if times == 1 else ""),
        "error %": f"{100 * mean(errors):.1f}",
        "SSIM": f"{mean(likeness):.3f}",
        "color, by the photo's": f"{mean(color):.2f}",
        "mean color off by": f"{100 * mean(off):.1f} %",
    }
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
