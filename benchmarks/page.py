"""The writer of ``docs/performance.md``, which is made from stored results."""

from __future__ import annotations

import json
from pathlib import Path

from .report import RESULTS, table

PAGE = Path("docs/performance.md")

PARTS = {
    "steps": (
        "Time per step",
        "Milliseconds per step of 4 seeds at 224 px: the median and, in brackets, the lower and "
        "upper quartile. All programs run in turn in one process. *Plain loop* is the loop that "
        "the papers describe, written in PyTorch: trainable parameters, float32, and the whole "
        "network as its authors wrote it. *Frozen* leaves out the parameters' gradients and the "
        "layers after the inverted one. *Layer by layer* is this package's engine in float32 with "
        "torch's own convolutions and ReLUs instead of fused ones. torch-lucent 0.1.8 runs its "
        "own `render_vis`.",
    ),
    "goals": (
        "CPU time until the papers' error is reached",
        "The papers' presets run as published (docs/papers.md), in this package's fast engine. "
        "The default then runs with more and more steps, until its error is not larger and its "
        "SSIM is not lower. The numbers are means over two seeds and two held-out photos, flower "
        "and rocket (VGG-16: flower only), in float32. One exception: for short runs of HOG, the "
        "default's prior was chosen with these two photos. Times are CPU seconds of one thread, "
        "so other programs on the machine matter little. A dash means that no number of steps up "
        "to 400 was enough for one of the photos or for both; the default's numbers are then "
        "those of the other photo. The last column compares with the plain loop of the table "
        "above: the preset's number of steps times the measured time of a step of the plain loop. "
        "AlexNet and VGG-16 have random weights.",
    ),
    "first_picture": (
        "From Start to a picture of the photo",
        "The seconds from Start until a panel's first picture, and until its pictures look like "
        "the photo: coffee, 4 seeds at 224 px, default settings, a network that is already "
        "loaded; medians of three runs. *Likeness* is the correlation between the brightness of "
        "a picture and the photo's, averaged over seeds. At 0.3 a person can recognize a cup. "
        "A run that ends below 0.3 has the values of its end.",
    ),
    "searches": (
        "Parametrizations and optimizers",
        "Error, PSNR, SSIM and CPU seconds after a number of steps, for EfficientNet-Lite2 and "
        "the held-out photos motorcycle and flower, with one seed each in float32. All searches "
        "have the default's energy, start and schedule of λ_V. They differ in the parametrization "
        "(pixels, an image pyramid, or Fourier coefficients weighted by 1 / frequency, each with "
        "and without decorrelated colors) and in the optimizer. For Adam on other "
        "parametrizations than the default's, two learning rates were tried, the default's and "
        "twice that, and the one with the smaller error is shown. Gauss-Newton does a fifth of "
        "the steps, each with four iterations of conjugate gradients, and does not shift the "
        "images, as all others do after blocks.4.",
    ),
    "precisions": (
        "bfloat16 or float32",
        "The same seeds run in both precisions; errors are always measured in float32. *auto "
        "takes* is the precision that a run chooses by timing one step in each.",
    ),
    "share": (
        "Use of the machine's peak speed",
        "A whole step, with optimizer and prior, compared with the fastest large product and the "
        "fastest large copy, measured within the same minute in the same process. Where FLOP/s "
        "are low, GB/s show the reason: depthwise convolutions and activations move many bytes "
        "for few FLOPs.",
    ),
    "limits": (
        "Limits of a step",
        "A step of one seed on one thread in float32; every operator is timed. *At its limit* is "
        "the time of an operator for its FLOPs at the speed of the fastest large product, or for "
        "its bytes at the speed of the fastest large copy, whichever is longer. Operators on data "
        "in a cache can be faster than this limit. *The engine, and between operators* is the "
        "rest of the step: bounds, the copy of the best image, Python and autograd.",
    ),
    "regions": (
        "Cost of regions",
        "A step of 4 seeds on 5x5 cells in the middle, compared with a step on the whole map, in "
        "float32. A region cannot save the work on every pixel, by the prior and the optimizer. "
        "Its time is measured by a step of a network that computes nothing.",
    ),
    "growth": (
        "Growth of time and memory",
        "EfficientNet-Lite0, blocks.2 (regions: blocks.1), 4 seeds at 224 px; one quantity is "
        "varied at a time, and each row is a separate process. *Memory* is the memory that the "
        "run adds to a process that has loaded the network and run one seed.",
    ),
    "startup": (
        "Start-up",
        "Milliseconds: the median of three new processes. *Network and its layers* includes the "
        "import of the network's library and the tracing of all receptive fields.",
    ),
}


def write_page() -> Path:
    """Write the page from ``benchmarks/results``, without the parts that were not measured."""
    lines = [
        "# Performance",
        "",
        "Measured by `python -m benchmarks`. Ratios differ less between machines than seconds do.",
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
    """A table of rows, of which some may lack columns."""
    names = dict.fromkeys(name for row in rows for name in row)
    return table([{name: row.get(name, "") for name in names} for row in rows])
