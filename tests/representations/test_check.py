"""Tests of ``check_representation``: all built-in representations pass, each saboteur fails."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import invwidgets as iw
from invwidgets.errors import InvwidgetsError, RepresentationError
from invwidgets.models import zoo
from invwidgets.models.isolate import module_copy
from invwidgets.representations.base import Layer, Region
from invwidgets.representations.check import RepresentationCheck, check_representation
from invwidgets.representations.network import NetworkRepresentation
from invwidgets.representations.receptive_fields.tracer import Box, ReceptiveField
from invwidgets.representations.registry import representations
from tests.foreign_modules import FOREIGN, SIZE
from tests.small_networks import HALF, cut, network, small

QUICK = ("squeezenet1_1", "hog", "hogb", "dsift")
EVERY = [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in representations()]
STRAIGHT_THROUGH = {"hog": ("gradient right",)}  # the gradient of a smoother one, on purpose


@pytest.mark.parametrize("name", EVERY)
def test_every_promise_holds_of_every_entry(name: str) -> None:
    phi = iw.representation(name, weights="random")
    layers = phi.layers()
    found = check_representation(phi.at(layers[len(layers) // 2].name))
    assert found.failed == STRAIGHT_THROUGH.get(name, ()), found


@pytest.mark.parametrize("name", [n for n, entry in FOREIGN.items() if not entry.refused])
def test_every_promise_holds_of_foreign_modules(name: str) -> None:
    entry = FOREIGN[name]
    found = check_representation(entry.make(), entry.layer, mean=HALF, std=HALF, size=SIZE)
    assert found.failed == entry.fails, found
    promises = [row.promise for row in found.rows]
    assert promises[0] == "isolated from your module"
    assert promises[-1] == "leaves your module alone"


@pytest.mark.parametrize("name", [n for n, entry in FOREIGN.items() if entry.refused])
def test_what_cannot_be_represented_is_refused(name: str) -> None:
    entry = FOREIGN[name]
    with pytest.raises(InvwidgetsError, match=entry.refused):
        check_representation(entry.make(), entry.layer, mean=HALF, std=HALF, size=SIZE)


# --- saboteurs: each breaks one promise ---------------------------------------------------------


class Random(NetworkRepresentation):
    def forward(self, images: Tensor) -> Tensor:
        features = super().forward(images)
        return features + torch.randn_like(features)


class Steadily(NetworkRepresentation):
    """A module with its own random generator, which seeds of the process do not reach."""

    generator = torch.Generator().manual_seed(0)

    def forward(self, images: Tensor) -> Tensor:
        features = super().forward(images)
        return features + torch.randn(features.shape, generator=self.generator)


class Mixing(NetworkRepresentation):
    def forward(self, images: Tensor) -> Tensor:
        features = super().forward(images)
        return features - features.mean(0, keepdim=True) * (len(images) > 1)


class Halved(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return gradient / 2


class Wrong(NetworkRepresentation):
    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = Halved.apply(super().forward(images))
        return features


class Lying(NetworkRepresentation):
    def layer_info(self, size: tuple[int, int] | None = None) -> Layer:
        told = super().layer_info(size)
        return Layer(**{**vars(told), "shape": (told.shape[0] + 1, *told.shape[1:])})


class Moved(NetworkRepresentation):
    """A representation whose ``double`` changes the object that others hold."""

    def double(self) -> Any:
        self.shift.add_(0.1)
        return super().double()


class Shared(NetworkRepresentation):
    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        raise RepresentationError("it stays where it is")


class Moody(NetworkRepresentation):
    """A representation that follows the default type of the process."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) * torch.ones(()).nbytes


class Blind(NetworkRepresentation):
    """A representation whose receptive fields are too small."""

    def receptive_field(
        self, region: Region | None = None, size: tuple[int, int] | None = None
    ) -> ReceptiveField:
        field = super().receptive_field(region, size)
        top, left, bottom, right = field.clipped
        return ReceptiveField(field.unclipped, Box(top, left, bottom - 1, right))


