"""The largest differences of HOG, HOGb and dense SIFT from VLFeat 0.9.21, over all photos.

Run, with Debian's libvlfeat1 installed::

    python -m benchmarks.vlfeat_parity [--json]

Photos have their own sizes, gray values from 0 to 255, and borders are included. *Absolute* is the
largest difference of one number. *Relative* is the norm of the difference, divided by the norm of
VLFeat's features.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

import numpy as np
from torch import nn

from invwidgets.representations.descriptors.dsift import dsift
from invwidgets.representations.descriptors.gradients import Gray
from invwidgets.representations.descriptors.hog import hog, hogb
from scripts.make_vlfeat_golden import Array, vl_dsift, vl_hog
from tests.representations.photo_arrays import PHOTOS, photo

# what is compared: the module, VLFeat's side of a gray or color image, what is allowed
ROWS: dict[str, tuple[nn.Module, Callable[[Array, Array], Array], str]] = {
    "HOG": (hog(), lambda gray, _: vl_hog(gray), "1e-4 and 1e-5"),
    "HOG, strongest color": (
        hog(color="strongest"),
        lambda _, colors: vl_hog(colors),
        "1e-4 and 1e-5",
    ),
    "HOGb": (hogb(), lambda gray, _: vl_hog(gray, bilinear=True), "5e-4 and 1e-4"),
    "dense SIFT": (dsift(), lambda gray, _: vl_dsift(gray), "1e-4 relative"),
    "dense SIFT, exact angle": (
        dsift(angle="exact"),
        lambda gray, _: vl_dsift(gray),
        "1e-2 relative",
    ),
    "dense SIFT, flat window": (
        dsift(window="flat"),
        lambda gray, _: vl_dsift(gray, flat_window=True),
        "VLFeat's running sums round",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    given = parser.parse_args()
    gray = Gray()
    worst = dict.fromkeys(ROWS, (0.0, 0.0))
    for name in PHOTOS:
        image = photo(name)
        inputs = gray(image)[0, 0].numpy(), (255 * image[0]).numpy()
        for row, (module, theirs, _) in ROWS.items():
            expected = theirs(*inputs)
            gap = module(image)[0].numpy() - expected
            absolute = float(np.abs(gap).max())
            relative = float(np.linalg.norm(gap) / np.linalg.norm(expected))
            worst[row] = max(worst[row][0], absolute), max(worst[row][1], relative)
    if given.json:
        print(json.dumps({row: {"absolute": a, "relative": r} for row, (a, r) in worst.items()}))
        return
    print(f"worst of {len(PHOTOS)} photos          absolute  relative  allowed")
    for row, (absolute, relative) in worst.items():
        print(f"{row:25} {absolute:9.1e} {relative:9.1e}  {ROWS[row][2]}")


if __name__ == "__main__":
    main()
