"""The program that measures the tables of ``docs/performance.md`` and writes this page.

    python -m benchmarks                  # all tables, about half an hour on two cores
    python -m benchmarks steps growth     # some tables; the others keep their last results

It needs the extra ``bench``, which installs torch-lucent. Run nothing else on the machine.
"""

from __future__ import annotations

import argparse
import importlib

from .page import PARTS, write_page
from .report import keep, machine, table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parts = parser.parse_args().parts or list(PARTS)
    if unknown := [name for name in parts if name not in PARTS]:
        parser.error(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    print(machine(), flush=True)
    for name in parts:
        print(f"\n{name}", flush=True)
        measured = importlib.import_module(f"benchmarks.{name}").measure()
        keep(name, measured)
        print(table(measured["rows"]), flush=True)
    print(f"\nwrote {write_page()}")


if __name__ == "__main__":
    main()
