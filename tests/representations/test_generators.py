"""Tests of the process's random generators, which must not change when a network is made.

They also test the locks: a module that contains a representation calls it while it holds them,
and a module is only copied between two passes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from weakref import WeakValueDictionary

import pytest
import torch
from torch import Tensor, nn

from invwidgets.models.sources import timm_spec
from invwidgets.representations.registry import representation
from invwidgets.torch_state import own_random
from tests.small_networks import HALF, SIZE, Untraceable, filled, picture

CPU = torch.device("cpu")


@pytest.mark.parametrize("weights", ["pretrained", "random"])
def test_a_network_by_name_moves_no_generator(
    monkeypatch: pytest.MonkeyPatch, weights: str
) -> None:
    monkeypatch.setattr("invwidgets.models.zoo.networks_held", WeakValueDictionary())
    monkeypatch.setattr("invwidgets.models.zoo.networks_kept", OrderedDict())
    before = torch.get_rng_state()
    representation("efficientnet_lite0", "blocks.0", weights)
    assert torch.equal(torch.get_rng_state(), before)


def test_timms_pretrained_networks_move_none_either(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = timm_spec("timm/test_resnet")
    drawn = SimpleNamespace(state_dict=lambda: {"drawn": torch.rand(1)})
    monkeypatch.setattr("timm.create_model", lambda *_, **__: drawn)
    monkeypatch.setattr("invwidgets.models.sources.fetch_from_hub", lambda *_: "model.safetensors")
    before = torch.get_rng_state()
    assert spec.pretrained().keys() == {"drawn"}
    assert torch.equal(torch.get_rng_state(), before)


def test_numbers_of_a_seed_are_the_same_beside_another_block() -> None:
    entered, leave, left = threading.Event(), threading.Event(), threading.Event()

    def beside() -> None:
        with own_random(CPU):
            entered.set()
            leave.wait(10)
        left.set()

    with own_random(CPU, 3):
        wanted = [torch.rand(()) for _ in range(2)]
    with ThreadPoolExecutor(1) as pool, own_random(CPU, 3):
        pool.submit(beside)
        entered.wait(0.2)  # it must not be entered
        given = [torch.rand(())]
        leave.set()
        left.wait(0.2)
        given.append(torch.rand(()))
    assert given == wanted


class Around(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.end = inner, nn.Conv2d(4, 4, 1)

    def forward(self, images: Tensor) -> Tensor:
        y: Tensor = self.end(self.inner(images.clamp(0, 1)))
        return y


def test_a_module_with_a_hooked_representation_inside_runs() -> None:
    inner = representation(filled(Untraceable()), "conv2", mean=HALF, std=HALF, size=SIZE)
    module, images = Around(inner), torch.stack([picture()])
    found: list[Tensor] = []

    def run() -> None:
        phi = representation(module, mean=HALF, std=HALF, size=SIZE)
        found.append(phi(images))

    thread = threading.Thread(target=run, daemon=True)  # if it hangs, the tests go on
    thread.start()
    thread.join(60)
    assert found, "it hangs or fails"
    torch.testing.assert_close(found[0], module((images - 0.5) / 0.5).detach())


def test_a_lazy_module_has_the_same_weights_whatever_the_generator_is() -> None:
    lazy = nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU())
    digests = set()
    for seed in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            digests.add(representation(lazy, mean=HALF, std=HALF, size=SIZE).digest)
    assert len(digests) == 1


class Counts(nn.Module):
    """A module that writes to a parameter, and calls a function during its pass."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.codes = nn.Conv2d(3, 4, 3), nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            self.codes.data.add_(0.1)
        between()
        y: Tensor = self.conv(images) * self.codes
        return y


def between() -> None:
    if pauses:
        entered, go_on = pauses.pop()
        entered.set()
        go_on.wait(0.5)


pauses: list[tuple[threading.Event, threading.Event]] = []


def test_a_copy_made_during_a_pass_has_the_modules_own_tensors() -> None:
    class Head(nn.Sequential):
        pass

    phi = representation(Head(filled(Counts()), nn.Softplus()), mean=HALF, std=HALF, size=SIZE)
    images = torch.stack([picture()])
    wanted, entered, go_on = phi(images), threading.Event(), threading.Event()
    pauses.append((entered, go_on))
    with ThreadPoolExecutor(1) as pool:
        passing = pool.submit(phi, images)
        assert entered.wait(10)
        moved = phi.double()
        go_on.set()
        assert torch.equal(passing.result(), wanted)
    torch.testing.assert_close(moved(images.double()).float(), wanted)
