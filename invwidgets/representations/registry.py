"""Every representation by name: feeds the menu, the shell and the parametrized tests.

>>> representation("efficientnet_lite0", layer="blocks.2").layer_info().shape
(40, 28, 28)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from ..errors import BadSettingError, UnknownNameError, shown, unknown_name
from ..models.isolate import device_of, unwrapped
from ..models.spec import IMAGENET_MEAN, ModelSpec, Numbers, numbers
from ..models.zoo import DEFAULT_MODEL, ZOO, load_network
from .base import Representation
from .descriptors.dsift import Dsift
from .descriptors.hog import Hog
from .descriptors.named import DESCRIPTORS, Descriptor, named_network, network_of
from .network import NetworkRepresentation

REGISTRY: dict[str, ModelSpec | Descriptor] = {**ZOO, **DESCRIPTORS}


def representations() -> tuple[str, ...]:
    """The names that ``representation`` takes, besides ``timm/NAME`` and modules of your own."""
    return tuple(REGISTRY)


def list_models() -> tuple[ModelSpec | Descriptor, ...]:
    """What there is by name: networks of the zoo, HOG, HOGb and dense SIFT.

    >>> list_models()[0].name
    'efficientnet_lite0'

    Returns
    -------
    tuple
        Each has a ``name``, a ``size`` in pixels and an ``about``.
    """
    return tuple(REGISTRY.values())


class _Called(nn.Module):
    """A function as a module of one layer."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.features = _Function(function)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.features(images)
        return features


class _Function(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> Tensor:
        return self.function(images)


def from_callable(
    function: Callable[[Tensor], Tensor],
    *,
    name: str = "",
    size: tuple[int, int] = (224, 224),
    mean_color: Numbers = IMAGENET_MEAN,
) -> Representation:
    """A representation of any differentiable function of images.

    >>> def thumbnail(images):                       # (N, 3, H, W) in [0, 1] -> (N, 3, h, w)
    ...     return torch.nn.functional.avg_pool2d(images, 16)
    >>> invert("coffee", from_callable(thumbnail)).gallery()

    Parameters
    ----------
    function : callable
        Gives each image (N, C, H, W) in [0, 1] its own features, maps (N, K, h, w) or vectors
        (N, D), computed with torch.
    name : str
        What figures call it; the function's own by default.
    size : (int, int)
        (height, width) in pixels that photos are resized to by default.
    mean_color : (float, ...)
        What the papers' presets subtract, in [0, 1]: a number for each of the C channels.

    Returns
    -------
    Representation
        Of one layer, ``features``; its receptive fields are found as a network's are.

    Raises
    ------
    UnknownNameError
        For what cannot be called.
    RepresentationError
        For features that cannot be inverted.
    """
    if not callable(function) or isinstance(function, type):
        raise UnknownNameError(f"function {shown(function)}: give a function of images")
    color = numbers(mean_color, "mean_color")
    words = name or getattr(function, "__name__", type(function).__name__)
    network = load_network(
        _Called(function), mean=(0.0,) * len(color), std=(1.0,) * len(color), size=size
    )
    return NetworkRepresentation(replace(network, name=words, mean_color=color))


def representation(
    model: str | nn.Module | Representation = DEFAULT_MODEL,
    layer: str | None = None,
    weights: str | os.PathLike[str] = "pretrained",
    *,
    mean: float | Numbers | None = None,
    std: float | Numbers | None = None,
    size: tuple[int, int] | None = None,
    forward_kwargs: Mapping[str, Any] | None = None,
) -> Representation:
    """A representation Φ: a network (of the zoo, timm, your own), HOG or dense SIFT.

    >>> mine = nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.ReLU())
    >>> representation(mine, layer="1", mean=(0.5,) * 3, std=(0.5,) * 3).layer_info().stride
    (2.0, 2.0)

    Parameters
    ----------
    model : str, torch.nn.Module or Representation
        A name of ``list_models()``, ``"timm/NAME"``, or a module that takes (N, C, H, W). A
        ``Representation`` is handed back, cut at ``layer`` if one is named.
    layer : str, optional
        A layer's name, the papers' name for it, or the path of a module. By default the network's
        own output if that is a map; of a network that ends in a vector, such as a classifier, a
        stage a third of the way down; of a ``Representation`` its own layer. Every function,
        widget and command uses this default.
    weights : str or path
        ``"pretrained"``, ``"random"`` (seeded), or a state dict (``.pt``, ``.pth``,
        ``.safetensors``; for ``caffenet`` also MatConvNet's ``.mat``). A module keeps its own,
        unless a path is given: its copy then gets those of the file.
    mean, std : float or (float, ...), optional
        Of the preprocessing, for images in [0, 1]; needed with your own module, unless it carries
        them, as those of timm and open_clip do. Their length C says how many channels its images
        have. One number is that of all channels, as many as the module's first convolution takes.
    size : (int, int), optional
        (height, width) in pixels that photos are resized to by default; by default what your own
        module says of itself (``config.image_size``), else 224.
    forward_kwargs : dict, optional
        What the forward of your own module needs beside images, by name, such as
        ``{"interpolate_pos_encoding": True}``. Tensors in it are copied, and go where the
        representation goes; they are the same for every image.

    Returns
    -------
    Representation
        In eval mode, frozen, with its normalization inside.

    Raises
    ------
    UnknownNameError
        For a model or a layer that is not there.
    WeightsError
        If the weights are missing or do not fit.
    RepresentationError
        For a network that cannot be run or cut.
    BadSettingError
        For a preprocessing or arguments that do not fit the module.
    """
    own = isinstance(model, nn.Module) and not isinstance(model, Representation | Hog | Dsift)
    if forward_kwargs is not None and not own:
        raise BadSettingError(
            f"forward_kwargs {shown(forward_kwargs)} beside {shown(model)}: they belong to a "
            "module of your own; a representation is given them when it is made"
        )
    if isinstance(model, Representation):
        return model.at(layer) if layer is not None else model
    model = unwrapped(model) if isinstance(model, nn.Module) else model
    if isinstance(model, Hog | Dsift):
        return NetworkRepresentation(network_of(model, size), layer)
    if isinstance(model, str) and model in DESCRIPTORS:
        return NetworkRepresentation(named_network(model), layer)
    if isinstance(model, str) and model not in REGISTRY and not model.startswith("timm/"):
        raise unknown_name("model", model, [*REGISTRY, "timm/NAME"])
    if not isinstance(model, str | nn.Module):
        raise UnknownNameError(
            f"model {shown(model)}: give a name such as {DEFAULT_MODEL!r} or 'timm/NAME', a module "
            "of your own, or a representation"
        )
    network = load_network(
        model, weights, mean=mean, std=std, size=size, forward_kwargs=forward_kwargs
    )
    found = NetworkRepresentation(network, layer)
    return found if isinstance(model, str) else found.on(device_of(model))
