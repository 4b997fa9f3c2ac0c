"""Custom objectives, priors, optimizers, parametrizations, callbacks, knobs and photos of users.

``PARTS`` maps a name to a factory of options of ``invert``. Some parts are correct. Most have one
fault that a run must tolerate or refuse with a clear message.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

import invwidgets as iw

NAN = float("nan")


class Theirs(Exception):
    """An error from a user's callback or knobs, which must reach the user unchanged."""


@dataclass(frozen=True)
class Own:
    """A function that makes options of ``invert``, and two properties of the custom part in them.

    ``random``: two runs with the part differ, and it changes the process's random generators.
    ``counts``: it depends on how often it was called, so that parallel seeds influence each other.
    """

    make: Callable[[], dict[str, Any]]
    random: bool = False
    counts: bool = False


PARTS: dict[str, Own] = {"nothing of one's own": Own(dict)}


def distance(features: Tensor, target: Tensor) -> Tensor:
    return (features - target).square().flatten(1).mean(1)


def norm(z: Tensor) -> Tensor:
    return z.square().flatten(1).mean(1) / 80**2


def step(parameters: Tensor, gradient: Tensor, rates: Tensor) -> None:
    parameters.sub_(gradient.sign() * rates.reshape(-1, *[1] * (gradient.ndim - 1)))


def part(base: Any, **methods: Any) -> Any:
    """An object of a new class with the given methods."""
    return type("Mine", (base,), methods)()


def fails(*_: Any) -> Any:
    raise Theirs("boom")


class Calls:
    """A counter of a part's calls, which is kept by the part or lost."""

    _calls = 0

    def late(self) -> bool:
        self._calls += 1
        return self._calls > 4


# ---- objectives


class Prepared(NamedTuple):
    target: Tensor
    more: dict[str, Any]


class ByState(iw.Objective, Calls):
    """A part whose values depend on how often it was called."""

    def energy(self, features: Tensor, target: Tensor) -> Tensor:
        self.late()
        return distance(features, target) * (1 + self._calls)


class KeepsAll(iw.Objective):
    def __init__(self) -> None:
        self._kept: list[Tensor] = []

    def energy(self, features: Tensor, target: Tensor) -> Tensor:
        for kept in self._kept:
            kept.detach().zero_()
        self._kept += [features, target]
        return distance(features, target)


class LateNaN(iw.Objective, Calls):
    def energy(self, features: Tensor, target: Tensor) -> Tensor:
        return distance(features, target) * (NAN if self.late() else 1)


class LateError(iw.Objective, Calls):
    def energy(self, features: Tensor, target: Tensor) -> Tensor:
        return fails() if self.late() else distance(features, target)  # type: ignore[no-any-return]


class LateShape(iw.Objective, Calls):
    def energy(self, features: Tensor, target: Tensor) -> Tensor:
        energy = distance(features, target)
        return energy.sum() if self.late() else energy


def writes_target(_: Any, features: Tensor, target: Tensor) -> Tensor:
    energy = distance(features, target.clone())
    target.zero_()
    return energy


def writes_in_prepare(_: Any, target: Tensor) -> Tensor:
    target -= target.mean()
    return target


def writes_features(_: Any, features: Tensor, target: Tensor) -> Tensor:
    energy = distance(features.clone(), target)
    features.detach().zero_()
    return energy


def prepares_pairs(_: Any, target: Tensor) -> Any:
    return Prepared(target, {"half": [target * 0.5]})


def energy_of_pairs(_: Any, features: Tensor, target: Any) -> Tensor:
    return distance(features, target.target) + distance(features, target.more["half"][0])


def switches_grad_off(_: Any, features: Tensor, target: Tensor) -> Tensor:
    energy = distance(features, target)
    torch.set_grad_enabled(False)
    return energy


def runs_another(*_: Any) -> None:
    iw.invert("chelsea", "hog", size=32, seeds=1, steps=1, threads=1, frames=0)


