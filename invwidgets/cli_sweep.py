"""``invwidgets sweep``: run a plan, see how a store stands, take its numbers away."""

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
  invwidgets sweep plan.toml --store DIR_OR_URL   run what the store has not yet
  invwidgets sweep status STORE                   what is there, what failed, what is damaged
  invwidgets sweep export STORE [--out FILE]      the numbers as CSV
"""
_SHOWN = 20  # failures and damaged records named on a terminal


def add_command(commands: Any) -> None:
    """Add ``sweep`` to the shell's commands."""
    parser = commands.add_parser(
        "sweep", help="run a grid of layers, settings, photos and seeds", description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("plan", help="a TOML file; or the word status or export")
    add("place", nargs="?", metavar="STORE", help="with status and export")
    add("--store", metavar="PLACE", help="a folder or a URL such as s3://bucket/sweep")
    add("--workers", type=int, metavar="N", help="processes (default: by cores and memory)")
    add("--scheduler", metavar="ADDRESS", help="of a Dask cluster, such as tcp://host:8786")
    add("--dry-run", action="store_true", help="say what there is to do, and do nothing")
    add("--out", metavar="FILE", help="where export writes to (default: stdout)")
    add("--json", action="store_true", help="print JSON on stdout")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0: every job is stored. 1: some are not, and stderr says why. 130: interrupted."""
    if options.plan in ("status", "export"):
        place = options.place or options.store
        if place is None:
            raise BadSettingError(f"sweep {options.plan}: say which store, as its folder or URL")
        return _status(place, options) if options.plan == "status" else _export(place, options)
    if options.place is not None:
        raise BadSettingError(
            f"sweep {shown(options.plan)} {shown(options.place)}: give the store as --store "
            f"{options.place}"
        )
    if options.workers is not None and options.scheduler is not None:
        raise BadSettingError("--workers beside --scheduler: a cluster has its own; leave one out")
    from .sweeps.sweep import Sweep

    sys.path.insert(0, os.getcwd())  # a model of one's own, as package:factory, may lie here
    sweep = Sweep.from_file(options.plan, options.store)
    if options.dry_run:
        status = sweep.status()
        return _print(status, options, complete=True)
    lines = Lines()
    try:
        status = sweep.run(options.workers, scheduler=options.scheduler, on_progress=lines.tell)
    except KeyboardInterrupt:
        say("stopped; what is stored stays, and the same command goes on from there")
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
        say("the next run repairs what is damaged")
    return 0 if complete or status.complete else 1


class Lines:
    """A line before the first job, then one each twentieth and for each failure."""

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
