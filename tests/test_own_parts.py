"""Tests of custom parts as in the docs, and of messages for wrong ones."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

import invwidgets as iw
from invwidgets.errors import (
    BadSettingError,
    CustomPartError,
    InvwidgetsError,
    RepresentationError,
    UnknownNameError,
)
from invwidgets.inversion.replay import code_for
from invwidgets.search.parametrizations import Fourier, Pixels
from invwidgets.swappable import in_full
from invwidgets.sweeps.jobs import key_of

HOW_TO = Path(__file__).parents[1] / "docs" / "own-parts.md"
EXAMPLES = dict(re.findall(r"<!-- (\w+) -->\n```python\n(.*?)```", HOW_TO.read_text(), re.S))
SMALL: dict[str, Any] = {"layer": "blocks.1", "size": 64, "seeds": 2, "threads": 1}


def example(name: str) -> dict[str, Any]:
    made: dict[str, Any] = {"iw": iw, "torch": torch}
    exec(EXAMPLES[name], made)
    return made


@pytest.mark.parametrize("name", ["objective", "prior", "optimizer", "parametrization"])
def test_an_own_part_takes_ten_lines_at_most(name: str) -> None:
    code, _, _ = EXAMPLES[name].partition("\nresult =")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10


def test_a_texture_is_found() -> None:
    made = example("objective")
    result, phi = made["result"], iw.representation(layer="blocks.1")
    first, last = (float(result.energies["data"][place].mean()) for place in (0, -1))
    assert last < 0.1 * first
    assert result.relative_error is None  # a texture has no place
    energy = made["Texture"]().energy(phi(result.images), phi.target(result.photo))
    assert result.scores == pytest.approx(energy.tolist(), rel=1e-4)
    result.gallery()
    result.curves()


def test_a_prior_on_color_takes_color_away() -> None:
    result = example("prior")["result"]
    plain = iw.invert("coffee", **{key: SMALL[key] for key in ("size", "seeds")}, layer="blocks.1")

    def color(images: Tensor) -> float:
        return float((images - images.mean(1, keepdim=True)).abs().mean())

    assert color(result.images) < 0.7 * color(plain.images)
    assert "Gray" in result.energies


def test_torchs_own_rules() -> None:
    made = example("optimizer")
    for result in (made["sgd"], made["lbfgs"]):
        first, last = (float(result.energies["total"][place].mean()) for place in (0, -1))
        assert last < 0.7 * first


def test_an_own_basis_searches() -> None:
    result = example("parametrization")["result"]
    assert max(result.relative_error) < 0.5


def test_any_function_is_a_representation() -> None:
    made = example("representation")
    result, phi = made["result"], made["phi"]
    assert result.model == "edges"
    assert max(result.relative_error) < 0.3
    assert phi.layer_info().stride == (4, 4)
    assert phi.layer_info().receptive_field == (5, 5)
    assert phi(torch.rand(2, 3, 64, 64)).shape == (2, 2, 15, 15)
    with pytest.raises(UnknownNameError, match="function 3: give a function"):
        iw.from_callable(3)
    with pytest.raises(RepresentationError, match="without a gradient"):
        iw.invert("coffee", iw.from_callable(lambda x: x.detach() * 2), size=32, steps=2)


def test_descriptors_with_own_parameters_are_public() -> None:
    for build in (iw.descriptors.hog, iw.descriptors.hogb, iw.descriptors.dsift):
        result = iw.invert("coffee", build(), size=64, seeds=1, steps=3)
        assert result.weights == "handcrafted"


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (6, 11)])
@pytest.mark.parametrize("decorrelated", [True, False])
def test_fourier_is_the_image_in_other_coordinates(
    size: tuple[int, int], decorrelated: bool
) -> None:
    basis = Fourier(decorrelated)
    z = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0)).double()
    parameters = basis.parameters(z)
    torch.testing.assert_close(basis.image(parameters), z, rtol=1e-5, atol=1e-5)
    assert torch.autograd.gradcheck(basis.image, (parameters.requires_grad_(True),))


def test_pixels_by_autograd_are_pixels() -> None:
    class Same(iw.Parametrization):
        def parameters(self, z: Tensor) -> Tensor:
            return z

        def image(self, parameters: Tensor) -> Tensor:
            return parameters * 1.0

    given = iw.invert("coffee", **SMALL, steps=5, optimizer="adam", parametrization=Same())
    plain = iw.invert("coffee", **SMALL, steps=5, optimizer="adam", parametrization=Pixels())
    assert torch.equal(given.images, plain.images)


def test_an_instance_is_its_name() -> None:
    from invwidgets.energy.objectives import Inversion
    from invwidgets.search.optimizers import MultiscaleAdam

    named = iw.invert("coffee", **SMALL, steps=3)
    given = iw.invert("coffee", **SMALL, steps=3, objective=Inversion(), optimizer=MultiscaleAdam())
    assert torch.equal(named.images, given.images)


class Gray(iw.Prior):
    def energy(self, z: Tensor) -> Tensor:
        return (z - z.mean(1, keepdim=True)).square().flatten(1).mean(1) / 80**2


def test_a_run_with_an_own_part_is_never_another_run(tmp_path: Path) -> None:
    result = iw.invert("coffee", **SMALL, steps=2, priors=[Gray(0.5)])
    assert result.settings.priors == (Gray(0.5),)
    result.save(tmp_path / "own")
    loaded = iw.Reconstruction.load(tmp_path / "own")
    assert str(loaded.settings.priors[0]) == "Gray(weight=0.5)"
    assert loaded.energies.keys() == result.energies.keys()
    with pytest.raises(BadSettingError, match=r"Gray\(weight=0.5\).*give it again"):
        iw.invert("coffee", **SMALL, settings=loaded.settings)
    assert "Gray(weight=0.5)" in code_for(result)
    assert "Gray(weight=0.5)" in code_for(loaded)


def test_a_saved_objective_still_shows_its_result(tmp_path: Path) -> None:
    class Mean(iw.Objective):
        def energy(self, features: Tensor, target: Tensor) -> Tensor:
            return (features - target).flatten(1).mean(1).square()

    result = iw.invert("coffee", **SMALL, steps=2, objective=Mean())
    result.save(tmp_path / "own")
    loaded = iw.Reconstruction.load(tmp_path / "own")
    assert loaded.objective.name == "Mean"
    loaded.gallery()
    with pytest.raises(BadSettingError, match=r"Mean\(\).*give it again"):
        iw.invert("coffee", **SMALL, settings=loaded.settings)


def wrong(base: Any, **methods: Any) -> Any:
    """An object of a new class with the given methods."""
    return type("Mine", (base,), methods)()


HALF = {"parameters": lambda self, z: z, "image": lambda self, p: p[..., ::2]}
BAD = {
    "no class of ours": ({"objective": object()}, UnknownNameError, "iw.Objective.*energy"),
    "a class": ({"objective": Gray}, UnknownNameError, "iw.Objective"),
    "a prior's class": ({"priors": Gray}, BadSettingError, "iw.Prior"),
    "a name taken": ({"priors": [Gray(), Gray()]}, BadSettingError, "is called 'Gray'"),
    "a number": ({"optimizer": 3}, UnknownNameError, "iw.Optimizer.*update"),
    "no such basis": ({"parametrization": "fouriér"}, UnknownNameError, "'fourier'"),
    "pyramid": ({"parametrization": "fourier", "optimizer": "multiscale-adam"}, BadSettingError,
                "works on pixels"),
    "one energy": ({"objective": wrong(iw.Objective, energy=lambda s, f, t: f.sum())},
                   CustomPartError, r"objective Mine\(\) returns \(\) for 2 images"),
    "no gradient": ({"objective": wrong(iw.Objective, energy=lambda s, f, t:
                                        f.detach().flatten(1).sum(1))},
                    CustomPartError, "without a gradient"),
    "nan": ({"objective": wrong(iw.Objective, energy=lambda s, f, t: f.flatten(1).sum(1) / 0 * 0)},
            CustomPartError, "NaN"),
    "raises": ({"objective": wrong(iw.Objective, energy=lambda s, f, t: 1 / 0)},
               CustomPartError, "ZeroDivisionError"),
    "a prior of one number": ({"priors": [wrong(iw.Prior, energy=lambda s, z: z.sum())]},
                              CustomPartError, r"prior Mine.*shape \(2,\)"),
    "a prior without": ({"priors": [wrong(iw.Prior, energy=lambda s, z: torch.zeros(2))]},
                        CustomPartError, "without a gradient"),
    "a prior of nan": ({"priors": [wrong(iw.Prior, energy=lambda s, z: z.log().flatten(1).sum(1))]},
                       CustomPartError, "NaN"),
    "elsewhere": ({"optimizer": wrong(iw.Optimizer, update=lambda s, p, g, r: p - g)},
                  CustomPartError, "in place"),
    "to nan": ({"optimizer": wrong(iw.Optimizer, update=lambda s, p, g, r: p.fill_(torch.nan) and
                                   None)}, CustomPartError, "Mine"),
    "another shape": ({"parametrization": wrong(iw.Parametrization, **HALF), "optimizer": "adam"},
                      CustomPartError, r"\(2, 3, 64, 32\).*shape of z, \(2, 3, 64, 64\)"),
}  # fmt: skip


MISSING = {"objective": iw.Objective, "optimizer": iw.Optimizer, "priors": iw.Prior,
           "parametrization": iw.Parametrization}  # fmt: skip


@pytest.mark.parametrize("name", MISSING)
def test_a_part_with_a_method_missing_says_which(name: str) -> None:
    with pytest.raises(TypeError, match="abstract method"):
        wrong(MISSING[name])
    duck = type("Duck", (), {"name": "duck"})()  # no class of ours, whatever it has
    with pytest.raises(InvwidgetsError, match=f"iw.{MISSING[name].__name__}"):
        iw.invert("coffee", **SMALL, steps=2, **{name: [duck] if name == "priors" else duck})


async def test_after_a_bad_part_a_session_lives_on() -> None:
    with iw.Session() as session:
        bad = session.start("coffee", **SMALL, steps=2, **BAD["a prior of nan"][0])
        with pytest.raises(CustomPartError, match="NaN"):
            await asyncio.wrap_future(bad)
        assert (await asyncio.wrap_future(session.start("coffee", **SMALL, steps=2))).steps == 2


@pytest.mark.parametrize("name", ["one energy", "no gradient", "raises"])
async def test_after_a_bad_part_the_panel_lives_on(name: str) -> None:
    pytest.importorskip("anywidget")
    options = SMALL.keys() - {"threads"}
    panel = iw.InversionPanel("coffee", **{key: SMALL[key] for key in options}, steps=2)
    try:
        panel.objective = BAD[name][0]["objective"]
        with pytest.raises(InvwidgetsError, match=BAD[name][2]):
            await panel.start()
        panel.objective = "inversion"
        assert (await panel.start()).steps == 2
    finally:
        panel.close()


@pytest.mark.parametrize("name", BAD)
def test_bad_parts_are_refused_before_the_first_step(name: str) -> None:
    options, error, words = BAD[name]
    with pytest.raises(error, match=words):
        iw.invert("coffee", **SMALL, steps=2, callback=lambda step: pytest.fail("ran"), **options)


def test_a_part_that_breaks_later_takes_its_seed_back() -> None:
    class Late(iw.Prior):
        steps = 0

        def energy(self, z: Tensor) -> Tensor:
            bad = self.steps > 5
            self.steps += 1
            broken = torch.tensor([torch.nan, 1.0]) if bad else torch.ones(len(z))
            return z.square().flatten(1).mean(1) * 1e-6 * broken

    options = SMALL | {"micro_batch": 2}
    result = iw.invert("coffee", **options, steps=12, start="noise", priors=[Late()])
    assert {seed for _, seed in result.reverted} == {0}
    assert bool(result.images.isfinite().all())


class Spoiling(iw.Objective):
    """The normalized distance, computed by writing into the target."""

    def __init__(self, how: str) -> None:
        self.how = how

    def prepare(self, target: Tensor) -> Any:
        if self.how == "prepare":
            target -= target.mean()
        pair = Pair(target, 1.0)
        kinds = {"tuple": (target, 1), "list": [target], "dict": {"a": [target]}, "named": pair}
        return kinds.get(self.how, target)

    def energy(self, features: Tensor, target: Any) -> Tensor:
        while not isinstance(target, Tensor):
            target = target["a"] if isinstance(target, dict) else target[0]
        norm = target.square().sum()
        target.sub_(features.detach()[:1])  # zero from the second evaluation on, if it were kept
        kept = target + features.detach()[:1]
        target.zero_()
        return (features - kept).square().flatten(1).sum(1) / norm


class Pair(NamedTuple):
    target: Tensor
    scale: float


class Plain(iw.Objective):
    def energy(self, features: Tensor, target: Tensor) -> Tensor:
        kept = target - features.detach()[:1] + features.detach()[:1]
        return (features - kept).square().flatten(1).sum(1) / target.square().sum()


@pytest.mark.parametrize("how", ["tensor", "tuple", "list", "dict", "named"])
def test_an_energy_that_writes_into_its_target_sees_it_whole_again(how: str) -> None:
    options = SMALL | {"steps": 4, "frames": 0, "micro_batch": 1}
    result = iw.invert("coffee", objective=Spoiling(how), **options)
    wanted = iw.invert("coffee", objective=Plain(), **options)
    assert torch.equal(result.images, wanted.images)
    assert result.scores == wanted.scores


def test_the_next_run_knows_nothing_of_it() -> None:
    options = SMALL | {"steps": 4, "frames": 0}
    before = iw.invert("coffee", **options)
    for how in ("tensor", "prepare"):
        iw.invert("coffee", objective=Spoiling(how), **options)
    run = iw.prepare("coffee", **options)
    run.target.zero_()
    assert run.photo is not None
    run.photo.zero_()
    assert torch.equal(iw.invert("coffee", **options).images, before.images)


def test_a_run_has_a_photo_of_its_own() -> None:
    pixels = iw.read_photo("coffee", (64, 64))
    run = iw.prepare(pixels, **SMALL, steps=2, frames=0)
    assert run.photo is not None
    assert torch.equal(run.photo, pixels)
    pixels.zero_()
    assert float(run.photo.mean()) > 0.1


class Towards(iw.Prior):
    """A prior with a given attribute, which is compared with other copies."""

    def __init__(self, given: Any, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.given = given

    def energy(self, z: Tensor) -> Tensor:
        return z.square().flatten(1).mean(1)


def other(tensor: Tensor) -> Tensor:
    """A copy with a slightly different number in the middle."""
    changed = tensor.clone()
    place = changed.numel() // 2
    changed.view(-1)[place] = torch.nextafter(changed.view(-1)[place], torch.tensor(9.0))
    return changed


def conv(weight: Tensor) -> torch.nn.Module:
    layer = torch.nn.Conv2d(10, 16, 3, bias=False)
    layer.weight.data = weight.view(16, 10, 3, 3)
    return layer


NUMBERS = torch.linspace(0.1, 1, 1440)
KINDS: dict[str, Any] = {
    "a tensor": lambda t: t,
    "a small one": lambda t: t[718:723],
    "an array": lambda t: t.numpy(),
    "a list": lambda t: [1, t],
    "a dict": lambda t: {"a": (t,)},
    "a module": conv,
    "long words": lambda t: " " * 500 + str(float(t[720])),
    "a rule's option": lambda t: t,
}


@pytest.mark.parametrize("kind", KINDS)
def test_parts_that_differ_in_one_number_of_many_are_not_equal(kind: str) -> None:
    made = [KINDS[kind](t) for t in (NUMBERS, NUMBERS.clone(), other(NUMBERS))]
    if kind == "a rule's option":
        first, same, changed = (iw.TorchOptimizer(torch.optim.SGD, given=m) for m in made)
        settings = [iw.InversionSettings(optimizer=rule) for rule in (first, same, changed)]
    else:
        first, same, changed = (Towards(m) for m in made)
        settings = [iw.InversionSettings(priors=(prior,)) for prior in (first, same, changed)]
    assert first == same
    assert hash(first) == hash(same)
    assert first != changed
    plain = [s.to_dict() for s in settings]
    assert plain[0] == plain[1] != plain[2]  # what a file keeps, and a job's key is made of
    assert key_of(plain[0]) == key_of(plain[1]) != key_of(plain[2])
    assert iw.InversionSettings.from_dict(plain[0]) != iw.InversionSettings.from_dict(plain[2])
    assert len(str(plain[0]["priors"])) < 500


def test_every_kind_of_number_is_written_in_full() -> None:
    for numbers in (
        torch.zeros(64, 64),
        torch.zeros(()),
        torch.zeros(0, 3),
        torch.zeros(40, dtype=torch.bfloat16),
        torch.zeros(40, dtype=torch.bool),
        torch.zeros(40, dtype=torch.complex64),
        torch.eye(20).to_sparse(),
        torch.zeros(40).requires_grad_(True),
    ):
        assert in_full(numbers) == in_full(numbers.clone())
        wider = torch.complex128 if numbers.is_complex() else torch.float64
        assert in_full(numbers) != in_full(numbers.detach().to(wider))
    assert in_full(np.zeros(40)) == in_full(np.zeros(40)) != in_full(torch.zeros(40).double())
    assert in_full(np.array(["a"])) == repr(np.array(["a"]))


def nearer(features: Tensor, target: Tensor) -> Tensor:
    return (features - target).abs().flatten(1).mean(1)


class Nearer(iw.Objective):
    def energy(self, features: Tensor, target: Tensor) -> Tensor:
        return nearer(features, target)


def test_a_function_of_features_is_an_objective(tmp_path: Path) -> None:
    options = SMALL | {"steps": 3, "frames": 0, "region": "2:9,3:8"}
    result = iw.invert("coffee", objective=nearer, **options)
    wanted = iw.invert("coffee", objective=Nearer(), **options)
    assert torch.equal(result.images, wanted.images)
    assert result.scores == wanted.scores
    assert result.objective.name == "nearer"
    assert result.relative_error is None
    assert "objective=tests.test_own_parts.nearer" in code_for(result)
    again = iw.invert("coffee", settings=result.settings, **SMALL, region="2:9,3:8")
    assert torch.equal(again.images, result.images)
    assert iw.InversionSettings(objective=nearer) == iw.InversionSettings(objective=nearer)
    assert iw.InversionSettings(objective=nearer) != iw.InversionSettings(objective=lambda f, t: f)
    result.save(tmp_path / "own")
    loaded = iw.Reconstruction.load(tmp_path / "own")
    assert loaded.objective.name == "nearer"
    loaded.gallery()
    with pytest.raises(BadSettingError, match=r"nearer.*give it again"):
        iw.invert("coffee", **SMALL, settings=loaded.settings)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda f, t: f.sum(), r"returns \(\) for 2 images"),
        (lambda f, t: f.detach().flatten(1).sum(1), "without a gradient"),
        (lambda f, t: f.flatten(1).sum(1) * torch.nan, "NaN"),
        (lambda f: f.flatten(1).sum(1), "TypeError"),
        (lambda f, t: f.flatten(1).mean(1) * t.zero_().sum(), None),
    ],
)
def test_a_function_is_checked_as_an_objective_is(function: Any, words: str | None) -> None:
    options = SMALL | {"steps": 2, "frames": 0}
    if words is None:  # it writes into its copy of the target, and into nothing else
        before = iw.invert("coffee", **options)
        iw.invert("coffee", objective=function, **options)
        assert torch.equal(iw.invert("coffee", **options).images, before.images)
        return
    with pytest.raises(CustomPartError, match=words):
        iw.invert("coffee", objective=function, **options)
