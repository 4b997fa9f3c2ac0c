"""Networks of transformers and of open_clip, once: what opens of them, five steps of inversion.

    python -m benchmarks.library_networks

Each at its library's own configuration with random weights, in a process of its own. Writes
``docs/networks.md``, below timm's families. Needs the extra ``test``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from .report import RESULTS, keep, machine, table

PATIENCE = 900  # seconds until a network is given up

_TRANSFORMERS = (
    "ViTModel", "ViTForImageClassification", "Dinov2Model", "Dinov2WithRegistersModel",
    "CLIPVisionModel", "SiglipVisionModel", "ConvNextModel", "SegformerForSemanticSegmentation",
    "ResNetForImageClassification", "SwinModel", "Swinv2Model",
)  # fmt: skip
_OPEN_CLIP = ("ViT-B-32", "RN50", "ViT-B-16-SigLIP", "convnext_base")

_INTRO = """## transformers and open_clip

`python -m benchmarks.library_networks` makes networks of transformers {transformers} and visual
towers of open_clip {open_clip} at their libraries' own configurations, with random weights, and
gives them to the package without a layer. The overview shows *stages*; `invert` begins at the
*default layer*. *Tokens* are a transformer's prefix tokens and its grid of patches. The last column
is the error of five steps at the default layer. The network's own output is reached by path, such
as `output.pooler_output` or `output.logits`.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--networks", help="names, with commas between; default: all")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(_try(options.one)))
        return
    print(machine(), flush=True)
    rows = []
    for name in (options.networks or ",".join(networks())).split(","):
        rows.append({"network": name, **_apart(name)})
        print(rows[-1], flush=True)
    if not options.networks:
        keep("library_networks", {"versions": _versions(), "rows": rows})
        from .timm_families import write_page

        write_page()


def section() -> str:
    """The part of the page, from what was kept of the last run."""
    kept = json.loads((RESULTS / "library_networks.json").read_text())
    return _INTRO.format(**kept["versions"]) + "\n" + table(kept["rows"]) + "\n"


def networks() -> tuple[str, ...]:
    """The names of those that are tried."""
    return (*_TRANSFORMERS, *(f"open_clip {name}" for name in _OPEN_CLIP))


def _apart(name: str) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.library_networks", "--one", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return {"outcome": f"slow: not done after {PATIENCE} s"}
    try:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found
    except (IndexError, ValueError):
        return {"outcome": f"refused: {' '.join(done.stderr.split())[-160:]}"}


def _try(name: str) -> dict[str, Any]:
    import torch

    import invwidgets as iw
    from invwidgets.representations.stages import default_layer, stages

    torch.set_num_threads(1)
    torch.manual_seed(0)
    module = _make(name)()
    phi = iw.representation(module, **_preprocessing(name))
    layers = phi.layers()
    shown = [stage.short_name for stage in stages(layers)]
    begin = default_layer(layers)
    result = iw.invert("coffee", phi.at(begin.name), seeds=1, steps=5, frames=0)
    assert result.relative_error is not None
    prefix, rows, columns = begin.tokens or (0, 0, 0)
    return {
        "size": "x".join(map(str, phi.size)),
        "layers": len(layers),
        "stages": f"{len(shown)}: {shown[0]} … {shown[-1]}",
        "default layer": begin.short_name,
        "shape": "x".join(map(str, begin.shape)),
        "tokens": f"{prefix} + {rows}x{columns}" if begin.tokens else "–",
        "five steps": f"{100 * result.relative_error[0]:.0f} %",
    }


def _make(name: str) -> Callable[[], Any]:
    from invwidgets.models.torchvision_import import import_torchvision

    import_torchvision()
    if name.startswith("open_clip "):
        library = import_module("open_clip")
        return lambda: library.create_model(name.removeprefix("open_clip ")).visual
    kind = getattr(import_module("transformers"), name)
    return lambda: kind(kind.config_class())


def _preprocessing(name: str) -> dict[str, Any]:
    """What the network does not carry itself."""
    return {} if name.startswith("open_clip ") else {"mean": 0.5, "std": 0.5}


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {"transformers": version("transformers"), "open_clip": version("open_clip_torch")}


if __name__ == "__main__":
    main()
