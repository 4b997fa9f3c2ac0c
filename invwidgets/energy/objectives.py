"""The objectives of a search: functions of the features that the search minimizes.

Three are built in, from IJCV16 (section 2): inversion, activation maximization and caricature. An
objective gives one dimensionless energy per seed. The engine multiplies it by the data weight C and
adds the priors. A custom objective defines its energy:

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
    """The base class of objectives: an energy of the selected features that a search minimizes.

    >>> class Nearer(Objective):
    ...     def energy(self, features, target):
    ...         return (features - target).abs().flatten(1).mean(1)
    >>> invert("coffee", layer="blocks.2", objective=Nearer())

    A derived class must define ``energy``; the other methods and attributes have defaults. One
    object may serve several runs at the same time, so it must not store anything about a run. If
    only ``energy`` is needed, a plain function is enough. It is called as
    ``function(features, target)`` with the selected features of S images, (S, C, h, w) or (S, D) in
    float32, and those of the photo or of the given target, (1, C, h, w) or (1, D). It returns the
    energies (S,), one real number per image, differentiable in the features. The search minimizes
    them.

    >>> def nearer(features, target):
    ...     return (features - target).abs().flatten(1).mean(1)
    >>> invert("coffee", layer="blocks.2", objective=nearer)

    Attributes
    ----------
    goal : str
        Its title in a menu; if empty, its name.
    about : str
        A sentence below that menu that says what it searches for.
    needs_photo : bool
        Whether it compares with a photo's features.
    needs_unit : bool
        Whether it is about one channel, in the middle cell if no region is given.
    measures_error : bool
        Whether its aim is Φ = Φ₀, so that the feature error measures its success.
    wakes_units : bool
        Whether a silent ReLU unit gets the gradient of the layer before the ReLU.
    higher_is_better : bool
        Whether a higher score is better.
    leaves_target : bool
        Whether ``prepare`` and ``energy`` do not write to the target; otherwise each evaluation
        gets a copy.
    starts_at_photo : bool
        Whether every preset starts the search at the photo.

    References
    ----------
    IJCV16, section 2.
    """

    kind = "objective"
    remedy = "has energy(self, features, target), or a function of features and target"

    goal: str = ""
    """Its title in a menu; if empty, its name."""
    about: str = ""
    """A sentence below that menu that says what it searches for."""

    needs_photo: bool = True
    """Whether it compares with the features of a photo."""
    needs_unit: bool = False
    """Whether it is about one channel, in the middle cell if no region is given."""
    wakes_units: bool = False
    """Whether a silent ReLU unit gets the gradient of the layer before the ReLU."""
    measures_error: bool = False
    """Whether its aim is Φ = Φ₀, so that the feature error measures its success."""
    higher_is_better: bool = False
    """Whether a higher score is better."""
    leaves_target: bool = False
    """Whether ``prepare`` and ``energy`` do not write to the target; otherwise each evaluation gets
    a copy."""
    starts_at_photo: bool = False
    """Whether every preset starts the search at the photo."""

    @abstractmethod
    def energy(self, features: Tensor, target: Any) -> Tensor:
        """The energies (S,) of the selected features (S, C, h, w) or (S, D), in float32.

        They must be differentiable in the features.
        """

    def prepare(self, target: Tensor) -> Any:
        """The target as ``energy`` gets it: a tensor, or tensors in tuples, lists and dicts.

        It is computed once per run and copied for each evaluation. Raises ``SelectionError`` if
        the target leaves nothing to search for.
        """
        return target

    def reference(self, representation: Representation, selection: Selection) -> Tensor:
        """The reference that replaces the target features of an objective that needs no photo."""
        return torch.ones(1)

    def default_settings(self, layer: Layer, size: tuple[int, int]) -> dict[str, Any]:
        """The default settings that it changes, as plain values; ``size`` is (height, width)."""
        return {}

    def score(self, energy: Tensor) -> Tensor:
        """The score of each seed as it is reported to users, computed from the energy."""
        return energy

    def score_text(self, score: float) -> str:
        """The text of a score in a caption."""
        return f"energy {score:.3g}"

    def title(self, layer: str, photo: str, channel: int | None) -> str:
        """The heading of a gallery; ``channel`` is the first selected channel."""
        return f"{self.name} of {layer}" + (f" for {photo}" if photo else "")

    def outcome(self, layer: str, photo: str, channel: int | None, score: float) -> str:
        """A sentence about the score of the best image."""
        return f"The best image has {self.score_text(score)}."

    def aim(self, layer: str, photo: str, channel: int | None) -> str:
        """A sentence about what a run in progress is doing."""
        return f"Searching: {self.title(layer, photo, channel)} …"


class Inversion(Objective):
    """‖M∘(Φ − Φ₀)‖² / ‖M∘Φ₀‖², the normalized euclidean distance (CVPR15, equation 2).

    >>> objective = Inversion()
    >>> objective.energy(torch.zeros(2, 8, 4, 4), objective.prepare(torch.ones(1, 8, 4, 4)))
    tensor([1., 1.])
    """

    name = "inversion"
    goal = "reconstruct"
    about = "Find images with the same features as the photo."
    measures_error = True
    leaves_target = True

    def prepare(self, target: Tensor) -> tuple[Tensor, Tensor]:
        norm = target.square().sum()
        _check_finite(norm)
        if not norm > 0:
            raise SelectionError(
                "the target features are all zero, so there is nothing to invert: choose another "
                "region, other channels or another layer"
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
        return f"What {layer} keeps of {photo}"

    def outcome(self, layer: str, photo: str, channel: int | None, score: float) -> str:
        return f"Best image: {100 * score:.1f} % feature error at {layer}."

    def aim(self, layer: str, photo: str, channel: int | None) -> str:
        return f"Searching for images with the same features as {photo} at {layer} …"


class _Response(Objective):
    """The base class of objectives that raise a response, with scores relative to a reference."""

    higher_is_better = True
    leaves_target = True

    def score(self, energy: Tensor) -> Tensor:
        return -energy

    def score_text(self, score: float) -> str:
        return f"response ×{score:.2f}"


class Maximize(_Response):
    """Activation maximization: −⟨M, Φ⟩ / (|M|·Z), the mean response of a unit's selected cells.

    Z, the target, is the unit's largest response to some photos, as a tensor with one number.
    Source: IJCV16, section 2.2.
    """

    name = "maximize"
    about = "Find images that excite one channel as much as possible. No photo is needed."
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
                "excites it, so there is no reference for a response; choose another channel, or "
                "the layer before its ReLU"
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
            "start": "ijcv2016",  # with faint noise a ReLU unit is silent and has no gradient
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
    """Caricature: −⟨max(0, M∘Φ₀), Φ⟩ / ‖max(0, M∘Φ₀)‖², which raises the photo's active features.

    It is −1 at the photo, where the search starts. Source: IJCV16, section 2.3.
    """

    name = "caricature"
    starts_at_photo = True
    about = "Amplify the features that the photo excites."

    def prepare(self, target: Tensor) -> Tensor:
        excited = target.clamp_min(0)
        norm = excited.square().sum()
        _check_finite(norm)
        if not norm > 0:
            raise SelectionError(
                "the target has no positive feature, so there is nothing to caricature: choose "
                "another region, other channels or another layer"
            )
        return excited / norm

    def energy(self, features: Tensor, target: Tensor) -> Tensor:
        return -(features * target).flatten(1).sum(1)

    def default_settings(self, layer: Layer, size: tuple[int, int]) -> dict[str, Any]:
        return {
            "phases": [{"steps": 150, "lr": 4.0, "lr_end": 0.4, "jitter": _jitter(layer, size)}],
            "data_weight": 30.0,  # with IJCV16's 1 the prior dominates on some layers
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
    """An objective made from a plain function; ``text`` identifies the function.

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
    """The given objective; a plain function becomes a ``FunctionObjective``."""
    if callable(given) and not isinstance(given, type | Objective):
        return FunctionObjective(given)
    return given


