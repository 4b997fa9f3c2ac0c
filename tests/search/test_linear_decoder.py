"""The first guess of a short run: the best linear one, from the features alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import invwidgets as iw
from invwidgets.errors import BadSettingError, UnknownNameError
from invwidgets.inversion.replay import code_for
from invwidgets.search.colors import PHOTO_MEAN
from invwidgets.search.linear_decoder import LinearDecoder, fit_decoder, linear_guess
from invwidgets.selection import Selection

BLANK = torch.tensor(PHOTO_MEAN)[:, None, None]
SIZE = (48, 64)


class Halves(nn.Module):
    """A layer that keeps the means of 2×2 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 6, 1).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(F.avg_pool2d(x, 2))


def _representation(layers: Any, size: tuple[int, int] = SIZE) -> iw.Representation:
    torch.manual_seed(0)
    return iw.from_callable(layers, name="layers", size=size)


def _psnr(image: Tensor, photo: Tensor) -> float:
    return -10 * float(torch.log10((image - photo).square().mean()))


def test_of_a_linear_layer_it_is_what_the_layer_keeps() -> None:
    phi = _representation(Halves())
    photo = iw.read_photo("flower", SIZE)
    guess = linear_guess(phi, phi.target(photo), Selection(), SIZE)
    kept = F.interpolate(F.avg_pool2d(photo[None], 2), scale_factor=2)[0]
    assert guess.shape == (3, *SIZE)
    assert _psnr(F.avg_pool2d(guess, 2), F.avg_pool2d(photo, 2)) > 30
    assert _psnr(guess, photo) > _psnr(kept, photo) - 0.5


def test_features_that_tell_nothing_leave_the_mean_colour() -> None:
    def blind(x: Tensor) -> Tensor:
        return torch.ones(len(x), 2, 12, 16) + 0 * x.mean()

    phi = _representation(blind)
    guess, same = (
        linear_guess(phi, torch.full((1, 2, 12, 16), value), Selection(), SIZE)
        for value in (0.0, 7.0)
    )
    assert torch.equal(guess, same)
    spread = guess.flatten(1).max(1).values - guess.flatten(1).min(1).values
    assert float((guess.mean((1, 2)) - BLANK.flatten()).abs().max()) < 0.03
    assert float(spread.max()) < 0.1  # the mean patch of as many pieces of noise


def test_features_that_are_no_numbers_leave_the_mean_colour() -> None:
    def broken(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 4) / 0

    phi = _representation(broken)
    guess = linear_guess(phi, torch.zeros(1, 3, 12, 16), Selection(), SIZE)
    assert torch.equal(guess, BLANK.expand(3, *SIZE))


def test_only_selected_channels_tell() -> None:
    phi = _representation(Halves())
    target = phi.target(iw.read_photo("flower", SIZE))
    other = target.clone()
    other[:, 3:] = 0
    first = Selection(channels=(0, 1, 2))
    same, changed = (linear_guess(phi, t, first, SIZE) for t in (target, other))
    assert torch.equal(same, changed)
    assert not torch.equal(same, linear_guess(phi, target, Selection(), SIZE))


def test_only_a_selected_region_tells() -> None:
    phi = _representation(Halves())
    target = phi.target(iw.read_photo("flower", SIZE))
    other = torch.zeros_like(target)
    other[:, :, 3:9, 4:12] = target[:, :, 3:9, 4:12]
    region = Selection(region=(3, 9, 4, 12))
    inside, also = (linear_guess(phi, t, region, SIZE) for t in (target, other))
    assert torch.equal(inside, also)
    assert torch.allclose(inside[:, 18:], BLANK.expand(3, 30, 64))
    assert float((inside[:, 6:18, 8:24] - BLANK).abs().max()) > 0.1


def test_of_tokens_only_patches_lie_on_the_image() -> None:
    phi = iw.representation("timm/test_vit", "blocks.1", "random")
    layer = phi.layer_info()
    assert layer.tokens is not None
    rows = layer.tokens[1]
    assert layer.shape[1] == rows + 1
    target = phi.target(iw.read_photo("flower", phi.size))
    other = target.clone()
    other[:, :, rows:] = 9  # the class token and blanks
    guess, same = (linear_guess(phi, t, Selection(), phi.size) for t in (target, other))
    assert torch.equal(guess, same)


def test_features_in_double() -> None:
    phi = _representation(lambda x: F.avg_pool2d(x, 4).double())
    photo = iw.read_photo("flower", SIZE)
    guess = linear_guess(phi, phi.target(photo), Selection(), SIZE)
    assert guess.dtype == torch.float32
    assert _psnr(F.avg_pool2d(guess, 4), F.avg_pool2d(photo, 4)) > 30


