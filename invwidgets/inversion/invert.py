"""One call: a photo in, a reconstruction out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

from torch import nn

from ..errors import BadSettingError, shown
from ..images import PhotoSource
from ..models.zoo import DEFAULT_MODEL
from ..representations.base import Representation
from .engine import Knobs, Step
from .prepare import RunOptions, prepare
from .result import Reconstruction


def invert(
    photo: PhotoSource | None = None,
    model: str | nn.Module | Representation = DEFAULT_MODEL,
    layer: str | None = None,
    *,
    callback: Callable[[Step], Any] | None = None,
    knobs: Knobs | None = None,
    on_ready: Callable[[int], Any] | None = None,
    **options: Unpack[RunOptions],
) -> Reconstruction:
    """Search for images whose features at a layer equal the photo's.

    >>> r = invert("coffee", layer="blocks.2", seeds=4)
    >>> r.images.shape, max(r.relative_error) < 0.3
    (torch.Size([4, 3, 224, 224]), True)

    Parameters
    ----------
    photo: anything ``read_photo`` takes; not needed to maximise a unit.
    model, layer, weights, mean, std: as ``representation`` takes them.
    region, channels: the selection, as ``select`` takes them; or ``selection``, as it returns it.
    seeds: how many random starts (seeds 0 …), or a list of seeds.
    steps: in all; the preset's own number by default.
    size: pixels, a side or (height, width); the network's own by default.
    fit: ``"crop"`` or ``"stretch"`` the photo to the size.
    preset: ``"default"``, ``"cvpr2015"`` or ``"ijcv2016"``; or give whole ``settings``, which have
        their objective and seeds.
    objective: ``"inversion"``, ``"maximise"`` (with ``unit="LAYER:CHANNEL"``), ``"caricature"``,
        or an ``Objective`` of your own; so ``optimizer``, ``parametrization`` and ``priors``.
    callback: called with every ``Step``; a true answer stops the run.
    knobs: as the engine takes them.
    on_ready: called once with the number of steps, when all is loaded and the search begins.
    Further keywords change single settings, such as ``tv_weight=0.1`` or ``beta=1.5``.

    Interrupted from the keyboard, it returns what was reached, with ``stopped`` set.

    Raises ``InvwidgetsError`` with what was given, what there is, and the remedy.
    Source: CVPR15, equation 1; IJCV16, sections 2 and 3.
    """
    for name, given in (("callback", callback), ("knobs", knobs), ("on_ready", on_ready)):
        if given is not None and not callable(given):
            raise BadSettingError(f"{name} {shown(given)}: give a function, or None")
    run = prepare(photo, model, layer, **options)
    if on_ready is not None:
        on_ready(run.settings.steps)
    return run.finish(callback, knobs)
