"""Tests of the presets against the papers' energies with the papers' constants."""

from __future__ import annotations

import math
import re
from pathlib import Path
from statistics import mean

import pytest
import torch
from torch import nn

from invwidgets.energy.priors import TV_RANGE, alpha_norm, total_variation
from invwidgets.errors import UnknownNameError
from invwidgets.inversion.invert import invert
from invwidgets.inversion.phase import Phase
from invwidgets.inversion.presets import PRESETS, field_coverage, preset
from invwidgets.inversion.settings import InversionSettings
from invwidgets.models.zoo import load_network
from invwidgets.representations.network import NetworkRepresentation
from invwidgets.representations.registry import representation
from invwidgets.search.optimizers import start_optimizer
from invwidgets.search.starts import start_images
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
    sigma_squared = 27098.12**2 / 227**2 * size[0] * size[1]
    for network, tv in ((PHI, 1.0), (DEEP, 100.0)):  # of another size: a weight means the same
        settings = preset("cvpr2015", network)
        expected = slow_cvpr2015_prior(z[0].numpy(), tv, sigma_squared)
        assert prior(settings, z) == pytest.approx(expected, rel=1e-6)
        assert settings.data_weight == 1
        assert settings.bound is None


def test_cvpr2015_constants() -> None:
    settings = preset("cvpr2015", PHI)
    assert (settings.optimizer, settings.start) == ("momentum", "cvpr2015")
    assert settings.steps == 400
    phases = [(p.steps, p.lr, p.restart) for p in settings.phases]
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
    assert [p.lr for p in settings.phases] == pytest.approx([0.05 * 80**2 / 6, 0.005 * 80**2 / 6])
    assert [p.jitter for p in settings.phases] == [0, 0]  # shifts 0 … 4 / 4 − 1
    assert settings.phases[1].restart, "the authors begin it afresh, in a call of its own"
    assert preset("ijcv2016", PHI).data_weight == 300
    assert preset("ijcv2016", DEEP).data_weight == 1


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_and_objective(name: str) -> None:
    for objective in ("inversion", "maximize", "caricature"):
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
    assert preset("default", DEEP).tv_weight > 3 * preset("default", PHI).tv_weight > 0


@pytest.mark.parametrize(
    ("model", "layer", "weights"),
    [
        ("efficientnet_lite0", "blocks.0", "pretrained"),
        ("efficientnet_lite0", "blocks.2", "pretrained"),
        ("alexnet", "features.4", "random"),
    ],
)
def test_a_short_run_gains_by_its_own_rate(model: str, layer: str, weights: str) -> None:
    """On a photo on which nothing was chosen, against the long run's glide in as few steps."""
    cut = representation(model, layer, weights)
    short, long = preset("default", cut, steps=20), preset("default", cut)
    ratio = long.steps / 20
    assert short.phases[0].lr_end == pytest.approx(ratio**1.5 * long.phases[0].lr_end)
    glide = Phase(20, short.phases[0].lr, ratio * long.phases[0].lr_end)
    ours, other = (
        invert("flower", cut, steps=20, seeds=1, frames=0, precision="float32", **changes)
        for changes in ({}, {"phases": (glide,)})
    )
    assert ours.relative_error[0] < 0.995 * other.relative_error[0]
    assert ours.ssim[0] > other.ssim[0]


def test_ours_shifts_images_where_cells_are_far_apart_and_nowhere_else() -> None:
    lite = representation("efficientnet_lite0", weights="random")
    for layer, wanted in (("blocks.2", 0), ("blocks.4", 16), ("blocks.6", 16), ("classifier", 16)):
        settings = preset("default", lite.at(layer))
        assert settings.jitter == wanted, layer
        assert settings.phases[-1].jitter_at(settings.steps - 1) == 0
        assert settings.steps == (280 if wanted else 150)
    deep = lite.at("blocks.4")
    assert preset("default", deep, size=(64, 96)).jitter == 4, "a 14th of the shorter side"
    assert preset("default", deep, coverage=0.9).jitter == 0, "a region that sees a part"
    short, whole = preset("default", deep, steps=70), preset("default", deep)
    assert (short.steps, short.jitter, short.tv_chroma) == (70, 8, 4)
    assert (whole.jitter, whole.tv_chroma) == (16, 1)
    assert short.tv_weight == pytest.approx(2 * whole.tv_weight)
    first = [settings.tv_weight * settings.tv_factor(0) for settings in (short, whole)]
    assert first[0] == pytest.approx(first[1]) == 40 * whole.tv_weight
    assert short.tv_factor(62) > 1 == short.tv_factor(63), "λ_V falls over nine tenths of the steps"
    own = preset("default", deep, phases=(Phase(40, 5.0),))
    assert own.jitter == 0
    assert own.tv_factor(19) > 1 == own.tv_factor(20), "λ_V falls over half of one's own steps"


