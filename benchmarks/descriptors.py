"""The inversion of HOG, HOGb and dense SIFT: the default compared with the preset cvpr2015.

    python -m benchmarks.descriptors [--photos coffee,rocket]

The bundled photos are inverted at 192×256 pixels with one seed and the same modules; the two
settings run in turn. There are two metrics. The first is the mean of ‖Δ‖/‖Φ₀‖ from IJCV16, whose
values agree with Table 1 of CVPR15. The second is that of CVPR15's released code: ‖Δ‖² divided by
the mean squared distance between the features of two photos.
"""

from __future__ import annotations

import argparse
from statistics import mean, median
from typing import Any

import torch

import invwidgets as iw

from .report import keep, machine, table

TABLE_1 = {"hog": 28.10, "hogb": 10.67, "dsift": 10.89}  # CVPR15, on its 100 ImageNet photos
SIZE = (192, 256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", default=",".join(iw.photos()))
    photos = parser.parse_args().photos.split(",")
    print(f"{machine()}\n{len(photos)} photos: {', '.join(photos)}\n")
    rows = [_compare(name, photos) for name in TABLE_1]
    print(table(rows))
    keep("descriptors", {"photos": photos, "rows": rows})


def _compare(name: str, photos: list[str]) -> dict[str, Any]:
    phi = iw.representation(name)
    targets = torch.cat([phi.target(iw.read_photo(photo, SIZE)) for photo in photos]).flatten(1)
    spread = torch.pdist(targets.double()).square().mean() if len(photos) > 1 else torch.nan
    norms = targets.double().norm(dim=1)
    results: dict[str, list[iw.Reconstruction]] = {"cvpr2015": [], "default": []}
    for photo in photos:
        for preset, found in results.items():
            found.append(iw.invert(photo, phi, seeds=1, size=SIZE, preset=preset, frames=0))
    row: dict[str, Any] = {"": name, "Table 1 of the paper %": TABLE_1[name]}
    for preset, found in results.items():
        errors = torch.tensor([r.relative_error[0] for r in found if r.relative_error])
        released = ((errors * norms).square() / spread).mean()
        row |= {
            f"{preset}: error %": f"{100 * float(errors.mean()):.1f}",
            f"{preset}: released metric %": f"{100 * float(released):.1f}",
            f"{preset}: SSIM": f"{mean(r.ssim[0] for r in found if r.ssim):.2f}",
            f"{preset}: steps": found[0].steps,
        }
    pairs = zip(results["default"], results["cvpr2015"], strict=True)
    ratios = [ours.seconds / theirs.seconds for ours, theirs in pairs]
    row["time, default / cvpr2015 (median)"] = f"{median(ratios):.2f}"
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
