"""What is known of a network before it is built, and its preprocessing.

>>> ModelSpec("mine", "my own", build=MyNetwork, pretrained=my_weights).size
(224, 224)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from ..errors import BadSettingError, shown

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
Triple = tuple[float, float, float]


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


def triple(values: Any, name: str = "mean") -> Triple:
    """Three numbers, one a colour.

    Raises ``BadSettingError``.
    """
    try:
        red, green, blue = (float(value) for value in values)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise BadSettingError(f"{name} {shown(values)}: three numbers, one a colour") from None
    return red, green, blue
