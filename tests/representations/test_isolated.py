"""Tests that a representation shares nothing with the user's module."""

from __future__ import annotations

import copy
import gc
import logging
import pickle
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import invwidgets as iw
from invwidgets.errors import RepresentationError
from invwidgets.fallbacks import took_slower_path
from invwidgets.figures.gallery import note_of as title_note
from invwidgets.models.zoo import KEPT_BYTES, load_network
from invwidgets.representations.base import Representation
from invwidgets.representations.caching import cached, cached_target
from invwidgets.representations.registry import representation
from tests.small_networks import HALF, SIZE, Untraceable, filled, phi, picture, small

IMAGE = picture()[None]
QUICK: dict[str, Any] = {"seeds": 1, "steps": 3, "frames": 0, "threads": 1, "micro_batch": 1}


def own(module: nn.Module, layer: str | None = None) -> Representation:
    return representation(module, layer, mean=HALF, std=HALF, size=SIZE)


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def unchanged(module: nn.Module, before: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


# --- the user's module, afterwards --------------------------------------------------------------


def test_no_tensor_is_shared_with_the_module() -> None:
    module = small().to(memory_format=torch.channels_last)  # what was laid out so used to be shared
    theirs = {t.data_ptr() for t in [*module.parameters(), *module.buffers()]}
    made = load_network(module, mean=HALF, std=HALF).module
    ours = {t.data_ptr() for t in [*made.parameters(), *made.buffers()]}
    assert theirs
    assert len(ours) == len(theirs)
    assert not ours & theirs


@pytest.mark.parametrize("make", [small, lambda: filled(Untraceable())])
def test_a_module_that_is_trained_afterwards_leaves_it_alone(make: Callable[[], nn.Module]) -> None:
    module = make().train()
    before = own(module)
    features, digest = before(IMAGE), before.digest
    rule = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(3):
        module(torch.rand(2, 3, *SIZE)).square().sum().backward()
        rule.step()
    assert torch.equal(before(IMAGE), features)
    assert before.digest == digest
    after = own(module)
    assert not torch.allclose(after(IMAGE), features, rtol=0.01)
    assert after.digest != digest


def test_training_in_another_thread_disturbs_no_run() -> None:
    module = small().train()
    stopped = threading.Event()

    def train() -> None:
        rule = torch.optim.SGD(module.parameters(), lr=1e-4)
        while not stopped.is_set():
            module(torch.rand(2, 3, *SIZE)).square().mean().backward()
            rule.step()
            rule.zero_grad()

    beside = threading.Thread(target=train)
    beside.start()
    try:
        for _ in range(5):
            made = own(module, "relu_1")
            iw.invert(picture(), made, **QUICK)
    finally:
        stopped.set()
        beside.join()


class Writing(nn.Module):
    """A module that counts calls, keeps a running mean and moves a codebook in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.codes = nn.Parameter(torch.ones(4, 1, 1))
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        with torch.no_grad():
            self.mean.mul_(0.5).add_(x.mean((0, 2, 3)), alpha=0.5)
            self.calls += 1
            self.codes.data.add_(0.1)
        y: Tensor = x * self.codes - self.mean[:, None, None]
        return y


class Head(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body, self.relu = body, nn.Softplus()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.relu(self.body(x))
        return y


def test_what_a_forward_pass_writes_is_written_nowhere() -> None:
    module = Head(filled(Writing()))
    before = state(module)
    made = own(module, "relu")
    one = made(IMAGE)
    made(torch.rand(3, 3, *SIZE))
    made.layers((32, 32))
    assert torch.equal(made(IMAGE), one)
    runs = [iw.invert(picture(), made, **QUICK).images for _ in range(2)]
    assert torch.equal(*runs)
    assert unchanged(module, before)
    with torch.no_grad():
        expected = copy.deepcopy(module)((IMAGE - 0.5) / 0.5)
    torch.testing.assert_close(one, expected)


def test_a_forward_patched_on_the_instance_runs_the_copy() -> None:
    module = small().train()
    original = module.forward
    calls = []

    def wrapper(x: Tensor) -> Tensor:
        calls.append(1)
        return 3 * original(x)

    module.forward = wrapper  # type: ignore[method-assign]
    before, generator = state(module), torch.get_rng_state()
    made = own(module)
    features = made.at("output")(IMAGE)
    assert calls == []
    assert unchanged(module, before)
    assert module.training
    assert torch.equal(torch.get_rng_state(), generator)
    plain = own(small()).at("head.2")(IMAGE)
    torch.testing.assert_close(made.at("head.2")(IMAGE), plain)
    torch.testing.assert_close(features, 3 * plain, rtol=1e-4, atol=1e-5)


def test_a_layer_patched_on_the_instance_is_patched_in_the_copy() -> None:
    module = small()
    conv, calls = module.conv2, []
    original = conv.forward

    def wrapper(x: Tensor) -> Tensor:
        calls.append(1)
        return 3 * original(x)

    conv.forward = wrapper  # type: ignore[method-assign]
    made = own(module, "conv2")
    assert calls == []
    torch.testing.assert_close(made(IMAGE), 3 * own(small(), "conv2")(IMAGE), rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        module.conv2.weight.zero_()
    torch.testing.assert_close(
        made.double()(IMAGE.double()).float(), made(IMAGE), rtol=1e-4, atol=1e-5
    )


seen_by_a_hook: list[Tensor] = []


def keep_globally(module: nn.Module, args: Any, output: Tensor) -> None:
    seen_by_a_hook.append(output)


def test_hooks_that_only_look_are_not_called() -> None:
    module, seen = small(), []
    module.conv1.register_forward_hook(lambda m, a, o: seen.append(o))
    module.conv2.register_forward_hook(keep_globally)
    module.conv2.register_forward_pre_hook(lambda m, a: seen.append(a[0]))

    def hand_on(m: nn.Module, args: Any, output: Tensor) -> Tensor:
        seen.append(output)
        return output

    module.conv3.register_forward_hook(hand_on)
    module.conv1.register_full_backward_hook(lambda m, i, o: seen.append(o[0]))
    made = own(module, "relu_1")
    iw.invert(picture(), made, **QUICK)
    assert seen == seen_by_a_hook == []
    torch.testing.assert_close(made(IMAGE), own(small(), "relu_1")(IMAGE))
    module(IMAGE)  # the user's own still hears them
    assert len(seen) == 3
    assert len(seen_by_a_hook) == 1
    seen_by_a_hook.clear()


def test_hooks_that_change_the_features_are_part_of_them() -> None:
    module, calls = small(), []

    def halve(m: nn.Module, args: Any, output: Tensor) -> Tensor:
        calls.append(1)
        return 0.5 * output

    handle = module.conv2.register_forward_hook(halve)

    def darken(m: nn.Module, args: Any) -> None:
        args[0].mul_(0.9)

    in_place = module.conv1.register_forward_pre_hook(darken)
    made = own(module, "bn2")
    features = made(IMAGE)
    assert calls == []
    with torch.no_grad():
        copied = copy.deepcopy(module).eval()
        wanted = copied.bn2(0.5 * copied.conv2.forward(
            torch.relu(copied.bn1(copied.conv1.forward(0.9 * (IMAGE - 0.5) / 0.5)))
        ))  # fmt: skip
    torch.testing.assert_close(features, wanted, rtol=1e-4, atol=1e-5)
    handle.remove()
    in_place.remove()
    assert torch.equal(made(IMAGE), features)
    assert not torch.allclose(own(module, "bn2")(IMAGE), features, rtol=0.01)


# --- what a user does to the representation ------------------------------------------------------


MOVES: dict[str, Callable[[Any], Any]] = {
    "double": lambda p: p.double(),
    "half": lambda p: p.half(),
    "bfloat16": lambda p: p.bfloat16(),
    "to meta": lambda p: p.to("meta"),
    "to float64": lambda p: p.to(torch.float64),
    "channels_last": lambda p: p.to(memory_format=torch.channels_last),
    "deepcopy": copy.deepcopy,
    "eval": lambda p: p.eval(),
    "requires_grad_(False)": lambda p: p.requires_grad_(False),
    "weights set to 0": lambda p: [w.data.zero_() for w in p.parameters()],
}


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES.keys())
def test_no_method_changes_one_that_others_hold(move: Callable[[Any], Any]) -> None:
    mine, theirs = (representation("efficientnet_lite0", "blocks.0") for _ in range(2))
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    before = mine(image)
    move(mine)
    assert torch.equal(mine(image), before)
    assert torch.equal(theirs(image), before)
    assert torch.equal(representation("efficientnet_lite0", "blocks.0")(image), before)


def test_the_new_one_is_what_was_asked_for() -> None:
    made = phi()
    exact = made.double()
    assert exact is not made
    assert exact(IMAGE.double()).dtype == torch.float64
    torch.testing.assert_close(exact(IMAGE.double()).float(), made(IMAGE), rtol=1e-4, atol=1e-5)
    assert made.to("meta").mean_color.device.type == "meta"
    assert exact.at("conv1").mean_color.dtype == torch.float64


@pytest.mark.parametrize("call", ["train", "requires_grad_"])
def test_what_a_value_cannot_do_is_refused(call: str) -> None:
    made = phi()
    with pytest.raises(RepresentationError, match=rf"{call}\(\): .*make a new representation"):
        getattr(made, call)()
    assert not made.training


def test_a_pickled_one_gives_the_same_features() -> None:
    made = phi("relu_1")
    for one in (made, made.double()):
        twin = pickle.loads(pickle.dumps(one))
        image = IMAGE.to(one.mean_color)
        assert torch.equal(twin(image), one(image))
        assert twin.digest == one.digest
        assert twin.layer == one.layer


def test_a_class_without_the_contract_cannot_be_instantiated() -> None:
    class Empty(Representation):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Empty()  # type: ignore[abstract]


# --- caches --------------------------------------------------------------------------------------


def test_what_a_cache_hands_out_cannot_be_spoiled() -> None:
    made, photo = phi(), picture(seed=3)
    first = cached_target(made, photo)
    wanted = first.clone()
    first.zero_()
    cached_target(made, photo).add_(1)
    assert torch.equal(cached_target(made, photo), wanted)
    cached(made, "numbers", lambda: torch.ones(3)).zero_()
    assert torch.equal(cached(made, "numbers", lambda: torch.zeros(3)), torch.ones(3))


def test_networks_of_a_user_are_freed() -> None:
    class Marked(nn.Conv2d):
        pass

    alive: list[weakref.ref[Any]] = []
    for _ in range(3):
        module = nn.Sequential(Marked(3, 4, 3), nn.ReLU())
        made = own(module)
        made.layers((32, 32))
        cached_target(made, picture())
        iw.invert(picture(), made, **QUICK)
        alive += [weakref.ref(module), weakref.ref(made), weakref.ref(made.cache_key)]
        del module, made
    gc.collect()
    assert [found for found in alive if found() is not None] == []
    assert not [o for o in gc.get_objects() if type(o) is Marked]


def test_targets_go_with_their_network() -> None:
    made = own(small())
    target = weakref.ref(made.target(picture()).untyped_storage())
    alive: list[weakref.ref[Any]] = []
    original = type(made).target

    def watched(self: Representation, photo: Tensor) -> Tensor:
        found = original(self, photo)
        alive.append(weakref.ref(found))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(made), "target", watched)
        cached_target(made, picture(seed=8))
    assert target() is None
    assert alive[0]() is not None  # kept while the network is
    del made
    gc.collect()
    assert alive[0]() is None


def test_a_panel_lets_go_of_its_network() -> None:
    class Marked(nn.Conv2d):
        pass

    module = nn.Sequential(Marked(3, 4, 3), nn.ReLU())
    made = own(module, "1")
    panel = iw.InversionPanel(picture(), model=made, layer="1")
    alive = [weakref.ref(panel), weakref.ref(made), weakref.ref(made.cache_key)]
    panel.close()
    del panel, module, made
    end = time.monotonic() + 120  # the thread that loads may be at it when the panel is closed
    while [found for found in alive if found() is not None]:
        assert time.monotonic() < end, alive
        time.sleep(0.05)
        gc.collect()


def test_named_networks_are_kept_up_to_a_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_network("squeezenet1_1", "random")
    size, key = first.nbytes, weakref.ref(first)
    assert size == sum(p.nbytes for p in first.module.parameters()) < KEPT_BYTES
    monkeypatch.setattr("invwidgets.models.zoo.KEPT_BYTES", 1)
    second = load_network("timm/test_resnet", "random")
    assert load_network("squeezenet1_1", "random") is first  # somebody holds it
    load_network("timm/test_resnet", "random")
    del first
    gc.collect()
    assert key() is None
    assert load_network("timm/test_resnet", "random") is second


# --- the state of the process --------------------------------------------------------------------


class double_default:
    """Make float64 the type of new tensors inside the block."""

    def __enter__(self) -> None:
        torch.set_default_dtype(torch.float64)

    def __exit__(self, *_: object) -> None:
        torch.set_default_dtype(torch.float32)


STATES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "float64": double_default,
    "bfloat16 by autocast": lambda: torch.autocast("cpu"),
    "meta": lambda: torch.device("meta"),
    "no_grad": torch.no_grad,
    "inference": torch.inference_mode,
}


@pytest.mark.parametrize("process", STATES.values(), ids=STATES.keys())
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("preset", ["default", "cvpr2015", "ijcv2016"])
def test_a_run_is_the_same_in_any_state(
    process: Callable[[], AbstractContextManager[Any]], threads: int, preset: str
) -> None:
    module, photo = small(), picture()

    def run(state: AbstractContextManager[Any]) -> iw.Reconstruction:
        with state:
            return iw.invert(
                photo, module, "relu_1", mean=HALF, std=HALF, size=SIZE, seeds=2, steps=4,
                preset=preset, threads=threads, micro_batch=1, precision="float32",
            )  # fmt: skip

    wanted = run(nullcontext())
    given = run(process())
    assert given.images.dtype == torch.float32
    assert torch.equal(given.images, wanted.images)
    assert given.relative_error == wanted.relative_error
    assert given.settings == wanted.settings
    assert torch.equal(run(nullcontext()).images, wanted.images)  # nothing is left behind


@pytest.mark.parametrize("process", STATES.values(), ids=STATES.keys())
def test_a_named_network_first_made_in_any_state_is_the_same(
    process: Callable[[], AbstractContextManager[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invwidgets.models.zoo.networks_held", weakref.WeakValueDictionary())
    monkeypatch.setattr("invwidgets.models.zoo.networks_kept", OrderedDict())
    with process():
        made = representation("timm/test_resnet", "layer1", "random")
        mode = torch.is_grad_enabled(), torch.get_default_dtype(), torch.is_autocast_enabled("cpu")
        made.layers((64, 64))
        assert mode == (
            torch.is_grad_enabled(), torch.get_default_dtype(), torch.is_autocast_enabled("cpu")
        )  # fmt: skip
    image = torch.rand(1, 3, 64, 64)
    assert torch.isfinite(made(image)).all()
    iw.invert("coffee", made, size=64, **QUICK)


# --- random features, and those that depend on the batch -----------------------------------------


class Dropping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.drop = Drop()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.drop(self.conv(x))
        return y


class Drop(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, 0.5, training=True)


class BatchNorming(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(x))
        return y


class ByTheLargest(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.scale = Largest()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.scale(self.conv(x))
        return y


class Largest(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / x.abs().max()


class OneByOne(nn.Module):
    """A module that accepts a single image only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.flat = nn.Flatten(0)

    def forward(self, x: Tensor) -> Tensor:
        if len(x) != 1:
            raise ValueError("one image at a time")
        y: Tensor = self.conv(x)
        return y


@pytest.mark.parametrize("kind", [BatchNorming, ByTheLargest, OneByOne, Dropping])
def test_an_image_has_the_same_features_alone_and_in_a_batch(kind: type[nn.Module]) -> None:
    made = own(filled(kind()))
    images = torch.cat([IMAGE, 3 * IMAGE - 1])
    together = made(images)
    for image, features in zip(images, together, strict=True):
        assert torch.equal(made(image[None])[0], features)
    options = QUICK | {"micro_batch": 2, "threads": 1}
    alone = iw.invert(picture(), made, **options | {"seeds": [1]})
    among = iw.invert(picture(), made, **options | {"seeds": [0, 1]})
    assert torch.equal(among.images[1:], alone.images)
    assert not torch.equal(among.images[0], among.images[1])


def test_random_features_are_held_at_one_draw_and_said() -> None:
    made = own(filled(Dropping()))
    generator = torch.get_rng_state()
    assert torch.equal(made(IMAGE), made(IMAGE))
    assert 0.3 < float((made(IMAGE) == 0).float().mean()) < 0.7  # it does drop
    results = [iw.invert(picture(), made, **QUICK | {"steps": 60}) for _ in range(2)]
    assert torch.equal(results[0].images, results[1].images)
    assert max(results[0].relative_error) < 0.5  # of a fresh draw at each step, 0.76
    assert torch.equal(torch.get_rng_state(), generator)
    assert made.notes == ("random features: one draw is kept",)
    assert results[0].note == made.note == "random features: one draw is kept"
    assert results[0].summary()["note"] == made.note
    assert made.note in title_note(results[0])
    assert made.note in made._repr_html_()
    assert own(small()).notes == ()


def test_features_of_another_generator_are_said_to_be_random() -> None:
    class Numpy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)

        def forward(self, x: Tensor) -> Tensor:
            import random

            y: Tensor = self.conv(x * random.random())
            return y

    assert own(filled(Numpy())).notes == ("random features: different in each call",)


