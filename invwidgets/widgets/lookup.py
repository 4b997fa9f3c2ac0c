"""A look at a network and a photo, on a thread of its own: loading may take seconds."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InvwidgetsError
from ..images import parse_size, read_photo, to_uint8
from ..representations.base import Layer, Region, Representation
from ..representations.registry import representation
from ..selection import Selection
from .layer_slider import find, good_layer, short_name
from .loop import Loop


@dataclass(frozen=True)
class Look:
    """What the controls need to know: the representation cut at a layer, its layers, the photo."""

    representation: Representation
    layers: tuple[Layer, ...]
    layer: str
    size: tuple[int, int]
    photo: NDArray[np.uint8]


def look(photo: Any, model: Any, layer: str, weights: str, size: Any, fallback: bool) -> Look:
    """Load, cut and read; a layer that another network had gives way if ``fallback``."""
    phi = representation(model, weights=weights)
    wanted = parse_size(size) if size is not None else phi.size
    pixels = to_uint8(read_photo(photo, wanted))
    layers = phi.layers(wanted)
    name = layer
    if not name:
        name = short_name(good_layer(layers))
    elif fallback:
        try:
            find(layers, name)
        except InvwidgetsError:
            name = short_name(good_layer(layers))
    cut = phi.at(name)
    return Look(cut, layers, short_name(cut.layer_info(wanted)), wanted, pixels)


def responses(looked: Look, photo: Any, region: Region | None) -> Tensor:
    """The photo's features (C, h, w) or (D,), in the region."""
    target = looked.representation.target(read_photo(photo, looked.size))
    return Selection(region=region).of(target)[0]


class Lookup:
    """One thread for looks, where the latest wish of a kind wins."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._executor = ThreadPoolExecutor(1, "invwidgets-look")
        self._latest: dict[str, int] = {}

    def ask(
        self,
        kind: str,
        work: Callable[[], Any],
        then: Callable[[Any], None],
        failed: Callable[[str], None],
    ) -> None:
        """Do ``work`` on the thread, and on the loop ``then`` with what came of it."""
        number = self._latest[kind] = self._latest.get(kind, 0) + 1

        def guarded() -> Any:
            return work() if self._latest[kind] == number else None

        def done(future: Future[Any]) -> None:
            if not future.cancelled():
                self._loop.call(deliver, future)

        def deliver(future: Future[Any]) -> None:
            if self._latest[kind] != number:
                return
            error = future.exception()
            if error is None:
                then(future.result())
            else:
                known = isinstance(error, InvwidgetsError)
                failed(str(error) if known else f"{type(error).__name__}: {error}")

        self._executor.submit(guarded).add_done_callback(done)

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
