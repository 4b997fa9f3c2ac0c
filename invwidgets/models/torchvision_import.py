"""The import of torchvision, also if its compiled part does not match the installed torch.

torchvision's Python code registers fake kernels for two compiled operators, ``nms`` and ``qnms``,
without checking that they exist. If its compiled part does not match torch (such as a CUDA build
with a CPU torch), the operators are missing and the import fails. This package does not need them,
so declaring their signatures is enough to load models and transforms.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

_MISSING = ("nms", "qnms")
_declared: list[torch.library.Library] = []  # schemas vanish when their library is collected


def import_torchvision() -> ModuleType:
    """The module torchvision; the two operators are declared only if its import fails."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # removes what the failed import left
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in _MISSING:
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)
    return importlib.import_module("torchvision")
