"""One call: a photo in, a reconstruction out."""

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
    photo : str, path, bytes, PIL.Image.Image, numpy.ndarray or torch.Tensor, optional
        Anything ``read_photo`` takes; not needed with a ``target``, nor to maximise a unit.
    model : str, torch.nn.Module or Representation
        A name of ``list_models()``, ``"timm/NAME"``, a module of your own (with ``mean`` and
        ``std``), or what ``representation`` returns.
    layer : str, optional
        Where the network is cut; by default as in ``representation``.
    callback : callable, optional
        Called with every ``Step``; True stops the run, None or False lets it go on.
    knobs : callable, optional
        Read once a step: a mapping of the knobs that moved to their values. ``replay`` makes one.
    on_ready : callable, optional
        Called once with the number of steps, when all is loaded and the search begins.
    **options
        What and where: ``target``, the features to be found, instead of a photo: a tensor, an
        array or a file (.npy, .safetensors) of the layer's own shape, with or without a batch of
        one, of a transformer also tokens (N, D); ``weights``, ``mean``, ``std`` and
        ``forward_kwargs`` as ``representation`` takes them; ``region`` and ``channels`` as
        ``select`` takes them, or ``selection``, as it returns it; ``unit="LAYER:CHANNEL"``, to
        maximise. How: ``seeds`` (how many, or a list of them),
        ``steps`` in all, ``size`` in pixels (a side or (height, width); the network's own by
        default), ``fit`` (``"crop"`` or ``"stretch"``), ``preset`` (``"default"``,
        ``"cvpr2015"`` or ``"ijcv2016"``), ``objective`` (``"inversion"``, ``"maximise"``,
        ``"caricature"`` or an ``Objective``), or whole ``settings``. Every other field of
        ``InversionSettings`` too, such as ``tv_weight=0.1`` or ``priors=[…]``.

    Returns
    -------
    Reconstruction
        Images, errors and curves, per seed. Interrupted from the keyboard, it is of what was
        reached, with ``stopped`` set.

    Raises
    ------
    InvwidgetsError
        With what was given, what there is, and the remedy.

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
    """Refuse what cannot be called with the arguments that it will be called with."""
    if given is None:
        return
    if not callable(given):
        raise BadSettingError(f"{name} {shown(given)}: give a function, or None")
    try:
        signature = inspect.signature(given)
    except (TypeError, ValueError):  # some functions written in C do not say
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise BadSettingError(
            f"{name} {shown(given)} is called as {name}({', '.join(arguments)}) and takes other "
            f"arguments ({error}): give a function that can be called so"
        ) from None
