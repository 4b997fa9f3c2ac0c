"""Tests of images with any number of channels: requested, searched, scored, saved, drawn."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn

import invwidgets as iw
from invwidgets.errors import (
    BadImageError,
    BadSettingError,
    InvwidgetsError,
    RepresentationError,
    SelectionError,
)
from invwidgets.figures.gallery import gallery, gallery_of, picture_note
from invwidgets.images import in_rgb, luminance, read_photo, sample_images, to_pil, to_uint8
from invwidgets.inversion.prepare import prepare
from invwidgets.inversion.presets import preset, smoothing
from invwidgets.search.optimizers import MultiscaleAdam
from invwidgets.search.parametrizations import Fourier

from .figures.test_figures import pixels

COUNTS = (1, 2, 4, 7)


def net(channels: int) -> nn.Module:
    torch.manual_seed(channels)
    return nn.Sequential(
        nn.Conv2d(channels, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 16, 3, stride=2), nn.ReLU()
    )


def image(channels: int, side: int = 16) -> Tensor:
    return sample_images((side, side), channels)[2]


def inverted(count: int, given: Any = None, side: int = 16, **options: Any) -> Any:
    given = image(count, side) if given is None else given
    options = {"steps": 40, "seeds": 2, "size": side, "layer": "1", **options}
    many = {"mean": (0.5,) * count, "std": (0.25,) * count}
    return iw.invert(given, net(count), **(many | options))


# ---- the representation


@pytest.mark.parametrize("channels", COUNTS)
def test_mean_and_std_say_how_many_channels(channels: int) -> None:
    many = {"mean": (0.5,) * channels, "std": (0.25,) * channels, "size": (16, 16)}
    phi = iw.representation(net(channels), "1", **many)
    assert phi.channels == channels
    assert phi(torch.rand(2, channels, 16, 16)).shape == (2, 12, 16, 16)
    assert phi.receptive_field((5, 6, 5, 6)).clipped == (4, 4, 7, 7)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_one_number_is_that_of_as_many_channels_as_the_first_convolution_takes(
    channels: int,
) -> None:
    phi = iw.representation(net(channels), "1", mean=0.5, std=0.25, size=(16, 16))
    wanted = iw.representation(
        net(channels), "1", mean=(0.5,) * channels, std=(0.25,) * channels, size=(16, 16)
    )
    assert phi.channels == channels
    assert phi.digest == wanted.digest
    other = iw.representation(net(4), "1", mean=(0.5, 0.4, 0.3, 0.2), std=0.25, size=(16, 16))
    assert other.channels == 4


def test_where_no_convolution_says_it_one_number_is_refused() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(64, 8))
    with pytest.raises(BadSettingError, match=r"mean 0\.5 and std 0\.25 are single numbers"):
        iw.representation(flat, mean=0.5, std=0.25, size=(8, 8))
    assert iw.representation(flat, mean=(0.5,), std=0.25, size=(8, 8)).channels == 1


def test_lengths_that_differ_or_do_not_fit_the_network_are_refused() -> None:
    with pytest.raises(BadSettingError, match=r"mean .* length 2 and std .* length 1"):
        iw.representation(net(2), mean=(0.5, 0.5), std=(0.25,))
    with pytest.raises(RepresentationError, match=r"images with 1 channels.*length 1"):
        iw.representation(net(1), mean=(0.5,) * 3, std=(0.25,) * 3, size=(16, 16))
    with pytest.raises(RepresentationError, match=r"images with 3 channels.*length 3"):
        iw.representation(net(3), mean=(0.5,), std=(0.25,), size=(16, 16))


def test_a_function_takes_as_many_channels_as_its_mean_color() -> None:
    def halves(images: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(images, 2)

    phi = iw.from_callable(halves, size=(8, 8), mean_color=(0.5, 0.5))
    assert phi.channels == 2
    assert phi(torch.rand(1, 2, 8, 8)).shape == (1, 2, 4, 4)


@pytest.mark.parametrize("channels", [1, 4])
def test_every_promise_of_a_representation_holds(channels: int) -> None:
    many = {"mean": (0.5,) * channels, "std": (0.25,) * channels, "size": (32, 32)}
    check = iw.check_representation(net(channels), "3", **many)
    assert check.ok, check


# ---- arrays and photos


def test_photos_become_gray_for_one_channel() -> None:
    gray = read_photo("coffee", 32, channels=1)
    assert gray.shape == (1, 32, 32)
    assert torch.allclose(gray, luminance(read_photo("coffee", 32))[:1], atol=2e-2)
    colors = (read_photo("coffee").movedim(0, -1).numpy() * 255).round().astype(np.uint8)
    assert torch.allclose(read_photo(colors, 32, channels=1), gray, atol=1e-5)
    assert torch.allclose(read_photo(Image.fromarray(colors), 32, channels=1), gray, atol=1e-5)


@pytest.mark.parametrize("channels", COUNTS)
@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_arrays_are_taken_with_the_channels_first_or_last(channels: int, kind: str) -> None:
    wanted = image(channels)[:, :12]
    first = wanted if kind == "tensor" else wanted.numpy()
    last = wanted.movedim(0, -1) if kind == "tensor" else np.moveaxis(wanted.numpy(), 0, -1)
    assert torch.equal(read_photo(first, channels=channels), wanted)
    assert torch.equal(read_photo(last, channels=channels), wanted)
    byte = (wanted * 255).round().to(torch.uint8)
    assert (read_photo(byte, channels=channels) - wanted).abs().max() <= 0.5 / 255 + 1e-6
    flat = wanted[0] if kind == "tensor" else wanted[0].numpy()
    if channels == 1:
        assert torch.equal(read_photo(flat, channels=1), wanted)
    else:
        with pytest.raises(BadImageError, match=r"shape \(12, 16\)"):
            read_photo(flat, channels=channels)


@pytest.mark.parametrize(
    ("shape", "channels", "words"),
    [
        ((4, 9, 4), 4, "(4, 9, 4) for 4 channels can be read as (4, H, W) and (H, W, 4)"),
        ((1, 9, 1), 1, "(1, 9, 1) for 1 channel can be read as (1, H, W) and (H, W, 1)"),
        ((1, 9, 3), 1, "(1, 9, 3) for 1 channel can be read as (1, H, W) and (H, W, 3)"),
        ((3, 9, 9), 4, "(3, 9, 9) for 4 channels is not one image: give (4, H, W) or (H, W, 4)"),
        ((2, 3, 9, 9), 2, "(2, 3, 9, 9) for 2 channels is not one image"),
        ((9,), 1, "(9,) for 1 channel is not one image: give (1, H, W), (H, W, 1), (H, W) or a"),
    ],
)
def test_a_shape_that_is_none_or_two_images_is_refused_with_the_shape(
    shape: tuple[int, ...], channels: int, words: str
) -> None:
    with pytest.raises(BadImageError) as caught:
        read_photo(np.zeros(shape, np.float32), channels=channels)
    assert words in str(caught.value)


def test_what_is_no_image_of_so_many_channels_is_refused() -> None:
    with pytest.raises(BadImageError, match=r"photo 'coffee' has 3 channels, but 4 are needed"):
        read_photo("coffee", channels=4)
    with pytest.raises(BadImageError, match="are outside"):
        read_photo(torch.full((4, 8, 8), 2.0), channels=4)
    with pytest.raises(BadImageError, match="NaN"):
        read_photo(torch.full((4, 8, 8), torch.nan), channels=4)
    with pytest.raises(BadImageError, match="photo 'coffee' has 3 channels"):
        inverted(4, "coffee")


# ---- the search


@pytest.mark.parametrize("channels", COUNTS)
def test_a_search_comes_near_the_image_and_not_near_another(channels: int) -> None:
    wanted = image(channels, 8)
    result = inverted(channels, wanted, 8, steps=100)
    assert result.images.shape == (2, channels, 8, 8)
    assert result.photo.shape == (channels, 8, 8)
    assert torch.equal(result.photo, wanted)
    another = sample_images((8, 8), channels)[4]
    assert max(result.relative_error) < 0.25
    for found in result.images:
        assert (found - wanted).norm() < 0.5 * (found - another).norm()
    assert not torch.equal(result.images[0], result.images[1])


@pytest.mark.parametrize("channels", COUNTS)
@pytest.mark.parametrize(
    "options",
    [
        {"preset": "cvpr2015"},
        {"preset": "ijcv2016"},
        {"parametrization": "fourier"},
        {"optimizer": "adam"},
        {"optimizer": "momentum", "phases": [iw.Phase(20, 0.004)]},
        {"start": "photo"},
        {"objective": "caricature"},
        {"region": "2:6,2:6"},
    ],
    ids=str,
)
def test_presets_bases_starts_and_optimizers_work(channels: int, options: dict[str, Any]) -> None:
    result = inverted(channels, steps=None if "phases" in options else 20, **options)
    assert result.images.shape == (2, channels, 16, 16)
    data = result.energies["total"]
    if options.get("start") != "photo":
        assert bool((data[-1] < data[0]).all())


@pytest.mark.parametrize("channels", [1, 4])
def test_a_unit_is_maximized(channels: int) -> None:
    many = {"mean": (0.5,) * channels, "std": (0.25,) * channels, "size": 16}
    begun, result = (
        iw.invert(
            model=net(channels),
            layer="3",
            channels=2,
            objective="maximize",
            steps=steps,
            seeds=1,
            **many,
        )
        for steps in (1, 40)
    )
    assert result.images.shape == (1, channels, 16, 16)
    assert result.photo is None
    assert result.scores[0] > 2 * begun.scores[0]


@pytest.mark.parametrize("channels", COUNTS)
def test_scores_are_those_of_the_channels(channels: int) -> None:
    from skimage.metrics import structural_similarity

    result = inverted(channels)
    for found, psnr, ssim in zip(result.images, result.psnr, result.ssim, strict=True):
        mse = (found - result.photo).square().mean(dim=(1, 2))
        assert psnr == pytest.approx(float(-10 * mse.mean().log10()), abs=1e-3)
        single = [
            structural_similarity(a.double().numpy(), b.double().numpy(), data_range=1.0)
            for a, b in zip(result.photo, found, strict=True)
        ]
        assert ssim == pytest.approx(np.mean(single), abs=1e-6)


# ---- colors where there are three channels, and only there


def test_a_preset_leaves_colors_out_where_there_are_none() -> None:
    one, three = (
        preset("default", iw.representation(net(c), "3", mean=0.5, std=0.25, size=(16, 16)))
        for c in (1, 3)
    )
    assert (one.tv_chroma, one.center) == (0, None)
    assert three.tv_chroma > 0
    assert three.center is not None


def test_smoothing_goes_by_the_numbers_that_the_layer_keeps_of_each_of_the_images() -> None:
    weights = [
        smoothing(
            iw.representation(
                nn.Sequential(nn.Conv2d(c, 2 * c, 3, stride=2)), mean=0.5, std=0.25, size=(64, 64)
            ),
            (64, 64),
        )
        for c in (1, 3, 6)
    ]
    assert weights[0] == pytest.approx(weights[1]) == pytest.approx(weights[2])


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"tv_chroma": 2.0}, "tv_chroma 2 needs colors"),
        ({"center": (0.5, 0.5, 0.5)}, "has length 3"),
        ({"parametrization": Fourier(decorrelated=True), "optimizer": "adam"}, "decorrelates"),
        ({"optimizer": MultiscaleAdam(decorrelated=True)}, "decorrelates"),
    ],
)
def test_an_explicit_wish_for_colors_is_refused_where_there_are_none(
    wish: dict[str, Any], words: str
) -> None:
    many: dict[str, Any] = {"mean": 0.5, "std": 0.25, "size": 16, "seeds": 1}
    with pytest.raises(BadSettingError) as caught:
        prepare(image(1), net(1), "1", **many, **wish)
    assert words in str(caught.value)
    assert "takes images of 1 channel:" in str(caught.value)
    assert prepare(image(3), net(3), "1", **many, **wish).representation.channels == 3


def test_center_may_have_a_number_for_each_channel() -> None:
    result = inverted(4, center=(0.1, 0.2, 0.3, 0.4), steps=1)
    assert result.settings.center == (0.1, 0.2, 0.3, 0.4)


def test_channels_by_color_are_refused_where_images_have_none() -> None:
    with pytest.raises(SelectionError, match=r"'color:top': .* 1 channel, which have no colors"):
        inverted(1, channels="color:top")
    assert inverted(1, channels="group:1", steps=1).selection.channels == tuple(range(6))


# ---- results and figures


@pytest.mark.parametrize("channels", COUNTS)
def test_results_are_saved_and_loaded(channels: int, tmp_path: Path) -> None:
    result = inverted(channels, steps=3)
    result.save(tmp_path / "run.safetensors")
    again = iw.Reconstruction.load(tmp_path / "run.safetensors")
    assert again == result
    assert again.photo.shape == (channels, 16, 16)


def test_one_channel_is_drawn_in_gray_and_others_as_three_of_them() -> None:
    assert torch.equal(in_rgb(image(1)), image(1).expand(3, -1, -1))
    assert torch.equal(in_rgb(image(7)), image(7)[:3])
    assert torch.equal(in_rgb(image(7), (6, 0, 3)), image(7)[[6, 0, 3]])
    assert torch.equal(in_rgb(image(2))[:2], image(2))
    assert not in_rgb(image(2))[2].any()
    assert torch.equal(in_rgb(image(3)), image(3))
    for wrong in ((0, 1), (0, 1, 7), (-1, 0, 1), "012"):
        with pytest.raises(BadSettingError, match="rgb"):
            in_rgb(image(7), wrong)  # type: ignore[arg-type]


def test_a_gallery_draws_the_channels_and_says_which() -> None:
    assert "channels" not in picture_note(inverted(1, steps=2))
    result = inverted(7, steps=2)
    assert "channels 0, 1, 2 of 7 as red, green, blue" in picture_note(result)
    assert "channels 6, 5, 4 of 7 as red, green, blue" in picture_note(result, (6, 5, 4))
    first, other = (pixels(gallery_of(result, rgb=rgb).sheet.figure) for rgb in (None, (6, 5, 4)))
    assert first.shape == other.shape
    assert (first != other).mean() > 0.01
    gray = pixels(gallery_of(inverted(1, steps=2, seeds=1)).sheet.figure)
    middle = gray[gray.shape[0] // 2].astype(int)
    assert np.ptp(middle, axis=1).max() < 8, "the row through the pictures has no color"
    assert isinstance(gallery(result, rgb=(3, 2, 1)), Figure)


@pytest.mark.parametrize("channels", COUNTS)
def test_an_animation_is_written(channels: int, tmp_path: Path) -> None:
    inverted(channels, steps=4, frames=3).animation(tmp_path / "run.gif")
    assert Image.open(tmp_path / "run.gif").n_frames > 1


def test_a_picture_of_one_channel_is_gray(tmp_path: Path) -> None:
    to_pil(image(1)).save(tmp_path / "gray.png")
    saved = Image.open(tmp_path / "gray.png")
    assert saved.mode == "L"
    assert torch.allclose(read_photo(np.asarray(saved), channels=1), image(1), atol=0.003)
    assert to_pil(image(3)).mode == to_pil(image(7)).mode == "RGB"
    assert to_uint8(image(1)).shape == to_uint8(image(7)).shape == (16, 16, 3)


def test_another_network_judges_only_images_that_it_takes() -> None:
    result = inverted(1, steps=1)
    color = iw.representation(net(3), "1", mean=0.5, std=0.25, size=(16, 16))
    for call in (
        lambda: result.judged_by(color),
        lambda: iw.analysis.recomposition(result, by=color, patch=2),
    ):
        with pytest.raises(
            InvwidgetsError, match=r"takes images with 3 channels, but these have 1"
        ):
            call()


# ---- a network of digits, as docs/channels.md has it


def test_deeper_layers_of_a_network_of_digits_keep_less() -> None:
    pytest.importorskip("sklearn")
    page = (Path(__file__).parents[1] / "docs" / "channels.md").read_text()
    known: dict[str, Any] = {}
    training = re.search(r"^```python\n(.*?)^```", page, re.S | re.M)
    assert training is not None
    exec(compile(training[1], "docs/channels.md", "exec"), known)
    net, digit, labels = known["net"], known["images"][1600], known["labels"]
    with torch.no_grad():
        said = net((known["images"] - known["mean"]) / known["std"])[1500:].argmax(1)
    assert 0.85 < float((said == labels[1500:]).float().mean()) < 1
    many = {"mean": known["mean"], "std": known["std"], "size": 8, "tv_weight": 0, "seeds": 2}
    first, middle, last = (iw.invert(digit, net, layer, **many) for layer in ("1", "6", "8"))
    assert max(error for r in (first, middle, last) for error in r.relative_error) < 0.05
    assert min(first.psnr) > 40 > 32 > max(middle.psnr) > max(last.psnr) + 10
    assert first.diversity["pixels"] < 0.001 < 0.01 < middle.diversity["pixels"]
    assert middle.diversity["pixels"] < last.diversity["pixels"]
