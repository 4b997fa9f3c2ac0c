"""The result of a run: images, errors, curves, and the settings that made it."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..energy.objectives import Objective, objective_of
from ..representations.base import note_of
from ..representations.descriptors.named import layer_in_words
from ..representations.receptive_fields.tracer import Box, ReceptiveField
from ..selection import Selection
from .metrics import WHOLE, lower_median, outliers
from .settings import InversionSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..representations.base import Representation
    from .judging import Judgment

KnobChange = tuple[int, str, Any]  # step, name, value


def steps_in_words(steps: int) -> str:
    """How many steps.

    >>> steps_in_words(1), steps_in_words(200)
    ('1 step', '200 steps')
    """
    return f"{steps} step{'s' * (steps != 1)}"


def no_frames() -> Tensor:
    """The frames of a run that kept none."""
    return torch.zeros(0, dtype=torch.uint8)


@dataclass(frozen=True, eq=False, repr=False)
class Reconstruction:
    """What a search ended in.

    >>> r = invert("coffee", layer="blocks.2", seeds=4)
    >>> r.relative_error, r.selection.describe(), r.settings.steps
    >>> r.gallery().savefig("coffee.png")
    >>> r.save("coffee.safetensors")

    S is the number of seeds; a tuple has a number for each. Equal are results of which every field
    is, bit by bit.

    Attributes
    ----------
    images : torch.Tensor
        (S, C, H, W) in [0, 1].
    photo : torch.Tensor or None
        (C, H, W) in [0, 1]; None where there was none.
    photo_name, model, weights, layer : str
        What it was made of; ``photo_name`` is "the target" where features were given, and
        ``weights`` is what a picture must say of the weights.
    selection : Selection
        The region and channels that were looked at.
    settings : InversionSettings
        All else that determined the run, resolved: device, precision, threads, batch, size too.
    scores : tuple of float
        What the objective tells a person, of the final images: relative errors, or responses by
        their reference.
    relative_error : tuple of float or None
        ‖M∘ΔΦ‖/‖M∘Φ₀‖ of the clipped images, un-squared, in float32; None where the objective does
        not aim at Φ₀.
    raw_relative_error : tuple of float or None
        The same of the iterate before it is clipped.
    psnr, ssim : tuple of float or None
        To the photo, in dB and up to 1, of what ``scored_on`` says; None without a photo.
    diversity : dict of str to float
        The mean distance between two seeds: ``"pixels"`` the root mean square difference in
        [0, 1], ``"features"`` ‖M∘ΔΦ‖/‖M∘Φ₀‖.
    energies : dict of str to torch.Tensor
        A term to its curve (steps, S), before each update; NaN where it was not computed.
    seconds : float
        Of search.
    steps : int
        How many were taken.
    stopped : bool
        Whether it ended before its last step.
    versions : dict of str to str
        Of invwidgets, torch and Python.
    digest : str
        What identifies the network's weights.
    knob_changes : tuple of (int, str, value)
        Step, name and value of each moved knob; ``replay`` moves them again.
    reverted : tuple of (int, int)
        Step and seed where a search diverged and went on from its best image, more slowly.
    frames : torch.Tensor
        (F, S, C, h, w) uint8, small pictures of at most 9 seeds, after ``frame_steps``.
    frame_steps : tuple of int
        The steps of the frames.
    receptive_field : ReceptiveField or None
        Of the region, in pixels; None without one.
    outside_variance : tuple of float or None
        The variance of the pixels outside the region's receptive field over that inside.
    scored_on : str
        ``"whole image"`` or ``"receptive field"``, and ``", gray values"`` where Φ sees only those.
    handcrafted : bool
        Φ is HOG or SIFT: figures stretch the images' contrast.
    feature_note : str
        What a picture must say of the features, such as that they are random.
    target : torch.Tensor or None
        Φ₀, (1, C, h, w) or (1, D), where it was given instead of a photo; None otherwise.

    References
    ----------
    CVPR15, section 5 and Table 1; IJCV16, section 4.
    """

    images: Tensor
    photo: Tensor | None
    photo_name: str
    model: str
    weights: str
    layer: str
    selection: Selection
    settings: InversionSettings
    scores: tuple[float, ...]
    relative_error: tuple[float, ...] | None
    raw_relative_error: tuple[float, ...] | None
    psnr: tuple[float, ...] | None
    ssim: tuple[float, ...] | None
    diversity: dict[str, float]
    energies: dict[str, Tensor]
    seconds: float
    steps: int
    stopped: bool
    versions: dict[str, str]
    digest: str
    knob_changes: tuple[KnobChange, ...] = ()
    reverted: tuple[tuple[int, int], ...] = ()
    frames: Tensor = field(default_factory=no_frames)
    frame_steps: tuple[int, ...] = ()
    receptive_field: ReceptiveField | None = None
    outside_variance: tuple[float, ...] | None = None
    scored_on: str = WHOLE
    handcrafted: bool = False
    feature_note: str = ""
    target: Tensor | None = None

    def __eq__(self, other: object) -> bool:
        """Whether every field is the same, bit by bit; NaN is like NaN."""
        if not isinstance(other, Reconstruction):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    __hash__ = None  # type: ignore[assignment]  # its tensors can be written to

    @property
    def seeds(self) -> tuple[int, ...]:
        return self.settings.seeds

    @property
    def objective(self) -> Objective:
        """What was asked of the features."""
        return objective_of(self.settings.objective)

    @property
    def field_box(self) -> Box | None:
        """A region's receptive field within the image; None where that is the whole image."""
        field = self.receptive_field
        height, width = self.images.shape[-2:]
        return None if field is None or field.covers((height, width)) else field.clipped

    @property
    def outliers(self) -> tuple[int, ...]:
        """The seeds that ended far above the others: more than 1.5 times the median relative error
        of all seeds (of two middle ones the lower), and 5 percentage points above it at least."""
        errors = self.relative_error or ()
        return tuple(self.seeds[place] for place in outliers(errors))

    @property
    def outlier_note(self) -> str:
        """What to say of the outliers, and what to do; empty if there are none."""
        if not self.outliers or self.relative_error is None:
            return ""
        errors = dict(zip(self.seeds, self.relative_error, strict=True))
        ended = " and ".join(
            f"{seed} ended at {100 * errors[seed]:.1f} %" for seed in self.outliers
        )
        rest = [error for seed, error in errors.items() if seed not in self.outliers]
        plural = len(self.outliers) > 1
        return (
            f"{'seeds' if plural else 'seed'} {ended}, far above the others "
            f"(median {100 * lower_median(rest):.1f} %): leave {'them' if plural else 'it'} out, "
            "or run more steps"
        )

    @property
    def silent(self) -> tuple[int, ...]:
        """The seeds that end without exciting their unit at all: a response of zero."""
        if not self.objective.needs_unit:
            return ()
        return tuple(
            seed for seed, score in zip(self.seeds, self.scores, strict=True) if score == 0
        )

    @property
    def silent_note(self) -> str:
        """What to say of seeds that do not excite their unit, and what to do; empty if all do."""
        if not self.silent:
            return ""
        numbers = ", ".join(map(str, self.silent))
        plural = len(self.silent) > 1
        return (
            f"{'seeds' if plural else 'seed'} {numbers} did not excite the unit: a rectified unit "
            "that is silent has no gradient to follow, so that the prior alone made "
            f"{'these images' if plural else 'this image'}; try other seeds, or the layer before "
            "the ReLU"
        )

    @property
    def note(self) -> str:
        """What a picture must say of the weights and the features; empty if that is nothing."""
        return note_of(self.weights, self.feature_note)

    @property
    def layer_in_words(self) -> str:
        """The layer as people call it in a sentence: HOG, not decompose; layer 2, not 2."""
        return layer_in_words(self.model, self.layer)

    def __repr__(self) -> str:
        said = [
            self.objective.title(self.layer_in_words, self.photo_name, self._channel),
            self.model,
        ]
        if self.note:
            said.append(self.note)
        count = len(self.images)
        said.append(f"{count} image{'s' * (count != 1)} after {steps_in_words(self.steps)}")
        if self.scores:
            best = (max if self.objective.higher_is_better else min)(self.scores)
            said.append(f"the best with {self.objective.score_text(best)}")
        return f"<Reconstruction: {', '.join(said)}>"

    def _repr_png_(self) -> bytes:
        """The gallery, where a notebook's cell ends with a result."""
        import io

        from ..figures.gallery import gallery_of

        file = io.BytesIO()
        gallery_of(self, scale=1.0).sheet.save(file, "png")
        return file.getvalue()

    @property
    def _channel(self) -> int | None:
        chosen = self.selection.channels
        return int(chosen[0]) if chosen else None

    def summary(self) -> dict[str, Any]:
        """The numbers and settings, ready for JSON."""
        return {
            "photo": self.photo_name if self.target is None else "",
            "model": self.model,
            "weights": self.weights,
            "note": self.note,
            "layer": self.layer,
            "selection": {
                "region": self.selection.region,
                "channels": self.selection.channels,
                "shown": self.selection.describe(),
            },
            "objective": self.objective.name,
            "seeds": list(self.seeds),
            "scores": _listed(self.scores),
            "relative_error": _listed(self.relative_error),
            "raw_relative_error": _listed(self.raw_relative_error),
            "psnr": _listed(self.psnr),
            "ssim": _listed(self.ssim),
            "scored_on": self.scored_on,
            "outliers": list(self.outliers),
            "silent": list(self.silent),
            "diversity": self.diversity,
            "outside_variance": _listed(self.outside_variance),
            "receptive_field": None
            if (field := self.receptive_field) is None
            else {"box": list(field.clipped), "covers_image": self.field_box is None},
            "energy": {k: [float(v) for v in e[-1]] for k, e in self.energies.items() if len(e)},
            "seconds": self.seconds,
            "steps": self.steps,
            "stopped": self.stopped,
            "reverted": [list(r) for r in self.reverted],
            "versions": self.versions,
            "digest": self.digest,
            "settings": self.settings.to_dict(),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything into one safetensors file: tensors, and JSON in its header.

        Raises ``OutputError`` if the place cannot be written.
        """
        from .archive import save

        save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Reconstruction:
        """A saved result back, without executing anything in it.

        Raises ``OutputError`` if the file is not a saved result.
        """
        from .archive import load

        return load(cls, path)

    def judged_by(self, judge: str | Representation) -> Judgment:
        """What another trained classifier says of the images, beside the photo.

        >>> invert("coffee", layer="blocks.4").judged_by("efficientnet_lite1").feature_distance
        (0.68, 0.70, 0.66, 0.71)

        The search finds images that its own network takes for the photo; another network tells
        whether they look like it. Raises ``BadSettingError`` for a result without a photo, for a
        judge that is no trained classifier, and for the network that was searched on.
        """
        from .judging import judged_by

        return judged_by(self, judge)

    def gallery(self, **options: Any) -> Figure:
        """The photo and every seed's image with its error, as a matplotlib figure."""
        from ..figures.gallery import gallery

        return gallery(self, **options)

    def curves(self) -> Figure:
        """Every term of the energy over the steps, on a log scale, as a matplotlib figure."""
        from ..figures.curves import curves

        return curves(self)

    def animation(self, path: str | os.PathLike[str], seconds: float = 4.0) -> None:
        """Write the run as a GIF, looped; needs ``settings.frames`` > 0."""
        from ..figures.animation import save_animation

        save_animation(self, path, seconds)


def _listed(values: tuple[float, ...] | None) -> list[float | None] | None:
    """Numbers for JSON, which knows no infinity."""
    return None if values is None else [v if math.isfinite(v) else None for v in values]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        alike = one.dtype == other.dtype and one.shape == other.shape
        return alike and torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other or (one != one and other != other))