def test_a_slower_way_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    took_slower_path.cache_clear()
    with caplog.at_level(logging.INFO, "invwidgets"):
        made = own(filled(Untraceable()))
        for _ in range(2):
            made(IMAGE)
            made.at("conv2")(IMAGE)
    assert [r.message.split(", because")[0] for r in caplog.records] == [
        "slower path: Untraceable after relu_1 runs by hooks",
        "slower path: Untraceable after conv2 runs by hooks",
    ]


# --- digests -------------------------------------------------------------------------------------


def test_the_digest_is_of_what_is_computed() -> None:
    base = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    gelu = nn.Sequential(base[0], nn.GELU())
    strided = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU())
    strided[0].load_state_dict(base[0].state_dict())
    scaled = Scaled(2.0), Scaled(3.0), Scaled(2.0)
    digests = [own(m).digest for m in (base, gelu, strided)]
    assert len(set(digests)) == 3
    assert own(copy.deepcopy(base)).digest == digests[0]
    one, other, same = (own(m).digest for m in scaled)
    assert one == same != other
    hooked = copy.deepcopy(base)
    hooked[0].register_forward_hook(lambda m, a, o: 2 * o)
    hooked_otherwise = copy.deepcopy(base)
    hooked_otherwise[0].register_forward_hook(lambda m, a, o: 3 * o)
    assert len({*digests[:1], own(hooked).digest, own(hooked_otherwise).digest}) == 3
    shifted = representation(base, mean=(0.4,) * 3, std=HALF, size=SIZE)
    assert shifted.digest != digests[0]
    functions = [
        iw.from_callable(f, name="f", size=SIZE).digest for f in (pool(2), pool(4), pool(2))
    ]
    assert functions[0] == functions[2] != functions[1]


