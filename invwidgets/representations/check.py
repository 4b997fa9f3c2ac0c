"""The function ``check_representation``, which tests every promise of a representation.

>>> print(check_representation("efficientnet_lite0", "blocks.2"))
efficientnet_lite0, blocks.2: all promises hold
...
"""

from __future__ import annotations

import copy
import gc
import io
import os
import pickle
import random
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..errors import InvwidgetsError, own_words
from ..models.isolate import module_copy
from ..models.spec import Numbers
from ..models.zoo import DEFAULT_MODEL
from ..tables import html_table
from ..torch_state import own_random, own_state
from .base import Representation
from .checks import check_layer
from .receptive_fields.tracer import Box
from .registry import representation

_SIDE = 96  # pixels per side of the test images, if the network takes so few
_SEED = 0  # the seed of random numbers that a pass may draw
_CLOSE = 1e-3  # the relative difference of features that are equal except for rounding
_ROUNDED = 0.02  # the same if one was computed in another type, such as bfloat16
_EQUAL = 1e-5  # the same if there should be no difference
_STEP = 1e-8  # the step of finite differences in float64, so short that it crosses few kinks
_DIRECTIONS = 4  # the number of directions of finite differences


class Promise(NamedTuple):
    """The test of one promise: whether it holds (None if it could not be tested), and a detail."""

    promise: str
    holds: bool | None
    detail: str


