"""``docs/performance.md``, put together from the results that are kept."""

from __future__ import annotations

import json
from pathlib import Path

from .report import RESULTS, table

PAGE = Path("docs/performance.md")

PARTS = {
    "steps": (
        "Seconds a step",
        "4 seeds, 224 px, milliseconds a step: the median and, in brackets, the quarter and "
        "three-quarter points, of all sides in turn in one process. *Plain loop* is the loop that "
        "the papers' text describes, written down in PyTorch: parameters unfrozen, float32, the "
        "whole network as written; *frozen* leaves out the parameters' gradients and what comes "
        "after the layer; *layer by layer* is our engine in float32 with torch's own convolutions "
        "and ReLUs, one after the other. torch-lucent 0.1.8 runs its own `render_vis`.",
    ),
    "goals": (
        "Seconds to the papers' error",
        "The papers' presets run as published (docs/papers.md), in our engine with all its speed; "
        "then our default in the fewest steps (of a ladder) that end at no larger an error and no "
        "lower an SSIM. Mean of two seeds and two photos, flower and rocket (VGG-16: the first), "
        "in float32; the default was chosen on others, but that HOG's short runs lean on the "
        "prior, which was found here. Seconds are the processor's, of one thread: what else the "
        "machine did is not counted. A dash: no number of steps up to 400 had both, on one of the "
        "photos (ours is then the other's) or on both. Rows that are missing were not measured in "
        "this version, which begins from noise at any length. The last column takes the preset's "
        "steps as the plain loop of the table above instead (a measured step times their number). "
        "AlexNet and VGG-16 have random weights.",
    ),
    "searches": (
        "In which basis to search, and by which rule",
        "Error, PSNR, SSIM and the processor's seconds after so many steps, on EfficientNet-Lite2 "
        "and the photos motorcycle and flower, on none of which anything was chosen; one seed "
        "each, float32, the default's energy, start and schedule of λ_V. What differs is the "
        "basis, pixels, an image pyramid or Fourier coefficients weighed by 1 / frequency, each "
        "with and without decorrelated colors, and the rule. Adam on another basis than "
        "ours is at the better, by the error, of our rate and twice that. Gauss-Newton takes a "
        "fifth of the steps, with four conjugate gradients each. Shorter runs are left out until "
        "they are measured again: they began from an estimate of the image, which is gone.",
    ),
    "precisions": (
        "bfloat16 or float32",
        "The same seeds forced into both; the errors are measured in float32. *auto takes* is what "
        "a run chooses by itself, by timing one step of each.",
    ),
    "share": (
        "Share of the machine",
        "A whole step, optimizer and prior included, against the fastest large product and the "
        "fastest copy of the same minute in the same process. Where FLOP/s fall short, GB/s tell "
        "why: depthwise convolutions and activations move many bytes for few FLOPs.",
    ),
    "limits": (
        "What limits a step",
        "A step of one seed on one thread, in float32, every operator timed as it runs. *At its "
        "limit* an operator takes as long as its FLOPs at the fastest large product, or its bytes "
        "at the fastest large copy of the same process, whichever is longer; what lies in a cache "
        "moves faster. *The engine, and between operators*: what a whole step takes beyond the "
        "others: bounds, the best image kept, Python and autograd.",
    ),
    "regions": (
        "Regions cost what they see",
        "A step of 4 seeds on 5x5 cells in the middle against one on the whole map, in float32. "
        "What a region cannot save is what goes over every pixel, the prior and the optimizer: "
        "their time is that of a step of a network which computes nothing.",
    ),
    "growth": (
        "How cost grows",
        "EfficientNet-Lite0, blocks.2 (regions: blocks.1), 4 seeds at 224 px, one thing varied at "
        "a time; each row is a process of its own. *Memory* is what the run adds to a process that "
        "has the network loaded and has run one seed.",
    ),
    "startup": (
        "Start-up",
        "Milliseconds, the median of three fresh processes. *Network and its layers* holds the "
        "import of the library that the network is from; receptive fields of all layers are traced "
        "in it.",
    ),
}


def write_page() -> Path:
    """Write the page from ``benchmarks/results``; parts never measured are left out."""
    lines = [
        "# Performance",
        "",
        "Made by `python -m benchmarks`. Ratios carry over to other machines better than seconds.",
        "",
    ]
    for name, (title, about) in PARTS.items():
        path = RESULTS / f"{name}.json"
        if not path.exists():
            continue
        kept = json.loads(path.read_text())
        where = kept["machine"]
        lines += [f"## {title}", "", about, "", _joined(kept["rows"]), ""]
        if name == "growth":
            lines += ["![time and memory by seeds, size, stage, region](pictures/growth.png)", ""]
        lines += [
            f"{where['processor']}, {where['cores']} cores, {where['threads']} torch threads, "
            f"torch {where['torch']}; `python -m benchmarks {name}`.",
            "",
        ]
    PAGE.write_text("\n".join(lines))
    return PAGE


def _joined(rows: list[dict[str, object]]) -> str:
    """One table of rows that may lack some columns."""
    names = dict.fromkeys(name for row in rows for name in row)
    return table([{name: row.get(name, "") for name in names} for row in rows])
