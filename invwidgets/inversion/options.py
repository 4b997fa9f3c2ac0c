"""The keyword arguments of a run, listed and explained once for Python, the shell and the widgets.

>>> sorted(RunOptions.__annotations__)[:3]
['alpha', 'alpha_kind', 'alpha_weight']
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..energy.objectives import EnergyFunction, Objective
from ..errors import unknown_name
from ..images import Size
from ..models.spec import Numbers
from ..representations.base import Region
from ..representations.targets import TargetSource
from ..selection import ChannelSpec
from .settings import InversionSettings, SettingChanges

Seeds = int | list[int] | tuple[int, ...] | range
_Function = TypeVar("_Function", bound=Callable[..., Any])


class RunOptions(SettingChanges, total=False):
    """The keyword arguments of ``invert``, ``prepare`` and ``Session.start``.

    The parameters are explained here once, together with the three positional ones.
    ``lists_options`` copies the explanations into the docstrings of these functions.

    Parameters
    ----------
    photo : str, path, bytes, PIL.Image.Image, numpy.ndarray or torch.Tensor, optional
        The photo: the name of a bundled one, a path, the bytes of a file, a picture, an array
        (H, W, 3) or a tensor (3, H, W), of uint8, uint16 or floats in [0, 1]. It is not needed with
        a ``target`` or to maximize a channel.
    model : str, torch.nn.Module or Representation
        A name from ``list_models()``, ``"timm/NAME"``, your own module (with ``mean`` and
        ``std``), or a representation.
    layer : str, optional
        The name of the layer to invert. By default the network's output if it is a map; for a
        network that ends in a vector, such as a classifier, a stage at about a third of its depth;
        for a representation its own layer.
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
        The channels to invert: indices, a slice, a mask, or text such as ``"0,3,8:16"``,
        ``"group:2/4"`` (the second of four equal groups) or ``"color:top"`` (the more colorful
        half); all by default. To maximize, the one channel to maximize.
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
    """

    target: TargetSource | None
    weights: str | os.PathLike[str]
    mean: float | Numbers | None
    std: float | Numbers | None
    forward_kwargs: Mapping[str, Any] | None
    region: str | Region | None
    channels: ChannelSpec
    seeds: Seeds | None
    steps: int | None
    size: Size | str | None
    fit: str | None
    preset: str
    objective: str | Objective | EnergyFunction | None
    settings: InversionSettings | None


class _Preset:
    """The default value, in a signature, of an argument that the preset sets."""

    def __repr__(self) -> str:
        return "<the preset's>"


DEFAULTS: Mapping[str, Any] = {
    **dict.fromkeys(RunOptions.__annotations__, _Preset()),
    **dict.fromkeys(
        ("target", "mean", "std", "forward_kwargs", "region", "channels", "size", "settings")
    ),
    "weights": "pretrained",
    "seeds": 4,
    "fit": "crop",
    "preset": "default",
    "objective": "inversion",
    "device": "auto",
    "precision": "auto",
    "frames": 24,
}
"""The default value of each argument, as signatures and help show it."""


def lists_options(function: _Function) -> _Function:
    """A decorator that shows every keyword of ``RunOptions`` in a function's signature and help.

    In its docstring the line ``<source>`` is replaced by the explanations of photo, model and
    layer, and the line ``<options>`` by those of the keywords.
    """
    written = inspect.signature(function)
    own = [p for p in written.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    kind = inspect.Parameter.KEYWORD_ONLY
    listed = [
        inspect.Parameter(name, kind, default=DEFAULTS[name], annotation=_words(annotation))
        for name, annotation in _in_order()
    ]
    function.__signature__ = written.replace(parameters=[*own, *listed])  # type: ignore[attr-defined]
    function.__doc__ = _with_explanations(inspect.getdoc(function) or "")
    return function


def _with_explanations(docstring: str) -> str:
    """A docstring with the explanations of ``RunOptions`` in place of its two marks."""
    explained = (inspect.getdoc(RunOptions) or "").partition("----------\n")[2]
    source, target, options = explained.partition("target : ")
    for mark, text in (("<source>", source), ("<options>", target + options)):
        docstring = docstring.replace(mark, text.rstrip())
    return docstring


def check_options(options: Mapping[str, Any]) -> None:
    """Raise ``UnknownNameError`` for an unknown keyword, with a list of the known ones."""
    for name in options:
        if name not in RunOptions.__annotations__:
            raise unknown_name("setting", name, [*RunOptions.__annotations__])


def _in_order() -> list[tuple[str, Any]]:
    """The keywords with their types: model and selection first, single settings last."""
    every = RunOptions.__annotations__
    settings = SettingChanges.__annotations__
    first = [name for name in every if name not in settings]
    return [(name, every[name]) for name in (*first, *settings)]


def _words(annotation: Any) -> Any:
    return getattr(annotation, "__forward_arg__", annotation)
