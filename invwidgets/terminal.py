"""The output of the shell: tables, the scores of a result, and the progress of a run.

>>> print_rows(False, [{"name": "coffee", "about": "a cup"}])
name    about
coffee  a cup
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from .inversion.engine import Step
    from .inversion.result import Reconstruction


def print_result(result: Reconstruction, *written: Path | None) -> None:
    """Print a result's scores per seed, its steps and seconds, and the files ``written``."""
    from .inversion.metrics import WHOLE

    rows = []
    for index, seed in enumerate(result.seeds):
        row = {"seed": str(seed)}
        if result.relative_error is not None:
            row["feature error"] = f"{100 * result.relative_error[index]:.2f} %"
        if result.psnr is not None and result.ssim is not None:
            row["PSNR"] = f"{result.psnr[index]:.2f} dB"
            row["SSIM"] = f"{result.ssim[index]:.3f}"
        rows.append(row)
    print_rows(False, rows)
    if result.psnr is not None and result.scored_on != WHOLE:
        print(f"PSNR and SSIM are computed on the {result.scored_on}")
    for note in filter(None, (result.outlier_note, result.silent_note)):
        print(note)
    stopped = ", stopped early" if result.stopped else ""
    weights = f", {result.note}" if result.note else ""
    print(
        f"{result.model}{weights}, {result.layer}: {result.steps} step{'s' * (result.steps != 1)} "
        f"in {result.seconds:.1f} s{stopped}"
    )
    for seed in sorted({seed for _, seed in result.reverted}):
        print(f"seed {seed} diverged and continued from its best image with smaller steps")
    for path in written:
        if path is not None:
            print(f"wrote {path}")


def print_rows(as_json: bool, rows: list[dict[str, str]]) -> None:
    """Print rows as a table without empty columns, or as JSON."""
    if as_json:
        print(json.dumps(rows))
        return
    names = [name for name in rows[0] if any(row[name] for row in rows)]
    widths = [max(len(name), *(len(row[name]) for row in rows)) for name in names]
    for row in [{name: name for name in names}, *rows]:
        cells = (row[name].ljust(width) for name, width in zip(names, widths, strict=True))
        print("  ".join(cells).rstrip())


def say(words: str) -> None:
    """Print a line on stderr; does nothing if stderr cannot be written to."""
    try:
        print(f"invwidgets: {words}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        silence(sys.stderr)


def silence(stream: TextIO | None) -> None:
    """Send further output of a broken stream to the null device, so that it does not fail again."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # type: ignore[union-attr]


class ProgressLine:
    """A progress bar on a terminal; elsewhere a line after each tenth of the steps.

    A stream that cannot be written to never stops the run: the progress line then turns silent.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream
        self.bar: Any = None
        self.total = 0
        self._failed = stream is None

    def begin(self, steps: int) -> None:
        self.total = steps
        self._guarded(self._begin)

    def update(self, step: Step) -> None:
        self._guarded(lambda: self._update(step))

    def close(self) -> None:
        if self.bar is not None:
            self._guarded(self.bar.close)

    def _guarded(self, write: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            write()
        except Exception:  # such as a closed terminal, a full disk or an unusual encoding
            self._failed = True
            silence(self.stream)

    def _begin(self) -> None:
        assert self.stream is not None
        if self.stream.isatty():
            from tqdm import tqdm

            self.bar = tqdm(total=self.total, unit="step", file=self.stream, dynamic_ncols=True)

    def _update(self, step: Step) -> None:
        done = step.index + 1
        if self.bar is not None:
            self.bar.update(1)
            if done % 5 == 0 or done == self.total:
                self.bar.set_postfix_str(self._data(step))
        elif done == self.total or done % max(1, self.total // 10) == 0:
            left = step.seconds / done * (self.total - done)
            line = f"step {done}/{self.total}  {self._data(step)}  {left:.0f} s left"
            print(line, file=self.stream, flush=True)

    @staticmethod
    def _data(step: Step) -> str:
        data = float(step.energies["data"].mean())
        return f"error {100 * max(data, 0) ** 0.5:.1f} %" if data >= 0 else f"response {-data:.2f}"
