"""What is asked of the features: one energy per seed, dimensionless, to be made small.

Three of IJCV16 (section 2): inversion, activation maximization and caricature. The engine
multiplies them by the data weight C and adds the priors. An own one says its energy:

    >>> class Texture(Objective):  # the features' correlations, wherever they are
    ...     def energy(self, features, target):
    ...         return (gram(features) - gram(target)).square().flatten(1).mean(1)
    >>> def gram(maps):
    ...     return maps.flatten(2) @ maps.flatten(2).mT / maps[0, 0].numel()
    >>> invert("coffee", layer="blocks.1", objective=Texture())
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import CustomPartError, SelectionError
from ..images import sample_images
from ..representations.base import Layer, Representation
from ..representations.caching import cached
from ..selection import Selection
from ..swappable import Part, SavedPart, chosen, in_full


class Objective(Part):
    """What is asked of the selected features; derive from it to ask something else.

    >>> class Nearer(Objective):
    ...     def energy(self, features, target):
    ...         return (features - target).abs().flatten(1).mean(1)
    >>> invert("coffee", layer="blocks.2", objective=Nearer())

    ``energy`` must be written; the other methods and attributes have defaults. One object serves
    many runs, at the same time too: it keeps nothing of a run. A plain function does where only
    ``energy`` is needed: it is called as ``function(features, target)`` with the selected features
    of S images, (S, C, h, w) or (S, D) in float32, and those of the photo or of the given target,
    (1, C, h, w) or (1, D). It returns the energies (S,), one real number for each image,
    differentiable in the features and to be made small.

    >>> def nearer(features, target):
    ...     return (features - target).abs().flatten(1).mean(1)
    >>> invert("coffee", layer="blocks.2", objective=nearer)

    Attributes
    ----------
    goal : str
        What a menu calls it; its name where it is empty.
    about : str
        What it asks for, in a sentence beneath that menu.
    needs_photo : bool
        It compares with a photo's features.
    needs_unit : bool
        It is asked of one channel, in the cell in the middle if no region is named.
    measures_error : bool
        Its end is Φ = Φ₀, so that the relative error says how near an image came.
    wakes_units : bool
        A rectified unit that is silent is given the gradient of what is rectified.
    higher_is_better : bool
        A higher score is a better one.
    leaves_target : bool
        ``prepare`` and ``energy`` leave the target as it is; else each evaluation has a copy.
    starts_at_photo : bool
        Every preset starts the search at the photo itself.

    References
    ----------
    IJCV16, section 2.
    """

    kind = "objective"
    remedy = "has energy(self, features, target), or a function of features and target"

    goal: str = ""
    """What a menu calls it; its name where it is empty."""
    about: str = ""
    """What it asks for, in a sentence beneath that menu."""

    needs_photo: bool = True
    """Whether it compares with a photo's features."""
    needs_unit: bool = False
    """Whether it is asked of one channel, in the cell in the middle if no region is named."""
    wakes_units: bool = False
    """Whether a rectified unit that is silent is given the gradient of what is rectified."""
    measures_error: bool = False
    """Whether its end is Φ = Φ₀, so that the relative error says how near an image came."""
    higher_is_better: bool = False
    """Whether a higher score is a better one."""
    leaves_target: bool = False
    """Whether ``prepare`` and ``energy`` leave the target as it is; else each evaluation has a copy
    of it."""
    starts_at_photo: bool = False
    """Whether every preset starts the search at the photo itself."""

    @abstractmethod
    def energy(self, features: Tensor, target: Any) -> Tensor:
        """(S,), differentiable, of the selected features (S, C, h, w) or (S, D), in float32."""

    def prepare(self, target: Tensor) -> Any:
        """What ``energy`` is given as its target; found once a run, and copied for each evaluation:
        a tensor, or tuples, lists and dicts of them.

        Raises ``SelectionError`` where there is nothing to ask for.
        """
        return target

    def reference(self, representation: Representation, selection: Selection) -> Tensor:
        """What stands for the target features where none is needed."""
        return torch.ones(1)

    def default_settings(self, layer: Layer, size: tuple[int, int]) -> dict[str, Any]:
        """What it changes of our default settings, as plain values; ``size`` is (height, width)."""
        return {}

    def score(self, energy: Tensor) -> Tensor:
        """What a person is told, per seed."""
        return energy

    def score_text(self, score: float) -> str:
        """A score in a caption."""
        return f"energy {score:.3g}"

    def title(self, layer: str, photo: str, channel: int | None) -> str:
        """What a gallery's heading says was done; ``channel`` is the first one selected."""
        return f"{self.name} of {layer}" + (f" for {photo}" if photo else "")

    def outcome(self, layer: str, photo: str, channel: int | None, score: float) -> str:
        """What the best image came to, in a sentence."""
        return f"The best image has {self.score_text(score)}."

    def aim(self, layer: str, photo: str, channel: int | None) -> str:
        """What a run under way is doing."""
        return f"Searching: {self.title(layer, photo, channel)} …"


