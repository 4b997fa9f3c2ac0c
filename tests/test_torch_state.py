"""Tests that new tensors are float32 with equal values, whatever the default type is.

Attention must also be computed in one way only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from invwidgets.representations.registry import representation
from invwidgets.torch_state import own_defaults
from tests.foreign_modules import FOREIGN, SIZE
from tests.small_networks import HALF, picture

MADE: dict[str, Callable[[], Tensor]] = {
    "tensor": lambda: torch.tensor([0.1, 1 / 3]),
    "as_tensor": lambda: torch.as_tensor(0.1),
    "full": lambda: torch.full((2,), 0.1),
    "arange": lambda: torch.arange(0, 1, 0.1),
    "whole numbers": lambda: torch.tensor([1, 2]),
    "a quotient": lambda: torch.arange(1, 6) / 7,
    "a number by whole numbers": lambda: 0.1 / torch.arange(1, 6),
    "a product": lambda: torch.arange(1, 6) * 0.1,
    "a root": lambda: torch.arange(1, 9).sqrt(),
    "a function": lambda: torch.exp(torch.arange(5)),
    "frequencies": lambda: torch.fft.fftfreq(7),
    "a window": lambda: torch.hann_window(7),
    "linspace": lambda: torch.linspace(0, 1, 7),
    "ones": lambda: torch.ones(3) / 3,
    "noise": lambda: torch.randn(3, generator=torch.Generator().manual_seed(0)),
}


@pytest.fixture(params=[torch.float64, torch.float16, torch.bfloat16], ids=str)
def default(request: pytest.FixtureRequest) -> Iterator[None]:
    torch.set_default_dtype(request.param)
    yield
    torch.set_default_dtype(torch.float32)


WANTED = {name: make() for name, make in MADE.items()}


@pytest.mark.usefixtures("default")
@pytest.mark.parametrize("name", MADE)
def test_numbers_are_not_rounded_to_the_default_type(name: str) -> None:
    with own_defaults():
        given = MADE[name]()
    assert given.dtype == WANTED[name].dtype
    assert torch.equal(given, WANTED[name])


@pytest.mark.usefixtures("default")
def test_what_is_asked_for_is_given() -> None:
    with own_defaults():
        asked = torch.get_default_dtype()
        assert torch.tensor([0.1], dtype=asked).dtype == asked
        assert (torch.ones(2, dtype=asked) * torch.arange(2)).dtype == asked


def test_attention_is_the_same_with_and_without_gradients_and_in_any_state() -> None:
    entry = FOREIGN["a ViT with registers"]
    phi = representation(entry.make(), entry.layer, mean=HALF, std=HALF, size=SIZE)
    images = torch.stack([picture()])
    wanted = phi(images.clone().requires_grad_(True)).detach()
    with torch.no_grad():
        assert torch.equal(phi(images), wanted)
        with torch.device("meta"):
            assert torch.equal(phi(images), wanted)
    block = entry.make().eval().requires_grad_(False).get_submodule("block")
    x = torch.rand(1, 9, 8)
    assert isinstance(block, nn.TransformerEncoderLayer)
    with torch.no_grad():
        fused = block(x)
        with torch.device("cpu"):
            assert not torch.equal(block(x), fused)  # by itself torch takes two ways
