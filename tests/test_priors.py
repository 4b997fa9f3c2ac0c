"""Tests of the priors against loops written from the papers, and of their gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from invwidgets.energy.priors import (
    TV_FLOOR,
    AlphaNorm,
    Prior,
    alpha_norm,
    crops,
    project,
    total_variation,
)
from invwidgets.errors import BadSettingError
from invwidgets.inversion.settings import InversionSettings
from tests.reference.slow_priors import slow_alpha, slow_bound, slow_tv

BETAS = (1.0, 1.5, 2.0, 2.7, 3.0)
ALPHAS = (1.0, 1.5, 2.0, 3.0, 6.0)
KINDS = ("pixel", "element")


def iterate(seeds: int = 2, height: int = 4, width: int = 5, scale: float = 60.0) -> Tensor:
    generator = torch.Generator().manual_seed(seeds + height)
    shape = (seeds, 3, height, width)
    return torch.randn(shape, generator=generator, dtype=torch.float64) * scale


def gradient_of(prior: Callable[..., Tensor], z: Tensor, *options: Any) -> Tensor:
    """The amount that a prior adds to a gradient."""
    gradient = torch.zeros_like(z)
    prior(z, *options, gradient=gradient)
    return gradient


def differences(prior: Callable[..., Tensor], z: Tensor, *options: Any) -> Tensor:
    """The same amount by central differences."""
    slope = torch.zeros_like(z)
    for index in range(z.numel()):
        for sign in (1, -1):
            moved = z.clone()
            moved.view(-1)[index] += sign * 1e-4
            slope.view(-1)[index] += sign * prior(moved, *options).sum() / 2e-4
    return slope


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_alpha_norm_equals_the_loop(alpha: float, kind: str) -> None:
    z = iterate()
    expected = [slow_alpha(seed.numpy(), alpha, kind) for seed in z]
    np.testing.assert_allclose(alpha_norm(z, alpha, kind), expected, rtol=1e-9)


@pytest.mark.parametrize("beta", BETAS)
def test_total_variation_equals_the_loop(beta: float) -> None:
    z = iterate()
    expected = [slow_tv(seed.numpy(), beta) for seed in z]
    np.testing.assert_allclose(total_variation(z, beta), expected, rtol=1e-9)


@given(
    st.integers(1, 4), st.integers(1, 6), st.integers(1, 6),
    st.floats(1, 4), st.floats(1, 8), st.sampled_from(KINDS),
)  # fmt: skip
def test_any_size_and_power(
    seeds: int, height: int, width: int, beta: float, alpha: float, kind: str
) -> None:
    z = iterate(seeds, height, width)
    expected = [slow_tv(seed.numpy(), beta) for seed in z]
    np.testing.assert_allclose(total_variation(z, beta), expected, rtol=1e-8, atol=1e-12)
    expected = [slow_alpha(seed.numpy(), alpha, kind) for seed in z]
    np.testing.assert_allclose(alpha_norm(z, alpha, kind), expected, rtol=1e-8)


@pytest.mark.parametrize("beta", BETAS)
def test_total_variation_gradient(beta: float) -> None:
    z = iterate(scale=20)
    exact = gradient_of(total_variation, z, beta)
    torch.testing.assert_close(exact, differences(total_variation, z, beta), rtol=1e-5, atol=1e-9)
    assert bool(exact.any())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_alpha_norm_gradient(alpha: float, kind: str) -> None:
    z = iterate(scale=50)
    exact = gradient_of(alpha_norm, z, alpha, kind)
    torch.testing.assert_close(exact, differences(alpha_norm, z, alpha, kind), rtol=1e-5, atol=1e-9)
    assert bool(exact.any())


@pytest.mark.parametrize("beta", [2.0, 1.5])
def test_the_colors_variation_is_added(beta: float) -> None:
    z = iterate()
    gray = z.mean(1, keepdim=True)
    plain, colors = ([slow_tv(seed.numpy(), beta) for seed in part] for part in (z, z - gray))
    colored = partial(total_variation, beta=beta, chroma=4.0)
    np.testing.assert_allclose(colored(z), np.add(plain, np.multiply(4, colors)), rtol=1e-9)
    slope = differences(colored, z)
    torch.testing.assert_close(gradient_of(colored, z), slope, rtol=1e-5, atol=1e-8)
    flat = gray.expand(-1, 3, -1, -1)
    torch.testing.assert_close(colored(flat), total_variation(flat, beta))
    assert colored(gray).equal(total_variation(gray, beta))


def test_gradients_are_weighted_and_added() -> None:
    z = iterate()
    for prior in (alpha_norm, total_variation):
        gradient = torch.ones_like(z)
        energy = prior(z, gradient=gradient, weight=3.0)
        torch.testing.assert_close(gradient, 1 + 3 * gradient_of(prior, z))
        assert torch.equal(energy, prior(z))


@pytest.mark.parametrize("beta", [1.0, 1.2, 1.5, 1.99, 2.0, 3.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_flat_areas_have_a_finite_gradient(beta: float, dtype: torch.dtype) -> None:
    z = torch.zeros(1, 3, 6, 6, dtype=dtype)
    z[..., 3:] = 10  # flat on both sides of one edge
    energy, gradient = total_variation(z, beta), gradient_of(total_variation, z, beta)
    assert bool(torch.isfinite(energy).all())
    assert bool(torch.isfinite(gradient).all())
    assert not bool(gradient[..., 0].any())
    assert bool((gradient[..., 3] > 0).all())  # down the slope is towards flat
    assert bool((gradient[..., 2] < 0).all())


def test_the_floor_limits_the_gradient_of_small_differences() -> None:
    """At β = 1 the gradient is d/max(‖d‖, floor): linear below the floor, ±1 above it."""
    scale = 2 * (80 / 6.5)  # pixels × V
    for difference in (TV_FLOOR / 10, TV_FLOOR * 10):
        z = torch.zeros(1, 1, 1, 2, dtype=torch.float64)
        z[..., 1] = difference
        gradient = gradient_of(total_variation, z, 1.0)
        expected = difference / max(difference, TV_FLOOR) / scale
        assert float(gradient[..., 1]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("kind", KINDS)
def test_alpha_norm_of_a_blank_image(alpha: float, kind: str) -> None:
    z = torch.zeros(1, 3, 3, 3)
    assert float(alpha_norm(z, alpha, kind)) == 0
    assert not bool(gradient_of(alpha_norm, z, alpha, kind).any())


def test_knobs_mean_the_same_at_every_size() -> None:
    small = iterate(1, 6, 6)
    large = small.repeat(1, 1, 4, 4)
    torch.testing.assert_close(alpha_norm(large), alpha_norm(small))


def test_energies_are_by_seed() -> None:
    z = iterate(3)
    for function in (alpha_norm, total_variation):
        alone = torch.cat([function(z[k : k + 1]) for k in range(3)])
        assert torch.equal(function(z), alone)


def test_bound_projects_pixels_in_place() -> None:
    z = iterate(2, scale=120)
    expected = np.stack([slow_bound(seed.numpy(), 160.0) for seed in z])
    given = z.clone()
    result = project(given, 160.0)
    assert result.data_ptr() == given.data_ptr()
    np.testing.assert_allclose(given, expected, rtol=1e-12)
    assert bool((expected != z.numpy()).any())
    again = project(given.clone(), 160.0)
    torch.testing.assert_close(again, given)


def test_jitter_crops_each_seed_at_its_own_shift() -> None:
    z = torch.arange(2 * 3 * 6 * 7.0).reshape(2, 3, 6, 7)
    shifts = torch.tensor([[0, 3], [2, 1]])
    first, second = crops(z, shifts, (4, 4))
    assert torch.equal(first, z[0, :, 0:4, 3:7])
    assert torch.equal(second, z[1, :, 2:6, 1:5])
    second.zero_()  # a view
    assert not bool(z[1, :, 2:6, 1:5].any())


class Weighed(Prior):
    """A prior whose class sets its weight."""

    def energy(self, z: Tensor) -> Tensor:
        return z.square().flatten(1).mean(1)


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), "0.1", None, True])
def test_a_weight_that_is_no_number_is_refused(weight: Any) -> None:
    for made in (Weighed, AlphaNorm):
        with pytest.raises(BadSettingError, match=r"weight of prior .* give a finite number"):
            made(weight=weight)
    prior = Weighed(0.5)
    prior.weight = weight
    with pytest.raises(BadSettingError, match="weight of prior Weighed"):
        InversionSettings(priors=(prior,))
