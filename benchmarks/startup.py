"""How long until something moves: import, first run, second run; each in a fresh process.

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
        rows.append(row)
        print(row, flush=True)
    return {"rows": rows}


def one(model: str, layer: str, weights: str) -> dict[str, float]:
    """Seconds by stage, of this very process."""
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
