"""The networks of the sweeps' tests, as functions that any process can import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

import invwidgets as iw
from invwidgets.representations.base import Representation

from .. import small_networks

TINY = "tests.sweeps.nets:tiny"
SLOW = "tests.sweeps.nets:slow"
DEADLY = "tests.sweeps.nets:deadly"
SPARED = "INVWIDGETS_TEST_SPARED"
LOADS = "INVWIDGETS_TEST_LOADS"  # names a folder in which each loading leaves a file


def tiny() -> Representation:
    """A network for 24 × 28 pixels with two milliseconds per step."""
    folder = os.environ.get(LOADS)
    if folder:
        (Path(folder) / f"{os.getpid()}-{time.time_ns()}").touch()
    return small_networks.phi()


def slow() -> Representation:
    """The same network with at least a twentieth of a second per call."""
    return iw.from_callable(_slow, size=(24, 28))


def deadly() -> Representation:
    """A network that ends every process that runs it, except the one in ``SPARED``."""
    return iw.from_callable(_deadly, size=(24, 28))


def _slow(images: Tensor) -> Tensor:
    time.sleep(0.05)
    return functional.avg_pool2d(images, 4)


def _deadly(images: Tensor) -> Tensor:
    if os.environ.get(SPARED) != str(os.getpid()):
        os.kill(os.getpid(), signal.SIGKILL)
    return functional.avg_pool2d(images, 4)


def without_preprocessing() -> nn.Module:
    return small_networks.small()


def broken() -> Representation:
    raise RuntimeError("no such file of weights")


not_callable = 3


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 4, 4)

    def forward(self, x: Tensor, scale: float) -> Tensor:
        features: Tensor = self.conv(x * scale)
        return features


def scaled() -> Representation:
    """A network whose forward needs a number."""
    return iw.representation(
        small_networks.filled(Scaled()), mean=(0.5,) * 3, std=(0.5,) * 3, size=(24, 28),
        forward_kwargs={"scale": 2.0},
    )  # fmt: skip
