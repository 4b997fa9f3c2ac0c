"""When the noise has visibly begun to be the photo: seconds from Start, as a panel shows pictures.

    python -m benchmarks.first_picture

A session with EfficientNet-Lite0 loaded, 4 seeds at 224 px, the default; the median of three runs.
*Likeness* is the correlation of the pictures' brightness with the photo's, the mean over seeds: 0.3
is where a cup is seen in the noise. The pictures are those that the session reports; the run that
follows is the same with and without anybody looking.
"""

from __future__ import annotations

import time
from statistics import median

import torch

import invwidgets as iw
from invwidgets.inversion.progress import Progress

from .report import keep, machine, table

LAYERS = ("blocks.0", "blocks.2", "blocks.4", "blocks.6")
SEEN, REPEATS, SEEDS = 0.3, 3, 4


def main() -> None:
    print(machine(), flush=True)
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
    print(table(rows))
    keep("first_picture", {"rows": rows})


def _pictures(layer: str) -> list[tuple[float, int, float]]:
    """Seconds from Start, step and likeness of each picture until one is seen."""
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


if __name__ == "__main__":
    main()
