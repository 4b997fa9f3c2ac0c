"""Tests of the optimizers against loops over the papers' formulas, with independent seeds."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from invwidgets.errors import UnknownNameError
from invwidgets.representations.receptive_fields.tracer import Box
from invwidgets.search.colors import color_basis
from invwidgets.search.optimizers import (
    COARSER,
    FINEST,
    OPTIMIZERS,
    MultiscaleAdam,
    start_optimizer,
)
from invwidgets.search.side_by_side import SideBySide
from tests.reference.slow_priors import slow_adagrad_momentum, slow_adam, slow_momentum

SHAPE = (3, 4, 5)


def arrays(count: int, scale: float) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.normal(size=SHAPE) * scale for _ in range(count)]


def ours(
    name: str, z: np.ndarray, gradients: list[np.ndarray], lr: float, restarts: set[int]
) -> np.ndarray:
    image = torch.from_numpy(z.copy())[None]
    rule = start_optimizer(name, image)
    for step, gradient in enumerate(gradients):
        if step in restarts:
            rule.forget()
        rates = torch.tensor([lr], dtype=torch.float64)
        rule.update(image, torch.from_numpy(gradient)[None], rates)
    return image[0].numpy()


def test_cvpr2015_momentum() -> None:
    z, *gradients = arrays(8, 1e-3)
    expected = slow_momentum(z, gradients, 0.004, {0, 4})
    # 14250.4 stands for 27098.12² / 227²
    np.testing.assert_allclose(ours("momentum", z, gradients, 0.004, {0, 4}), expected, rtol=2e-5)


def test_ijcv2016_adagrad() -> None:
    z, *gradients = arrays(8, 1e-2)
    lr = 0.05 * 80**2 / 6
    expected = slow_adagrad_momentum(z, gradients, lr)
    np.testing.assert_allclose(ours("adagrad-momentum", z, gradients, lr, set()), expected)


@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_adam(scale: float) -> None:
    z, *gradients = arrays(8, scale)
    expected = slow_adam(z, gradients, 0.3)
    given = ours("adam", z, gradients, 0.3, set())
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5)


def test_multiscale_adam_first_step() -> None:
    """Adam's first step is the rate against the gradient's sign, broader levels more."""
    z = torch.zeros(1, 3, 32, 48, dtype=torch.float64)
    gradient = torch.full_like(z, -2.0)
    start_optimizer("multiscale-adam", z).update(z, gradient, torch.tensor([0.5]))
    gray = float(color_basis(z)[0, 0])  # the gradient is gray, and so is the step
    levels = sum(FINEST * COARSER**k for k in range(6))
    torch.testing.assert_close(z, torch.full_like(z, levels * 0.5 * gray), rtol=1e-5, atol=0)
    z.zero_()
    rule = start_optimizer(MultiscaleAdam(decorrelated=False), z)
    rule.update(z, gradient, torch.tensor([0.5]))
    torch.testing.assert_close(z, torch.full_like(z, levels * 0.5), rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("seen", "stays"),
    [(Box(7, 5, 77, 59), True), (Box(7, 5, 57, 59), False), (None, False)],
    ids=["a thin margin", "a broad margin", "the whole image"],
)
def test_no_broad_level_leaves_what_a_region_sees(seen: Box | None, stays: bool) -> None:
    """Beside a margin thinner than the broadest level's pixel only the finest level goes beyond."""
    z = torch.zeros(2, 3, 96, 64)
    rule = start_optimizer("multiscale-adam", z, seen=seen)
    gradient = torch.zeros_like(z)
    top, left, bottom, right = seen or (7, 5, 77, 59)
    gradient[..., top:bottom, left:right] = 1.0
    rule.update(z, gradient, torch.ones(2))
    inside = z[..., top:bottom, left:right].clone()
    z[..., top:bottom, left:right] = 0
    assert float(inside.abs().min()) > FINEST  # the broad levels' steps came on top
    assert bool((z == 0).all()) is stays


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_seeds_never_touch(name: str) -> None:
    generator = torch.Generator().manual_seed(0)

    def run(seeds: list[int], forget: Callable[[int], list[bool]] | None = None) -> torch.Tensor:
        z = starts[seeds].clone()
        rule = start_optimizer(name, z)
        for step, gradient in enumerate(gradients):
            if forget is not None:
                rule.forget(torch.tensor(forget(step)))
            rule.update(z, gradient[seeds].clone(), torch.tensor([0.1, 0.2, 0.3])[seeds])
        return z

    starts = torch.randn(3, *SHAPE, generator=generator)
    gradients = torch.randn(6, 3, *SHAPE, generator=generator) * 1e-3
    together = run([0, 1, 2])
    for seed in range(3):
        assert torch.equal(run([seed])[0], together[seed])
    torn = run([0, 1, 2], lambda step: [False, step == 3, False])
    assert torch.equal(torn[[0, 2]], together[[0, 2]])
    assert not torch.equal(torn[1], together[1])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_forgetting_starts_afresh(name: str) -> None:
    gradients = torch.randn(4, 2, *SHAPE, generator=torch.Generator().manual_seed(1)) * 1e-3
    rates = torch.full((2,), 0.1)
    z = torch.zeros(2, *SHAPE)
    rule = start_optimizer(name, z)
    for gradient in gradients:
        rule.update(z, gradient, rates)
    rule.forget()
    z.zero_()
    rule.update(z, gradients[0], rates)
    fresh = torch.zeros(2, *SHAPE)
    start_optimizer(name, fresh).update(fresh, gradients[0], rates)
    assert torch.equal(z, fresh)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 2)])
def test_images_of_a_pixel_or_a_line(name: str, size: tuple[int, int]) -> None:
    z = torch.zeros(1, 3, *size)
    start_optimizer(name, z).update(z, torch.ones_like(z), torch.ones(1))
    assert bool((z < 0).all())


def test_unknown() -> None:
    with pytest.raises(UnknownNameError, match=r"'lbfgs'.*adam"):
        start_optimizer("lbfgs", torch.zeros(1, 3, 2, 2))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_seeds_side_by_side_move_as_in_one_batch(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    whole = torch.randn(3, 3, 20, 24, generator=generator)
    split = whole.clone()
    rates = torch.tensor([1.0, 2.0, 0.5])
    with ThreadPoolExecutor(2) as workers:
        one = start_optimizer(name, whole)
        many = SideBySide(lambda part: start_optimizer(name, part), split.split(2), workers)
        for step in range(4):
            gradient = torch.randn(whole.shape, generator=generator)
            for rule, parameters in ((one, whole), (many, split)):
                rule.update(parameters, gradient, rates)
                if step == 1:
                    rule.forget(torch.tensor([False, True, False]))
                if step == 2:
                    rule.forget()
            torch.testing.assert_close(split, whole)
