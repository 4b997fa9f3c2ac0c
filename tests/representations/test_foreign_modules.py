"""Tests that every module of ``foreign_modules`` runs unchanged or is refused with a message."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import invwidgets as iw
from invwidgets.errors import BadSettingError, InvwidgetsError
from invwidgets.representations.network import Hooked
from tests.foreign_modules import FOREIGN, SIZE, Foreign
from tests.small_networks import HALF, picture

RUN = [name for name, entry in FOREIGN.items() if not entry.refused]
REFUSED = [name for name, entry in FOREIGN.items() if entry.refused]


def own(entry: Foreign, module: nn.Module) -> iw.Representation:
    return iw.representation(module, entry.layer, mean=HALF, std=HALF, size=SIZE)


def state(module: nn.Module) -> list[Any]:
    """The state of a module and of the random generators that a run could change."""
    tensors = [(n, t.detach().clone()) for n, t in named(module)]
    flags = [
        (p.training, len(p._forward_hooks), len(p._forward_pre_hooks), len(p._backward_hooks))
        for p in module.modules()
    ]
    grads = [parameter.requires_grad for parameter in module.parameters()]
    return [tensors, flags, grads, torch.get_rng_state()]


def named(module: nn.Module) -> list[tuple[str, Tensor]]:
    both = [*module.named_parameters(), *module.named_buffers()]
    return [(name, tensor) for name, tensor in both if not torch.nn.parameter.is_lazy(tensor)]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.mark.parametrize("name", RUN)
def test_it_runs_as_its_owner_knows_it(name: str) -> None:
    entry = FOREIGN[name]
    module = entry.make()
    before = state(module)
    phi = own(entry, module)
    images = torch.stack([picture(SIZE)])
    features = phi(images)
    assert same(state(module), before), "the module of the user was changed"
    if entry.own is None:
        assert features.shape == (1, *phi.layer_info().shape)
        return
    expected = entry.own(entry.make(), (images - 0.5) / 0.5)
    if (told := phi.layer_info().tokens) is None:
        torch.testing.assert_close(features, expected, rtol=1e-5, atol=1e-5)
    else:
        prefix = told[0]
        tokens = features.flatten(2).transpose(1, 2)[:, : expected.shape[1]]
        expected = torch.cat([expected[:, prefix:], expected[:, :prefix]], 1)
        torch.testing.assert_close(tokens, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", RUN)
def test_it_is_inverted(name: str) -> None:
    entry = FOREIGN[name]
    module = entry.make()
    before = state(module)
    result = iw.invert("coffee", own(entry, module), seeds=2, steps=2, threads=1)
    assert bool(torch.isfinite(result.images).all())
    assert same(state(module), before), "the module of the user was changed"


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_words_before_the_run(name: str) -> None:
    entry = FOREIGN[name]
    with pytest.raises(InvwidgetsError) as caught:
        iw.prepare("coffee", own(entry, entry.make()), seeds=2, steps=2, threads=1)
    assert re.search(entry.refused, str(caught.value)), caught.value


def test_there_are_enough() -> None:
    assert len(RUN) >= 40
    assert len(REFUSED) >= 15


def test_hooks_that_look_are_not_called() -> None:
    entry = FOREIGN["hooks that look"]
    module = entry.make()
    phi = own(entry, module)
    assert isinstance(module.kept, list)
    module.kept.clear()
    phi(torch.stack([picture(SIZE)]))
    assert module.kept == []


def test_bfloat16_is_left_to_networks_that_run_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from invwidgets.inversion.hardware import precision

    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
    entry = FOREIGN["running statistics in eval"]
    phi = own(entry, entry.make())
    assert precision.resolve_precision("auto", phi, SIZE) == "float32"
    with pytest.raises(BadSettingError, match=r"'bfloat16': layer end .*cannot run in it.*'auto'"):
        precision.resolve_precision("bfloat16", phi, SIZE)


class Faint(nn.Module):
    """A module whose output is almost constant."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.share = share

    def forward(self, images: Tensor) -> Tensor:
        y: Tensor = 1 + self.share * self.first(images)
        return y


@pytest.mark.parametrize(("share", "said"), [(1e-3, True), (1.0, False), (0.05, False)])
def test_features_that_hardly_depend_on_the_image_are_said_to(share: float, said: bool) -> None:
    torch.manual_seed(0)
    phi = iw.representation(Faint(share), mean=HALF, std=HALF, size=SIZE)
    assert any("hardly depend on the image" in note for note in phi.notes) == said
    result = iw.invert("coffee", phi, seeds=1, steps=2, threads=1)
    assert ("hardly depend" in result.note) == said


def test_names_info_and_features_agree_beside_a_child_named_like_a_count() -> None:
    entry = FOREIGN["names that look like counts"]
    module = entry.make()
    phi = own(entry, module)
    assert [layer.name for layer in phi.layers()] == ["conv", "conv_2", "conv_1"]
    images = torch.stack([picture(SIZE)])
    normal = (images - 0.5) / 0.5
    outputs: list[Tensor] = []
    for part in (module.conv, module.conv_1):
        assert isinstance(part, nn.Module)
        part.register_forward_hook(lambda _, __, output: outputs.append(output.clone()))
    module.eval()(normal)
    for layer, expected in zip(phi.layers(), outputs, strict=True):
        cut = phi.at(layer.name)
        assert cut.layer_info() == layer
        torch.testing.assert_close(cut(images), expected.detach(), rtol=1e-5, atol=1e-5)
    hooked = Hooked(module, "conv_2")
    torch.testing.assert_close(hooked(normal), outputs[1])
