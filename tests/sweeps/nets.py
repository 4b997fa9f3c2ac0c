"""Networks as a user names them to a sweep: functions that any process can import."""

from __future__ import annotations

import os
import time
from pathlib import Path

from torch import nn

from invwidgets.representations.base import Representation

from .. import small_networks

TINY = "tests.sweeps.nets:tiny"
LOADS = "INVWIDGETS_TEST_LOADS"  # names a folder in which each loading leaves a file


def tiny() -> Representation:
    """24 × 28 pixels, two milliseconds a step."""
    folder = os.environ.get(LOADS)
    if folder:
        (Path(folder) / f"{os.getpid()}-{time.time_ns()}").touch()
    return small_networks.phi()


def without_preprocessing() -> nn.Module:
    return small_networks.small()


def broken() -> Representation:
    raise RuntimeError("no such file of weights")


not_callable = 3
