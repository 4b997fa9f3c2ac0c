"""The presets against the papers' energies in the papers' own constants."""

from __future__ import annotations

import pytest
import torch

from invwidgets.errors import UnknownNameError
from invwidgets.inversion.presets import CVPR2015_ENERGY, PRESETS, preset
from invwidgets.inversion.settings import InversionSettings
from invwidgets.priors import alpha_norm, total_variation
from tests.reference.slow_priors import slow_cvpr2015_prior, slow_ijcv2016_prior
from tests.small_networks import phi

PHI = phi("conv1")
DEEP = phi("head.2")


def prior(settings: InversionSettings, z: torch.Tensor) -> float:
    alpha = alpha_norm(z, settings.alpha, settings.alpha_kind)
    tv = total_variation(z, settings.beta)
    return float(settings.alpha_weight * alpha + settings.tv_weight * tv)


def iterate(height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return 40 * torch.randn(1, 3, height, width, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("size", [(4, 5), (7, 3)])
def test_cvpr2015_is_the_papers_energy(size: tuple[int, int]) -> None:
    z = iterate(*size)
    sigma_squared = 14250.4 * size[0] * size[1]
    for representation, tv in ((PHI, 1.0), (DEEP, 100.0)):
        settings = preset("cvpr2015", representation)
        expected = slow_cvpr2015_prior(z[0].numpy(), tv, sigma_squared)
        assert prior(settings, z) == pytest.approx(expected, rel=1e-6)
        assert settings.data_weight == 1
        assert settings.bound is None


def test_cvpr2015_constants() -> None:
    assert pytest.approx(27098.12**2 / 227**2, rel=1e-4) == CVPR2015_ENERGY
    settings = preset("cvpr2015", PHI)
    assert (settings.optimizer, settings.start) == ("momentum", "cvpr2015")
    assert settings.steps == 400
    phases = [(p.steps, p.rate, p.restart) for p in settings.phases]
    assert phases == [
        (100, pytest.approx(0.004), True),
        (200, pytest.approx(0.0004), True),
        (100, pytest.approx(0.00004), True),
    ]


@pytest.mark.parametrize("beta", [2.0, 1.5])
def test_ijcv2016_is_the_papers_energy(beta: float) -> None:
    z = iterate(5, 6)
    settings = preset("ijcv2016", PHI, beta=beta)
    expected = slow_ijcv2016_prior(z[0].numpy(), beta)
    assert prior(settings, z) == pytest.approx(expected, rel=1e-9)


def test_ijcv2016_constants() -> None:
    settings = preset("ijcv2016", phi("conv3"))
    assert (settings.optimizer, settings.start, settings.bound) == (
        "adagrad-momentum", "ijcv2016", 160.0,
    )  # fmt: skip
    assert [p.steps for p in settings.phases] == [300, 50]
    assert [p.rate for p in settings.phases] == pytest.approx([0.05 * 80**2 / 6, 0.005 * 80**2 / 6])
    assert [p.jitter for p in settings.phases] == [1, 0]  # a quarter of stride 4
    assert preset("ijcv2016", PHI).data_weight == 300
    assert preset("ijcv2016", DEEP).data_weight == 1


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_and_objective(name: str) -> None:
    for objective in ("inversion", "maximise", "caricature"):
        settings = preset(name, PHI, objective)
        assert (settings.preset, settings.objective) == (name, objective)
        assert (settings.start == "photo") is (objective == "caricature")
    changed = preset(name, PHI, steps=7, tv_weight=0.5, seeds=(3,))
    assert (changed.steps, changed.tv_weight, changed.seeds) == (7, 0.5, (3,))


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match=r"'cvpr2016'.*'cvpr2015'"):
        preset("cvpr2016", PHI)
    with pytest.raises(UnknownNameError, match=r"'tv'"):
        preset("default", PHI, tv=1)


def test_ours_asks_more_of_the_prior_where_the_features_say_less() -> None:
    assert preset("default", DEEP).tv_weight > 10 * preset("default", PHI).tv_weight > 0
