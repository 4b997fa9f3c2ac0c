"""Tests of the objectives against loops written from the papers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from invwidgets.energy.binding import bind
from invwidgets.energy.objectives import OBJECTIVES
from invwidgets.errors import SelectionError, UnknownNameError
from invwidgets.inversion.metrics import relative_error
from invwidgets.selection import Selection
from tests.reference.slow_priors import slow_caricature, slow_inversion, slow_maximize

SELECTIONS = (
    Selection(),
    Selection(region=(1, 3, 0, 2)),
    Selection(channels=(0, 3)),
    Selection(region=(0, 1, 2, 4), channels=(1, 2, 4)),
)


def features(seeds: int, seed: int, shape: tuple[int, ...] = (5, 4, 4)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(seeds, *shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("selection", SELECTIONS, ids=lambda s: s.describe() or "all")
def test_inversion_equals_the_loop(selection: Selection) -> None:
    target, given = features(1, 0), features(3, 1)
    mask = selection.mask((5, 4, 4)).numpy()
    expected = [slow_inversion(f.numpy(), target[0].numpy(), mask) for f in given]
    energy = bind("inversion", target, selection)(given)
    np.testing.assert_allclose(energy, expected, rtol=1e-9)
    np.testing.assert_allclose(
        relative_error(given, target, selection), np.sqrt(expected), rtol=1e-6
    )
    assert float(bind("inversion", target, selection)(target)) == 0


@pytest.mark.parametrize("selection", SELECTIONS, ids=lambda s: s.describe() or "all")
def test_maximize_and_caricature_equal_the_loops(selection: Selection) -> None:
    target, given = features(1, 0), features(3, 1)
    mask = selection.mask((5, 4, 4)).numpy()
    expected = [slow_maximize(f.numpy(), 2.5, mask) for f in given]
    energy = bind("maximize", torch.tensor([2.5]), selection)(given)
    np.testing.assert_allclose(energy, expected, rtol=1e-7)
    expected = [slow_caricature(f.numpy(), target[0].numpy(), mask) for f in given]
    caricature = bind("caricature", target, selection)
    np.testing.assert_allclose(caricature(given), expected, rtol=1e-9)
    excited = target.clamp_min(0)
    assert float(caricature(excited)) == pytest.approx(-1)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("selection", [SELECTIONS[0], SELECTIONS[3]], ids=["all", "some"])
def test_gradients(name: str, selection: Selection) -> None:
    target = torch.tensor([1.7], dtype=torch.float64) if name == "maximize" else features(1, 0)
    objective = bind(name, target, selection)
    given = features(2, 1).requires_grad_(True)
    assert torch.autograd.gradcheck(objective, (given,))
    (gradient,) = torch.autograd.grad(objective(given).sum(), given)
    assert not bool(gradient[:, ~selection.mask((5, 4, 4))].any())


def test_vectors() -> None:
    target, given = features(1, 0, (7,)), features(2, 1, (7,))
    selection = Selection(channels=(2, 5))
    expected = [
        slow_inversion(f.numpy(), target[0].numpy(), selection.mask((7,)).numpy()) for f in given
    ]
    energy = bind("inversion", target, selection)(given)
    np.testing.assert_allclose(energy, expected, rtol=1e-9)


def test_nothing_to_do_is_refused() -> None:
    with pytest.raises(SelectionError, match=r"all zero.*another.*region 0:1,0:1"):
        bind("inversion", torch.zeros(1, 2, 2, 2), Selection(region=(0, 1, 0, 1)))
    with pytest.raises(SelectionError, match="has no positive feature"):
        bind("caricature", -torch.ones(1, 2, 2, 2), Selection())
    with pytest.raises(SelectionError):
        bind("inversion", torch.full((1, 2, 2, 2), torch.nan), Selection())
    with pytest.raises(UnknownNameError, match=r"'minimize'.*'maximize'"):
        bind("minimize", torch.ones(1, 2, 2, 2), Selection())
