"""The growth of a step's time and a run's memory with seeds, image size, depth and region.

    python -m benchmarks growth

Each run is a separate process. Its memory is the peak of resident memory minus the memory before
the run. Its time is the lower quartile of several steps, because other programs on the machine
can only add time. The benchmark also draws ``docs/pictures/growth.png``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from invwidgets.inversion.prepare import prepare

from .stopwatch import steps_of

MODEL = {"model": "efficientnet_lite0", "layer": "blocks.2"}


def _square(cells: int, side: int = 56) -> tuple[int, int, int, int]:
    first = (side - cells) // 2
    return first, first + cells, first, first + cells


SWEEPS: dict[str, list[tuple[Any, dict[str, Any]]]] = {
    "seeds": [(s, {**MODEL, "seeds": s}) for s in (1, 2, 4, 8, 16, 32, 64)],
    "image side": [(s, {**MODEL, "size": s}) for s in (96, 160, 224, 320, 416, 512)],
    "stage": [
        (k, {**MODEL, "layer": name})
        for k, name in enumerate(("conv_stem", *(f"blocks.{k}" for k in range(7))))
    ],
    "region side": [
        (n, {**MODEL, "layer": "blocks.1", "region": _square(n)}) for n in (1, 5, 11, 21, 33, 56)
    ],
    "VGG-16 seeds": [
        (s, {"model": "vgg16", "layer": "features.22", "weights": "random", "seeds": s})
        for s in (4, 64)
    ],
}


def measure() -> dict[str, Any]:
    rows = []
    for name, points in SWEEPS.items():
        for value, options in points:
            run = [sys.executable, "-m", "benchmarks.growth", json.dumps(options)]
            done = subprocess.run(run, capture_output=True, text=True, check=True)
            row = {"": name, "value": value, **json.loads(done.stdout.splitlines()[-1])}
            rows.append(row)
            print(row, flush=True)
    draw(rows, Path("docs/pictures/growth.png"))
    return {"rows": rows}


def one(options: dict[str, Any]) -> dict[str, Any]:
    """One run: milliseconds per step, memory, and how many micro-batches ran in parallel."""
    options = {"seeds": 4, **options}
    prepare(
        "coffee", options["model"], options["layer"], weights=options.get("weights", "pretrained")
    )
    before = _peak()
    job = prepare("coffee", steps=10_000, **options)
    large = options["model"] == "vgg16" or options["seeds"] > 16
    found = sorted(steps_of(job, 3 if large else 15)())
    seconds = found[len(found) // 4]
    after = _peak()
    return {
        "step, ms": round(1e3 * seconds, 1),
        "ms a seed": round(1e3 * seconds / len(job.settings.seeds), 1),
        "memory, MB": round((after - before) / 1024),
        "whole process, MB": round(after / 1024),
        "side by side": job.workers,
        "in": job.settings.precision,
    }


def _peak() -> int:
    """The peak memory of this process in KiB (Linux); getrusage would report the parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw time and memory in two rows, one column per varied quantity."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [name for name in SWEEPS if name != "VGG-16 seeds"]
    figure = Figure(figsize=(12, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(names), sharex="col")
    for column, name in enumerate(names):
        points = [row for row in rows if row[""] == name]
        values = [row["value"] for row in points]
        for line, key in enumerate(("step, ms", "memory, MB")):
            at = axes[line][column]
            at.plot(values, [row[key] for row in points], "o-", color="#1f6f8b", ms=4)
            at.set_ylim(bottom=0)
            at.grid(alpha=0.25)
            at.spines[["top", "right"]].set_visible(False)
            if column == 0:
                at.set_ylabel(("a step, ms", "memory of the run, MB")[line])
        axes[1][column].set_xlabel(name)
        axes[1][column].set_xticks(
            [v for v in values if v not in (2, 4)] if name == "seeds" else values
        )
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    print(json.dumps(one(json.loads(sys.argv[1]))))
