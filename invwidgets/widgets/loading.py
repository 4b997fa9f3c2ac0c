"""A network and a photo loaded on a thread of their own: it may take seconds."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import BadSettingError, InvwidgetsError
from ..images import parse_size, read_photo, resize, to_uint8
from ..representations.base import Layer, Region, Representation
from ..representations.registry import representation
from ..selection import Selection
from .loop import Loop


@dataclass(frozen=True)
class LoadedModel:
    """What the controls need to know: the representation cut at a layer, its layers, the photo."""

    representation: Representation
    layers: tuple[Layer, ...]
    layer: str
    size: tuple[int, int]
    photo: NDArray[np.uint8]
    cut: float  # which share of the photo the crop leaves out


def load_model(
    photo: Any, model: Any, layer: str, weights: str, size: Any, crop: float, fallback: bool
) -> LoadedModel:
    """Load, cut and read; a layer that another network had gives way if ``fallback``."""
    phi = representation(model, weights=weights)
    wanted = parse_size(size) if size is not None else phi.size
    if phi.channels not in (1, 3):
        raise BadSettingError(
            f"{phi.name} takes images of {phi.channels} channels, and the panel shows those of 1 "
            "and 3: use invwidgets.invert, which takes arrays of any number of channels"
        )
    whole = read_photo(photo, channels=phi.channels)
    pixels = to_uint8(resize(whole, wanted, at=crop))
    layers = phi.layers(wanted)
    try:
        cut = phi.at(layer) if layer else phi
    except InvwidgetsError:
        if not fallback:
            raise
        cut = phi
    height, width = whole.shape[-2:]
    shape = height * wanted[1] / (width * wanted[0])
    name = cut.layer_info(wanted).short_name
    return LoadedModel(cut, layers, name, wanted, pixels, 1 - min(shape, 1 / shape))


def responses(loaded: LoadedModel, region: Region | None) -> Tensor:
    """The photo's features (C, h, w) or (D,), in the region."""
    photo = torch.from_numpy(loaded.photo).movedim(-1, 0).float() / 255
    photo = photo[: loaded.representation.channels]  # gray is drawn as three equal channels
    return Selection(region=region).of(loaded.representation.target(photo))[0]


class Loader:
    """One thread that loads, where the latest wish of a kind wins."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._executor = ThreadPoolExecutor(1, "invwidgets-load")
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
