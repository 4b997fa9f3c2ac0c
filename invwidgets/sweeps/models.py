"""The networks of jobs by name: of the registry, of timm, or a user's ``package:factory``.

>>> network("efficientnet_lite0", "pretrained").name
'efficientnet_lite0'

A process loads each network once. A worker that changes the layer only cuts it again.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import nn

from ..errors import InvwidgetsError, RepresentationError, UnknownNameError, own_words, shown
from ..representations.base import Representation
from ..representations.registry import representation


@lru_cache(maxsize=8)
def network(model: str, weights: str) -> Representation:
    """A model by its name, cut at its default layer; its method ``at`` cuts it at another layer.

    Raises ``UnknownNameError`` for an unknown name, and ``RepresentationError`` for a factory
    that returns no network.
    """
    if ":" not in model:
        return representation(model, weights=weights)
    made = _made(model)
    if isinstance(made, Representation):
        return made
    if isinstance(made, nn.Module):
        raise RepresentationError(
            f"model {shown(model)} gives a {type(made).__name__} without its preprocessing: let it "
            "return iw.representation(module, mean=(r, g, b), std=(r, g, b))"
        )
    raise RepresentationError(
        f"model {shown(model)} gives a {type(made).__name__}: let it return a representation, such "
        "as iw.representation(module, mean=(r, g, b), std=(r, g, b))"
    )


@lru_cache(maxsize=64)
def cut(model: str, weights: str, layer: str | None) -> Representation:
    """A model cut at a layer, by default at ``representation``'s; equal cuts are one object."""
    whole = network(model, weights)
    return whole if layer is None else whole.at(layer)


@lru_cache(maxsize=64)
def code_digest(model: str) -> str:
    """A digest of the file that defines a user's factory; empty for networks of this package."""
    if ":" not in model:
        return ""
    file = inspect.getsourcefile(importlib.import_module(model.split(":")[0]))
    content = Path(file).read_bytes() if file else b""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _made(model: str) -> Any:
    name, _, attribute = model.partition(":")
    where = "write package.module:function, which every worker can import"
    try:
        factory = getattr(importlib.import_module(name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownNameError(
            f"model {shown(model)} cannot be found ({own_words(error)}): {where}"
        ) from None
    if not callable(factory):
        raise UnknownNameError(f"model {shown(model)} is a {type(factory).__name__}: {where}")
    try:
        return factory()
    except InvwidgetsError:
        raise
    except Exception as error:
        raise RepresentationError(f"model {shown(model)}: {own_words(error)}") from error
