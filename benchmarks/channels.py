"""The inversion of two halves of the first layer's channels, of which one responds to color.

    python -m benchmarks.channels

The layer is EfficientNet-Lite0's conv_stem, in float32, and the halves are its more and its less
colorful channels (``color:top``, ``color:bottom``). *Shape* is the SSIM of the gray values. *Color
kept* is the projection of the reconstruction's chroma (its difference from gray) on the photo's
chroma, and *color off by* is the distance between the two; both are divided by the photo's norm.
"""

from __future__ import annotations

from statistics import mean
from typing import Any

import invwidgets as iw
from invwidgets.images import luminance
from invwidgets.inversion.metrics import Reference, chroma_error, ssim

from .report import keep, machine, table

PHOTOS = ("coffee", "chelsea", "china", "astronaut", "flower")


def main() -> None:
    print(f"{machine()}\n{', '.join(PHOTOS)}, 2 seeds, means\n")
    rows = [_half(channels) for channels in ("color:top", "color:bottom")]
    print(table(rows))
    keep("channels", {"rows": rows})


def _half(channels: str) -> dict[str, Any]:
    shape, kept, off = [], [], []
    for name in PHOTOS:
        r = iw.invert(
            name, layer="conv_stem", channels=channels, seeds=2, frames=0, precision="float32"
        )
        assert r.photo is not None
        gray, gray_photo = luminance(r.images), luminance(r.photo)
        shape.append(mean(ssim(gray, Reference(gray_photo))))
        chroma, wanted = r.images - gray, (r.photo - gray_photo).expand_as(r.images)
        energy = wanted.square().sum()
        kept.append(float((chroma * wanted).sum() / energy))
        off.append(mean(chroma_error(r.images, r.photo)))
    return {
        "channels": channels,
        "shape: SSIM of gray": f"{mean(shape):.3f}",
        "color kept": f"{100 * mean(kept):.0f} %",
        "color off by": f"{100 * mean(off):.0f} %",
    }


if __name__ == "__main__":
    main()
