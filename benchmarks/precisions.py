"""The errors and times of runs in bfloat16, compared with float32.

    python -m benchmarks precisions

The same seeds run in both precisions; errors are always measured in float32. The column *auto
takes* has the precision that a run would choose by its own measurement.
"""

from __future__ import annotations

from statistics import mean
from typing import Any

import invwidgets as iw
from invwidgets.inversion.prepare import prepare

CASES = (
    *(("efficientnet_lite0", f"blocks.{k}", "pretrained", 100) for k in range(7)),
    *(("alexnet", f"features.{k}", "random", 100) for k in (1, 4, 7, 9, 11)),
    *(("vgg16", f"features.{k}", "random", 40) for k in (3, 8, 15, 22)),
)


def measure() -> dict[str, Any]:
    rows = []
    for model, layer, weights, steps in CASES:
        options: dict[str, Any] = {"weights": weights, "seeds": 2, "steps": steps, "frames": 0}
        runs = {
            name: iw.invert("coffee", model, layer, precision=name, **options)
            for name in ("float32", "bfloat16")
        }
        errors = {name: mean(run.relative_error or ()) for name, run in runs.items()}
        exact, half = errors["float32"], errors["bfloat16"]
        row: dict[str, Any] = {
            "": f"{model} {layer}",
            "float32: error %": f"{100 * exact:.2f}",
            "bfloat16: error %": f"{100 * half:.2f}",
            "difference %": f"{100 * (half / exact - 1):+.1f}",
            "time, bfloat16 / float32": f"{runs['bfloat16'].seconds / runs['float32'].seconds:.2f}",
            "auto takes": prepare("coffee", model, layer, **options).settings.precision,
        }
        rows.append(row)
        print(row, flush=True)
    for name in ("hog", "hogb", "dsift"):
        rows.append({"": name, "auto takes": prepare("coffee", name).settings.precision})
    return {"rows": rows}
