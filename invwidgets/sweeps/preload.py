"""Imports of what a job needs, made once in the process that workers are forked from.

A network is traced with fake tensors, whose import takes longer than a small job, and most of the
zoo needs torchvision and timm.
"""

from contextlib import suppress
from importlib import import_module

from ..models.torchvision_import import import_torchvision
from . import work as work

_LATER = ("torch._subclasses.fake_tensor", "torch.fx.experimental.symbolic_shapes",
          "safetensors.torch", "timm")  # fmt: skip

with suppress(Exception):  # a network that needs what is not there will say so
    import_torchvision()
for name in _LATER:
    with suppress(Exception):
        import_module(name)
