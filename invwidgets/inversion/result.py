"""The result of a run: images, errors, curves, and the settings that determined it."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..energy.objectives import Objective, objective_of
from ..representations.base import joined_notes
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
    """A number of steps in words.

    >>> steps_in_words(1), steps_in_words(200)
    ('1 step', '200 steps')
    """
    return f"{steps} step{'s' * (steps != 1)}"


def no_frames() -> Tensor:
    """An empty tensor of frames."""
    return torch.zeros(0, dtype=torch.uint8)


@dataclass(frozen=True, eq=False, repr=False)
class Reconstruction:
    """The result of a search: the images of all seeds, their errors, and the settings.

    >>> r = invert("coffee", layer="blocks.2", seeds=4)
    >>> r.relative_error, r.selection.describe(), r.settings.steps
    >>> r.gallery().savefig("coffee.png")
    >>> r.save("coffee.safetensors")

    S is the number of seeds; tuples have one number per seed. Two results are equal if all their
    fields are equal bit by bit.

    Attributes
    ----------
    images : torch.Tensor
        The images of the seeds, (S, C, H, W) in [0, 1].
    photo : torch.Tensor or None
        The photo, (C, H, W) in [0, 1]; None if there was none.
    photo_name, model, weights, layer : str
        The names of photo, network, weights and layer. ``photo_name`` is "the target" if features
        were given. ``weights`` is the label that pictures show for the weights.
    selection : Selection
        The inverted region and channels.
    settings : InversionSettings
        All other inputs of the run, with device, precision, threads, batch and size resolved.
    scores : tuple of float
        The objective's scores of the final images: feature errors, or responses relative to a
        reference.
    relative_error : tuple of float or None
        The feature error of the clipped images, ‖M∘ΔΦ‖/‖M∘Φ₀‖ in float32: the distance between the
        features of image and target, divided by the norm of the target's. None if the objective
        does not aim at Φ₀.
    raw_relative_error : tuple of float or None
        The feature error before the images are clipped to [0, 1].
    psnr, ssim : tuple of float or None
        The peak signal-to-noise ratio (in dB) and the structural similarity (up to 1) to the
        photo, computed on the part that ``scored_on`` names; None without a photo.
    diversity : dict of str to float
        The mean distance between two seeds: in ``"pixels"``, the root mean square difference in
        [0, 1]; in ``"features"``, ‖M∘ΔΦ‖/‖M∘Φ₀‖.
    energies : dict of str to torch.Tensor
        The curve (steps, S) of each term, before each update; NaN where it was not computed.
    seconds : float
        The duration of the search.
    steps : int
        The number of steps that were done.
    stopped : bool
        Whether the run ended before its last step.
    versions : dict of str to str
        The versions of invwidgets, torch and Python.
    digest : str
        A digest that identifies the network and its weights.
    knob_changes : tuple of (int, str, value)
        Step, name and value of each changed knob; ``replay`` repeats them.
    reverted : tuple of (int, int)
        Step and seed of each divergence, after which the seed continued from its best image with
        smaller steps.
    frames : torch.Tensor
        Small pictures of at most 9 seeds, (F, S, C, h, w) uint8, after the ``frame_steps``.
    frame_steps : tuple of int
        The steps of the frames.
    receptive_field : ReceptiveField or None
        The receptive field of the region, in pixels; None without a region.
    outside_variance : tuple of float or None
        The variance of the pixels outside the region's receptive field, divided by that inside.
    scored_on : str
        ``"whole image"`` or ``"receptive field"``, followed by ``", gray values"`` if Φ sees only
        gray values.
    handcrafted : bool
        Whether Φ is HOG or SIFT, for which figures stretch the images' contrast.
    feature_note : str
        A note about the features for pictures, such as that they are random.
    target : torch.Tensor or None
        Φ₀, (1, C, h, w) or (1, D), if it was given instead of a photo; else None.

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
        """Whether every field is equal bit by bit, where NaN equals NaN."""
        if not isinstance(other, Reconstruction):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    __hash__ = None  # type: ignore[assignment]  # its tensors can be written to

    @property
    def seeds(self) -> tuple[int, ...]:
        return self.settings.seeds

    @property
    def objective(self) -> Objective:
        """The objective of the search."""
        return objective_of(self.settings.objective)

    @property
    def field_box(self) -> Box | None:
        """The region's receptive field within the image; None if it is the whole image."""
        field = self.receptive_field
        height, width = self.images.shape[-2:]
        return None if field is None or field.covers((height, width)) else field.clipped

    @property
    def outliers(self) -> tuple[int, ...]:
        """The seeds with a feature error far above the others.

        It is more than 1.5 times the median of all seeds (the lower of two middle ones), and at
        least 5 percentage points above it.
        """
        errors = self.relative_error or ()
        return tuple(self.seeds[place] for place in outliers(errors))

    @property
    def outlier_note(self) -> str:
        """A note on the outliers with a remedy; empty if there are none."""
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
        """The seeds whose unit has a response of zero at the end."""
        if not self.objective.needs_unit:
            return ()
        return tuple(
            seed for seed, score in zip(self.seeds, self.scores, strict=True) if score == 0
        )

    @property
    def silent_note(self) -> str:
        """A note on the silent seeds with a remedy; empty if there are none."""
        if not self.silent:
            return ""
        numbers = ", ".join(map(str, self.silent))
        plural = len(self.silent) > 1
        return (
            f"{'seeds' if plural else 'seed'} {numbers} did not excite the unit: a silent ReLU "
            "has no gradient, so the prior alone determined "
            f"{'these images' if plural else 'this image'}; try other seeds, or the layer before "
            "the ReLU"
        )

    @property
    def note(self) -> str:
        """The note about weights and features that pictures show; empty if there is none."""
        return joined_notes(self.weights, self.feature_note)

    @property
    def layer_in_words(self) -> str:
        """The layer's name within a sentence, such as "HOG" for decompose or "layer 2" for 2."""
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
        """The gallery as a PNG file, which a notebook displays."""
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
        """The numbers and settings as plain values for JSON."""
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
        """Save the result as one safetensors file, with JSON in its header.

        Raises ``OutputError`` if the path cannot be written to.
        """
        from .archive import save

        save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Reconstruction:
        """Load a saved result, without executing anything in the file.

        Raises ``OutputError`` if the file is not a saved result.
        """
        from .archive import load

        return load(cls, path)

    def judged_by(self, judge: str | Representation) -> Judgment:
        """The judgment of the images by another trained classifier, compared with the photo.

        >>> invert("coffee", layer="blocks.4").judged_by("efficientnet_lite1").feature_distance
        (0.68, 0.70, 0.66, 0.71)

        The search finds images that its own network confuses with the photo; another network shows
        whether they look like it. Raises ``BadSettingError`` for a result without a photo, for a
        judge that is not a trained classifier, and for the network of the search.
        """
        from .judging import judged_by

        return judged_by(self, judge)

    def gallery(self, **options: Any) -> Figure:
        """The photo and every seed's image with its error, as a matplotlib figure."""
        from ..figures.gallery import gallery

        return gallery(self, **options)

    def curves(self) -> Figure:
        """The terms of the energy over the steps, on a log scale, as a matplotlib figure."""
        from ..figures.curves import curves

        return curves(self)

    def animation(self, path: str | os.PathLike[str], seconds: float = 4.0) -> None:
        """Save the run as a looping GIF; needs ``settings.frames`` > 0."""
        from ..figures.animation import save_animation

        save_animation(self, path, seconds)


def _listed(values: tuple[float, ...] | None) -> list[float | None] | None:
    """Numbers for JSON, which has no infinity, as a list."""
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
