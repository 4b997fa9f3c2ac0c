"""The registry of representations by name, and the functions that make representations.

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
    """The names that ``representation`` accepts, in addition to ``timm/NAME`` and modules."""
    return tuple(REGISTRY)


def list_models() -> tuple[ModelSpec | Descriptor, ...]:
    """List the models that can be given by name: networks of the zoo, HOG, HOGb and dense SIFT.

    >>> list_models()[0].name
    'efficientnet_lite0'

    Returns
    -------
    tuple
        Each item has a ``name``, a ``size`` in pixels and a description ``about``.
    """
    return tuple(REGISTRY.values())


class _Called(nn.Module):
    """A module with one layer, made from a function."""

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
    """Make a representation from any differentiable function of images.

    >>> def thumbnail(images):                       # (N, 3, H, W) in [0, 1] -> (N, 3, h, w)
    ...     return torch.nn.functional.avg_pool2d(images, 16)
    >>> invert("coffee", from_callable(thumbnail)).gallery()

    Parameters
    ----------
    function : callable
        Takes images (N, C, H, W) in [0, 1] and returns their features, maps (N, K, h, w) or vectors
        (N, D), computed with torch, separately for each image.
    name : str
        Its name in figures; by default the function's name.
    size : (int, int)
        (height, width) in pixels to which photos are resized by default.
    mean_color : (float, ...)
        The color in [0, 1] that the papers' presets subtract, one number for each of the C
        channels.

    Returns
    -------
    Representation
        A representation with one layer, ``features``. Its receptive fields are computed as for a
        network.

    Raises
    ------
    UnknownNameError
        For an object that cannot be called.
    RepresentationError
        For features that cannot be inverted.
    """
    if not callable(function) or isinstance(function, type):
        raise UnknownNameError(f"function {shown(function)}: give a function that takes images")
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
    """Make a representation Φ from a network (of the zoo, timm, or your own), HOG or dense SIFT.

    >>> mine = nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.ReLU())
    >>> representation(mine, layer="1", mean=(0.5,) * 3, std=(0.5,) * 3).layer_info().stride
    (2.0, 2.0)

    Parameters
    ----------
    model : str, torch.nn.Module or Representation
        A name from ``list_models()``, ``"timm/NAME"``, or a module that takes (N, C, H, W). A
        ``Representation`` is returned unchanged, or cut at ``layer``.
    layer : str, optional
        The name of a layer, the papers' name for it, or the path of a module. By default the
        network's output if it is a map; for a network that ends in a vector, such as a classifier,
        a stage at about a third of its depth; for a ``Representation`` its own layer. All
        functions, widgets and commands use this default.
    weights : str or path
        ``"pretrained"``, ``"random"`` (seeded), or the path of a state dict (``.pt``, ``.pth``,
        ``.safetensors``; for ``caffenet`` also MatConvNet's ``.mat``). A module keeps its own
        weights, unless a path is given; its copy then gets the weights of the file.
    mean, std : float or (float, ...), optional
        The preprocessing (x - mean) / std for images x in [0, 1], one number for each of the C
        channels. Your own module needs it, unless it contains it, as modules of timm and open_clip
        do. A single number is used for all channels of the module's first convolution.
    size : (int, int), optional
        (height, width) in pixels to which photos are resized by default; by default the size in
        your module's config (``config.image_size``), else 224.
    forward_kwargs : dict, optional
        The further arguments of your own module's forward by name, such as
        ``{"interpolate_pos_encoding": True}``. Tensors in it are copied and move with the
        representation; they are the same for every image.

    Returns
    -------
    Representation
        A module in eval mode with frozen parameters, which includes the preprocessing.

    Raises
    ------
    UnknownNameError
        For a model or a layer that does not exist.
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
            f"forward_kwargs {shown(forward_kwargs)} with {shown(model)}: they are only for a "
            "module of your own; give them when you make a representation of it"
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
