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
    """Search for images whose features at a layer equal the photo's.

    >>> r = invert("coffee", layer="blocks.2", seeds=4)
    >>> r.images.shape, max(r.relative_error) < 0.3
    (torch.Size([4, 3, 224, 224]), True)

    Parameters
    ----------
    photo : str, path, bytes, PIL.Image.Image, numpy.ndarray or torch.Tensor, optional
        Anything ``read_photo`` takes; not needed with a ``target``, nor to maximize a channel.
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
    target : torch.Tensor, numpy.ndarray, str or path, optional
        The features to be found, instead of a photo: a tensor, an array or a file (.npy,
        .safetensors) of the layer's own shape, with or without a batch of one, of a transformer
        also tokens (N, D).
    weights, mean, std, forward_kwargs
        As ``representation`` takes them.
    region, channels
        What of the features to invert, as ``select`` takes them; all by default. To maximize, the
        one channel, in the cell in the middle if no region is given.
    seeds : int or sequence of int
        How many random starts (seeds 0 …), or which.
    steps : int
        In all; the preset's phases are stretched or shrunk to them.
    size : int, (height, width) or str, optional
        Of the images in pixels; the network's own by default.
    fit : str
        How a photo comes to that size: ``"crop"`` or ``"stretch"``.
    preset : str
        Where all other settings come from: ``"default"``, ``"cvpr2015"`` or ``"ijcv2016"``.
    objective : str, Objective or callable
        ``"inversion"``, ``"maximize"``, ``"caricature"``, or one of your own, such as a function
        of the selected features (S, …) and the photo's (1, …) that gives one number for each seed;
        see ``Objective``.
    settings : InversionSettings, optional
        Whole settings instead of a preset, such as those of a result, with their objective, size
        and seeds.
    optimizer : str or Optimizer
        The update rule: ``"multiscale-adam"``, ``"adam"``, ``"momentum"``, ``"adagrad-momentum"``,
        or one of your own.
    parametrization : str or Parametrization
        What is searched in: ``"pixels"``, ``"fourier"``, or one of your own.
    priors : Prior or sequence of Prior
        Of your own, beside the α-norm and the total variation.
    phases : sequence of Phase
        The steps, their rates and their jitter, instead of the preset's.
    data_weight : float
        C, the weight of the objective.
    alpha, alpha_weight, alpha_kind
        The exponent of the α-norm, its weight λ_α, and whether it is taken of each ``"pixel"`` or
        of each ``"element"``.
    beta, tv_weight : float
        The exponent of the total variation, and its weight λ_V.
    tv_chroma : float
        How many times the total variation of the colors alone is added.
    tv_boost, tv_ramp : float
        How many times larger λ_V begins, and over how many steps it falls to its value.
    bound : float, str or None
        The largest norm of a pixel of the iterate; ``"picture"`` keeps every pixel displayable,
        None bounds nothing.
    start : str
        ``"noise"``, the papers' ``"cvpr2015"`` or ``"ijcv2016"``, or ``"photo"``.
    center : (float, ...) or None
        The color in [0, 1] where the iterate is zero; None takes the network's mean.
    image_energy : float
        σ² of CVPR15, in squared 0-255 units.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"`` or ``"xpu"``.
    precision : str
        ``"auto"``, ``"float32"`` or ``"bfloat16"``.
    threads : int or None
        CPU threads; None finds out how many are worth having.
    micro_batch : int or None
        How many seeds make a batch; None goes by memory and threads.
    frames : int
        How many pictures of the run are kept for its animation.

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
