"""A measurement of how far parts move and how often they are reused, by layer.

    python -m benchmarks.recomposition [--photos coffee,chelsea] [--seeds 2]

It uses ``iw.analysis.recomposition`` on EfficientNet-Lite0 with its ImageNet weights and default
settings, in float32. *Shuffled* is the control: a reconstruction whose patches were permuted.
*Rising* counts the photos whose parts moved further than after the layer before.
"""

from __future__ import annotations

import argparse
from statistics import mean

import invwidgets as iw

from .report import keep, machine, table

LAYERS = [f"blocks.{stage}" for stage in range(7)]
PHOTOS = "coffee,chelsea,china,astronaut,flower,rocket"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", default=PHOTOS)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    photos = options.photos.split(",")
    print(f"{machine()}\n{options.photos}, {options.seeds} seeds, means\n")
    rows, before = [], dict.fromkeys(photos, -1.0)
    for layer in LAYERS:
        found = {
            photo: iw.analysis.recomposition(
                iw.invert(photo, layer=layer, seeds=options.seeds, frames=0, precision="float32")
            )
            for photo in photos
        }
        moved = {photo: parts.displacement for photo, parts in found.items()}
        rising = sum(moved[photo] > before[photo] for photo in photos)
        rows.append(
            {
                "layer": layer,
                "moved": f"{mean(moved.values()):.2f}",
                "shuffled": f"{mean(parts.shuffled for parts in found.values()):.2f}",
                "used again": f"{mean(parts.reuse for parts in found.values()):.2f}",
                "like the photo": f"{mean(parts.similarity for parts in found.values()):.2f}",
                "like another": f"{mean(parts.elsewhere for parts in found.values()):.2f}",
                "rising": "" if layer == LAYERS[0] else f"{rising} of {len(photos)}",
            }
        )
        print(rows[-1], flush=True)
        before = moved
    print(table(rows))
    keep("recomposition", {"photos": photos, "rows": rows})


if __name__ == "__main__":
    main()