@pytest.mark.slow
def test_another_network_believes_our_deep_images_more_than_unshifted_ones() -> None:
    """On photos on which nothing was chosen, beside the search of before, without shifts."""
    judge = representation("efficientnet_lite2")
    searched = representation("efficientnet_lite0", "blocks.4")
    still = {"phases": (Phase(150, 9.0, 0.05),), "tv_boost": 4.0}
    nearer = []
    for photo in ("rocket", "flower"):
        ours, other = (
            invert(photo, searched, seeds=2, frames=0, precision="float32", **changes)
            for changes in ({}, still)
        )
        mine, theirs = ours.judged_by(judge), other.judged_by(judge)
        nearer.append(mean(mine.feature_distance) / mean(theirs.feature_distance))
        assert mine.color is not None
        assert theirs.color is not None
        assert abs(1 - mean(mine.color)) < abs(1 - mean(theirs.color))
        assert mean(ours.relative_error) < 1.3 * mean(other.relative_error)
    assert min(nearer) > 0.3, "these are not the photo's own features"
    assert max(nearer) < 1.1  # rounding on another processor changes a photo's ratio by 0.1
    assert mean(nearer) < 0.95


CAFFENET = load_network("caffenet", "random")
TABLES = Path("docs/papers.md").read_text()
LAYERS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TABLES.splitlines()
    if re.match(r"\| (conv|relu|mpool|norm|fc)\d", line)
]


def published_tv(settings: InversionSettings, pixels: int) -> float:
    """λ_TV as in CVPR15: λ_TV / 2 · Σ / σ²."""
    assert settings.image_energy is not None
    return settings.tv_weight * 2 * settings.image_energy / pixels / TV_RANGE**2


def test_the_table_has_every_layer() -> None:
    names = [layer.name for layer in NetworkRepresentation(CAFFENET).layers()]
    assert [row[0] for row in LAYERS] == names
    assert [float(row[2]) for row in LAYERS] == [1] * 6 + [10] * 6 + [100] * 8


@pytest.mark.parametrize("row", LAYERS, ids=[row[0] for row in LAYERS])
def test_the_presets_are_the_tables_on_caffenet(row: list[str]) -> None:
    name, coverage, tv, weight, shift, maximize = row
    phi = NetworkRepresentation(CAFFENET, name)
    found = field_coverage(phi, phi.size)
    assert found == (math.inf if coverage == "all" else pytest.approx(float(coverage), abs=0.005))
    assert published_tv(preset("cvpr2015", phi), 227**2) == pytest.approx(float(tv))
    theirs = preset("ijcv2016", phi)
    assert theirs.data_weight == float(weight)
    assert [p.jitter for p in theirs.phases] == [int(shift), 0]
    unit = preset("ijcv2016", phi, "maximize")
    assert unit.data_weight == pytest.approx(float(maximize), rel=0.01)
    assert [p.steps for p in unit.phases] == [300]


def test_a_network_cut_by_its_owner_has_the_same_preset() -> None:
    cut = nn.Sequential(*list(CAFFENET.module.children())[:12])
    mean, std = CAFFENET.mean, CAFFENET.std
    own = representation(cut, mean=mean, std=std, size=(227, 227))
    whole = NetworkRepresentation(CAFFENET, "relu4")
    for name in ("cvpr2015", "ijcv2016"):
        assert preset(name, own) == preset(name, whole)


@pytest.mark.parametrize("name", ["hog", "hogb", "dsift"])
@pytest.mark.parametrize("size", [(192, 256), (64, 96)])
def test_descriptors_as_published(name: str, size: tuple[int, int]) -> None:
    phi = representation(name)
    settings = preset("cvpr2015", phi, size=size)
    assert settings.image_energy == pytest.approx(27098.12**2)
    assert published_tv(settings, size[0] * size[1]) == pytest.approx(1)
    phases = [(p.steps, p.lr, p.restart) for p in settings.phases]
    rates = [0.004, 0.0004, 0.00004, 0.000004]
    assert phases == [(200, pytest.approx(lr), True) for lr in rates]
    start = start_images("cvpr2015", (0,), (1, *size), None, settings.image_energy)
    assert float(torch.linalg.vector_norm(start)) == pytest.approx(27098.12, rel=1e-5)
    z = torch.zeros(1, 1, *size)
    rule = start_optimizer("momentum", z, energy=settings.image_energy)
    rule.update(z, torch.full_like(z, 1e-6), torch.tensor([0.004]))
    assert float(z[0, 0, 0, 0]) == pytest.approx(-0.004 * 27098.12**2 * 1e-6)
    theirs = preset("ijcv2016", phi)
    assert [(p.steps, p.jitter) for p in theirs.phases] == [(300, 0)]


def test_a_caricature_as_published_and_ours() -> None:
    phi = NetworkRepresentation(CAFFENET, "conv5")
    theirs = preset("ijcv2016", phi, "caricature")
    assert (theirs.data_weight, theirs.start) == (1.0, "photo")
    assert [(p.steps, p.jitter) for p in theirs.phases] == [(300, 3)]


def test_our_caricature_raises_what_the_photo_excites() -> None:
    result = invert("coffee", layer="blocks.4", objective="caricature", seeds=1, size=128, frames=0)
    curve = -result.energies["data"][:, 0]
    assert float(curve[0]) == pytest.approx(1, abs=0.1)  # the photo itself, jittered
    assert float(curve[-10:].mean()) > 1.25
