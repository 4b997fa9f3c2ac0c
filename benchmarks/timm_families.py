"""A test of every network family of timm, which is inverted for five steps or refused.

    python -m benchmarks.timm_families

For each module of timm it takes a small network with random weights at its own image size, in a
separate process, so that a crash does not affect the others. It writes ``docs/networks.md``,
followed by the stored results of ``benchmarks.library_networks``.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .library_networks import section
from .report import RESULTS, keep, machine, table

PAGE = Path(__file__).parents[1] / "docs" / "networks.md"
SLOW = 1.0  # seconds of a forward pass on one thread; slower families are not tried
PATIENCE = 300  # seconds until a network is given up
_SMALL = ("test_", "atto", "femto", "pico", "xxs", "nano", "xxtiny", "xtiny", "tiny", "_t0", "_t_",
          "xs", "_s0", "mini", "small", "_s_", "_0", "18", "_b0", "050", "26", "base")  # fmt: skip

_INTRO = """# Supported networks

## Families of timm

`python -m benchmarks.timm_families` takes a small network of each family of timm {version}, with
random weights, at its own size. It lists the layers and inverts one in the middle for five steps.
The column *assumed* counts layers after an operator whose receptive field is unknown, so that the
whole image is assumed. A network whose forward pass takes more than a second is not tried.

{inverted} families were inverted, {slow} were too slow to try, {refused} were refused.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--families", help="names, with commas between; default: all")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(_try(options.one)))
        return
    print(machine(), flush=True)
    rows = []
    for family, name in _families(options.families):
        rows.append({"family": family, "network": name, **_apart(name)})
        print(rows[-1], flush=True)
    if not options.families:
        keep("timm_families", {"timm": _version(), "rows": rows})
        write_page()


def write_page(path: Path = PAGE) -> Path:
    """Write the page from the stored results."""
    kept = json.loads((RESULTS / "timm_families.json").read_text())
    rows = kept["rows"]
    counts = {
        kind: sum(row["outcome"].startswith(kind) for row in rows)
        for kind in ("inverted", "slow", "refused")
    }
    families = _INTRO.format(version=kept["timm"], **counts) + "\n" + table(rows) + "\n"
    path.write_text(f"{families}\n{section()}")
    return path


def _families(wanted: str | None) -> list[tuple[str, str]]:
    """The modules of timm, each with the network that is smallest according to its name."""
    from invwidgets.models.torchvision_import import import_torchvision

    import_torchvision()
    import timm

    found = []
    for family in timm.list_modules():
        names = timm.list_models(module=family)
        if names and (not wanted or family in wanted.split(",")):
            found.append((family, min(names, key=_smallness)))
    return found


def _smallness(name: str) -> tuple[int, int, str]:
    """The rank of a name within its family: first by a word for its size, then by its image."""
    ranks = [rank for rank, word in enumerate(_SMALL) if word in name]
    sides = [int(side) for side in re.findall(r"_(\d{3})\b", name)]
    return (min(ranks, default=len(_SMALL)), max(sides, default=224), name)


def _apart(name: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.timm_families", "--one", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return _row(f"slow: not done after {PATIENCE} s")
    try:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found
    except (IndexError, ValueError):
        return _row(f"refused: the process ended with {done.returncode}")


def _row(outcome: str, size: str = "", layers: int = 0, assumed: int = 0) -> dict[str, Any]:
    return {"size": size, "layers": layers, "assumed": assumed, "outcome": outcome}


def _try(name: str) -> dict[str, Any]:
    import torch

    import invwidgets as iw
    from invwidgets.models.zoo import load_network

    torch.set_num_threads(1)
    try:
        network = load_network(f"timm/{name}", "random")
        size = f"{network.size[0]}x{network.size[1]}"
        image = torch.rand(1, 3, *network.size)
        began = time.perf_counter()
        with torch.no_grad():
            network.module(image)
        seconds = time.perf_counter() - began
        if seconds > SLOW:
            return _row(f"slow: {seconds:.1f} s a forward pass", size)
        layers = iw.representation(f"timm/{name}", weights="random").layers()
        assumed = sum(layer.assumed for layer in layers)
        middle = layers[len(layers) // 2].name
        result = iw.invert(
            "coffee", f"timm/{name}", middle, weights="random", seeds=1, steps=5, frames=0
        )
        assert result.relative_error is not None
        error = f"inverted: {middle}, {100 * result.relative_error[0]:.0f} %"
        return _row(error, size, len(layers), assumed)
    except Exception as error:
        words = " ".join(str(error).split())[:160].replace("|", "/")
        return _row(f"refused: {type(error).__name__}: {words}")


def _version() -> str:
    import timm

    return str(timm.__version__)


if __name__ == "__main__":
    main()
