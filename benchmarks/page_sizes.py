"""The size of an HTML page by its number of layers and the format of its pictures.

    python -m benchmarks.page_sizes --steps 40

It inverts the stages of EfficientNet-Lite0 for a photo, with 3 seeds and a film of 8 pictures at
224 pixels, writes pages with some and with all of the stages, and prints their sizes. The second
table compares WebP with JPEG. Each JPEG file has the lowest quality at which its SSIM to the
original equals that of the WebP files, averaged over all pictures. The JPEG column of the first
table is the size of the page with these JPEG files.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import invwidgets as iw
from invwidgets.inversion.metrics import Reference, ssim
from invwidgets.pages.pictures import EFFORTS, Effort, Pictures, Write, encoded, webp
from invwidgets.representations.stages import stages

LAYERS = 11
PHOTO = "coffee"


def jpeg(picture: Image.Image, quality: int) -> bytes:
    """A picture as a JPEG file, optimized for size."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality, optimize=True, progressive=True)
    return file.getvalue()


def results_of(steps: int, seeds: int, size: int) -> list[iw.Reconstruction]:
    """One result for each stage of EfficientNet-Lite0."""
    phi = iw.representation("efficientnet_lite0")
    layers = [layer.name for layer in stages(phi.layers(), LAYERS)]
    return [
        iw.invert(PHOTO, phi.at(layer), seeds=seeds, size=size, steps=steps, frames=8, threads=1)
        for layer in layers
    ]


def likeness(results: Sequence[iw.Reconstruction], effort: Effort, write: Write) -> float:
    """The mean SSIM between the pictures of results and the same pictures as files."""
    found = []

    def noted(picture: Image.Image, quality: int) -> bytes:
        data = write(picture, quality)
        if picture.height == picture.width:  # not the films, which are columns
            found.append(_alike(picture, Image.open(io.BytesIO(data)).convert("RGB")))
        return data

    for result in results:
        encoded(result, effort, noted)
    return float(np.mean(found))


def _alike(one: Image.Image, other: Image.Image) -> float:
    first, second = (
        torch.from_numpy(np.asarray(picture).copy()).movedim(-1, 0)[None].float() / 255
        for picture in (one, other)
    )
    return float(ssim(second, Reference(first[0]))[0])


def as_good(results: Sequence[iw.Reconstruction], effort: Effort) -> int:
    """The lowest JPEG quality with at least the mean SSIM of the WebP files."""
    wanted = likeness(results, effort, webp)
    low, high = 10, 99
    while low < high:
        middle = (low + high) // 2
        trial = Effort(middle, effort.side, effort.frames)
        if likeness(results, trial, jpeg) >= wanted:
            high = middle
        else:
            low = middle + 1
    return low


def size_of(pictures: Pictures) -> int:
    every = (*pictures.seeds, *pictures.films, pictures.mean, pictures.spread)
    return sum(len(one) for one in every if one is not None)


def page_bytes(results: Sequence[iw.Reconstruction]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        return iw.page(list(results), Path(folder) / "page.html", megabytes=100).bytes


def every(results: Sequence[iw.Reconstruction], effort: Effort, write: Write) -> int:
    return sum(size_of(encoded(result, effort, write)) for result in results)


def tables(results: Sequence[iw.Reconstruction], say: Callable[[str], None]) -> None:
    """The lines of both tables."""
    best, sample = EFFORTS[0], results[:: max(1, len(results) // 3)]
    qualities = {effort: as_good(sample, effort) for effort in EFFORTS[:4]}
    jpegs = {effort: Effort(q, effort.side, effort.frames) for effort, q in qualities.items()}
    say("| layers | pictures | page, WebP (MB) | page, JPEG (MB) | of it words and scripts (MB) |")
    say("|---|---|---|---|---|")
    for count in sorted({max(1, len(results) * part // 11) for part in (1, 4, 8, 11)}):
        some = results[:count]
        whole, small = page_bytes(some), every(some, best, webp)
        large = every(some, jpegs[best], jpeg)
        frames = sum(len(r.seeds) * 8 for r in some)
        sizes = whole, whole + 4 / 3 * (large - small), whole - 4 / 3 * small
        say(f"| {count} | {frames} | " + " | ".join(f"{one / 1e6:.2f}" for one in sizes) + " |")
    say("")
    say("| WebP's quality | kB | SSIM | JPEG's quality | kB | SSIM |")
    say("|---|---|---|---|---|---|")
    for effort, other in jpegs.items():
        say(
            f"| {effort.quality} | {every(sample, effort, webp) / 1e3:.0f} "
            f"| {likeness(sample, effort, webp):.3f} | {other.quality} "
            f"| {every(sample, other, jpeg) / 1e3:.0f} | {likeness(sample, other, jpeg):.3f} |"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=224)
    options = parser.parse_args(arguments)
    tables(results_of(options.steps, options.seeds, options.size), print)


if __name__ == "__main__":
    main()
