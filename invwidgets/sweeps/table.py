"""The numbers of a sweep as rows and as CSV.

>>> write_csv(sweep.table(), "sweep.csv")
"""

from __future__ import annotations

import csv
import io
import os
from statistics import mean
from typing import TYPE_CHECKING, Any

from ..files import written_whole
from .grid import words_of

if TYPE_CHECKING:
    from .sweep import Sweep

_AXES = ("photo", "model", "layer", "region", "channels")


def rows(sweep: Sweep) -> list[dict[str, Any]]:
    """One row per stored job in the order of the grid: its point and the means over its seeds."""
    found, _ = sweep.store.survey(sweep.keys)
    table = []
    for point, key in zip(sweep.points, sweep.keys, strict=True):
        if key not in found:
            continue
        outcome = found[key]["outcome"]
        row: dict[str, Any] = {axis: words_of(axis, getattr(point, axis)) for axis in _AXES}
        row["photo"] = point.photo or ""
        if sweep.grid.targets:
            row["target"] = point.target
        row["layer"] = point.layer or outcome["layer"]
        row |= dict(point.settings)
        row["seeds"] = words_of("seeds", point.seeds)
        for name in ("relative_error", "raw_relative_error", "psnr", "ssim"):
            known = [value for value in outcome[name] or () if value is not None]
            row[name] = mean(known) if known else None
        row["best_error"] = min(outcome["relative_error"] or (None,))
        row["diversity"] = outcome["diversity"]["pixels"]
        row["steps"] = outcome["steps"]
        row["seconds"] = sweep.store.seconds(key)
        row["key"] = key
        table.append(row)
    return table


def to_csv(table: list[dict[str, Any]]) -> str:
    """The rows as CSV with a heading; an empty text if there are none."""
    if not table:
        return ""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return file.getvalue()


def write_csv(table: list[dict[str, Any]], path: str | os.PathLike[str]) -> None:
    """Write rows as a CSV file, completely or not at all; raises ``OutputError``."""
    with written_whole(path) as partial:
        partial.write_text(to_csv(table), encoding="utf-8")
