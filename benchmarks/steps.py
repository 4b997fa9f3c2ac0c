"""The seconds per step of this package, of torch-lucent and of the plain loop, in turn.

    python -m benchmarks steps

All use 4 seeds at 224 pixels in one process. The plain loop is what the papers describe, in
PyTorch: trainable parameters, float32, the whole network as its authors wrote it. torch-lucent runs
its own ``render_vis`` (Fourier parametrization, its own Adam) without its transformations, which
makes it faster. All minimize the inversion objective at the same layer. *Layer by layer* is this
package's engine with torch's convolutions and ReLUs instead of the fused ones.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

import invwidgets as iw
from invwidgets.inversion.prepare import prepare
from invwidgets.models.zoo import load_network

from .plain import PlainNetwork, layer_by_layer, plain_adam
from .stopwatch import Marks, Side, alternate, spread, steps_of

CASES = (
    ("alexnet", "features.10", "conv5", 9, True),
    ("vgg16", "features.22", "relu4_3", 3, True),
    ("efficientnet_lite0", "blocks.4", "stage 5", 9, True),
    *(("efficientnet_lite0", f"blocks.{k}", f"stage {k + 1}", 9, False) for k in range(4)),
)
SEEDS, STEPS = 4, 2


def measure() -> dict[str, Any]:
    rows, raw = [], {}
    for model, layer, called, rounds, peers in CASES:
        seconds = alternate(sides_of(model, layer, peers), rounds)
        raw[f"{model} {layer}"] = seconds
        row: dict[str, Any] = {"": f"{model} {called}"}
        row |= {f"{name}, ms": spread(found) for name, found in seconds.items()}
        middle = {name: median(found) for name, found in seconds.items()}
        for name in ("ours, float32", "ours"):
            if "plain loop" in middle:
                row[f"plain / {name}"] = f"{middle['plain loop'] / middle[name]:.2f}"
        if "torch-lucent" in middle:
            row["lucent / ours"] = f"{middle['torch-lucent'] / middle['ours']:.2f}"
        row["layer by layer / ours, float32"] = (
            f"{middle['layer by layer'] / middle['ours, float32']:.2f}"
        )
        row["ours computes in"] = _job(model, layer, "auto").settings.precision
        rows.append(row)
        print(row, flush=True)
    return {"rows": rows, "seconds": raw}


def sides_of(model: str, layer: str, peers: bool = True) -> dict[str, Side]:
    """The functions to be timed, by name."""
    weights = "pretrained" if model == "efficientnet_lite0" else "random"
    photo = iw.read_photo("coffee", (224, 224))
    network = load_network(model, weights)
    sides: dict[str, Side] = {}
    if peers:
        sides["torch-lucent"] = _lucent(network.module, layer, photo)
        sides["plain loop"] = _plain(PlainNetwork(model, layer, False, weights), photo)
    sides["layer by layer"] = _layer_by_layer(_job(model, layer, "float32"))
    sides["plain loop, frozen"] = _plain(PlainNetwork(model, layer, True, weights), photo)
    sides["ours, float32"] = steps_of(_job(model, layer, "float32"), STEPS)
    sides["ours"] = steps_of(_job(model, layer, "auto"), STEPS)
    return sides


def _job(model: str, layer: str, precision: str) -> Any:
    weights = "pretrained" if model == "efficientnet_lite0" else "random"
    phases = (iw.Phase(100_000, 1.0),)  # longer than any benchmark
    return prepare(
        "coffee", model, layer, weights=weights, seeds=SEEDS, precision=precision, phases=phases
    )


def _layer_by_layer(job: Any) -> Side:
    steps = steps_of(job, STEPS)

    def side() -> list[float]:
        with layer_by_layer():
            return steps()

    return side


def _plain(network: nn.Module, photo: Tensor) -> Side:
    def side() -> list[float]:
        marks = Marks()
        plain_adam(network, photo, SEEDS, STEPS + 1, each=marks)
        return marks.seconds

    return side


def _lucent(module: nn.Module, layer: str, photo: Tensor) -> Side:
    from lucent.optvis import param, render

    unfrozen = copy.deepcopy(module).to(memory_format=torch.contiguous_format)
    for parameter in unfrozen.parameters():
        parameter.requires_grad_(True)
    name = layer.replace(".", "_")
    found: list[Tensor] = []
    with torch.no_grad():
        handle = unfrozen.get_submodule(layer).register_forward_hook(
            lambda _, __, output: found.append(output.clone())
        )
        unfrozen((photo[None] - 0.45) / 0.225)
        handle.remove()
    target, norm = found[0], found[0].square().sum()

    def objective(hooked: Callable[[str], Tensor]) -> Tensor:
        return (hooked(name) - target).square().sum() / norm

    def side() -> list[float]:
        marks = Marks()

        class Timed(torch.optim.Adam):
            def step(self, closure: Any = None) -> Any:  # type: ignore[override]
                loss = super().step(closure)
                marks()
                return loss

        render.render_vis(
            unfrozen, objective, lambda: param.image(224, batch=SEEDS), transforms=[],
            optimizer=lambda parameters: Timed(parameters, lr=5e-2), thresholds=(STEPS + 1,),
            progress=False, show_image=False,
        )  # fmt: skip
        return marks.seconds

    return side
