"""The inversion of one network in several forms, which must give equal errors and pictures.

    python -m benchmarks.invariance [--photos chelsea,astronaut] [--seeds 2]

The forms are: the whole network, the network cut by its owner after the layer, the network inside
another module, the network with its preprocessing inside (mean 0, std 1), and all three together.
The first row is the network by name; the others are modules with the same weights. For ResNet-18
there is also timm's network with the same weights from a file (timm's EfficientNet-Lite0 has
another preprocessing). VGG-16 and ResNet-18 have random weights, and VGG-16 only gets the first
photo. All runs use default settings in float32; the numbers are means over photos and seeds.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import Tensor, nn

import invwidgets as iw
from invwidgets.models.zoo import load_network

from .report import keep, machine, table

Color = tuple[float, ...]


class Wrapped(nn.Module):
    """A module that contains a network."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.model = inner

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y


class Normalized(nn.Module):
    """A network with its preprocessing inside, which takes images in [0, 1]."""

    def __init__(self, inner: nn.Module, mean: Color, std: Color) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner((x - self.mean) / self.std)
        return y


def _lite_cut(module: Any) -> nn.Module:
    return nn.Sequential(module.conv_stem, module.bn1, *module.blocks[:3])


def _vgg_cut(module: Any) -> nn.Module:
    features: nn.Module = module.features[:16]
    return features


def _resnet_cut(module: Any) -> nn.Module:
    names = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3")
    return nn.Sequential(*(getattr(module, name) for name in names))


CASES: tuple[tuple[str, str, str, Callable[[Any], nn.Module]], ...] = (
    ("efficientnet_lite0", "pretrained", "blocks.2", _lite_cut),
    ("resnet18", "random", "layer3", _resnet_cut),
    ("vgg16", "random", "features.15", _vgg_cut),
)
TIMM = ("resnet18",)  # timm names its parts alike, and prepares photos alike


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", default="chelsea,astronaut")
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    photos = options.photos.split(",")
    print(f"{machine()}\n{photos}, {options.seeds} seeds\n")
    rows = []
    for model, weights, layer, cut in CASES:
        some = photos[:1] if model == "vgg16" else photos  # its steps are twenty times as long
        rows += _compare(model, weights, layer, cut, some, options.seeds)
    print(table(rows))
    keep("invariance", {"photos": photos, "seeds": options.seeds, "rows": rows})


def _forms(
    model: str, weights: str, layer: str, cut: Callable[[Any], nn.Module]
) -> dict[str, iw.Representation]:
    network = load_network(model, weights)
    module, outside = network.module, {"mean": network.mean, "std": network.std}
    inside = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    forms = {"by its name": iw.representation(model, layer, weights)}
    if model in TIMM:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "weights.pt"
            torch.save(module.state_dict(), file)
            forms["of timm, weights from a file"] = iw.representation(f"timm/{model}", layer, file)
    return forms | {
        "its module, whole": iw.representation(module, layer, **outside),
        "cut by its owner": iw.representation(cut(module), **outside),
        "wrapped": iw.representation(Wrapped(module), f"model.{layer}", **outside),
        "preprocessing inside": iw.representation(
            Normalized(module, network.mean, network.std), f"inner.{layer}", **inside
        ),
        "all three": iw.representation(
            Wrapped(Normalized(cut(module), network.mean, network.std)), **inside
        ),
    }


def _compare(
    model: str,
    weights: str,
    layer: str,
    cut: Callable[[Any], nn.Module],
    photos: list[str],
    seeds: int,
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    first: tuple[float, float] | None = None
    for form, phi in _forms(model, weights, layer, cut).items():
        found = [iw.invert(p, phi, seeds=seeds, frames=0, precision="float32") for p in photos]
        error = 100 * mean(mean(r.relative_error or ()) for r in found)
        decibels = mean(mean(r.psnr or ()) for r in found)
        first = first or (error, decibels)
        row = {
            "": f"{model} {layer}",
            "given": form,
            "error %": f"{error:.2f}",
            "PSNR dB": f"{decibels:.2f}",
            "SSIM": f"{mean(mean(r.ssim or ()) for r in found):.3f}",
            "error / the first": f"{error / first[0]:.3f}",
            "PSNR − the first, dB": f"{decibels - first[1]:+.2f}",
        }
        print(row, flush=True)
        rows.append(row)
    return rows


if __name__ == "__main__":
    main()