class Inversion(Objective):
    """‖M∘(Φ − Φ₀)‖² / ‖M∘Φ₀‖², the normalized euclidean distance (CVPR15, equation 2).

    >>> objective = Inversion()
    >>> objective.energy(torch.zeros(2, 8, 4, 4), objective.prepare(torch.ones(1, 8, 4, 4)))
    tensor([1., 1.])
    """

    name = "inversion"
    goal = "reconstruct"
    about = "Find images that the layer cannot tell from the photo."
    measures_error = True
    leaves_target = True

    def prepare(self, target: Tensor) -> tuple[Tensor, Tensor]:
        norm = target.square().sum()
        _check_finite(norm)
        if not norm > 0:
            raise SelectionError(
                "the target features are all zero: nothing to invert; choose another region, "
                "other channels or another layer"
            )
        return target, 1 / norm

    def energy(self, features: Tensor, target: tuple[Tensor, Tensor]) -> Tensor:
        wanted, scale = target
        return (features - wanted).square().sum(tuple(range(1, features.ndim))) * scale

    def score(self, energy: Tensor) -> Tensor:
        return energy.clamp_min(0).sqrt()

    def score_text(self, score: float) -> str:
        return f"error {100 * score:.1f} %"

    def title(self, layer: str, photo: str, channel: int | None) -> str:
        return f"What {layer} still knows of {photo}"

    def outcome(self, layer: str, photo: str, channel: int | None, score: float) -> str:
        return f"As {layer} sees them, the best image and {photo} differ by {100 * score:.1f} %."

    def aim(self, layer: str, photo: str, channel: int | None) -> str:
        return f"Searching for images that {layer} cannot tell from {photo} …"


class _Response(Objective):
    """What raises a response: the score is how many times the reference it is."""

    higher_is_better = True
    leaves_target = True

    def score(self, energy: Tensor) -> Tensor:
        return -energy

    def score_text(self, score: float) -> str:
        return f"response ×{score:.2f}"


class Maximize(_Response):
    """−⟨M, Φ⟩ / (|M|·Z): the mean response of the selected cells of a unit, by its largest.

    Z, the target, is the unit's largest response over some photos, as a tensor of one number.
    Source: IJCV16, section 2.2 (activation maximization).
    """

    name = "maximize"
    about = "Find images that excite one channel most. No photo is needed."
    needs_photo = False
    needs_unit = True
    wakes_units = True

    def prepare(self, target: Tensor) -> Tensor:
        return 1 / target.flatten()[0].abs().clamp_min(1e-12)

    def energy(self, features: Tensor, target: Tensor) -> Tensor:
        return -features.flatten(1).mean(1) * target

    def reference(self, representation: Representation, selection: Selection) -> Tensor:
        largest = largest_response(representation, selection)
        if not float(largest):
            channel = (selection.channels or (0,))[0]
            raise SelectionError(
                f"channel {channel} of layer {representation.layer}: none of the bundled photos "
                "excites it, so that there is nothing to compare a response with; choose another "
                "channel, or the layer before its ReLU"
            )
        return largest

    def default_settings(self, layer: Layer, size: tuple[int, int]) -> dict[str, Any]:
        return {
            "phases": [{"steps": 250, "lr": 6.0, "lr_end": 0.3, "jitter": _jitter(layer, size)}],
            "data_weight": 3.0,
            "alpha": 6.0,
            "alpha_weight": 1.0,
            "tv_weight": 1.0,
            "tv_boost": 1.0,
            "bound": 160.0,
            "start": "ijcv2016",  # faint noise leaves a rectified unit silent, without a gradient
        }

    def title(self, layer: str, photo: str, channel: int | None) -> str:
        return f"What excites channel {channel or 0} of {layer}"

    def outcome(self, layer: str, photo: str, channel: int | None, score: float) -> str:
        return (
            f"The best image excites channel {channel or 0} of {layer} {score:.2f} times as much "
            "as the most exciting place of the bundled photos."
        )

    def aim(self, layer: str, photo: str, channel: int | None) -> str:
        return f"Searching for images that excite channel {channel or 0} of {layer} …"


