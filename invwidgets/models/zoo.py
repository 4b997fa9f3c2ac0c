"""The loading of networks with their preprocessing and weights, by name or from a user's module.

    >>> network = load_network("efficientnet_lite0")
    >>> network.size, network.weights
    ((224, 224), 'pretrained')

A network is cached and read-only; code outside ``representations`` never gets its module.
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

RANDOM_SEED = 0  # the seed of random weights
KEPT_BYTES = 2**30  # the memory for cached named networks that nobody uses
_LARGEST_STD, _UNEVEN_STD = 10.0, 30.0  # for images in [0, 1]; a network for 0–255 has 1/255
ZOO: dict[str, ModelSpec] = {spec.name: spec for spec in SPECS}
DEFAULT_MODEL = SPECS[0].name


@dataclass
class Found:
    """The cached facts about a network, which are freed together with the network.

    ``traces`` are its layers by image size, ``trunks`` its parts up to a layer, and ``written`` the
    names of the tensors that a forward pass writes to.
    """

    traces: dict[tuple[int, int], Any] = field(default_factory=dict)
    trunks: OrderedDict[str, Any] = field(default_factory=OrderedDict)
    written: tuple[str, ...] | None = None
    lock: Any = field(default_factory=threading.RLock)


@dataclass(frozen=True)
class Network:
    """A network in eval mode with frozen weights and its preprocessing.

    ``module`` takes (x - mean) / std for x in [0, 1] of ``size`` pixels. ``weights`` is the label
    for pictures: ``pretrained``, ``random weights``, a file's name, ``as given`` or
    ``handcrafted``. ``mean`` and ``std`` have one number per channel of its images. ``mean_color``
    is the color that the papers' presets subtract; None means ``mean``. ``arguments`` are the
    further arguments of its forward. ``preprocessing`` says which of mean, std and size were read
    from attributes of the module, and from which.
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
        more = [self.arguments.digest] if self.arguments else []
        return digest(self.module, self.mean, self.std, *more)

    @property
    def channels(self) -> int:
        """The number of channels of its images."""
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
    """Whether the weights of a named model are on this machine; True for unknown names.

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
    """Load a network of the zoo, of timm (``timm/NAME``), or your own module.

    >>> load_network("alexnet", "random").weights
    'random weights'

    Parameters
    ----------
    model : str or torch.nn.Module
        A name of the zoo, ``timm/NAME``, or a module that takes (N, C, H, W).
    weights : str or path
        ``"pretrained"``, ``"random"`` (seeded), or the path of a state dict (``.pt``, ``.pth``,
        ``.safetensors``; for ``caffenet`` also MatConvNet's ``.mat``). A module keeps its own
        weights, unless a path is given: its copy then gets those of the file.
    mean, std : float or (float, ...), optional
        The preprocessing (x - mean) / std for x in [0, 1], one number for each of the C channels.
        Your own module needs it, unless it contains them as modules of timm and open_clip do. A
        single number is used for all channels of the module's first convolution.
    size : (int, int), optional
        (height, width) in pixels to which photos are resized by default; by default the size in the
        module's config, else 224.
    forward_kwargs : dict, optional
        The further arguments of your own module's forward.

    Raises
    ------
    UnknownNameError
        For a network that does not exist.
    WeightsError
        If the weights are missing or do not fit.
    """
    if not isinstance(weights, str | os.PathLike) or not str(weights):
        raise WeightsError(
            f"weights {shown(weights)}: give 'pretrained', 'random' or the path of a state dict"
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
                f"weights 'random' with your own {name}: a module keeps its weights; leave weights "
                "out, or give the path of a state dict"
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
            f"mean, std, size and forward_kwargs are only for your own module; {model!r} has them "
            "already: leave them out"
        )
    path = None if str(weights) in ("pretrained", "random") else Path(weights)
    stamp = path.stat().st_mtime_ns if path is not None and path.exists() else None
    return load_named(str(model), str(weights), stamp)


def _without_preprocessing(name: str, said: Carried) -> str:
    """The message for a module without preprocessing."""
    words = (
        f"your own {name} needs mean=(r, g, b) and std=(r, g, b), the preprocessing it was trained "
        "with, for images in [0, 1]: give one number for each channel"
    )
    if said.origin:
        words += (
            f". Its {said.origin} contains only the size; for transformers, use the processor's: "
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
    """Raise an error for weights with complex numbers, NaN or infinity.

    A buffer may contain infinity, because masks of attention do. The ``WeightsError`` names the
    tensor.
    """
    masks = {name for name, _ in module.named_buffers()}
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_complex():
            raise WeightsError(f"{source}: {name} is complex, but only real numbers can be used")
        if not tensor.is_floating_point():
            continue
        bad = tensor.isnan() if name in masks else ~tensor.isfinite()
        if bool(bad.any()):
            raise WeightsError(
                f"{source}: {name} contains NaN or infinity; load or train the network again"
            )


def preprocessing(mean: Any, std: Any, module: nn.Module | None = None) -> tuple[Numbers, Numbers]:
    """The mean and standard deviation for x in [0, 1], checked, one number per channel.

    A single number is used for every channel; their number is that of the other argument, or of the
    first convolution of ``module``.

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
            f"std {shown(std)}: give finite numbers above 0, because (x - mean) is divided by it"
        )
    _check_range("mean", mean, means, 1)
    _check_range("std", std, stds, _LARGEST_STD)
    if channels == 3 and max(stds) > _UNEVEN_STD * min(stds):
        raise BadSettingError(
            f"std {shown(std)}: the largest is {max(stds) / min(stds):.3g} times the smallest, but "
            "the colors of photos vary about equally; check the decimal points"
        )
    return means, stds


def _channels(mean: Any, std: Any, module: nn.Module | None) -> int:
    """The number of channels that a mean and a standard deviation are for."""
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
    if first is None or not first.in_channels:  # a lazy convolution has no channels yet
        raise BadSettingError(
            f"mean {shown(mean)} and std {shown(std)} are single numbers, and the module has no "
            "convolution that gives the number of channels: give one number per channel, such as "
            f"mean=({float(mean):g},) for gray images"
        )
    return first.in_channels


def _check_range(name: str, given: Any, values: Numbers, most: float) -> None:
    if min(values) >= 0 and max(values) <= most:
        return
    remedy = "check the decimal point and the sign"
    if min(values) >= 1 and max(values) <= 255:
        divided = ", ".join(f"{value / 255:.3g}" for value in values)
        divided = f"{divided}," if len(values) == 1 else divided
        remedy = f"divide mean and std for images in 0–255 by 255: {name}=({divided})"
    raise BadSettingError(
        f"{name} {shown(given)}: images are in [0, 1], so a channel's {name} is "
        f"{'too' if name == 'mean' else 'about 0.2, or 1 for no scaling'}; {remedy}"
    )


networks_held: weakref.WeakValueDictionary[tuple[str, str, int | None], Network] = (
    weakref.WeakValueDictionary()
)
networks_kept: OrderedDict[tuple[str, str, int | None], Network] = OrderedDict()
_keeping = threading.Lock()


def load_named(name: str, weights: str, stamp: int | None) -> Network:
    """The network with a name, from the cache or new.

    The cache keeps all networks that are in use, and the latest others up to ``KEPT_BYTES``.
    """
    key = (name, weights, stamp)
    with _keeping:
        network = networks_held.get(key)
    if network is None:
        network = build_named(name, weights)  # without the lock, because it may download
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
    """A new network with a name."""
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