@pytest.mark.parametrize("size", [(37, 53), (12, 90)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    phi = _representation(nn.Conv2d(3, 12, 3, stride=2).requires_grad_(False), size)
    photo = iw.read_photo("flower", size)
    guess = linear_guess(phi, phi.target(photo), Selection(), size)
    assert guess.shape == (3, *size)
    assert _psnr(guess, photo) > _psnr(photo.mean((1, 2), keepdim=True).expand_as(photo), photo)


def test_it_is_fitted_once_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[object] = []

    def counted(*what: Any) -> LinearDecoder | None:
        fits.append(what)
        return fit_decoder(*what)

    monkeypatch.setattr("invwidgets.search.linear_decoder.fit_decoder", counted)
    phi = _representation(Halves())
    target = phi.target(iw.read_photo("flower", SIZE))
    for shift in (0, 1):
        linear_guess(phi, target + shift, Selection(), SIZE)
    assert len(fits) == 1


def test_a_large_map_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of the images does not grow with them."""
    kept: list[int] = []
    unfold = F.unfold

    def counted(maps: Tensor, *rest: Any) -> Tensor:
        kept.append(maps.numel())
        return unfold(maps, *rest)

    monkeypatch.setattr(F, "unfold", counted)
    for side in (96, 384):
        phi = _representation(nn.Conv2d(3, 8, 3, padding=1).requires_grad_(False), (side, side))
        assert fit_decoder(phi, Selection(), (side, side)) is not None
    assert kept[0] == kept[1]


@pytest.mark.parametrize("layer", ["blocks.1", "blocks.2"])
def test_of_a_real_layer_it_is_nearer_than_a_plain_colour(layer: str) -> None:
    phi = iw.representation("efficientnet_lite1", layer)
    photo = iw.read_photo("flower", phi.size)
    guess = linear_guess(phi, phi.target(photo), Selection(), phi.size)
    plain = photo.mean((1, 2))[:, None, None].expand_as(photo)  # the best plain colour there is
    assert _psnr(guess, photo) > _psnr(plain, photo) + 1


def test_wide_layers_are_told_by_their_main_directions() -> None:
    torch.manual_seed(0)
    wide = nn.Conv2d(3, 300, 4, stride=4).requires_grad_(False)
    decoder = fit_decoder(_representation(wide), Selection(), SIZE)
    assert decoder is not None
    assert decoder.weight.shape == (3 * decoder.patch**2, 300, 3, 3)
    assert bool(torch.isfinite(decoder.weight).all())


def _start(layer: str, steps: int | None, coverage: float = 1.0, **options: Any) -> str:
    phi = iw.representation("efficientnet_lite0", layer)
    return iw.preset("default", phi, steps=steps, coverage=coverage, **options).start


def test_short_runs_begin_from_it_and_whole_ones_from_noise() -> None:
    assert _start("blocks.2", 20) == _start("blocks.2", 120) == "linear"  # 150 / 1.25
    assert _start("blocks.2", 121) == _start("blocks.2", None) == "noise"
    assert _start("blocks.2", 400) == "noise"


def test_where_a_short_run_begins_from_noise() -> None:
    assert _start("blocks.2", 20, coverage=0.51) == "linear"
    assert _start("blocks.2", 20, coverage=0.5) == "noise"  # a region
    assert _start("blocks.2", 20, size=(96, 96)) == "linear"  # 12×12 cells
    assert _start("blocks.2", 20, size=(88, 88)) == "noise"
    assert _start("blocks.4", 20) == "linear"  # every 16 pixels
    assert _start("blocks.5", 20, size=(384, 384)) == "noise"  # 12×12 cells, but every 32 pixels
    assert _start("classifier", 20) == "noise"
    assert _start("blocks.2", 20, objective=Unlike()) == "noise"


class Unlike(iw.Objective):
    """Features as far from the photo's as may be: a guess of the photo would not help."""

    def energy(self, features: Tensor, target: Tensor) -> Tensor:
        return -(features - target).square().flatten(1).mean(1)


def test_only_a_guess_lowers_the_rate() -> None:
    phi = iw.representation("efficientnet_lite0", "blocks.2")
    whole, guessed, noise = (
        iw.preset("default", phi, **options).phases[0].rate
        for options in ({}, {"steps": 20}, {"steps": 20, "start": "noise"})
    )
    assert noise == whole
    assert guessed == pytest.approx(0.6 * whole)


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


@pytest.mark.parametrize("phases", [[iw.Phase(2, 5.0)], [iw.Phase(2, 5.0, jitter=3)]])
def test_the_search_begins_there(phases: list[iw.Phase]) -> None:
    run = iw.prepare("flower", layer="blocks.2", size=96, start="linear", seeds=1, phases=phases)
    assert run.origin is not None
    first = next(iter(run.steps())).images[0]
    assert float((first - run.origin).square().mean().sqrt()) < 0.15
    assert float((first - BLANK).square().mean().sqrt()) > 0.15


def test_the_same_bytes_on_any_number_of_threads() -> None:
    before, found = torch.get_num_threads(), []
    layers = nn.Conv2d(3, 40, 4, stride=4).requires_grad_(False)
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            phi = _representation(layers, (96, 96))
            found.append(iw.prepare("flower", phi, steps=20, start="linear").origin)
    finally:
        torch.set_num_threads(before)
    assert found[0] is not None
    assert torch.equal(*found)


def test_its_code_begins_there_too() -> None:
    """Also where the run went on, so that its steps are more than those of a short one."""
    run = iw.prepare("flower", layer="blocks.2", size=96, seeds=1, steps=8, frames=0)
    whole: dict[str, Any] = {}
    list(run.steps())
    run.extend(iw.Phase(4, 1.0))
    for found in (run.result(), iw.invert("flower", layer="blocks.2", size=96, seeds=1, steps=8)):
        assert found.settings.start == "linear"
        exec(code_for(found).replace("result.gallery()", ""), whole)
        assert whole["result"].settings.start == "linear"
        assert whole["result"].settings.phases == found.settings.phases


def test_a_start_of_another_type_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="start"):
        iw.prepare("coffee", layer="blocks.2", start=torch.ones(3))


def test_where_there_is_no_map_or_no_photo_it_is_refused() -> None:
    with pytest.raises(BadSettingError, match=r"'linear' after classifier.*vector.*start='noise'"):
        iw.prepare("coffee", layer="classifier", start="linear")
    for start in ("linear", "photo"):
        with pytest.raises(BadSettingError, match=f"'{start}' with maximise, which takes no photo"):
            iw.prepare(unit="blocks.2:3", start=start)