ENERGIES: dict[str, Callable[..., Any]] = {
    "an objective": lambda s, f, t: distance(f, t),
    "an objective that writes into its target": writes_target,
    "an objective that writes into the features": writes_features,
    "an objective of one number": lambda s, f, t: distance(f, t).sum(),
    "an objective of a column": lambda s, f, t: distance(f, t)[:, None],
    "an objective of NaN": lambda s, f, t: distance(f, t) * NAN,
    "an objective of infinity": lambda s, f, t: distance(f, t) * 1e38 * 1e38,
    "an objective of whole numbers": lambda s, f, t: distance(f, t).long(),
    "an objective of bools": lambda s, f, t: distance(f, t) > 0,
    "an objective of complex numbers": lambda s, f, t: distance(f, t) * 1j,
    "an objective of float64": lambda s, f, t: distance(f.double(), t.double()),
    "an objective of bfloat16": lambda s, f, t: distance(f.bfloat16(), t.bfloat16()),
    "an objective of a float": lambda s, f, t: float(distance(f, t).sum()),
    "an objective of nothing": lambda s, f, t: None,
    "an objective of an array": lambda s, f, t: np.zeros(len(f)),
    "an objective that is detached": lambda s, f, t: distance(f.detach(), t),
    "an objective that does not look": lambda s, f, t: f.flatten(1).sum(1) * 0,
    "an objective that raises": fails,
    "an objective that mixes seeds": lambda s, f, t: distance(f - f.mean(0, keepdim=True), t),
    "an objective of negative energy": lambda s, f, t: -distance(f, t),
    "an objective that makes tensors": lambda s, f, t: (
        distance(f, t) * torch.ones(len(f)) * torch.tensor(0.5)
    ),
    "an objective that switches gradients off": switches_grad_off,
}
PARTS |= {
    name: Own(lambda energy=energy: {"objective": part(iw.Objective, energy=energy)})
    for name, energy in ENERGIES.items()
}
PARTS |= {
    "caricature": Own(lambda: {"objective": "caricature"}),
    "an objective by its state": Own(lambda: {"objective": ByState()}, counts=True),
    "an objective that keeps all": Own(lambda: {"objective": KeepsAll()}, counts=True),
    "an objective of NaN late": Own(lambda: {"objective": LateNaN()}, counts=True),
    "an objective that raises late": Own(lambda: {"objective": LateError()}, counts=True),
    "an objective of one number late": Own(lambda: {"objective": LateShape()}, counts=True),
    "an objective that writes in prepare": Own(
        lambda: {
            "objective": part(
                iw.Objective, prepare=writes_in_prepare, energy=lambda s, f, t: distance(f, t)
            )
        }
    ),
    "an objective of many targets": Own(
        lambda: {"objective": part(iw.Objective, prepare=prepares_pairs, energy=energy_of_pairs)}
    ),
    "an objective that is random": Own(
        lambda: {
            "objective": part(
                iw.Objective,
                energy=lambda s, f, t: distance(f, t) * (1 + torch.rand(len(f)) + random.random()),
            )
        },
        random=True,
    ),
}

# ---- priors


class LatePrior(iw.Prior, Calls):
    def energy(self, z: Tensor) -> Tensor:
        return norm(z) * (NAN if self.late() else 1)


class LatePriorError(iw.Prior, Calls):
    def energy(self, z: Tensor) -> Tensor:
        return fails() if self.late() else norm(z)  # type: ignore[no-any-return]


class Weighted(iw.Prior):
    def energy(self, z: Tensor) -> Tensor:
        return norm(z)


class Growing(iw.Prior, Calls):
    def energy(self, z: Tensor) -> Tensor:
        self.late()
        return norm(z) * self._calls


def weighted_later() -> iw.Prior:
    prior = Weighted()
    prior.weight = NAN
    return prior


def own_gradient(_: Any, z: Tensor, gradient: Tensor, weight: float) -> Tensor:
    gradient.add_(z, alpha=2 * weight / z[0].numel() / 80**2)
    return norm(z)


def spoils_gradient(_: Any, z: Tensor, gradient: Tensor, weight: float) -> Tensor:
    gradient.fill_(NAN)
    return norm(z)


def writes_image(_: Any, z: Tensor) -> Tensor:
    energy = norm(z.clone())
    z.detach().zero_()
    return energy


PRIORS: dict[str, Callable[[], Any]] = {
    "a prior": lambda: Weighted(0.1),
    "a prior of weight NaN": lambda: Weighted(NAN),
    "a prior of weight NaN, later": weighted_later,
    "a prior of infinite weight": lambda: Weighted(float("inf")),
    "a prior of large weight": lambda: Weighted(1e30),
    "a prior of negative weight": lambda: Weighted(-1.0),
    "a prior of a tensor's weight": lambda: Weighted(torch.tensor(0.5, device="cpu")),  # type: ignore[arg-type]
    "a prior of NaN late": LatePrior,
    "a prior that raises late": LatePriorError,
    "a prior by its state": Growing,
    "a prior of one number": lambda: part(iw.Prior, energy=lambda s, z: norm(z).sum()),
    "a prior of whole numbers": lambda: part(iw.Prior, energy=lambda s, z: norm(z).long()),
    "a prior of float64": lambda: part(iw.Prior, energy=lambda s, z: norm(z.double())),
    "a prior that is detached": lambda: part(iw.Prior, energy=lambda s, z: norm(z.detach())),
    "a prior that writes into the image": lambda: part(iw.Prior, energy=writes_image),
    "a prior with a gradient of its own": lambda: part(
        iw.Prior, energy=lambda s, z: norm(z), add_gradient=own_gradient
    ),
    "a prior that spoils the gradient": lambda: part(
        iw.Prior, energy=lambda s, z: norm(z), add_gradient=spoils_gradient
    ),
    "a prior that raises": lambda: part(iw.Prior, energy=fails),
}
COUNTING = (LatePrior, LatePriorError, Growing)
PARTS |= {
    name: Own(lambda make=make: {"priors": [make()]}, counts=make in COUNTING)
    for name, make in PRIORS.items()
}
PARTS["a prior that is random"] = Own(
    lambda: {"priors": [part(iw.Prior, energy=lambda s, z: norm(z) * torch.rand(len(z)))]},
    random=True,
)