@dataclass(frozen=True)
class RepresentationCheck:
    """The result of ``check_representation``, shown as a table when printed or in a notebook.

    Attributes
    ----------
    name, layer : str
        The names of the model and the layer.
    rows : tuple of Promise
        Each has a ``promise``, whether it ``holds``, and a ``detail``.
    notes : tuple of str
        The notes about the features that pictures show.
    """

    name: str
    layer: str
    rows: tuple[Promise, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every promise that could be tested holds."""
        return not self.failed

    @property
    def failed(self) -> tuple[str, ...]:
        """The promises that do not hold."""
        return tuple(row.promise for row in self.rows if row.holds is False)

    @property
    def _headline(self) -> str:
        count = len(self.failed)
        said = f"{count} of {len(self.rows)} promises do not hold" if count else "all promises hold"
        return "; ".join([f"{self.name}, {self.layer}: {said}", *self.notes])

    def __str__(self) -> str:
        width = max(len(row.promise) for row in self.rows)
        lines = [f"{row.promise:{width}}  {_answer(row):3}  {row.detail}" for row in self.rows]
        return "\n".join([self._headline, *(line.rstrip() for line in lines)])

    def _repr_html_(self) -> str:
        return html_table(
            self._headline, [(row.promise, _answer(row), row.detail) for row in self.rows]
        )


def _answer(row: Promise) -> str:
    return "–" if row.holds is None else "yes" if row.holds else "NO"


def check_representation(
    model: str | nn.Module | Representation = DEFAULT_MODEL,
    layer: str | None = None,
    weights: str | os.PathLike[str] = "pretrained",
    *,
    mean: float | Numbers | None = None,
    std: float | Numbers | None = None,
    size: tuple[int, int] | None = None,
    forward_kwargs: Mapping[str, Any] | None = None,
) -> RepresentationCheck:
    """Test every promise of the interface on one representation, which takes seconds.

    >>> mine = nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.ReLU())
    >>> check_representation(mine, mean=(0.5,) * 3, std=(0.5,) * 3, size=(64, 64)).ok
    True

    Parameters
    ----------
    model : str, torch.nn.Module or Representation
        A name from ``list_models()``, ``"timm/NAME"``, your own module, which is not changed, or a
        representation.
    layer : str, optional
        The name of a layer; by default the one that ``representation`` chooses.
    weights : str or path
        ``"pretrained"``, ``"random"`` (seeded), or the path of a state dict. Your own module keeps
        its weights, unless a path is given.
    mean, std : float or (float, ...), optional
        The preprocessing (x - mean) / std of your own module for images x in [0, 1], one number per
        channel.
    size : (int, int), optional
        (height, width) of the test images in pixels; by default the network's.
    forward_kwargs : dict, optional
        Further arguments of your own module's forward, by name.

    Returns
    -------
    RepresentationCheck
        A table with a row for each promise; ``ok`` says whether all hold.

    Raises
    ------
    InvwidgetsError
        For a model that cannot be represented, as in ``representation`` and ``invert``.
    """

    def make(model: Any) -> Representation:
        return representation(
            model, layer, weights, mean=mean, std=std, size=size, forward_kwargs=forward_kwargs
        )

    module = model if isinstance(model, nn.Module) else None
    module = None if isinstance(model, Representation) else module
    before = None if module is None else _state(module)
    with own_state():
        phi = make(model)
        trial = _Trial(phi, module, before, make, *_images(phi))
        rows = [_try(promise, test, trial) for promise, test in _tests(trial)]
    return RepresentationCheck(phi.name, phi.layer, tuple(rows), phi.notes)


class _Untried(Exception):
    """The reason why a promise cannot be tested."""


class _Broken(Exception):
    """The violation of a promise."""


class _Trial:
    """The input of the tests: a representation, images for it, and the features of the first."""

    def __init__(
        self,
        phi: Representation,
        module: nn.Module | None,
        before: Any,
        make: Callable[[Any], Representation],
        images: Tensor,
        features: Tensor,
    ) -> None:
        self.phi, self.module, self.before, self.make = phi, module, before, make
        self.images, self.features = images, features
        self.size = (images.shape[-2], images.shape[-1])
        self.steady = torch.equal(_features(phi, images[:1]), features)
        with torch.no_grad():
            self.random = not torch.equal(phi(images[:1]), phi(images[:1]))

    def unchanged(self, after: str) -> None:
        """Check that the representation still has the same features."""
        if self.steady and not torch.equal(_features(self.phi, self.images[:1]), self.features):
            raise _Broken(f"after {after} it has other features")

    def need_steady(self) -> None:
        if not self.steady:
            raise _Untried("its features are random")


def _tests(trial: _Trial) -> list[tuple[str, Callable[[_Trial], str]]]:
    own = [("isolated from your module", _isolated)] if trial.module is not None else []
    last = [("leaves your module alone", _untouched)] if trial.module is not None else []
    return [
        *own,
        ("same twice", _twice),
        ("same alone and in a batch", _alone),
        ("gradient right", _gradient),
        ("unaffected by the process", _process),
        ("shapes as reported", _shapes),
        ("layer names unique", _names),
        ("receptive fields right", _fields),
        ("freed", _freed),
        ("moves and copies are new ones", _moves),  # late, because it may spoil other tests
        *last,
    ]


def _try(promise: str, test: Callable[[_Trial], str], trial: _Trial) -> Promise:
    try:
        return Promise(promise, True, test(trial))
    except _Untried as reason:
        return Promise(promise, None, f"not tested: {reason}")
    except _Broken as reason:
        return Promise(promise, False, str(reason))
    except Exception as error:
        return Promise(promise, False, f"it fails: {own_words(error)}")


# ---- images and features


def _images(phi: Representation) -> tuple[Tensor, Tensor]:
    """Two images, smaller than usual if the network accepts it, and the features of the first."""
    size = (min(phi.size[0], _SIDE), min(phi.size[1], _SIDE))
    try:
        phi.layer_info(size)
    except InvwidgetsError:  # it accepts only certain sizes
        size = phi.size
    check_layer(phi, size)
    generator = torch.Generator().manual_seed(1)
    small = torch.rand(2, phi.channels, 6, 6, generator=generator)
    smooth = nn.functional.interpolate(small, size, mode="bicubic").clamp(0, 1)
    images = 0.8 * smooth + 0.2 * torch.rand(2, phi.channels, *size, generator=generator)
    images = images.to(phi.mean_color)
    return images, _features(phi, images[:1])


def _features(phi: Representation, images: Tensor) -> Tensor:
    with torch.no_grad(), own_random(images.device, _SEED):
        return phi(images).clone()  # type: ignore[no-any-return]


def _apart(one: Tensor, other: Tensor) -> float:
    """The relative difference of features; infinite if their shapes differ."""
    if one.shape != other.shape:
        return float("inf")
    one, other = one.double(), other.double()
    return float((one - other).norm() / other.norm().clamp_min(1e-30))


# ---- the promises


def _twice(trial: _Trial) -> str:
    with torch.no_grad():
        one, other = trial.phi(trial.images), trial.phi(trial.images)
    if not torch.equal(one, other):
        raise _Broken(f"two passes of one image differ by {_apart(one, other):.2g}")
    return ""


def _alone(trial: _Trial) -> str:
    trial.need_steady()
    try:
        both = _features(trial.phi, trial.images)
    except Exception as error:
        raise _Broken(f"two images at once fail: {own_words(error)}") from None
    if both.shape[0] != 2:
        raise _Broken(f"two images give features of shape {tuple(both.shape)}")
    apart = _apart(both[:1], trial.features)
    if not apart <= _CLOSE:
        raise _Broken(f"an image beside another one has features that differ by {apart:.2g}")
    return ""


def _gradient(trial: _Trial) -> str:
    trial.need_steady()
    phi, step, close, where = trial.phi, _STEP, 1e-3, ""
    images = trial.images[:1]
    try:
        phi, images = phi.to(torch.float64), images.double()
        _features(phi, images)
    except Exception:  # some operator has no float64
        phi, images = trial.phi, trial.images[:1]
        step, close, where = 1e-2, 0.1, " in float32"
    generator = torch.Generator().manual_seed(2)

    def drawn(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator).to(like)

    weights, wrong, worst = drawn(_features(phi, images)), 0, 0.0
    leaf = images.clone().requires_grad_(True)
    with own_random(images.device, _SEED):
        (gradient,) = torch.autograd.grad((phi(leaf) * weights).sum(), leaf)
    for _ in range(_DIRECTIONS):
        direction = drawn(images)
        ends = [(_features(phi, images + s * step * direction) * weights) for s in (1, -1)]
        found = float((ends[0] - ends[1]).double().sum()) / (2 * step)
        expected = float((gradient * direction).double().sum())
        off = abs(found - expected) / max(abs(found), float(gradient.double().norm()), 1e-30)
        wrong += not off <= close
        worst = max(worst, off)
    if wrong > 1:  # one may cross a kink
        raise _Broken(f"it is off by {worst:.2g} of finite differences{where}")
    return f"within {close:g} of finite differences{where}"


def _moves(trial: _Trial) -> str:
    phi, refused = trial.phi, []
    for name, call in _CALLS.items():
        kind, training = phi.mean_color.dtype, phi.training
        try:
            other = call(phi)
        except Exception as error:
            if name != "pickle" and not isinstance(error, InvwidgetsError):
                raise _Broken(f"{name} fails: {own_words(error)}") from None
            refused.append(name)
            other = None
        if (phi.mean_color.dtype, phi.training) != (kind, training):
            raise _Broken(f"{name} changes it")
        trial.unchanged(name)
        if other is None or not isinstance(other, Representation):
            continue
        if other is phi and name in ("double()", "to(float64)", "half()", "deepcopy", "pickle"):
            raise _Broken(f"{name} returns the same object")
        if name in ("deepcopy", "pickle", "double()") and not trial.random:
            given = _features(other, trial.images[:1].to(other.mean_color))
            if not _apart(given, trial.features) <= _ROUNDED:
                raise _Broken(f"the result of {name} has other features")
        if other is not phi:
            _spoil(other)
            trial.unchanged(f"a change of the result of {name}")
    return f"refused: {', '.join(refused)}" if refused else ""


def _pickled(phi: Representation) -> Any:
    file = io.BytesIO()
    pickle.dump(phi, file)
    file.seek(0)
    return pickle.load(file)


_CALLS: dict[str, Callable[[Representation], Any]] = {
    "to(float64)": lambda phi: phi.to(torch.float64),
    "double()": lambda phi: phi.double(),
    "half()": lambda phi: phi.half(),
    "train()": lambda phi: phi.train(),
    "requires_grad_()": lambda phi: phi.requires_grad_(),
    "deepcopy": copy.deepcopy,
    "pickle": _pickled,
}


def _process(trial: _Trial) -> str:
    trial.need_steady()
    for name, state in _STATES.items():
        with state():
            made = (
                trial.phi.at(trial.phi.layer) if trial.module is None else trial.make(trial.module)
            )
            if name != "autocast":  # a run uses autocast on purpose
                given = _features(trial.phi, trial.images[:1])
                same = given.dtype == trial.features.dtype
                if not (same and _apart(given, trial.features) <= _EQUAL):
                    raise _Broken(f"it has other features under {name}")
        if type(made) is type(trial.phi):
            apart = _apart(_features(made, trial.images[:1]), trial.features)
            if not apart <= _CLOSE:
                raise _Broken(f"one made under {name} has other features")
        trial.unchanged(name)
    return ""


@contextmanager
def _double_default() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


_STATES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "a default type of float64": _double_default,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "torch.device('meta')": lambda: torch.device("meta"),
}


def _shapes(trial: _Trial) -> str:
    phi = trial.phi
    sizes = dict.fromkeys([trial.size, phi.size])
    wider = (trial.size[0], trial.size[1] + 32)
    try:
        phi.layer_info(wider)
        sizes[wider] = None
    except InvwidgetsError:
        pass  # it accepts only certain sizes
    for size in sizes:
        image = torch.rand(1, phi.channels, *size, generator=torch.Generator().manual_seed(3))
        _same_shape(phi, image.to(phi.mean_color))
    layers = phi.layers(trial.size)
    for layer in {layers[0], layers[len(layers) // 2], layers[-1]}:
        _same_shape(phi.at(layer.name), trial.images[:1])
    return f"{len(sizes)} size{'s' * (len(sizes) > 1)}, layers {layers[0].name} … {layers[-1].name}"


def _same_shape(phi: Representation, image: Tensor) -> None:
    size = (image.shape[-2], image.shape[-1])
    reported, given = phi.layer_info(size).shape, tuple(_features(phi, image).shape[1:])
    if reported != given:
        raise _Broken(
            f"{phi.layer} reports {reported} but has {given} at {size[0]}x{size[1]} pixels"
        )


def _names(trial: _Trial) -> str:
    layers = trial.phi.layers(trial.size)
    counted = Counter(name for layer in layers for name in (layer.name, *layer.aliases))
    if twice := [name for name, count in counted.items() if count > 1]:
        raise _Broken(f"several layers are called {', '.join(twice[:3])}")
    if [layer.index for layer in layers] != list(range(len(layers))):
        raise _Broken("their indices are not their positions")
    if trial.phi.layer_info(trial.size).name not in {layer.name for layer in layers}:
        raise _Broken(f"{trial.phi.layer_info(trial.size).name} is not among its layers")
    for layer in {layers[0], layers[len(layers) // 2], layers[-1]}:
        if (found := trial.phi.at(layer.name).layer_info(trial.size).name) != layer.name:
            raise _Broken(f"the name {layer.name} gives the layer {found}")
    return f"{len(layers)} layers"


def _fields(trial: _Trial) -> str:
    trial.need_steady()
    phi, images = trial.phi, trial.images
    layer = phi.layer_info(trial.size)
    shape = trial.features.shape[1:]
    cells: list[tuple[int, int] | None] = [None]
    if len(shape) == 3:
        rows, columns = layer.grid if layer.tokens is not None and layer.grid else shape[1:]
        cells = [*{(0, 0), (rows // 2, columns // 2), (rows - 1, columns - 1)}]
    try:
        phi, images = phi.to(torch.float64), images.double()
        _features(phi, images[:1])
    except Exception:  # some operator has no float64
        phi, images = trial.phi, trial.images
    assumed = ""
    for cell in cells:
        region = None if cell is None else (cell[0], cell[0] + 1, cell[1], cell[1] + 1)
        field = trial.phi.receptive_field(region, trial.size)
        top, left, bottom, right = field.clipped
        reached = _reached(phi, images, cell)
        place = "its features" if cell is None else f"cell {cell}"
        outside = reached.clone()
        outside[top:bottom, left:right] = False
        if bool(outside.any()):
            row, column = outside.nonzero()[0].tolist()
            raise _Broken(f"{place} see pixel ({row}, {column}), outside {tuple(field.clipped)}")
        if field.assumed:
            assumed = "assumed: an operator is unknown"
        elif bool(reached.any()):
            where = reached.nonzero()
            (top, left), (high, wide) = where.amin(0).tolist(), where.amax(0).tolist()
            high, wide = high + 1 - top, wide + 1 - left
            reported = f"{field.clipped.height}x{field.clipped.width}"
            small = 2 * high < field.clipped.height or 2 * wide < field.clipped.width
            if small and not _depends_outside(
                phi, images, cell, Box(top, left, top + high, left + wide)
            ):
                raise _Broken(f"{place} see {high}x{wide} pixels, not {reported} as reported")
    return assumed or f"{len(cells)} cell{'s' * (len(cells) > 1)}"


def _depends_outside(
    phi: Representation, images: Tensor, cell: tuple[int, int] | None, box: Box
) -> bool:
    """Whether a cell's features change with the pixels outside a box.

    Large changes are tried too, because a maximum has a derivative by only one of its inputs.
    """
    generator = torch.Generator().manual_seed(5)
    other = 4 * torch.rand(images.shape, generator=generator).to(images) - 1.5
    box.of(other).copy_(box.of(images))
    both = [_features(phi, one[:1]) for one in (images, other)]
    cells = both if cell is None else [f[:, :, cell[0], cell[1]] for f in both]
    return not torch.equal(*cells)


def _reached(phi: Representation, images: Tensor, cell: tuple[int, int] | None) -> Tensor:
    """The pixels (H, W) by which random sums of a cell's features have a nonzero derivative."""
    generator = torch.Generator().manual_seed(4)
    reached = torch.zeros(images.shape[-2:], dtype=torch.bool)
    for image in [*images.split(1), *(1 - images).split(1)]:
        leaf = image.clone().requires_grad_(True)
        with own_random(image.device, _SEED):
            features = phi(leaf)
        seen = features if cell is None else features[:, :, cell[0], cell[1]]
        weights = torch.randn(seen.shape, generator=generator).to(seen)
        (gradient,) = torch.autograd.grad((seen * weights).sum(), leaf)
        size = gradient.abs().amax((0, 1)).cpu()
        reached |= size > 1e-9 * size.max()
    return reached


