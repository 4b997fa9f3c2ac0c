"""A test of networks of transformers and open_clip: their stages, and five steps of inversion.

    python -m benchmarks.library_networks

Each network has its library's depth and image size but fewer channels and random weights. The
results are written to ``docs/networks.md``, after timm's families. It needs the extra ``test``.
"""

from __future__ import annotations

import argparse
import json
import re
from importlib import import_module
from itertools import groupby
from typing import Any

from .report import RESULTS, keep, machine, table

_WIDE = {"hidden_size": 48, "num_attention_heads": 3, "intermediate_size": 96}
_TRANSFORMERS: dict[str, dict[str, Any]] = {
    "ViTModel": _WIDE,
    "ViTForImageClassification": _WIDE,
    "Dinov2Model": {"hidden_size": 48, "num_attention_heads": 3},
    "Dinov2WithRegistersModel": {"hidden_size": 48, "num_attention_heads": 3},
    "CLIPVisionModel": _WIDE,
    "SiglipVisionModel": _WIDE,
    "ConvNextModel": {"hidden_sizes": [12, 24, 48, 96]},
    "SegformerForSemanticSegmentation": {
        "hidden_sizes": [8, 16, 40, 64],
        "decoder_hidden_size": 32,
    },
    "ResNetForImageClassification": {"embedding_size": 8, "hidden_sizes": [16, 32, 64, 128]},
    "SwinModel": {"embed_dim": 12},
    "Swinv2Model": {"embed_dim": 12},
}
_OPEN_CLIP: dict[str, dict[str, Any]] = {
    "ViT-B-32": {"layers": 12, "width": 48, "head_width": 16, "patch_size": 32},
    "RN50": {"layers": (3, 4, 6, 3), "width": 8, "head_width": 16},
    "ViT of timm": {"timm_model_name": "vit_tiny_patch16_224", "timm_proj": "linear"},
    "ConvNeXt of timm": {"timm_model_name": "convnext_atto", "timm_proj": "linear"},
}

_INTRO = """## transformers and open_clip

`python -m benchmarks.library_networks` makes networks of transformers {transformers} and visual
towers of open_clip {open_clip}, of their libraries' own depth and image size, but narrow and with
random weights. It gives them to the package without a layer. The overview shows the *stages*;
`invert` begins at the *default layer*. *Tokens* are a transformer's prefix tokens and its grid of
patches there. The last column is the error of five steps at that layer. What the network itself
returns is reached by path, such as `output.pooler_output` or `output.logits`.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", help="names, with commas between; default: all")
    options = parser.parse_args()
    print(machine(), flush=True)
    rows = []
    for name in options.networks.split(",") if options.networks else networks():
        rows.append({"network": name, **_try(name)})
        print(rows[-1], flush=True)
    if not options.networks:
        keep("library_networks", {"versions": _versions(), "rows": rows})
        from .timm_families import write_page

        write_page()


def section() -> str:
    """The section of the page, made from the stored results."""
    kept = json.loads((RESULTS / "library_networks.json").read_text())
    return _INTRO.format(**kept["versions"]) + "\n" + table(kept["rows"]) + "\n"


def networks() -> tuple[str, ...]:
    """The names of the tested networks."""
    return (*_TRANSFORMERS, *(f"open_clip {name}" for name in _OPEN_CLIP))


def _try(name: str) -> dict[str, Any]:
    import torch

    import invwidgets as iw
    from invwidgets.representations.stages import stages

    torch.set_num_threads(1)
    torch.manual_seed(0)
    try:
        phi = iw.representation(_made(name), mean=0.5, std=0.5)
        layers = phi.layers()
        begin = phi.layer_info()
        result = iw.invert("coffee", phi, seeds=1, steps=5, frames=0)
        assert result.relative_error is not None
        five = f"{100 * result.relative_error[0]:.0f} %"
    except iw.errors.InvwidgetsError as error:
        return {"five steps": f"refused: {' '.join(str(error).split())[:160]}"}
    prefix, rows, columns = begin.tokens or (0, 0, 0)
    return {
        "size": "x".join(map(str, phi.size)),
        "layers": len(layers),
        "stages": _shortly([stage.short_name for stage in stages(layers)]),
        "default layer": begin.short_name,
        "shape": "x".join(map(str, begin.shape)),
        "tokens": f"{prefix} + {rows}x{columns}" if begin.tokens else "–",
        "five steps": five,
    }


def _shortly(names: list[str]) -> str:
    """Names in one line; of names that differ in a number, only the first and the last."""
    said = []
    for _, group in groupby(names, lambda name: re.sub(r"\d+", "", name)):
        same = list(group)
        said.append(same[0] if len(same) == 1 else f"{same[0]} … {same[-1]}")
    return ", ".join(said)


def _made(name: str) -> Any:
    from invwidgets.models.torchvision_import import import_torchvision

    import_torchvision()
    if name.startswith("open_clip "):
        models = import_module("open_clip").model
        config = models.CLIPVisionCfg(image_size=224, **_OPEN_CLIP[name.removeprefix("open_clip ")])
        return models._build_vision_tower(64, config)
    kind = getattr(import_module("transformers"), name)
    return kind(kind.config_class(**_TRANSFORMERS[name]))


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {"transformers": version("transformers"), "open_clip": version("open_clip_torch")}


if __name__ == "__main__":
    main()