# ---- optimizers


class LateRule(iw.Optimizer):
    def start(self, parameters: Tensor, steps: int) -> None:
        self._calls = 0

    def update(self, parameters: Tensor, gradient: Tensor, rates: Tensor) -> None:
        step(parameters, gradient, rates)
        self._calls += 1
        if self._calls > 1:
            parameters[0] = NAN


class LateRuleError(LateRule):
    def update(self, parameters: Tensor, gradient: Tensor, rates: Tensor) -> None:
        super().update(parameters, gradient, rates)
        if self._calls > 1:
            fails()


class Memory(iw.Optimizer):
    """An optimizer that keeps its state in the class, which all runs share."""

    def start(self, parameters: Tensor, steps: int) -> None:
        self._mean = torch.zeros_like(parameters)
        self.remember(self._mean)

    def update(self, parameters: Tensor, gradient: Tensor, rates: Tensor) -> None:
        self._mean.lerp_(gradient, 0.5)
        step(parameters, self._mean, rates)


def spoils_all(_: Any, parameters: Tensor, gradient: Tensor, rates: Tensor) -> None:
    step(parameters, gradient, rates)
    gradient.fill_(NAN)
    rates.fill_(NAN)


RULES: dict[str, Callable[[], Any]] = {
    "an optimizer": lambda: part(iw.Optimizer, update=lambda s, p, g, r: step(p, g, r)),
    "an optimizer with memory": Memory,
    "an optimizer that writes NaN late": LateRule,
    "an optimizer that raises late": LateRuleError,
    "an optimizer that writes NaN": lambda: part(
        iw.Optimizer, update=lambda s, p, g, r: p.fill_(NAN) and None
    ),
    "an optimizer that moves elsewhere": lambda: part(
        iw.Optimizer, update=lambda s, p, g, r: p - g
    ),
    "an optimizer that changes the shape": lambda: part(
        iw.Optimizer, update=lambda s, p, g, r: p.resize_(0) and None
    ),
    "an optimizer that spoils all it is given": lambda: part(iw.Optimizer, update=spoils_all),
    "an optimizer that runs off": lambda: part(
        iw.Optimizer, update=lambda s, p, g, r: p.add_(1e12) and None
    ),
    "an optimizer that stands still": lambda: part(iw.Optimizer, update=lambda *_: None),
    "torch's SGD": lambda: iw.TorchOptimizer(torch.optim.SGD, momentum=0.9),
    "torch's L-BFGS": lambda: iw.TorchOptimizer(torch.optim.LBFGS, max_iter=1),
    "torch's Adam, of odd options": lambda: iw.TorchOptimizer(torch.optim.Adam, betas=(2, 3)),
    "torch's Adam, of unknown options": lambda: iw.TorchOptimizer(torch.optim.Adam, nothing=1),
    "torch's SGD, of weight decay NaN": lambda: iw.TorchOptimizer(
        torch.optim.SGD, weight_decay=NAN
    ),
}
PARTS |= {name: Own(lambda make=make: {"optimizer": make()}) for name, make in RULES.items()}

# ---- bases


def basis(**methods: Any) -> dict[str, Any]:
    methods = {"parameters": lambda s, z: z / 2, "image": lambda s, p: p * 2} | methods
    return {"parametrization": part(iw.Parametrization, **methods), "optimizer": "adam"}


class LateBasis(iw.Parametrization, Calls):
    def parameters(self, z: Tensor) -> Tensor:
        return z / 2

    def image(self, parameters: Tensor) -> Tensor:
        return parameters * (NAN if self.late() else 2)


