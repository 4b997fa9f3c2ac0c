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
    photo : str, path, bytes, PIL.Image.Image, numpy.ndarray or torch.Tensor, optional
        The photo, as for ``read_photo``; not needed with a ``target`` or to maximize a channel.
    model : str, torch.nn.Module or Representation
        A name from ``list_models()``, ``"timm/NAME"``, your own module (with ``mean`` and
        ``std``), or a representation.
    layer : str, optional
        The layer to invert; by default the one that ``representation`` chooses.
    callback : callable, optional
        Called with every ``Step``; True stops the run, None or False continues it.
    knobs : callable, optional
        Called once per step; returns a dict of the changed knobs and their values. ``replay`` makes
        such a function.
    on_ready : callable, optional
        Called once with the number of steps, when everything is loaded and the search begins.
    target : torch.Tensor, numpy.ndarray, str or path, optional
        The features to search for, instead of a photo: a tensor, an array or a file (.npy,
        .safetensors) with the shape of the layer, with or without a batch axis of 1. Transformers
        also accept tokens (N, D).
    weights : str or path
        ``"pretrained"``, ``"random"`` (seeded), or the path of a state dict.
    mean, std : float or (float, ...), optional
        The preprocessing of your own module: for images in [0, 1], one number per channel.
    forward_kwargs : dict, optional
        Further arguments of your own module's forward, by name.
    region : str or (int, int, int, int), optional
        The cells to invert: ``"R0:R1,C0:C1"`` or (r0, r1, c0, c1), half-open; all by default. To
        maximize, the middle cell by default.
    channels : str, int, slice or sequence, optional
        The channels to invert, as for ``select``, such as ``"0,3,8:16"``; all by default. To
        maximize, the one channel to maximize.
    seeds : int or sequence of int
        The number of random starts (seeds 0 …), or a list of seeds.
    steps : int
        The total number of steps; the preset's phases are scaled to it.
    size : int, (height, width) or str, optional
        The size of the images in pixels; by default the network's.
    fit : str
        How a photo is brought to that size: ``"crop"`` or ``"stretch"``.
    preset : str
        The source of all other settings: ``"default"``, ``"cvpr2015"`` or ``"ijcv2016"``.
    objective : str, Objective or callable
        What the search minimizes: ``"inversion"``, ``"maximize"``, ``"caricature"``, or a custom
        one, such as a function of the selected features (S, …) and the photo's (1, …) that returns
        one number per seed; see ``Objective``.
    settings : InversionSettings, optional
        Complete settings instead of a preset, such as those of a result; they include objective,
        size and seeds.
    optimizer : str or Optimizer
        The update rule: ``"multiscale-adam"``, ``"adam"``, ``"momentum"``, ``"adagrad-momentum"``,
        or a custom one.
    parametrization : str or Parametrization
        The variables of the search: ``"pixels"``, ``"fourier"``, or a custom parametrization.
    priors : Prior or sequence of Prior
        Custom priors, in addition to the α-norm and the total variation.
    phases : sequence of Phase
        The phases of the run (steps, learning rate, jitter), instead of the preset's.
    data_weight : float
        C, the weight of the objective.
    alpha, alpha_weight, alpha_kind
        The exponent of the α-norm, its weight λ_α, and whether it is the norm of each ``"pixel"``
        or of each ``"element"``.
    beta, tv_weight : float
        The exponent of the total variation, and its weight λ_V.
    tv_chroma : float
        The weight of an extra total variation of the colors alone, relative to λ_V.
    tv_boost, tv_ramp : float
        The factor by which λ_V is larger at the start, and the number of steps in which it falls
        to its value.
    bound : float, str or None
        The largest norm of a pixel of the iterate; ``"picture"`` keeps every pixel displayable,
        None sets no limit.
    start : str
        ``"noise"``, the papers' ``"cvpr2015"`` or ``"ijcv2016"``, or ``"photo"``.
    center : (float, ...) or None
        The color in [0, 1] where the iterate is zero; None means the network's mean.
    image_energy : float
        σ² of CVPR15, the squared norm of its start, in squared 0-255 units.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"`` or ``"xpu"``.
    precision : str
        ``"auto"``, ``"float32"`` or ``"bfloat16"``.
    threads : int or None
        CPU threads; None measures how many are fastest.
    micro_batch : int or None
        The number of seeds per batch; None chooses it by memory and threads.
    frames : int
        The number of pictures of the run that are kept for its animation.

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