def _freed(trial: _Trial) -> str:
    other = copy.deepcopy(trial.phi) if trial.module is None else trial.make(trial.module)
    if other is trial.phi:
        raise _Untried("its deepcopy is the same object")
    other.layer_info(trial.size)
    other.receptive_field(None, trial.size)
    check_layer(other, trial.size)
    _features(other, trial.images[:1])
    kept = [weakref.ref(other)]
    if other.cache_key is not trial.phi.cache_key:
        kept.append(weakref.ref(other.cache_key))  # type: ignore[arg-type]
    del other
    gc.collect()
    if any(reference() is not None for reference in kept):
        raise _Broken("another one stays in memory although nobody uses it")
    return ""


def _isolated(trial: _Trial) -> str:
    trial.need_steady()
    assert trial.module is not None
    twin = _twin(trial.module)
    phi = trial.make(twin)
    before = _features(phi, trial.images[:1])
    _spoil(twin)
    for part in twin.modules():
        part.training = not part.training
        part.register_forward_pre_hook(_raise)
    first = phi.layers()[0].name
    pairs = [(phi, before)]
    if not trial.random:  # also for a layer that is first used afterwards
        pairs.append((phi.at(first), _features(trial.phi.at(first), trial.images[:1])))
    for cut, features in pairs:
        if not _apart(_features(cut, trial.images[:1]), features) <= _EQUAL:
            raise _Broken(f"a later change of the module changes the features of {cut.layer}")
    return ""


