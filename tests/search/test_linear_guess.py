"""The first guess of a short run: the best linear one, from the features alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import invwidgets as iw
from invwidgets.errors import BadSettingError
from invwidgets.search.linear_guess import Line, fitted, linear_guess
from invwidgets.selection import Selection

GRAY = torch.full((3,), 0.5)
SIZE = (48, 64)


class Halves(nn.Module):
    """A layer that keeps the means of 2×2 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 6, 1).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(F.avg_pool2d(x, 2))


def _representation(layers: nn.Module, size: tuple[int, int] = SIZE) -> iw.Representation:
    torch.manual_seed(0)
    return iw.from_callable(layers, name="layers", size=size)


def _psnr(image: Tensor, photo: Tensor) -> float:
    return -10 * float(torch.log10((image - photo).square().mean()))


def test_of_a_linear_layer_it_is_what_the_layer_keeps() -> None:
    phi = _representation(Halves())
    photo = iw.read_photo("flower", SIZE)
    guess = linear_guess(phi, phi.target(photo), Selection(), SIZE, GRAY)
    kept = F.interpolate(F.avg_pool2d(photo[None], 2), scale_factor=2)[0]
    assert guess.shape == (3, *SIZE)
    assert _psnr(F.avg_pool2d(guess, 2), F.avg_pool2d(photo, 2)) > 30
    assert _psnr(guess, photo) > _psnr(kept, photo) - 0.5


def test_features_that_tell_nothing_leave_the_centre() -> None:
    def blind(x: Tensor) -> Tensor:
        return torch.ones(len(x), 2, 12, 16) + 0 * x.mean()

    phi = _representation(blind)  # type: ignore[arg-type]
    target = torch.full((1, 2, 12, 16), 7.0)
    guess = linear_guess(phi, target, Selection(), SIZE, GRAY)
    assert float((guess - 0.5).abs().max()) < 0.2
    assert float(guess.std()) < 0.05


def test_features_that_are_no_numbers_leave_the_centre() -> None:
    def broken(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 4) / 0

    phi = _representation(broken)  # type: ignore[arg-type]
    guess = linear_guess(phi, torch.zeros(1, 3, 12, 16), Selection(), SIZE, GRAY)
    assert torch.equal(guess, GRAY[:, None, None].expand(3, *SIZE))


def test_only_the_selection_tells() -> None:
    phi = _representation(Halves())
    target = phi.target(iw.read_photo("flower", SIZE))
    other = target.clone()
    other[:, 3:] = 0
    first = Selection(channels=(0, 1, 2))
    assert torch.equal(*(linear_guess(phi, t, first, SIZE, GRAY) for t in (target, other)))
    part = linear_guess(phi, target, Selection(region=(0, 6, 0, 8)), SIZE, GRAY)
    assert torch.equal(part[:, 12:], torch.full((3, 36, 64), 0.5))
    assert float((part[:, :12, :16] - 0.5).abs().max()) > 0.1


def test_it_is_fitted_once_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[object] = []

    def counted(*what: Any) -> Line | None:
        fits.append(what)
        return fitted(*what)

    monkeypatch.setattr("invwidgets.search.linear_guess.fitted", counted)
    phi = _representation(Halves())
    target = phi.target(iw.read_photo("flower", SIZE))
    for shift in (0, 1):
        linear_guess(phi, target + shift, Selection(), SIZE, GRAY)
    assert len(fits) == 1
    linear_guess(phi, target, Selection(channels=(1,)), SIZE, GRAY)
    assert len(fits) == 2


@pytest.mark.parametrize("layer", ["blocks.1", "blocks.2"])
def test_of_a_real_layer_it_is_nearer_than_a_plain_colour(layer: str) -> None:
    phi = iw.representation("efficientnet_lite1", layer)
    photo = iw.read_photo("flower", phi.size)
    guess = linear_guess(phi, phi.target(photo), Selection(), phi.size, GRAY)
    plain = photo.mean((1, 2))[:, None, None].expand_as(photo)  # the best plain colour there is
    assert _psnr(guess, photo) > _psnr(plain, photo) + 1


def test_wide_layers_are_told_by_their_main_directions() -> None:
    torch.manual_seed(0)
    wide = nn.Conv2d(3, 300, 4, stride=4).requires_grad_(False)
    line = fitted(_representation(wide), Selection(), SIZE, GRAY)
    assert line is not None
    assert line.weight.shape == (3 * line.patch**2, 300, 3, 3)
    assert bool(torch.isfinite(line.weight).all())


def test_short_runs_begin_from_it_and_whole_ones_from_noise() -> None:
    def start(layer: str, steps: int | None, coverage: float = 1.0) -> str:
        phi = iw.representation("efficientnet_lite0", layer)
        return iw.preset("default", phi, steps=steps, coverage=coverage).start

    assert start("blocks.2", 20) == "linear"
    assert start("blocks.2", None) == start("blocks.2", 150) == start("blocks.2", 400) == "noise"
    assert start("blocks.2", 20, coverage=0.2) == "noise"  # a region
    assert start("blocks.5", 20) == "noise"  # 7×7 cells
    assert start("classifier", 20) == "noise"
    unit = iw.preset("default", iw.representation("efficientnet_lite0", "blocks.2"), "maximise", 20)
    assert unit.start != "linear"


@pytest.mark.parametrize(
    ("model", "layer", "weights"),
    [
        ("efficientnet_lite2", "blocks.1", "pretrained"),
        ("efficientnet_lite2", "blocks.2", "pretrained"),
        ("resnet50", "layer1", "random"),
    ],
)
def test_a_short_run_gains_by_it(model: str, layer: str, weights: str) -> None:
    """On networks and a photo on which it was not chosen."""
    phi = iw.representation(model, layer, weights)
    guessed, noise = (
        iw.invert("flower", phi, steps=20, seeds=1, frames=0, precision="float32", **changes)
        for changes in ({}, {"start": "noise"})
    )
    assert guessed.settings.start == "linear"
    assert guessed.relative_error[0] < noise.relative_error[0]
    assert guessed.ssim[0] > noise.ssim[0]


def test_seeds_differ_by_their_noise_and_come_alike_alone() -> None:
    options = {"layer": "blocks.2", "size": 96, "steps": 2, "start": "linear", "threads": 1}
    two = iw.invert("flower", seeds=[3, 5], micro_batch=1, **options)
    alone = iw.invert("flower", seeds=[5], micro_batch=1, **options)
    assert not torch.equal(two.images[0], two.images[1])
    assert torch.equal(two.images[1], alone.images[0])


def test_where_there_is_no_map_or_no_photo_it_is_refused() -> None:
    with pytest.raises(BadSettingError, match=r"'linear' after classifier.*vector.*start='noise'"):
        iw.prepare("coffee", layer="classifier", start="linear")
    for start in ("linear", "photo"):
        with pytest.raises(BadSettingError, match=f"'{start}' with maximise, which takes no photo"):
            iw.prepare(unit="blocks.2:3", start=start)
