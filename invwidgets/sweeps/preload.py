"""The imports that jobs need, made once in the process from which workers are forked.

Networks are traced with fake tensors, whose import takes longer than a small job, and most named
networks need torchvision and timm.
"""

from contextlib import suppress
from importlib import import_module

from ..models.torchvision_import import import_torchvision
from . import work as work

_LATER = ("torch._subclasses.fake_tensor", "torch.fx.experimental.symbolic_shapes",
          "safetensors.torch", "timm")  # fmt: skip

with suppress(Exception):  # a network that needs a missing package will report it
    import_torchvision()
for name in _LATER:
    with suppress(Exception):
        import_module(name)
