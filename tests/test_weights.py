"""Tests of state dicts as training scripts save them: prefixes, and dicts that do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from invwidgets.errors import WeightsError
from invwidgets.models.weights import fit, read_weights
from tests.small_networks import filled, small


@pytest.fixture
def state() -> dict[str, Tensor]:
    return dict(small(5).state_dict())


def prefixed(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def loaded(content: Any, path: Path) -> dict[str, Tensor]:
    """The weights of a small network after loading a file."""
    torch.save(content, path)
    module = small(0)
    fit(module, read_weights(path, "mine"), path.name)
    return module.state_dict()


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "_orig_mod.",
        "module.",
        "model.",
        "net.",
        "backbone.",
        "encoder.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "module.model.backbone.",
    ],
)
@pytest.mark.parametrize("wrapper", ["", "state_dict", "model_state_dict", "model"])
def test_the_prefixes_of_wrappers_are_left_out(
    prefix: str, wrapper: str, state: dict[str, Tensor], tmp_path: Path
) -> None:
    content = prefixed(state, prefix)
    given = loaded({"epoch": 3, wrapper: content} if wrapper else content, tmp_path / "w.pt")
    assert given.keys() == state.keys()
    assert all(torch.equal(given[name], tensor) for name, tensor in state.items())


def test_a_part_that_was_compiled_loads(state: dict[str, Tensor], tmp_path: Path) -> None:
    inside = {name.replace("head.", "head._orig_mod."): tensor for name, tensor in state.items()}
    assert torch.equal(loaded(inside, tmp_path / "w.pt")["head.2.bias"], state["head.2.bias"])


def test_a_prefix_that_is_the_networks_own_stays() -> None:
    class Wrapped(nn.Module):
        def __init__(self, seed: int) -> None:
            super().__init__()
            self.model = small(seed)

    wrapped = Wrapped(0)
    fit(wrapped, Wrapped(5).state_dict(), "w.pt")
    assert torch.equal(wrapped.model.conv1.weight, small(5).conv1.weight)  # type: ignore[union-attr]


def refused(content: dict[str, Tensor], *words: str, module: nn.Module | None = None) -> str:
    with pytest.raises(WeightsError) as caught:
        fit(small(0) if module is None else module, content, "w.pt")
    told = str(caught.value)
    places = [told.find(word) for word in words]
    assert all(place >= 0 for place in places), told
    assert places == sorted(places), told
    return told


def test_another_prefix_is_named_first(state: dict[str, Tensor]) -> None:
    told = refused(prefixed(state, "student."), "prefix 'student.'", f"{len(state)} of its")
    assert told.startswith("w.pt do not fit Small: without the prefix 'student.'")
    assert "missing" not in told
    remedy = told[told.index("{k.") :]
    assert eval(remedy, {"state": prefixed(state, "student.")}).keys() == state.keys()


def test_a_prefix_that_only_some_names_have_is_named_first(state: dict[str, Tensor]) -> None:
    content = prefixed(state, "model.") | {"loss.weight": torch.zeros(1)}
    told = refused(content, "prefix 'model.'", f"{len(state)} of its {len(state) + 1} names",
                   "loss.weight", "startswith('model.')")  # fmt: skip
    assert len(told) < 400


def test_a_network_with_a_prefix_of_its_own_is_told(state: dict[str, Tensor]) -> None:
    wrapped = nn.ModuleDict({"student": small(0)})
    refused(state, "with the prefix 'student.'", "inner network", module=wrapped)


def test_names_and_shapes_that_differ_are_listed(state: dict[str, Tensor]) -> None:
    del state["conv1.bias"]
    state["spare"] = torch.zeros(2)
    state["conv3.bias"] = torch.zeros(7)
    refused(state, "missing: conv1.bias", "not in the network: spare",
            "of another shape: conv3.bias (7,) for (12,)", "this very architecture")  # fmt: skip
    refused(prefixed(state, "module."), "missing: conv1.bias", "not in the network: spare")
    refused({"a": torch.zeros(1)}, "missing: conv1.weight", "in all")


def test_a_file_of_several_things_tells_what_it_holds(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "generator": filled(nn.Linear(2, 2)).state_dict()}, tmp_path / "w.pt")
    with pytest.raises(
        WeightsError, match=r"contains a dict of epoch, generator, not a state dict"
    ):
        read_weights(tmp_path / "w.pt", "mine")
    torch.save({1: torch.zeros(2)}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="contains a dict of 1, not a state dict"):
        read_weights(tmp_path / "w.pt", "mine")
