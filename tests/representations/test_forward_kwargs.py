"""Tests of further arguments of a network's forward: copied, in the digest, kept in settings."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import invwidgets as iw
from invwidgets.errors import BadSettingError, InvwidgetsError, RepresentationError
from invwidgets.inversion.settings import InversionSettings, recorded_arguments
from invwidgets.models.weights import digest
from invwidgets.models.zoo import load_network
from invwidgets.representations.base import Representation
from tests.small_networks import HALF, SIZE, filled, picture, small


class Masked(nn.Module):
    """A network that needs a mask and a number; with ``looks`` it cannot be traced by fx."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.two = nn.Conv2d(3, 6, 4, 4), nn.Conv2d(6, 6, 1)

    def forward(self, x: Tensor, mask: Tensor, *, scale: float, look: bool = False) -> Tensor:
        y: Tensor = self.conv(x) * mask
        if scale > 1:
            y = y * scale
        if look and y.mean() > 1e6:
            y = y + 1
        y = self.two(y)
        return y


class Greedy(nn.Module):
    """A network that accepts any keyword and writes to the values."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 4, 4)

    def forward(self, pixels: Tensor, /, **more: Any) -> Tensor:
        more["nested"][0]["shift"].add_(1)
        y: Tensor = self.conv(pixels + more["nested"][0]["shift"])
        return y


MASK = torch.linspace(0.5, 1.5, 42).reshape(1, 1, 6, 7)


def masked() -> nn.Module:
    return filled(Masked().eval())


def made(module: nn.Module | None = None, **given: Any) -> Representation:
    kwargs = {"mask": MASK, "scale": 2.0, **given}
    return iw.representation(
        masked() if module is None else module,
        "two",
        mean=HALF,
        std=HALF,
        size=SIZE,
        forward_kwargs=kwargs,
    )


@pytest.mark.parametrize("look", [False, True])
def test_the_forward_is_given_them(look: bool) -> None:
    module, images = masked(), torch.stack([picture(), picture(seed=1)])
    phi = made(module, look=look)
    assert phi.thread_safe is not look  # by hooks one call at a time
    with torch.no_grad():
        expected = module((images - 0.5) / 0.5, MASK, scale=2.0)
        other = module((images - 0.5) / 0.5, MASK.flip(-1), scale=1.0)
    torch.testing.assert_close(phi(images), expected, rtol=1e-5, atol=1e-5)
    assert float((phi(images) - other).norm()) > 0.1 * float(other.norm())
    assert [layer.name for layer in phi.layers()] == ["conv", "two"]


@pytest.mark.parametrize("look", [False, True])
def test_a_representation_with_arguments_is_a_value(look: bool) -> None:
    mask, images = MASK.clone(), picture()[None]
    phi = made(mask=mask, look=look)
    before = phi(images)
    mask.zero_()
    phi.forward_kwargs["mask"].zero_()
    assert torch.equal(phi(images), before)
    assert torch.equal(phi.forward_kwargs["mask"], MASK)
    double = phi.double()(images.double())
    torch.testing.assert_close(double, before.double(), rtol=1e-5, atol=1e-5)
    for other in (copy.deepcopy(phi), pickle.loads(pickle.dumps(phi))):
        assert torch.equal(other(images), before)


def test_every_promise_holds_with_arguments() -> None:
    check = iw.check_representation(
        masked(), "two", mean=HALF, std=HALF, size=SIZE,
        forward_kwargs={"mask": MASK, "scale": 2.0},
    )  # fmt: skip
    assert check.ok, str(check)


def test_what_the_forward_writes_to_is_given_anew() -> None:
    shift = torch.full((1, 3, 1, 1), 0.5)
    module, images = filled(Greedy().eval()), picture()[None]
    phi = iw.representation(
        module,
        "conv",
        mean=HALF,
        std=HALF,
        size=SIZE,
        forward_kwargs={"nested": [{"shift": shift}]},
    )
    with torch.no_grad():
        expected = module.conv((images - 0.5) / 0.5 + 1.5)  # type: ignore[operator]
    for _ in range(3):
        torch.testing.assert_close(phi(images), expected, rtol=1e-5, atol=1e-5)
    assert float(shift.max()) == 0.5


def test_the_digest_tells_arguments_apart_and_is_as_before_without() -> None:
    digests = {
        made(**given).digest
        for given in ({}, {"scale": 3.0}, {"mask": 2 * MASK}, {"look": True}, {"look": "yes"})
    }
    assert len(digests) == 5
    assert made().digest == made(mask=MASK.clone()).digest
    plain, empty = (
        load_network(small(), mean=HALF, std=HALF, size=SIZE, forward_kwargs=given)
        for given in (None, {})
    )
    assert plain.digest == empty.digest == digest(plain.module, HALF, HALF)  # as it always was


def test_lazy_networks_and_hooks_are_made_ready_with_them() -> None:
    class Lazy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.LazyConv2d(4, 3)

        def forward(self, x: Tensor, scale: float) -> Tensor:
            y: Tensor = self.conv(x * scale)
            return y

    module = Lazy()
    heard: list[bool] = []
    module.conv.register_forward_hook(lambda *_: heard.append(True))
    phi = iw.representation(
        module, "conv", mean=HALF, std=HALF, size=SIZE, forward_kwargs={"scale": 2.0}
    )
    assert phi.layer_info().shape == (4, 22, 26)
    assert heard == []


TAKES = "the forward of Masked takes mask, scale, look besides images"


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ([MASK], BadSettingError, f"give a dict of arguments by name; {TAKES}"),
        ({1: MASK}, BadSettingError, f"1 is not a name of an argument; {TAKES}"),
        ({"masc": MASK}, BadSettingError, f"forward_kwargs has no argument 'masc': {TAKES}"),
        ({"x": MASK}, BadSettingError, f"'x': this argument receives the images.*; {TAKES}"),
        ({"mask": MASK, "scale": (i for i in "ab")}, BadSettingError, "cannot be copied"),
        ({"mask": MASK}, RepresentationError, r"needs scale .*forward_kwargs=\{'scale': …\} too"),
        ({}, RepresentationError, r"needs mask and scale .*=\{'mask': …, 'scale': …\}$"),
        ({"mask": MASK[..., :3], "scale": 2.0}, RepresentationError, "failed on an image of 24x28"),
    ],
)
def test_bad_arguments_are_refused(given: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        iw.representation(masked(), "two", mean=HALF, std=HALF, size=SIZE, forward_kwargs=given)


@pytest.mark.parametrize("model", ["hog", "efficientnet_lite0", "a representation"])
def test_they_belong_to_a_module(model: str) -> None:
    taken = made() if model == "a representation" else model
    with pytest.raises(BadSettingError, match="only for a module of your own"):
        iw.representation(taken, forward_kwargs={"scale": 1.0})


def inverted(module: Any, layer: str | None = "two", **options: Any) -> iw.Reconstruction:
    own = {} if isinstance(module, Representation) else {"mean": HALF, "std": HALF}
    return iw.invert(picture(), module, layer, size=SIZE, **own, **options)


def test_settings_keep_what_json_can_hold_and_name_the_rest(tmp_path: Any) -> None:
    kwargs = {"mask": MASK, "scale": 2.0}
    result = inverted(masked(), seeds=1, steps=2, forward_kwargs=kwargs)
    kept = result.settings.to_dict()["forward_kwargs"]
    assert kept["scale"] == 2.0
    assert kept["mask"]["repr"].startswith("tensor(float32 (1, 1, 6, 7), digest ")
    result.save(tmp_path / "r.safetensors")
    settings = iw.Reconstruction.load(tmp_path / "r.safetensors").settings
    assert settings == result.settings
    with pytest.raises(BadSettingError, match=r"argument mask = 'tensor.*give forward_kwargs aga"):
        inverted(masked(), settings=settings)
    again = inverted(masked(), settings=settings, forward_kwargs=kwargs)
    assert torch.equal(again.images, result.images)
    assert torch.equal(inverted(made(), None, settings=settings).images, result.images)
    with pytest.raises(BadSettingError, match=r"made with scale = 2.0, but Masked gets scale = 3"):
        inverted(masked(), settings=settings, forward_kwargs={**kwargs, "scale": 3.0})
    with pytest.raises(BadSettingError, match=r"but Small gets no mask, no scale"):
        inverted(small(), "conv1", settings=settings, forward_kwargs={})


def test_settings_that_hold_them_all_give_them_again() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.two = nn.Conv2d(3, 4, 4, 4)

        def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
            y: Tensor = self.two(x.tanh() * scale)
            return y

    module = filled(Scaled().eval())
    result = inverted(module, seeds=1, steps=2, forward_kwargs={"scale": 3.0})
    assert result.settings.forward_kwargs == {"scale": 3.0}
    settings = InversionSettings.from_dict(json.loads(json.dumps(result.settings.to_dict())))
    again = inverted(module, settings=settings)
    assert (again.digest, again.settings) == (result.digest, result.settings)
    without = inverted(module, seeds=1, steps=2)
    assert without.digest != result.digest
    assert "forward_kwargs" not in without.settings.to_dict()


def test_a_session_takes_them() -> None:
    with iw.Session() as session:
        future = session.start(
            picture(), masked(), "two", mean=HALF, std=HALF, size=SIZE, seeds=1, steps=2,
            forward_kwargs={"mask": MASK, "scale": 2.0},
        )  # fmt: skip
        assert future.result(timeout=60).settings.forward_kwargs["scale"] == 2.0  # type: ignore[index]


@pytest.mark.parametrize(
    ("value", "kept"),
    [(1, True), (None, True), ([1, {"a": "b"}], True), ((1, 2), False), (float("nan"), False),
     ({1: 2}, False), (torch.float32, False)],
)  # fmt: skip
def test_only_what_json_gives_back_is_kept(value: Any, kept: bool) -> None:
    found = recorded_arguments({"a": value})
    assert found is not None
    assert (found["a"] == value) is kept
    assert recorded_arguments({}) is None


def test_settings_refuse_what_are_no_arguments() -> None:
    with pytest.raises(InvwidgetsError, match="give a dict of arguments by name"):
        InversionSettings(forward_kwargs={1: 2})  # type: ignore[dict-item]


def test_a_sweep_records_what_its_networks_are_given(tmp_path: Any) -> None:
    sweep = iw.Sweep(
        photos="coffee", models="tests.sweeps.nets:scaled", layers="conv", seeds=1,
        settings={"steps": 2}, store=tmp_path,
    )  # fmt: skip
    assert sweep.run().complete
    assert sweep.result(0).settings.forward_kwargs == {"scale": 2.0}
