"""The specification of a named network, and the check of its preprocessing.

>>> ModelSpec("mine", "my own", build=MyNetwork, pretrained=my_weights).size
(224, 224)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from ..arguments import as_real, items
from ..errors import BadSettingError, shown

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
Numbers = tuple[float, ...]  # one per channel of the image


@dataclass(frozen=True)
class ModelSpec:
    """The specification of a named network, which is known before the network is built."""

    name: str
    about: str
    build: Callable[[], nn.Module]
    pretrained: Callable[[], Mapping[str, Tensor]]
    mean: Numbers = IMAGENET_MEAN
    std: Numbers = IMAGENET_STD
    size: tuple[int, int] = (224, 224)
    aliases: Mapping[str, str] = field(default_factory=dict)
    here: Callable[[], bool] = lambda: True  # whether the weights are on this machine
    megabytes: float | None = None  # to download, of 2**20 bytes; None for nothing


def numbers(values: Any, name: str = "mean") -> Numbers:
    """The values as numbers, one per channel of the image; a single number gives a tuple of one.

    Raises ``BadSettingError``.
    """
    if getattr(values, "ndim", 0) == 3 and values.shape[1:] == (1, 1):  # the shape (C, 1, 1)
        values = values.reshape(-1)
    given = items(values) if as_real(values) is None else [values]
    found = None if given is None else [as_real(value) for value in given]
    if not found or None in found:
        raise BadSettingError(
            f"{name} {shown(values)}: give finite numbers, one per channel of the image, such as "
            "(0.5, 0.5, 0.5) for red, green and blue or (0.5,) for gray"
        )
    return tuple(float(value) for value in found if value is not None)
