"""The command ``invwidgets sweep``, which runs a plan, reports a store and exports its numbers."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BadSettingError, shown
from .terminal import say

if TYPE_CHECKING:
    from .sweeps.sweep import Status, SweepProgress

_ABOUT = """\
  invwidgets sweep plan.toml --store DIR_OR_URL   run the jobs that the store does not have yet
  invwidgets sweep status STORE                   list finished, failed and damaged jobs
  invwidgets sweep export STORE [--out FILE]      write the numbers as CSV
"""
_SHOWN = 20  # failures and damaged records that are named on a terminal


def add_command(commands: Any) -> None:
    """Add ``sweep`` to the shell's commands."""
    parser = commands.add_parser(
        "sweep", help="run a grid of layers, settings, photos and seeds", description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("plan", help="a TOML file, or the word status or export")
    add("place", nargs="?", metavar="STORE", help="the store, after status or export")
    add("--store", metavar="PLACE", help="a folder or a URL such as s3://bucket/sweep")
    words = "worker processes (default: as many as cores and memory allow)"
    add("--workers", type=int, metavar="N", help=words)
    words = "address of a Dask scheduler, such as tcp://host:8786"
    add("--scheduler", metavar="ADDRESS", help=words)
    add("--dry-run", action="store_true", help="report what there is to do without running it")
    add("--out", metavar="FILE", help="output file of export (default: stdout)")
    add("--json", action="store_true", help="print JSON on stdout")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command and return its exit code.

    0 means that every job is stored; 1 that some are not, and stderr says why; 130 that the
    command was interrupted.
    """
    if options.plan in ("status", "export"):
        place = options.place or options.store
        if place is None:
            raise BadSettingError(f"sweep {options.plan}: name the store by its folder or URL")
        return _status(place, options) if options.plan == "status" else _export(place, options)
    if options.place is not None:
        raise BadSettingError(
            f"sweep {shown(options.plan)} {shown(options.place)}: give the store as --store "
            f"{options.place}"
        )
    if options.workers is not None and options.scheduler is not None:
        raise BadSettingError(
            "--workers and --scheduler exclude each other: a cluster has its own workers; leave "
            "one out"
        )
    from .sweeps.sweep import Sweep

    sys.path.insert(0, os.getcwd())  # a user's model, given as package:factory, may be here
    sweep = Sweep.from_file(options.plan, options.store)
    if options.dry_run:
        status = sweep.status()
        return _print(status, options, complete=True)
    lines = Lines()
    try:
        status = sweep.run(options.workers, scheduler=options.scheduler, on_progress=lines.tell)
    except KeyboardInterrupt:
        say("stopped; stored results are kept, and the same command continues from there")
        return 130
    return _print(status, options)


def _status(place: str, options: argparse.Namespace) -> int:
    from .sweeps.store import Store
    from .sweeps.sweep import status_of

    store = Store(place, create=False)
    keys = [key for plan in store.plans() for key in plan["keys"]]
    status = status_of(store, [*keys, *store.keys()])
    return _print(status, options, complete=not status.damaged)


def _export(place: str, options: argparse.Namespace) -> int:
    from .sweeps.sweep import Sweep
    from .sweeps.table import to_csv, write_csv

    table = Sweep.reopen(place).table()
    if options.out is not None:
        write_csv(table, Path(options.out))
        say(f"wrote {len(table)} rows to {options.out}")
    else:
        print(json.dumps(table) if options.json else to_csv(table), end="")
    return 0


def _print(status: Status, options: argparse.Namespace, complete: bool = False) -> int:
    if options.json:
        print(json.dumps({
            "total": status.total, "stored": len(status.stored), "missing": len(status.missing),
            "failed": status.failed, "damaged": status.damaged,
        }))  # fmt: skip
    else:
        print(status.describe())
    for words in (status.failed, status.damaged):
        for key, reason in list(words.items())[:_SHOWN]:
            say(f"{key[:8]}: {reason}")
        if len(words) > _SHOWN:
            say(f"and {len(words) - _SHOWN} more; --json lists them all")
    if status.damaged:
        say("the next run repairs damaged records")
    return 0 if complete or status.complete else 1


class Lines:
    """Progress lines on stderr: one at the start, per twentieth of the jobs, and per failure."""

    def __init__(self) -> None:
        self._last = -1

    def tell(self, progress: SweepProgress) -> None:
        part = 20 * (progress.stored + progress.failed) // max(1, progress.total)
        failed = progress.outcome is not None and progress.outcome["state"] == "failed"
        if progress.outcome is None:
            for note in progress.notes:
                say(note)
        if part == self._last and not failed:
            return
        self._last = part
        words = progress.describe()
        if failed and progress.outcome is not None:
            words += f" ({progress.outcome['reason']})"
        print(words, file=sys.stderr, flush=True)