def objective_of(given: str | Objective | EnergyFunction | SavedPart) -> Objective:
    """The objective that settings name, also if a file only contains its ``repr``."""
    if isinstance(given, SavedPart):  # enough to show its result
        return FunctionObjective(_not_saved, given.text)
    found: Objective = chosen(as_objective(given), OBJECTIVES, Objective)
    return found


def _not_saved(features: Tensor, target: Tensor) -> Tensor:
    raise CustomPartError("the file does not contain the code of its objective: give it again")


def _words_of(function: Any) -> str:
    if isinstance(function, torch.nn.Module):
        return in_full(function)
    name = getattr(function, "__qualname__", None)
    return f"{function.__module__}.{name}" if name else repr(function)


def largest_response(representation: Representation, selection: Selection) -> Tensor:
    """The largest response of a unit to the bundled photos, anywhere in its map.

    It replaces IJCV16's Z, the largest response to 1281 photos of ImageNet. Eight photos excite a
    unit less, so "× 3" here means three times the largest response to these eight photos. For
    images with neither 1 nor 3 channels, ``sample_images`` converts the photos.
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
            "the target features are too large, because the sum of their squares is not finite: "
            "scale the network's weights down, or choose an earlier layer"
        )


def _jitter(layer: Layer, size: tuple[int, int]) -> int:
    """Half of the layer's stride, in whole pixels."""
    return 0 if layer.stride is None else min(int(max(layer.stride)) // 2, min(size) // 8)