BASES: dict[str, Callable[[], dict[str, Any]]] = {
    "a basis": basis,
    "a basis of half the image": lambda: basis(image=lambda s, p: 2 * p[..., ::2]),
    "a basis of NaN": lambda: basis(image=lambda s, p: p * NAN),
    "a basis of NaN late": lambda: {"parametrization": LateBasis(), "optimizer": "adam"},
    "a basis that is detached": lambda: basis(image=lambda s, p: p.detach() * 2),
    "a basis that raises": lambda: basis(image=fails),
    "a basis of float64": lambda: basis(
        parameters=lambda s, z: z.double() / 2, image=lambda s, p: (p * 2).float()
    ),
    "a basis whose images are float64": lambda: basis(image=lambda s, p: p.double() * 2),
    "a basis that gives the image itself": lambda: basis(
        parameters=lambda s, z: z, image=lambda s, p: p
    ),
    "a basis of None": lambda: basis(parameters=lambda s, z: None),
    "Fourier": lambda: {"parametrization": "fourier", "optimizer": "adam"},
}
PARTS |= {name: Own(make) for name, make in BASES.items()}

# ---- callbacks and knobs


def spoils_step(at: iw.types.Step) -> None:
    at.images.fill_(NAN)
    for energy in at.energies.values():
        energy.fill_(NAN)
    at.reverted.fill_(True)
    at.energies.clear()


def spoils_iterate(at: iw.types.Step) -> None:
    at.iterate.fill_(NAN)


def state_left_on(at: iw.types.Step) -> None:
    """A callback that changes torch's state and ends before the next step."""
    with torch.no_grad(), torch.autocast("cpu"), torch.device("meta"):
        at.images.mean()


CALLBACKS: dict[str, Callable[..., Any]] = {
    "a callback": lambda at: None,
    "a callback that stops": lambda at: at.index == 1,
    "a callback that raises": fails,
    "a callback of words": lambda at: "on",
    "a callback of a tensor": lambda at: at.images,
    "a callback of one tensor": lambda at: torch.tensor(False, device="cpu"),
    "a callback of NaN": lambda at: NAN,
    "a callback of many arguments": lambda at, more: None,
    "a callback that writes into the step": spoils_step,
    "a callback that writes NaN into the iterate": spoils_iterate,
    "a callback with a state of its own": state_left_on,
    "a callback that runs another": runs_another,
}
KNOBS: dict[str, Callable[[], Any]] = {
    "knobs": lambda: {"tv_weight": 0.1, "jitter": 2},
    "knobs of NaN": lambda: {"tv_weight": NAN},
    "knobs of words": lambda: {"tv_weight": "much"},
    "knobs of unknown names": lambda: {"nothing": 1},
    "knobs of numbers for names": lambda: {1: 1},
    "knobs of nothing": lambda: None,
    "knobs of pairs": lambda: [("tv_weight", 0.1)],
    "knobs of a tensor": lambda: {"tv_weight": torch.tensor(0.1, device="cpu")},
    "knobs of a large jitter": lambda: {"jitter": 10**6},
    "knobs of an infinite bound": lambda: {"bound": float("inf")},
    "knobs that raise": fails,
}
PARTS |= {name: Own(lambda made=made: {"callback": made}) for name, made in CALLBACKS.items()}
PARTS |= {name: Own(lambda made=made: {"knobs": made}) for name, made in KNOBS.items()}
PARTS["an on_ready that raises"] = Own(lambda: {"on_ready": fails})

# ---- photos


def pixels() -> Tensor:
    numbers = np.random.default_rng(5).random((3, 30, 34), np.float32)
    return torch.from_numpy(numbers)  # whatever the state of torch is


def inferred() -> Tensor:
    with torch.inference_mode():
        return pixels() * 1


PHOTOS: dict[str, Callable[[], Any]] = {
    "a photo that requires a gradient": lambda: pixels().requires_grad_(True),
    "a photo of inference mode": inferred,
    "a photo of float64": lambda: pixels().double(),
    "a photo of half": lambda: pixels().half(),
    "a photo with a graph": lambda: pixels().requires_grad_(True).sin().abs(),
    "a photo that is expanded": lambda: pixels()[:, :1, :1].expand(3, 30, 34),
    "a photo of read-only numbers": lambda: _read_only(),
    "a photo of one color": lambda: torch.full((3, 30, 34), 0.5, device="cpu"),
}
PARTS |= {name: Own(lambda make=make: {"photo": make()}) for name, make in PHOTOS.items()}


def _read_only() -> np.ndarray[Any, Any]:
    array = np.random.default_rng(0).integers(0, 255, (30, 34, 3), np.uint8)
    array.flags.writeable = False
    return array
