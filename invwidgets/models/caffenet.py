"""CNN-A of the papers, the Caffe reference network, with the papers' names of its twenty layers.

It has grouped convolutions in layers 2, 4 and 5, local response normalization after the first two
poolings, and an input of 227 x 227 pixels. Source: CVPR15, section 4 and table 3. Its weights are
read from MatConvNet's ``imagenet-caffe-ref.mat`` (old and new layout) or a state dict.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import WeightsError


def caffenet() -> nn.Module:
    """The network with random weights, from images minus the mean (0-255) to (N, 1000, 1, 1).

    >>> [name for name, _ in caffenet().named_children()][:5]
    ['conv1', 'relu1', 'mpool1', 'norm1', 'conv2']
    """

    def norm() -> nn.Module:
        return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, stride=2)

    layers: list[tuple[str, nn.Module]] = [
        ("conv1", nn.Conv2d(3, 96, 11, stride=4)),
        ("relu1", nn.ReLU()),
        ("mpool1", pool()),
        ("norm1", norm()),
        ("conv2", nn.Conv2d(96, 256, 5, padding=2, groups=2)),
        ("relu2", nn.ReLU()),
        ("mpool2", pool()),
        ("norm2", norm()),
        ("conv3", nn.Conv2d(256, 384, 3, padding=1)),
        ("relu3", nn.ReLU()),
        ("conv4", nn.Conv2d(384, 384, 3, padding=1, groups=2)),
        ("relu4", nn.ReLU()),
        ("conv5", nn.Conv2d(384, 256, 3, padding=1, groups=2)),
        ("relu5", nn.ReLU()),
        ("mpool5", pool()),
        ("fc6", nn.Conv2d(256, 4096, 6)),
        ("relu6", nn.ReLU()),
        ("fc7", nn.Conv2d(4096, 4096, 1)),
        ("relu7", nn.ReLU()),
        ("fc8", nn.Conv2d(4096, 1000, 1)),
    ]
    for _, layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return nn.Sequential(OrderedDict(layers))


def read_matconvnet(path: Path) -> dict[str, Tensor]:
    """The state dict of ``caffenet()`` that a ``.mat`` file of MatConvNet contains.

    Its filters have the shape (height, width, inputs / groups, outputs). A layer stores them as
    ``weights = {filters, biases}`` or, in older files, as ``filters`` and ``biases``.

    Raises ``WeightsError`` if the file is not this network, or if scipy, which reads it, is not
    installed.
    """
    try:
        from scipy.io import loadmat
    except ImportError:
        raise WeightsError(
            f"{str(path)!r}: scipy is needed to read .mat files; pip install 'invwidgets[mat]'"
        ) from None

    def refuse(reason: str) -> WeightsError:
        return WeightsError(
            f"{str(path)!r} is not MatConvNet's Caffe reference network ({reason}); "
            "give imagenet-caffe-ref.mat or a state dict of caffenet"
        )

    try:
        content: dict[str, Any] = loadmat(str(path), squeeze_me=True, struct_as_record=False)
        layers = {str(layer.name): layer for layer in np.atleast_1d(content["layers"])}
    except Exception as error:
        raise refuse(f"{type(error).__name__}: {error}") from None
    state: dict[str, Tensor] = {}
    with torch.no_grad():
        wanted = {n: m for n, m in caffenet().named_children() if isinstance(m, nn.Conv2d)}
    for name, module in wanted.items():
        if name not in layers:
            raise refuse(f"no layer {name}; there are {', '.join(layers)}")
        layer = layers[name]
        try:
            both = layer.weights if hasattr(layer, "weights") else (layer.filters, layer.biases)
            filters, biases = (np.asarray(part, np.float32) for part in both)
            shape = module.weight.shape
            filters = filters.reshape(shape[2], shape[3], shape[1], shape[0]).transpose(3, 2, 0, 1)
            state[f"{name}.weight"] = torch.from_numpy(np.ascontiguousarray(filters))
            state[f"{name}.bias"] = torch.from_numpy(biases.reshape(shape[0]).copy())
        except (AttributeError, TypeError, ValueError) as error:
            raise refuse(f"layer {name}: {error}") from None
    return state
