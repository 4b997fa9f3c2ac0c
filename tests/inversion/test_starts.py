"""Tests of start images: seed k has the same start alone and among others."""

from __future__ import annotations

import pytest
import torch

from invwidgets.errors import BadSettingError, UnknownNameError
from invwidgets.inversion.canvas import center_of, start_canvas
from invwidgets.inversion.invert import invert
from invwidgets.inversion.prepare import prepare
from invwidgets.representations.registry import representation
from invwidgets.search.starts import jitter_generators, start_images
from tests.saboteurs import equal_starts
from tests.small_networks import phi, picture

SHAPE = (3, 20, 30)
KINDS = ("noise", "cvpr2015", "ijcv2016")


@pytest.mark.claim(saboteurs=[equal_starts])
@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_alone_and_among_others(kind: str) -> None:
    many = start_images(kind, tuple(range(25)), SHAPE, None)
    alone = start_images(kind, (7,), SHAPE, None)
    assert many.shape == (25, *SHAPE)
    assert torch.equal(alone[0], many[7])
    assert torch.equal(start_images(kind, (9, 7), SHAPE, None)[1], many[7])
    assert len({image.numpy().tobytes() for image in many}) == 25


LARGE = (1, 2**31 + 1, 2**32 + 1, 2**33 + 1, 2**62 - 1, 2**61 - 1, 2**31 - 1)


@pytest.mark.parametrize("kind", KINDS)
def test_every_seed_has_an_image_of_its_own(kind: str) -> None:
    """Torch's CPU generator is seeded with 32 bits only."""
    images = start_images(kind, LARGE, SHAPE, None)
    for place, image in enumerate(images):
        for other in images[:place]:
            correlation = torch.corrcoef(torch.stack([image.flatten(), other.flatten()]))[0, 1]
            assert abs(float(correlation)) < 0.1  # 1800 numbers: a standard deviation of 0.024
    spread = images.flatten(1).std(1)
    assert float(spread.max() / spread.min()) < 1.1
    assert torch.equal(start_images(kind, LARGE[3:4], SHAPE, None)[0], images[3])


def test_shifts_of_large_seeds_are_their_own_too() -> None:
    starts = start_images("noise", LARGE, (1, 1, 5), None).flatten(1)
    shifts = [4 * torch.randn(5, generator=g) for g in jitter_generators(LARGE)]
    every = {tuple(numbers.tolist()) for numbers in (*starts, *shifts)}
    assert len(every) == 2 * len(LARGE)


def test_an_ordinary_seed_is_torch_s() -> None:
    """Images of earlier versions stay as they are."""
    for seed in (0, 7, 2**31 - 1):
        noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(2 * seed)) * 4
        assert torch.equal(start_images("noise", (seed,), SHAPE, None)[0], noise)
        number = torch.rand(1, generator=torch.Generator().manual_seed(2 * seed + 1))
        assert torch.equal(torch.rand(1, generator=jitter_generators((seed,))[0]), number)


def test_seeds_alike_in_their_last_bits_end_apart() -> None:
    result = invert(picture(), phi(), seeds=[1, 2**32 + 1], steps=3, frames=0, threads=1)
    assert result.diversity["pixels"] > 0.01


def test_starts_leave_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    start_images("noise", (0, 1), SHAPE, None)
    jitter_generators((0, 1))
    assert torch.equal(torch.get_rng_state(), before)


def test_cvpr2015_norm() -> None:
    image = start_images("cvpr2015", (0,), (3, 227, 227), None)
    assert float(torch.linalg.vector_norm(image)) == pytest.approx(27098.12, rel=1e-4)


def test_cvpr2015_norm_of_one_color() -> None:
    """A gray search has a third of the numbers, of the same size each."""
    image = start_images("cvpr2015", (0,), (1, 227, 227), None)
    assert float(torch.linalg.vector_norm(image)) == pytest.approx(27098.12 / 3**0.5, rel=1e-4)


def test_ijcv2016_quantile() -> None:
    image = start_images("ijcv2016", (0,), (3, 200, 200), None)
    quantile = float(image.flatten().quantile(0.95))  # of signed values: half of them negative
    assert quantile == pytest.approx(80 / 3**0.5, rel=1e-4)
    assert float(image.abs().max()) == pytest.approx(80 / 3**0.5 / 0.9, rel=0.01)


def test_photo_start_is_the_photo_for_every_seed() -> None:
    photo = torch.rand(1, 3, 4, 4)
    assert torch.equal(start_images("photo", (3, 4), (3, 4, 4), photo), photo.repeat(2, 1, 1, 1))


def test_a_start_without_its_origin_is_refused() -> None:
    with pytest.raises(BadSettingError, match="start 'photo' needs an image to start from"):
        start_images("photo", (0,), SHAPE, None)


@pytest.mark.parametrize("start", ["linear", torch.ones(3)])
def test_another_start_is_refused(start: object) -> None:
    with pytest.raises(UnknownNameError, match=r"no start .*noise, cvpr2015, ijcv2016, photo"):
        prepare(picture(), phi(), start=start)  # type: ignore[arg-type]


def test_the_photo_start_of_an_objective_without_a_photo_is_refused() -> None:
    with pytest.raises(BadSettingError, match="'photo' with maximize, which takes no photo"):
        prepare(model=phi(), layer="relu_1", channels=3, objective="maximize", start="photo")


def seeds_apart(first: torch.Tensor) -> float:
    """The difference between two seeds' images, divided by their standard deviation."""
    noise = first - first.mean((2, 3), keepdim=True)
    return float((noise[0] - noise[1]).square().mean().sqrt() / noise.square().mean().sqrt())


@pytest.mark.parametrize("steps", [1, 15, 100, None])
@pytest.mark.parametrize("model", ["efficientnet_lite0", "hog", "own"])
def test_every_default_starts_from_noise(model: str, steps: int | None) -> None:
    """Seeds share nothing at the start: two such images lie √2 apart; with a shared one, less."""
    named = phi() if model == "own" else representation(model)
    size = None if model == "own" else 96
    run = prepare(picture(), named, steps=steps, seeds=2, size=size, frames=0, threads=1)
    assert run.settings.start == "noise"
    center = center_of(run.representation, run.settings)
    first = start_canvas(run.representation, run.settings, run.size, run.photo, center)
    assert 1.3 < seeds_apart(first) < 1.5
    assert run.photo is not None
    alike = first + 255 * (run.photo.mean(0, keepdim=True) - 0.5)  # as a start by an estimate
    assert seeds_apart(alike) < 0.5


def test_shifts_are_by_seed_and_apart_from_the_start() -> None:
    def numbers(seeds: tuple[int, ...]) -> list[list[int]]:
        return [torch.randint(0, 999, (5,), generator=g).tolist() for g in jitter_generators(seeds)]

    assert numbers((7,))[0] == numbers((0, 7))[1]
    streams = [g.initial_seed() for g in jitter_generators(tuple(range(50)))]
    assert len(set(streams)) == 50
    starts = {2 * seed for seed in range(50)}
    assert not starts & set(streams)
