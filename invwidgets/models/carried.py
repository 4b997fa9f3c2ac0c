"""The preprocessing that modules of timm, transformers and open_clip contain in their config.

>>> carried(timm.create_model("vit_tiny_patch16_224"))
Carried(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), size=(224, 224), origin='pretrained_cfg')
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from torch import nn

from ..arguments import as_real, as_whole, items
from .spec import Numbers

_OPEN_CLIP = {"preprocess_cfg": ("mean", "std", "size")}
_TIMM = {"pretrained_cfg": ("mean", "std", "input_size")}
_TRANSFORMERS = {"config": ("image_mean", "image_std", "image_size")}
_OF_A_MODULE = _OPEN_CLIP | _TIMM | _TRANSFORMERS
_OF_A_CONFIG = _TIMM | {"vision_config": _TRANSFORMERS["config"]}


class Carried(NamedTuple):
    """The preprocessing found in a module; ``origin`` names the attributes it was read from."""

    mean: Numbers | None = None
    std: Numbers | None = None
    size: tuple[int, int] | None = None
    origin: str = ""

    def in_words(self, **given: Any) -> str:
        """A sentence part that names the values used from here, those that are not ``given``."""
        taken = {
            name: values
            for name, values in (("mean", self.mean), ("std", self.std), ("size", self.size))
            if values is not None and given.get(name) is None
        }
        if not taken:
            return ""
        listed = [f"{name} ({', '.join(f'{n:.4g}' for n in v)})" for name, v in taken.items()]
        return f"{', '.join(listed)} read off its {self.origin}"


def carried(module: nn.Module) -> Carried:
    """The preprocessing that a module, or its part ``visual``, contains."""
    found = Carried()
    for origin, *values in _said(module):
        mean, std, size = _numbers(values[0]), _numbers(values[1]), _side(values[2])
        more = Carried(found.mean or mean, found.std or std, found.size or size, found.origin)
        if more != found:
            found = more._replace(origin=f"{found.origin}, {origin}".removeprefix(", "))
    return found


def _said(module: nn.Module) -> Iterator[tuple[str, Any, Any, Any]]:
    """The sources of mean, standard deviation and size in a module, the most reliable first."""
    for path, owner in (("", module), ("visual.", getattr(module, "visual", None))):
        for name, keys in _OF_A_MODULE.items():
            config = getattr(owner, name, None)
            yield f"{path}{name}", *(_value(config, key) for key in keys)
            for inner, inner_keys in _OF_A_CONFIG.items():
                values = (_value(_value(config, inner), key) for key in inner_keys)
                yield f"{path}{name}.{inner}", *values
        yield f"{path}image_size", None, None, getattr(owner, "image_size", None)


def _value(config: Any, name: str) -> Any:
    return config.get(name) if isinstance(config, Mapping) else getattr(config, name, None)


def _numbers(value: Any) -> Numbers | None:
    """The value as numbers, one per channel; None if it has another form."""
    found = [as_real(number) for number in items(value) or ()]
    return None if not found or None in found else tuple(float(n) for n in found if n is not None)


def _side(value: Any) -> tuple[int, int] | None:
    """(height, width), read from a side, (height, width) or (channels, height, width)."""
    side = as_whole(value)
    sides = [side, side] if side is not None else [as_whole(n) for n in items(value) or ()]
    whole = tuple(n for n in sides[-2:] if n is not None and n > 0)
    return (whole[0], whole[1]) if len(whole) == 2 else None
