"""The times of import, first run, second run and shell command, in new processes.

python -m benchmarks startup
"""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median
from time import perf_counter
from typing import Any

CASES = (
    ("efficientnet_lite0", "blocks.2", "pretrained"),
    ("alexnet", "features.10", "random"),
    ("vgg16", "features.22", "random"),
    ("hog", "decompose", "pretrained"),
)
REPEATS = 3
COMMAND = ("-m", "invwidgets.cli", "invert", "coffee", "--steps", "1")


def measure() -> dict[str, Any]:
    rows = []
    for case in CASES:
        run = [sys.executable, "-m", "benchmarks.startup", json.dumps(case)]
        found = [
            json.loads(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
            for _ in range(REPEATS)
        ]
        row: dict[str, Any] = {"": f"{case[0]} {case[1]}"}
        row |= {name: f"{1e3 * median(f[name] for f in found):.0f}" for name in found[0]}
        ratio = median(f["network and its layers, ms"] / f["import torch, ms"] for f in found)
        row["network by torch"] = f"{ratio:.2f}"
        rows.append(row)
        print(row, flush=True)
    rows.append(shell())
    print(rows[-1], flush=True)
    return {"rows": rows}


def shell() -> dict[str, Any]:
    """The times of a shell command with one step, and of torch's import, measured in turn."""
    taken: dict[tuple[str, ...], list[float]] = {("-c", "import torch"): [], COMMAND: []}
    for _ in range(REPEATS):
        for arguments, seconds in taken.items():
            began = perf_counter()
            subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
            seconds.append(perf_counter() - began)
    alone, whole = taken.values()
    return {
        "": "`invwidgets invert coffee --steps 1`",
        "import torch, ms": f"{1e3 * median(alone):.0f}",
        "whole command, ms": f"{1e3 * median(whole):.0f}",
        "command by torch": f"{median(w / a for w, a in zip(whole, alone, strict=True)):.2f}",
    }


def one(model: str, layer: str, weights: str) -> dict[str, float]:
    """The seconds of each stage, measured in this process."""
    began = perf_counter()
    import invwidgets as iw

    imported = perf_counter()
    import torch  # noqa: F401  # what the package needs as soon as it computes

    loaded = perf_counter()
    from invwidgets.inversion.prepare import prepare

    iw.representation(model, layer, weights).layer_info()
    known = perf_counter()
    job = prepare("coffee", model, layer, weights=weights)
    ready = perf_counter()
    next(job.steps())
    first = perf_counter()
    job = prepare("coffee", model, layer, weights=weights)
    again = perf_counter()
    next(job.steps())
    return {
        "import invwidgets, ms": imported - began,
        "import torch, ms": loaded - imported,
        "network and its layers, ms": known - loaded,
        "target and measurements, ms": ready - known,
        "first step, ms": first - ready,
        "second run: until its first step begins, ms": again - first,
        "second run: its first step, ms": perf_counter() - again,
    }


if __name__ == "__main__":
    print(json.dumps(one(*json.loads(sys.argv[1]))))
