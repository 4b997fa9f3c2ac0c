"""Import torchvision beside whatever torch is there.

torchvision's Python layer registers fake kernels for two compiled operators, ``nms`` and ``qnms``,
without asking whether they exist. Where its compiled part does not match torch (a CUDA build
beside a CPU torch, say) the operators are missing and the import dies. Nothing here needs them:
declaring their two signatures is enough for models and transforms to load.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

_MISSING = ("nms", "qnms")
_declared: list[torch.library.Library] = []  # a library that is collected takes its schemas along


def import_torchvision() -> ModuleType:
    """torchvision, with the two missing operators declared only where its import fails on them."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # what the failed import left half done
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in _MISSING:
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)
    return importlib.import_module("torchvision")
