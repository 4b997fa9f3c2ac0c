"""The zoo: a name -> a network, its preprocessing, and where its weights come from.

    >>> network = load_network("efficientnet_lite0")
    >>> network.size, network.weights
    ((224, 224), 'pretrained')

A network is cached and read-only: nobody outside ``representations`` is given its module.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..arguments import as_real
from ..errors import BadSettingError, WeightsError, shown, unknown_name
from ..torch_state import own_random, own_state
from .carried import Carried, carried
from .forward import ForwardArguments, forward_arguments
from .isolate import frozen, isolate, unwrapped
from .sources import SPECS, timm_spec
from .spec import ModelSpec, Numbers, numbers
from .weights import Weights, digest, fit, read_weights

RANDOM_SEED = 0  # of random weights
KEPT_BYTES = 2**30  # of named networks that nobody holds
_LARGEST_STD, _UNEVEN_STD = 10.0, 30.0  # of images in [0, 1]; 1/255 is one that takes 0–255
ZOO: dict[str, ModelSpec] = {spec.name: spec for spec in SPECS}
DEFAULT_MODEL = SPECS[0].name


@dataclass
class Found:
    """What was found out about a network once: it goes when the network goes.

    ``traces`` are its layers by the size of the image, ``trunks`` its parts up to a layer,
    ``written`` the names of the tensors that a forward pass writes to.
    """

    traces: dict[tuple[int, int], Any] = field(default_factory=dict)
    trunks: OrderedDict[str, Any] = field(default_factory=OrderedDict)
    written: tuple[str, ...] | None = None
    lock: Any = field(default_factory=threading.RLock)


@dataclass(frozen=True)
class Network:
    """A network ready to be represented: frozen, in eval mode, with its preprocessing.

    ``module`` takes (x - mean) / std for x in [0, 1] of ``size`` pixels; ``weights`` says what a
    picture must say of it: ``pretrained``, ``random weights``, a file's name, ``as given`` or
    ``handcrafted``. ``mean`` and ``std`` have a number for each channel of its images.
    ``mean_color`` is what the papers' presets subtract, ``mean`` if it is None. ``arguments`` are
    what its forward is given beside images. ``preprocessing`` says what of mean, std and
    size was read off the module, and where.
    """

    name: str
    module: nn.Module
    mean: Numbers
    std: Numbers
    size: tuple[int, int]
    weights: str
    aliases: Mapping[str, str] = field(default_factory=dict)
    mean_color: Numbers | None = None
    grayscale: bool = False
    handcrafted: bool = False
    raises_noise: bool = False
    arguments: ForwardArguments = field(default_factory=ForwardArguments, compare=False)
    preprocessing: str = ""
    found: Found = field(default_factory=Found, init=False, repr=False, compare=False)

    @cached_property
    def digest(self) -> str:
        """A digest of what it computes, as recorded in results."""
        more = [self.arguments.digest] if self.arguments else []  # those without keep theirs
        return digest(self.module, self.mean, self.std, *more)

    @property
    def channels(self) -> int:
        """How many channels its images have."""
        return len(self.mean)

    @property
    def nbytes(self) -> int:
        """The bytes of its parameters and buffers."""
        return sum(t.nbytes for t in [*self.module.parameters(), *self.module.buffers()])

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "found"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, found=Found())


def weights_here(name: str) -> bool:
    """Whether a model of the zoo can be had with its weights, without a network; others count as
    here, since nothing is known of them.

    >>> weights_here("efficientnet_lite0"), weights_here("caffenet")
    (True, False)
    """
    return name not in ZOO or ZOO[name].here()


def load_network(
    model: str | nn.Module,
    weights: str | os.PathLike[str] = "pretrained",
    *,
    mean: float | Numbers | None = None,
    std: float | Numbers | None = None,
    size: tuple[int, int] | None = None,
    forward_kwargs: Mapping[str, Any] | None = None,
) -> Network:
    """A network of the zoo, of timm (``timm/NAME``), or your own module.

    >>> load_network("alexnet", "random").weights
    'random weights'

    Parameters
    ----------
    model : str or torch.nn.Module
        A name of the zoo, ``timm/NAME``, or a module taking (N, C, H, W).
    weights : str or path
        ``"pretrained"``, ``"random"`` (seeded), or the path of a state dict (``.pt``, ``.pth``,
        ``.safetensors``; for ``caffenet`` also MatConvNet's ``.mat``). A module keeps its own
        weights, unless a path is given: its copy then gets those of the file.
    mean, std : float or (float, ...), optional
        Of the preprocessing, for x in [0, 1], a number for each of the C channels of its images;
        needed with your own module, unless it carries them as those of timm and open_clip do. One
        number is that of all channels, as many as the first convolution of the module takes.
    size : (int, int), optional
        (height, width) in pixels that a photo is resized to by default; by default what the
        module says of itself, else 224.
    forward_kwargs : dict, optional
        What the forward of your own module needs beside images.

    Raises
    ------
    UnknownNameError
        For a network that is not there.
    WeightsError
        If the weights are missing or do not fit.
    """
    if not isinstance(weights, str | os.PathLike) or not str(weights):
        raise WeightsError(
            f"weights {shown(weights)}: they are 'pretrained', 'random' or the path of a state dict"
        )
    if isinstance(model, nn.Module):
        said = carried(unwrapped(model))
        words = said.in_words(mean=mean, std=std, size=size)
        mean, std = said.mean if mean is None else mean, said.std if std is None else std
        size = size or said.size or (224, 224)
        name = type(unwrapped(model)).__name__
        if mean is None or std is None:
            raise BadSettingError(_without_preprocessing(name, said))
        means, stds = preprocessing(mean, std, model)
        if str(weights) == "random":
            raise WeightsError(
                f"weights 'random' with your own {name}: a module has the weights that it was "
                "built with; leave weights out, or give the path of a state dict"
            )
        if str(weights) == "pretrained":
            load, label = None, str(Weights.GIVEN)
        else:
            load, label = _loader(Path(weights), name), Weights.of_file(Path(weights))
        arguments = forward_arguments(unwrapped(model), forward_kwargs)
        module = isolate(model, size, load, len(means), arguments)
        check_weights(module, f"your own {name}" if load is None else label)
        return Network(
            name, module, means, stds, size, label, arguments=arguments, preprocessing=words
        )
    if any(given is not None for given in (mean, std, size, forward_kwargs)):
        raise BadSettingError(
            f"mean, std, size and forward_kwargs belong to your own module; {model!r} has its own"
        )
    path = None if str(weights) in ("pretrained", "random") else Path(weights)
    stamp = path.stat().st_mtime_ns if path is not None and path.exists() else None
    return load_named(str(model), str(weights), stamp)


def _without_preprocessing(name: str, said: Carried) -> str:
    """What a module without its preprocessing is answered."""
    words = (
        f"your own {name} needs mean=(r, g, b) and std=(r, g, b), the preprocessing it was trained "
        "with, for images in [0, 1]; a number for each channel that it takes"
    )
    if said.origin:
        words += (
            f". Its {said.origin} says its size alone; of transformers the processor has them: "
            "mean=processor.image_mean, std=processor.image_std"
        )
    return words


def model_spec(name: str) -> ModelSpec:
    if name.startswith("timm/"):
        return timm_spec(name)
    if not isinstance(name, str) or name not in ZOO:
        raise unknown_name("model", name, [*ZOO, "timm/NAME"])
    return ZOO[name]


def _loader(path: Path, name: str) -> Callable[[nn.Module], None]:
    state = read_weights(path, name)
    return lambda module: fit(module, state, path.name)


def check_weights(module: nn.Module, source: str) -> None:
    """Refuse weights that no search could run on: complex numbers, NaN, infinity.

    A buffer may hold infinity, as the mask of an attention does.

    Raises ``WeightsError``, naming the tensor.
    """
    masks = {name for name, _ in module.named_buffers()}
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_complex():
            raise WeightsError(f"{source}: {name} is complex; images and features are real numbers")
        if not tensor.is_floating_point():
            continue
        bad = tensor.isnan() if name in masks else ~tensor.isfinite()
        if bool(bad.any()):
            raise WeightsError(
                f"{source}: {name} holds NaN or infinite numbers; load or train the network again"
            )


def preprocessing(mean: Any, std: Any, module: nn.Module | None = None) -> tuple[Numbers, Numbers]:
    """A mean and a standard deviation for x in [0, 1], checked: a number for each channel.

    One number is that of every channel, as many as the other one has, or as the first convolution
    of ``module`` takes.

    Raises ``BadSettingError``.
    """
    means, stds = numbers(mean, "mean"), numbers(std, "std")
    channels = _channels(mean, std, module)
    means, stds = (
        values * channels if as_real(given) is not None else values
        for given, values in ((mean, means), (std, stds))
    )
    if not all(value > 0 for value in stds):
        raise BadSettingError(
            f"std {shown(std)}: finite numbers above 0, which (x - mean) is divided by"
        )
    _check_range("mean", mean, means, 1)
    _check_range("std", std, stds, _LARGEST_STD)
    if channels == 3 and max(stds) > _UNEVEN_STD * min(stds):
        raise BadSettingError(
            f"std {shown(std)}: the largest is {max(stds) / min(stds):.3g} times the smallest, but "
            "the colors of photos vary about alike; a decimal point may be wrong"
        )
    return means, stds


def _channels(mean: Any, std: Any, module: nn.Module | None) -> int:
    """How many channels the images have that a mean and a standard deviation belong to."""
    lengths = [len(numbers(given)) for given in (mean, std) if as_real(given) is None]
    if len(set(lengths)) > 1:
        raise BadSettingError(
            f"mean {shown(mean)} has length {lengths[0]} and std {shown(std)} has length "
            f"{lengths[1]}: give a number for each channel of the image in both"
        )
    if lengths:
        return lengths[0]
    parts = () if module is None else unwrapped(module).modules()
    first = next((part for part in parts if isinstance(part, nn.Conv2d)), None)
    if first is None or not first.in_channels:  # a lazy one does not know yet
        raise BadSettingError(
            f"mean {shown(mean)} and std {shown(std)} are one number, and no convolution of the "
            "module says how many channels it takes: give a number for each channel, such as "
            f"mean=({float(mean):g},) for gray images"
        )
    return first.in_channels


def _check_range(name: str, given: Any, values: Numbers, most: float) -> None:
    if min(values) >= 0 and max(values) <= most:
        return
    remedy = "a decimal point or a sign may be wrong"
    if min(values) >= 1 and max(values) <= 255:
        divided = ", ".join(f"{value / 255:.3g}" for value in values)
        divided = f"{divided}," if len(values) == 1 else divided
        remedy = f"divide both the mean and the std of images in 0–255 by 255: {name}=({divided})"
    raise BadSettingError(
        f"{name} {shown(given)}: images are in [0, 1], so that a channel's {name} is "
        f"{'too' if name == 'mean' else 'about 0.2, or 1 for none'}; {remedy}"
    )


networks_held: weakref.WeakValueDictionary[tuple[str, str, int | None], Network] = (
    weakref.WeakValueDictionary()
)
networks_kept: OrderedDict[tuple[str, str, int | None], Network] = OrderedDict()
_keeping = threading.Lock()


def load_named(name: str, weights: str, stamp: int | None) -> Network:
    """A network by its name: one that is there already, or a new one.

    Kept are all that somebody holds, and of the others the latest up to ``KEPT_BYTES``.
    """
    key = (name, weights, stamp)
    with _keeping:
        network = networks_held.get(key)
    if network is None:
        network = build_named(name, weights)  # not under the lock: it may be a download
    with _keeping:
        network = networks_held.setdefault(key, network)
        networks_kept[key] = network
        networks_kept.move_to_end(key)
        while (
            len(networks_kept) > 1
            and sum(kept.nbytes for kept in networks_kept.values()) > KEPT_BYTES
        ):
            networks_kept.popitem(last=False)
    return network


@own_state()
def build_named(name: str, weights: str) -> Network:
    """A network by its name, made anew."""
    spec = model_spec(name)
    with own_random(torch.device("cpu"), RANDOM_SEED):
        module = spec.build()
    label = str(Weights.PRETRAINED)
    if weights == "random":
        label = str(Weights.RANDOM)
    elif weights == "pretrained":
        fit(module, spec.pretrained(), f"the pretrained weights of {name}")
    else:
        state = read_weights(Path(weights), name)
        fit(module, state, weights)
        label = Weights.of_file(Path(weights))
    check_weights(module, f"the weights of {name} ({label})")
    return Network(name, frozen(module), spec.mean, spec.std, spec.size, label, spec.aliases)
