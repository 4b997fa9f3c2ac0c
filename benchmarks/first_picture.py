"""The time from Start until the photo is visible in the noise, as a panel shows pictures.

    python -m benchmarks first_picture

A session inverts EfficientNet-Lite0, which is already loaded, with 4 seeds at 224 pixels and
default settings. The table has medians of three runs. *Likeness* is the correlation between the
brightness of a picture and the photo's, averaged over seeds; at 0.3 a person can recognize a cup.
The pictures are those that the session reports, which does not change the run.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import torch

import invwidgets as iw
from invwidgets.inversion.progress import Progress

LAYERS = ("blocks.0", "blocks.2", "blocks.4", "blocks.6")
SEEN, REPEATS, SEEDS = 0.3, 3, 4


def measure() -> dict[str, Any]:
    rows = []
    for layer in LAYERS:
        runs = [_pictures(layer) for _ in range(1 + REPEATS)][1:]  # the first loads
        first = [pictures[0][0] for pictures in runs]
        seen = [next((p for p in pictures if p[2] >= SEEN), pictures[-1]) for pictures in runs]
        rows.append(
            {
                "after": layer,
                "first picture, s": f"{median(first):.2f}",
                f"likeness of {SEEN}, s": f"{median(p[0] for p in seen):.2f}",
                "at step": f"{median(p[1] for p in seen):g}",
                "its likeness": f"{median(p[2] for p in seen):.2f}",
            }
        )
        print(rows[-1], flush=True)
    return {"rows": rows}


def _pictures(layer: str) -> list[tuple[float, int, float]]:
    """The seconds from Start, step and likeness of each picture, until the photo is visible."""
    found: list[tuple[float, int, float]] = []
    photo = iw.read_photo("coffee", 224).mean(0)

    def look(progress: Progress) -> None:
        if progress.frame is None or (found and found[-1][1] == progress.step):
            return
        seconds = time.perf_counter() - began
        images = torch.from_numpy(progress.frame.images.copy()).float().mean(3)
        pairs = [torch.stack([image.flatten(), photo.flatten()]) for image in images]
        likeness = float(torch.stack([torch.corrcoef(pair)[0, 1] for pair in pairs]).mean())
        found.append((seconds, progress.step, likeness))
        if likeness >= SEEN:
            session.stop()

    with iw.Session(look) as session:
        began = time.perf_counter()
        session.start("coffee", layer=layer, seeds=SEEDS).result()
    return found
