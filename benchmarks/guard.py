"""A guard against slow changes: ratios of our engine to the plain loop, and of parts to the whole.

    python -m benchmarks.guard

Both sides of each ratio run in turn in one process; limits leave room for a noisy machine, so that
what crosses them is a lost optimisation, not a bad minute. Exits with 1 and says which.
"""

from __future__ import annotations

import sys
from statistics import median
from typing import Any

from invwidgets.inversion.job import prepare

from .report import machine, table
from .steps import sides_of
from .stopwatch import alternate, steps_of

TRIES = 3  # of a ratio that is over its limit, before it counts


def main() -> None:
    print(machine(), flush=True)
    rows = [_checked(name, limit, sides, rounds) for name, limit, sides, rounds in _ratios()]
    print(table(rows))
    slow = [row["ratio of"] for row in rows if row["ratio"] > row["limit"]]
    if slow:
        sys.exit(f"slower than it was: {'; '.join(slow)}")


def _ratios() -> list[tuple[str, float, dict[str, Any], int]]:
    lite = sides_of("efficientnet_lite0", "blocks.4", peers=False)
    alexnet = sides_of("alexnet", "features.10", peers=False)
    loop, ours, exact = "plain loop, frozen", "ours", "ours, float32"
    whole, part = (
        steps_of(prepare("coffee", layer="blocks.1", steps=10_000, region=region), 4)
        for region in (None, "26:31,26:31")
    )
    descent, default = (
        steps_of(prepare("coffee", "hogb", preset=preset, steps=10_000), 4)
        for preset in ("cvpr2015", "default")
    )
    return [
        ("EfficientNet-Lite0: ours / frozen loop", 0.9, _two(lite, ours, loop), 4),
        ("AlexNet: ours / frozen loop", 0.95, _two(alexnet, ours, loop), 4),
        ("AlexNet: ours / ours in float32", 1.15, _two(alexnet, ours, exact), 4),
        ("a 5x5 region of blocks.1 / the whole", 0.5, {"a": part, "b": whole}, 5),
        ("HOGb: a default step / a cvpr2015 step", 1.4, {"a": default, "b": descent}, 5),
    ]


def _two(sides: dict[str, Any], first: str, second: str) -> dict[str, Any]:
    return {"a": sides[first], "b": sides[second]}


def _checked(name: str, limit: float, sides: dict[str, Any], rounds: int) -> dict[str, Any]:
    ratio = float("inf")
    for _ in range(TRIES):
        seconds = alternate(sides, rounds)
        ratio = min(ratio, round(median(seconds["a"]) / median(seconds["b"]), 2))
        if ratio <= limit:
            break
    return {"ratio of": name, "ratio": ratio, "limit": limit}


if __name__ == "__main__":
    main()
