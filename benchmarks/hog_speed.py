"""The speed of HOG, HOGb and dense SIFT compared with plain convolutions, forward and backward.

Run::

    python -m benchmarks.hog_speed [--images 8] [--size 256] [--repeats 9] [--threads 1] [--json]

Both sides run in turn in one process on the same images. The output has medians with the smallest
and the largest time, the ratio of the medians, and the largest difference between the features.
By default one thread is used, because two threads can be slower than one on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from invwidgets.representations.descriptors.dsift import dsift
from invwidgets.representations.descriptors.gradients import Gray
from invwidgets.representations.descriptors.hog import hog, hogb
from tests.reference.plain_dsift import plain_dsift
from tests.reference.plain_hog import plain_hog

Side = Callable[[Tensor], Tensor]


def pictures(count: int, size: int) -> Tensor:
    """Smooth random images with blobs of all sizes, like natural images."""
    generator = torch.Generator().manual_seed(0)
    images = torch.zeros(count, 3, size, size)
    side = 4
    while side <= size:
        noise = torch.rand(count, 3, side, side, generator=generator)
        images += torch.nn.functional.interpolate(noise, (size, size), mode="bilinear") * 4 / side
        side *= 2
    return images / images.amax()


def one_pass(side: Side, images: Tensor) -> tuple[float, Tensor, Tensor]:
    """The seconds of one forward and backward pass, the features, and the images' gradient."""
    images = images.clone().requires_grad_()
    begin = time.perf_counter()
    features = side(images)
    features.sum().backward()  # type: ignore[no-untyped-call]
    seconds = time.perf_counter() - begin
    assert images.grad is not None
    return seconds, features.detach(), images.grad


def compare(name: str, ours: Side, plain: Side, images: Tensor, repeats: int) -> dict[str, object]:
    """One row of the table: times of both sides, and the differences between their numbers."""
    for side in (ours, plain):
        one_pass(side, images)
    times: dict[str, list[float]] = {"ours": [], "plain": []}
    for _ in range(repeats):
        times["ours"].append(one_pass(ours, images)[0])
        times["plain"].append(one_pass(plain, images)[0])
    difference = (one_pass(ours, images)[1] - one_pass(plain, images)[1]).abs().max().item()
    row: dict[str, object] = {"name": name, "max_difference": difference}
    for who, seconds in times.items():
        row[f"{who}_ms"] = round(1000 * statistics.median(seconds), 1)
        row[f"{who}_spread_ms"] = [round(1000 * f(seconds), 1) for f in (min, max)]
    row["ratio"] = round(statistics.median(times["plain"]) / statistics.median(times["ours"]), 2)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    images = pictures(given.images, given.size)
    gray = Gray()
    rows = [
        compare("hog", hog(), lambda x: plain_hog(gray(x)), images, given.repeats),
        compare("hogb", hogb(), lambda x: plain_hog(gray(x), bilinear=True), images, given.repeats),
        compare("dsift", dsift(), lambda x: plain_dsift(gray(x)), images, given.repeats),
    ]
    if given.json:
        print(json.dumps({"settings": vars(given), "rows": rows}, indent=1))
        return
    print(f"{given.images} images {given.size} x {given.size}, {given.threads} thread(s), ms")
    for row in rows:
        print(
            f"{row['name']:6} ours {row['ours_ms']:7} {row['ours_spread_ms']!s:18} "
            f"plain {row['plain_ms']:7} {row['plain_spread_ms']!s:18} "
            f"ratio {row['ratio']:5}  largest difference {row['max_difference']:.1e}"
        )


if __name__ == "__main__":
    main()
