"""CVPR15's Table 3 as a sweep: the error of each layer for three weights of the total variation.

    python -m benchmarks.table3 [--store DIR] [--workers N] [--photos N] [--steps 400] [--size 224]

It uses the paper's optimizer (preset ``cvpr2015``, one seed) on EfficientNet-Lite0 with its
ImageNet weights. The paper's network is CNN-A at 227 pixels, whose weights no package contains.
With fewer than the paper's 400 steps the schedule is shortened. The photos are all photographs in
scikit-image, scikit-learn and matplotlib, uncropped. The table has means ± standard deviations
over photos of two errors: ‖Δ‖/‖Φ₀‖, and that of the paper's released code, ‖Δ‖² divided by the
mean squared distance between the features of two photos.

A stopped sweep continues from its store.
"""

from __future__ import annotations

import argparse
from importlib import resources
from pathlib import Path
from typing import Any

import torch

import invwidgets as iw
from invwidgets.energy.priors import TV_RANGE
from invwidgets.inversion.presets import CVPR2015_IMAGE_ENERGY, CVPR2015_SIDE

from .report import keep, machine, table

MODEL = "efficientnet_lite0"
LAYERS = [f"blocks.{stage}" for stage in (0, 2, 4, 6)]
LAMBDAS = (1, 10, 100)  # the paper's λ1, λ2, λ3
SHIPPED = {  # by package: the files that are photographs
    "skimage.data": (
        "astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "clock_motion.png",
        "coffee.png", "coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png",
        "microaneurysms.png", "moon.png", "motorcycle_left.png", "page.png", "retina.jpg",
        "rocket.jpg", "text.png",
    ),
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
    "invwidgets": ("photos/china.png", "photos/flower.png"),  # scikit-learn's
}  # fmt: skip


def shipped_photos() -> list[str]:
    """The paths of the photos, by package."""
    return [
        str(resources.files(package) / name) for package, names in SHIPPED.items() for name in names
    ]


def tv_weight(lam: float) -> float:
    """The paper's λ_TV in units of ``tv_weight``."""
    return lam / 2 / CVPR2015_IMAGE_ENERGY * CVPR2015_SIDE**2 * TV_RANGE**2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default="table3")
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--photos", type=int, default=None, help="the first so many")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--size", type=int, default=224)
    options = parser.parse_args()
    photos = shipped_photos()[: options.photos]
    sweep = iw.Sweep(
        photos, MODEL, LAYERS, seeds=1, size=options.size, store=options.store,
        settings={"preset": "cvpr2015", "steps": options.steps,
                  "tv_weight": [tv_weight(lam) for lam in LAMBDAS]},
    )  # fmt: skip
    names = [Path(photo).stem for photo in photos]
    print(f"{machine()}\n{len(photos)} photos: {', '.join(names)}\n", flush=True)
    sweep.run(options.workers, on_progress=lambda p: print(p.describe(), flush=True))
    rows = [_row(sweep, layer, photos, options.size) for layer in LAYERS]
    print(table(rows))
    keep("table3", {"photos": names, "steps": options.steps, "size": options.size, "rows": rows})


def _row(sweep: iw.Sweep, layer: str, photos: list[str], size: int) -> dict[str, Any]:
    phi = iw.representation(MODEL, layer)
    features = torch.cat([phi.target(iw.read_photo(photo, size)) for photo in photos])
    features = features.flatten(1).double()
    spread, norms = torch.pdist(features).square().mean(), features.norm(dim=1)
    found = {(r["layer"], r["tv_weight"], r["photo"]): r["relative_error"] for r in sweep.table()}
    row: dict[str, Any] = {"after": layer}
    for lam in LAMBDAS:
        errors = torch.tensor([found[layer, tv_weight(lam), photo] for photo in photos]).double()
        released = (errors * norms).square() / spread
        row[f"λ = {lam}: error %"] = _spread(errors)
        row[f"λ = {lam}: released metric %"] = _spread(released)
    return row


def _spread(values: torch.Tensor) -> str:
    return f"{100 * float(values.mean()):.1f} ± {100 * float(values.std()):.1f}"


if __name__ == "__main__":
    main()