class Boasting(NetworkRepresentation):
    """A representation whose receptive fields are always the whole image."""

    def receptive_field(
        self, region: Region | None = None, size: tuple[int, int] | None = None
    ) -> ReceptiveField:
        field = super().receptive_field(region, size)
        return ReceptiveField(field.unclipped, Box(0, 0, *(size or self.size)))


class Twins(NetworkRepresentation):
    def layers(self, size: tuple[int, int] | None = None) -> tuple[Layer, ...]:
        first, *others = super().layers(size)
        return (first, Layer(**{**vars(first), "index": 1}), *others[1:])


kept: list[Any] = []


class Leaking(NetworkRepresentation):
    def forward(self, images: Tensor) -> Tensor:
        kept.append(self)
        return super().forward(images)


SABOTEURS = {
    Random: "same twice",
    Steadily: "same twice",
    Mixing: "same alone and in a batch",
    Wrong: "gradient right",
    Lying: "shapes as reported",
    Moved: "moves and copies are new ones",
    Shared: "moves and copies are new ones",
    Moody: "unaffected by the process",
    Blind: "receptive fields right",
    Boasting: "receptive fields right",
    Twins: "layer names unique",
    Leaking: "freed",
}


@pytest.mark.parametrize("kind", SABOTEURS, ids=lambda kind: kind.__name__)
def test_each_saboteur_fails_its_row_alone(kind: type[NetworkRepresentation]) -> None:
    try:
        found = check_representation(kind(network(small()), "conv2"))
        assert found.failed == (SABOTEURS[kind],), found
        assert not found.ok
    finally:
        kept.clear()


def test_a_representation_that_shares_the_modules_tensors_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def sharing(module: nn.Module, *_: Any) -> nn.Module:
        return module_copy(module, share=True).eval()

    monkeypatch.setattr(zoo, "isolate", sharing)
    found = check_representation(small(), "conv2", mean=HALF, std=HALF, size=SIZE)
    assert found.failed == ("isolated from your module",), found


def test_a_run_that_changes_the_module_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    module = small().eval()
    real = NetworkRepresentation.forward

    def meddling(self: NetworkRepresentation, images: Tensor) -> Tensor:
        module.train()
        return real(self, images)

    monkeypatch.setattr(NetworkRepresentation, "forward", meddling)
    found = check_representation(module, "conv2", mean=HALF, std=HALF, size=SIZE)
    assert found.failed == ("leaves your module alone",), found
    assert "training has changed" in found.rows[-1].detail


# --- what it gives ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good() -> RepresentationCheck:
    return check_representation(cut(small(), "conv2"))


def test_it_is_a_table(good: RepresentationCheck) -> None:
    assert good.ok
    lines = str(good).splitlines()
    assert lines[0] == "own, conv2: all promises hold"
    assert len(lines) == 1 + len(good.rows)
    assert all(" yes" in line for line in lines[1:])
    assert "<caption>own, conv2: all promises hold</caption>" in good._repr_html_()
    assert len({row.promise for row in good.rows}) == len(good.rows) == 9


def test_what_does_not_hold_is_said_first() -> None:
    found = check_representation(Wrong(network(small()), "conv2"))
    lines = str(found).splitlines()
    assert lines[0] == "own, conv2: 1 of 9 promises do not hold"
    assert any("NO" in line and "finite differences" in line for line in lines)


def test_random_features_that_are_held_are_said() -> None:
    entry = FOREIGN["dropout left on"]
    found = check_representation(entry.make(), mean=HALF, std=HALF, size=SIZE)
    assert "random features: one draw is kept" in str(found)


def test_a_process_is_left_as_it_was() -> None:
    phi = cut(small(), "conv2")
    before = torch.get_rng_state()
    check_representation(phi)
    assert torch.get_default_dtype() == torch.float32
    assert torch.equal(torch.get_rng_state(), before)


def test_arguments_are_those_of_a_representation() -> None:
    with pytest.raises(InvwidgetsError, match="needs mean="):
        check_representation(small())
    with pytest.raises(InvwidgetsError, match="no layer 'nine'"):
        check_representation(small(), "nine", mean=HALF, std=HALF, size=SIZE)
    assert iw.check_representation is check_representation