class Scaled(nn.Module):
    def __init__(self, by: float) -> None:
        super().__init__()
        self._by, self.pool = by, nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.pool(x) * self._by
        return y


def test_the_digest_of_a_function_that_refers_to_itself() -> None:
    def halved(images: Tensor, times: int = 2) -> Tensor:
        return halved(F.avg_pool2d(images, 2), times - 1) if times else images

    assert iw.from_callable(halved, size=SIZE).digest == iw.from_callable(halved, size=SIZE).digest


def pool(side: int) -> Callable[[Tensor], Tensor]:
    return lambda images: F.avg_pool2d(images, side)


class Recording(nn.Module):
    """A module that returns what its own hooks recorded, like networks of transformers."""

    def __init__(self, needs: bool) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
        self.heard: list[Tensor] = []
        self.needs = needs
        self.conv1.register_forward_hook(lambda m, a, output: self.heard.append(output))

    def forward(self, x: Tensor) -> dict[str, Any]:
        self.heard.clear()
        y = self.conv2(self.conv1(x))
        return {"y": y, "hidden": (self.heard[0] if self.needs else tuple(self.heard))}


@pytest.mark.parametrize("needs", [False, True])
def test_hooks_whose_hearing_the_network_returns_stay(needs: bool) -> None:
    module = filled(Recording(needs).eval())
    own = representation(module, "output.hidden" + ("" if needs else "[0]"), mean=HALF, std=HALF,
                         size=SIZE)  # fmt: skip
    module.heard.clear()
    with torch.no_grad():
        expected = module.conv1((picture()[None] - 0.5) / 0.5)  # type: ignore[operator]
    heard = len(module.heard)  # type: ignore[arg-type]
    torch.testing.assert_close(own(picture()[None]), expected, rtol=1e-5, atol=1e-5)
    assert len(module.heard) == heard  # type: ignore[arg-type]