def _raise(*_: Any) -> None:
    raise RuntimeError("the module of before was called")


def _twin(module: nn.Module) -> nn.Module:
    """A copy of the user's module, to be changed instead of it."""
    try:
        return module_copy(module, share=False)
    except Exception as error:
        raise _Untried(f"copy.deepcopy cannot copy it ({own_words(error)})") from None


def _spoil(module: nn.Module) -> None:
    """Change every tensor of a module, in place."""
    loose = [v for part in module.modules() for v in vars(part).values() if isinstance(v, Tensor)]
    tensors = [*module.parameters(), *module.buffers(), *loose]
    with torch.inference_mode():  # also allows changing tensors of inference mode
        for tensor in {id(t): t for t in tensors if not torch.nn.parameter.is_lazy(t)}.values():
            tensor.fill_(3)


def _untouched(trial: _Trial) -> str:
    assert trial.module is not None
    for (name, before), (_, after) in zip(trial.before, _state(trial.module), strict=True):
        same = torch.equal(before, after) if isinstance(before, Tensor) else before == after
        if not same:
            raise _Broken(f"{name} has changed")
    return ""


def _state(module: nn.Module) -> list[tuple[str, Any]]:
    """The state of a module that a run might change, and of the random generators."""
    found: list[tuple[str, Any]] = [
        ("torch's random generator", torch.get_rng_state()),
        ("Python's random generator", random.getstate()),
    ]
    for path, part in module.named_modules():
        kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
        hooks = [tuple(getattr(part, kind)) for kind in kinds]
        found.append((f"the hooks of {path or 'the module'}", hooks))
        for name, value in vars(part).items():
            if isinstance(value, bool | int | float | str):
                found.append((f"{path}.{name}".lstrip("."), value))
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if torch.nn.parameter.is_lazy(tensor):
            found.append((name, "lazy"))
            continue
        found.append((name, tensor.detach().clone()))
        found.append((f"requires_grad of {name}", tensor.requires_grad))
        found.append((f"the gradient of {name}", tensor.is_leaf and tensor.grad is not None))
    return found
