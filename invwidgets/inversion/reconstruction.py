"""The result of a run: images, errors, curves, and the settings that made it."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from .settings import InversionSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Reconstruction:
    """What a search ended in.

    ``images`` (S, 3, H, W) in [0, 1]; ``photo`` (3, H, W), None where there was none.
    By seed: ``relative_error`` ‖M∘ΔΦ‖/‖M∘Φ₀‖ of the clipped pictures, un-squared, in float32;
    ``raw_relative_error`` of the iterate before clipping; ``psnr`` in dB and ``ssim`` to the
    photo (to its grey values where Φ sees only those). ``diversity``: mean pairwise distance
    between seeds, ``pixels`` as the root mean square difference in [0, 1], ``features`` as
    ‖M∘ΔΦ‖/‖M∘Φ₀‖. ``energies`` maps a term to (steps, S). ``knob_changes`` are (step, name,
    value), so that a run with moved knobs replays. ``reverted`` lists (step, seed) where a search
    diverged and went on from its best image, more slowly.
    ``frames`` (F, S, 3, h, w) uint8 are small pictures of the run, after ``frame_steps`` steps.
    """

    images: Tensor
    photo: Tensor | None
    photo_name: str
    model: str
    weights: str
    layer: str
    selection: dict[str, Any]
    settings: InversionSettings
    relative_error: tuple[float, ...] | None
    raw_relative_error: tuple[float, ...] | None
    psnr: tuple[float, ...] | None
    ssim: tuple[float, ...] | None
    diversity: dict[str, float]
    energies: dict[str, Tensor]
    seconds: float
    steps: int
    stopped: bool
    resolved: dict[str, Any]
    versions: dict[str, str]
    digest: str
    knob_changes: tuple[tuple[int, str, Any], ...] = ()
    reverted: tuple[tuple[int, int], ...] = ()
    frames: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.uint8))
    frame_steps: tuple[int, ...] = ()
    receptive_field: dict[str, Any] | None = None
    outside_variance: tuple[float, ...] | None = None

    @property
    def seeds(self) -> tuple[int, ...]:
        return self.settings.seeds

    @property
    def weights_note(self) -> str:
        """What a picture must say of the weights, empty if they are pretrained."""
        return "" if self.weights in ("pretrained", "as given", "hand-built") else self.weights

    def summary(self) -> dict[str, Any]:
        """The numbers and settings, ready for JSON."""
        return {
            "photo": self.photo_name,
            "model": self.model,
            "weights": self.weights,
            "layer": self.layer,
            "selection": self.selection,
            "objective": self.settings.objective,
            "seeds": list(self.seeds),
            "relative_error": _listed(self.relative_error),
            "raw_relative_error": _listed(self.raw_relative_error),
            "psnr": _listed(self.psnr),
            "ssim": _listed(self.ssim),
            "diversity": self.diversity,
            "outside_variance": _listed(self.outside_variance),
            "receptive_field": self.receptive_field,
            "energy": {k: [float(v) for v in e[-1]] for k, e in self.energies.items() if len(e)},
            "seconds": self.seconds,
            "steps": self.steps,
            "stopped": self.stopped,
            "reverted": [list(r) for r in self.reverted],
            "resolved": self.resolved,
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


def image_scores(images: Tensor, photo: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """PSNR in dB and SSIM of images (S, 3, H, W) to a photo (3, H, W), by scikit-image."""
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    original = photo.movedim(0, -1).cpu().double().numpy()
    psnr, ssim = [], []
    window = min(7, *original.shape[:2])
    for image in images.movedim(1, -1).cpu().double().numpy():
        if np.array_equal(image, original):
            psnr.append(float("inf"))
        else:
            psnr.append(float(peak_signal_noise_ratio(original, image, data_range=1.0)))
        if window < 3:
            ssim.append(float("nan"))
            continue
        ssim.append(
            float(
                structural_similarity(
                    original,
                    image,
                    data_range=1.0,
                    channel_axis=-1,
                    win_size=window - (window + 1) % 2,
                )
            )
        )
    return tuple(psnr), tuple(ssim)


def pairwise_distance(vectors: Tensor, norm: float | None = None) -> float:
    """The mean distance between pairs of rows (S, D): root mean square, or by ``norm``."""
    if len(vectors) < 2:
        return 0.0
    distances = torch.pdist(vectors.cpu().double())
    scale = vectors.shape[1] ** 0.5 if norm is None else norm
    return float(distances.mean()) / scale


def _listed(values: tuple[float, ...] | None) -> list[float | None] | None:
    """Numbers for JSON, which knows no infinity."""
    return None if values is None else [v if math.isfinite(v) else None for v in values]
