"""The function ``invert``, which takes a photo and returns a reconstruction."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Unpack

from torch import nn

from ..errors import BadSettingError, shown
from ..images import PhotoSource
from ..models.zoo import DEFAULT_MODEL
from ..representations.base import Representation
from .engine import Knobs, Step
from .options import RunOptions, lists_options
from .prepare import prepare
from .result import Reconstruction


@lists_options
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
    """Invert a layer: search for images whose features at the layer equal those of a photo.

    >>> r = invert("coffee", layer="blocks.2", seeds=4)
    >>> r.images.shape, max(r.relative_error) < 0.3
    (torch.Size([4, 3, 224, 224]), True)

    Parameters
    ----------
    <source>
    callback : callable, optional
        Called with every ``Step``; True stops the run, None or False continues it.
    knobs : callable, optional
        Called once per step; returns a dict of the changed knobs and their values. ``replay`` makes
        such a function.
    on_ready : callable, optional
        Called once with the number of steps, when everything is loaded and the search begins.
    <options>

    Returns
    -------
    Reconstruction
        Images, errors and curves, per seed. After an interrupt from the keyboard it has the images
        of the last step, and ``stopped`` is True.

    Raises
    ------
    InvwidgetsError
        For wrong arguments; the message names the given value, the possible ones and the remedy.

    References
    ----------
    CVPR15, equation 1; IJCV16, sections 2 and 3.
    """
    _check_function("callback", callback, "step")
    _check_function("knobs", knobs)
    _check_function("on_ready", on_ready, "steps")
    run = prepare(photo, model, layer, **options)
    if on_ready is not None:
        on_ready(run.settings.steps)
    return run.finish(callback, knobs)


def _check_function(name: str, given: object, *arguments: str) -> None:
    """Raise an error if ``given`` cannot be called with these arguments."""
    if given is None:
        return
    if not callable(given):
        raise BadSettingError(f"{name} {shown(given)}: give a function, or None")
    try:
        signature = inspect.signature(given)
    except (TypeError, ValueError):  # some functions written in C have no signature
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise BadSettingError(
            f"{name} {shown(given)} will be called as {name}({', '.join(arguments)}), but takes "
            f"other arguments ({error}): give a function that can be called like this"
        ) from None
