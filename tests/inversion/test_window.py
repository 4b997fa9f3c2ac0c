"""Tests of a region's window, which has the features and gradients of the whole image."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from invwidgets.inversion.engine import run
from invwidgets.inversion.phase import Phase
from invwidgets.inversion.prepare import prepare
from invwidgets.inversion.settings import InversionSettings
from invwidgets.inversion.window import Window, find_window
from invwidgets.representations.base import Region, Representation
from invwidgets.representations.registry import representation
from invwidgets.selection import Selection, center_region
from tests.small_networks import phi, picture

LAYERS = {
    "efficientnet_lite0": ("conv_stem", "blocks.0", "blocks.1", "blocks.2"),
    "alexnet": ("features.0", "features.2", "features.5"),
    "hog": ("cells", "blocks", "decompose"),
    "hogb": ("cells", "decompose"),
    "dsift": ("blocks", "renormalize"),
}
CASES = [(model, layer) for model, layers in LAYERS.items() for layer in layers]


def corner_regions(shape: tuple[int, ...]) -> list[Region]:
    """Regions in the middle, at two corners and in the middle of a border."""
    rows, columns = shape[1:]
    return [
        (rows // 2 - 2, rows // 2 + 2, columns // 2 - 1, columns // 2 + 2),
        (0, 2, 0, 1),
        (rows - 3, rows, columns - 2, columns),
        (rows // 3, rows // 3 + 1, 0, 1),
    ]


@pytest.mark.parametrize("size", [(224, 224), (193, 217)])
@pytest.mark.parametrize(("model", "layer"), CASES)
def test_features_and_gradients_are_those_of_the_whole_image(
    model: str, layer: str, size: tuple[int, int]
) -> None:
    full = representation(model, layer, "random" if model == "alexnet" else "pretrained")
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(3))
    for region in corner_regions(full.layer_info(size).shape):
        window = find_window(full, Selection(region), size)
        assert window is not None
        top, left, bottom, right = window.box
        assert (bottom - top) * (right - left) < 0.8 * size[0] * size[1]
        whole, part = (image.clone().requires_grad_(True) for _ in range(2))
        wanted = Selection(region).of(full(whole))
        given = window.selection.of(full(window.of(part)))
        assert given.shape == wanted.shape
        assert float((given - wanted).detach().abs().max()) <= 1e-5 * float(
            wanted.detach().abs().max()
        )
        weights = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(4))
        (exact,) = torch.autograd.grad((wanted * weights).sum(), whole)
        (ours,) = torch.autograd.grad((given * weights).sum(), part)
        assert float((ours - exact).norm()) <= 1e-5 * float(exact.norm())


def test_an_early_region_needs_less_than_a_quarter_of_the_image() -> None:
    for layer in ("conv_stem", "blocks.0", "blocks.1"):
        full = representation("efficientnet_lite0", layer)
        window = find_window(full, Selection(center_region(full.layer_info())), full.size)
        assert window is not None
        assert window.box.height * window.box.width < 0.25 * 224 * 224


@pytest.mark.parametrize(
    ("full", "region"),
    [
        (phi(), None),  # nothing was cut out
        (representation("efficientnet_lite0", "blocks.6"), (2, 4, 2, 4)),  # sees everything
        (representation("efficientnet_lite0", "blocks.1"), (1, 55, 1, 55)),  # nearly everything
        (representation("hogb", "orientation"), (0, 1, 0, 1)),  # a border pixel that sees nothing
    ],
)
def test_no_window_where_it_would_save_nothing(full: Representation, region: Region | None) -> None:
    assert find_window(full, Selection(region), full.size) is None


class Leaky(torch.nn.Module):
    """A module that adds the image's size to each cell, so that no window fits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return y + y.new_full((), float(x.shape[-1]))


def test_a_window_whose_cells_differ_is_not_used() -> None:
    module = torch.nn.Sequential(Leaky(), torch.nn.ReLU())
    full = representation(module, "1", mean=(0.5,) * 3, std=(0.5,) * 3, size=(64, 64))
    assert find_window(full, Selection((5, 9, 5, 9)), (64, 64)) is None


@pytest.mark.parametrize("jitter", [0, 3])
@pytest.mark.parametrize("objective", ["inversion", "caricature"])
def test_a_run_in_a_window_is_the_run_without(objective: str, jitter: int) -> None:
    full = phi("relu")
    photo = picture((64, 68))
    selection = Selection((3, 6, 20, 24), (0, 2, 5))
    settings = InversionSettings(
        objective=objective,
        phases=(Phase(6, 2.0, jitter=jitter),),
        tv_weight=0.01,
        seeds=(0, 1),
    )
    window = find_window(full, selection, (64, 68))
    assert isinstance(window, Window)
    energies = []
    for used in (None, window):
        steps = run(
            full, full.target(photo), selection, settings, size=(64, 68), origin=photo, window=used
        )
        energies.append(torch.stack([step.energies["data"] for step in steps]))
    torch.testing.assert_close(energies[1], energies[0], rtol=1e-4, atol=1e-7)
    assert not torch.equal(energies[0][0], energies[0][-1])


def test_invert_computes_the_window_only() -> None:
    job = prepare("coffee", layer="blocks.0", region="50:55,50:55", seeds=1, steps=1)
    sizes = []
    job.representation.register_forward_pre_hook(lambda _, images: sizes.append(images[0].shape))
    list(job.steps())
    assert job.window is not None
    assert [tuple(shape[-2:]) for shape in sizes] == [(job.window.box.height, job.window.box.width)]