class Caricature(_Response):
    """−⟨max(0, M∘Φ₀), Φ⟩ / ‖max(0, M∘Φ₀)‖²: raise what the photo already excites.

    It is −1 at the photo itself, where the search starts. Source: IJCV16, section 2.3.
    """

    name = "caricature"
    starts_at_photo = True
    about = "Exaggerate what the layer sees in the photo."

    def prepare(self, target: Tensor) -> Tensor:
        excited = target.clamp_min(0)
        norm = excited.square().sum()
        _check_finite(norm)
        if not norm > 0:
            raise SelectionError(
                "the target excites nothing: there is nothing to caricature; choose another "
                "region, other channels or another layer"
            )
        return excited / norm

    def energy(self, features: Tensor, target: Tensor) -> Tensor:
        return -(features * target).flatten(1).sum(1)

    def default_settings(self, layer: Layer, size: tuple[int, int]) -> dict[str, Any]:
        return {
            "phases": [{"steps": 150, "lr": 4.0, "lr_end": 0.4, "jitter": _jitter(layer, size)}],
            "data_weight": 30.0,  # at IJCV16's 1 the prior wins: the response falls on some layers
            "alpha": 6.0,
            "alpha_weight": 0.1,
            "tv_weight": 0.3,
            "tv_boost": 1.0,
        }

    def title(self, layer: str, photo: str, channel: int | None) -> str:
        return f"What {layer} sees in {photo}, raised"

    def outcome(self, layer: str, photo: str, channel: int | None, score: float) -> str:
        return f"The best image excites {layer} {score:.2f} times as much as {photo} does."

    def aim(self, layer: str, photo: str, channel: int | None) -> str:
        return f"Raising what {layer} sees in {photo} …"


OBJECTIVES: Mapping[str, type[Objective]] = {
    kind.name: kind for kind in (Inversion, Maximize, Caricature)
}


EnergyFunction = Callable[[Tensor, Tensor], Tensor]


class FunctionObjective(Objective):
    """A function of features and target as an objective; ``text`` is what says which it is.

    >>> FunctionObjective(torch.nn.functional.l1_loss).name
    'l1_loss'
    """

    def __init__(self, function: EnergyFunction, text: str = "") -> None:
        self._function, self._text = function, text or _words_of(function)

    @property
    def name(self) -> str:
        return self._text.partition("(")[0].rpartition(".")[2]

    def __repr__(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FunctionObjective) and self._function is other._function

    def __hash__(self) -> int:
        return id(self._function)

    def energy(self, features: Tensor, target: Any) -> Tensor:
        return self._function(features, target)


def as_objective(given: Any) -> Any:
    """What was given, but a function as an objective."""
    if callable(given) and not isinstance(given, type | Objective):
        return FunctionObjective(given)
    return given


def objective_of(given: str | Objective | EnergyFunction | SavedPart) -> Objective:
    """The objective that a run's settings name, also where a file only knows its ``repr``."""
    if isinstance(given, SavedPart):  # enough to show its result
        return FunctionObjective(_not_saved, given.text)
    found: Objective = chosen(as_objective(given), OBJECTIVES, Objective)
    return found


def _not_saved(features: Tensor, target: Tensor) -> Tensor:
    raise CustomPartError("this objective is not in the file: give it again")


def _words_of(function: Any) -> str:
    if isinstance(function, torch.nn.Module):
        return in_full(function)
    name = getattr(function, "__qualname__", None)
    return f"{function.__module__}.{name}" if name else repr(function)


def largest_response(representation: Representation, selection: Selection) -> Tensor:
    """The unit's largest response to the bundled photos, anywhere in its map.

    It stands for IJCV16's Z, the largest over 1281 photos of ImageNet: eight photos hold less of
    what a unit looks for, so that "× 3" here means three times the most that these eight excite.
    Where images have neither 1 nor 3 channels, ``sample_images`` makes them of the photos.
    """
    channels = Selection(channels=selection.channels)

    def find() -> Tensor:
        responses = [
            channels.of(representation.target(image)).max()
            for image in sample_images(representation.size, representation.channels)
        ]
        return torch.stack(responses).max().reshape(1)

    return cached(representation, ("largest response", channels), find)


def _check_finite(norm: Tensor) -> None:
    if not bool(torch.isfinite(norm)):
        raise SelectionError(
            "the target features are too large: the sum of their squares is no finite number; "
            "scale the network's weights down, or choose an earlier layer"
        )


def _jitter(layer: Layer, size: tuple[int, int]) -> int:
    """Half of the layer's stride, in whole pixels."""
    return 0 if layer.stride is None else min(int(max(layer.stride)) // 2, min(size) // 8)
