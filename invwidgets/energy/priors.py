"""The natural image prior: α-norm, total variation V^β, bound and crops, and custom priors.

All priors act on the iterate z = 255·(x − center), (S, C, H, W), and give one number per seed. The
built-in ones are normalized as in IJCV16 (per pixel, by the image range), so a weight means the
same at every image size. They compute energy and gradient in one pass, without autograd. A custom
prior defines its energy, and autograd computes its gradient:

    >>> class Gray(Prior):  # colors keep near their pixel's mean
    ...     def energy(self, z):
    ...         return (z - z.mean(1, keepdim=True)).square().flatten(1).mean(1) / 80**2
    >>> invert("coffee", layer="blocks.5", priors=[Gray(weight=0.1)])
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from ..arguments import real_number
from ..errors import BadSettingError, CustomPartError, shown
from ..swappable import Part, SavedPart, call_part

IMAGE_RANGE = 80.0  # B of IJCV16: a typical pixel's norm
TV_RANGE = IMAGE_RANGE / 6.5  # V of IJCV16: a typical gradient's norm
TV_FLOOR = 1e-5  # the lower limit of gradient norms; V^β's gradient has a pole at 0 for β < 2


class Prior(Part):
    """The base class of priors: terms of the energy that depend only on the image.

    >>> class Gray(Prior):  # colors keep near their pixel's mean
    ...     def energy(self, z):
    ...         return (z - z.mean(1, keepdim=True)).square().flatten(1).mean(1) / 80**2
    >>> invert("coffee", layer="blocks.5", priors=[Gray(weight=0.1)])

    A derived class must define ``energy``. Autograd computes its gradient, unless the class defines
    ``add_gradient`` in closed form. z are iterates (S, C, H, W), in 0-255 units relative to the
    run's center, with one channel if Φ sees only gray values.

    Parameters
    ----------
    weight : float
        The factor of its energy, a finite number.

    Raises
    ------
    BadSettingError
        For a weight that is not a finite number.

    References
    ----------
    IJCV16, section 2.1.
    """

    kind = "prior"
    remedy = "has energy(self, z)"
    weight: float = 1.0

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = real_number(weight, f"weight of prior {self.name}")

    @abstractmethod
    def energy(self, z: Tensor) -> Tensor:
        """The energies (S,), differentiable, of iterates z (S, C, H, W) in 0-255 units."""

    def add_gradient(self, z: Tensor, gradient: Tensor, weight: float) -> Tensor:
        """The energies (S,), detached; adds weight · ∂R/∂z to ``gradient`` in place.

        This method uses autograd. Priors with a gradient in closed form override it.
        """
        energy: Tensor = call_part(self, "energy", lambda: self._by_autograd(z, gradient, weight))
        return energy

    def _by_autograd(self, z: Tensor, gradient: Tensor, weight: float) -> Tensor:
        with torch.enable_grad():
            z = z.detach().requires_grad_(True)
            energy = self.energy(z)
            if not isinstance(energy, Tensor) or energy.shape != (len(z),):
                given = tuple(energy.shape) if isinstance(energy, Tensor) else shown(energy)
                raise CustomPartError(
                    f"prior {shown(self)} returns {given} for {len(z)} images: energy must be a "
                    f"tensor of shape ({len(z)},), one number for each image"
                )
            if not energy.requires_grad:
                raise CustomPartError(
                    f"prior {shown(self)} returns an energy without a gradient: compute it from z "
                    "with torch, without detaching z"
                )
            (image_grad,) = torch.autograd.grad(energy.sum(), z)
        gradient.add_(image_grad, alpha=weight)
        return energy.detach().to(gradient)


class AlphaNorm(Prior):
    """The prior R_α, which keeps pixel values in range; see ``alpha_norm``."""

    name = "alpha"

    def __init__(self, alpha: float = 6.0, norm: str = "pixel", weight: float = 1.0) -> None:
        super().__init__(weight)
        self.alpha, self.norm = alpha, norm

    def energy(self, z: Tensor) -> Tensor:
        return alpha_norm(z, self.alpha, self.norm)

    def add_gradient(self, z: Tensor, gradient: Tensor, weight: float) -> Tensor:
        return alpha_norm(z, self.alpha, self.norm, gradient, weight)


class TotalVariation(Prior):
    """The prior R_{V^β}, which keeps an image smooth; see ``total_variation``."""

    name = "tv"

    def __init__(self, beta: float = 2.0, chroma: float = 0.0, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.beta, self.chroma = beta, chroma

    def energy(self, z: Tensor) -> Tensor:
        return total_variation(z, self.beta, chroma=self.chroma)

    def add_gradient(self, z: Tensor, gradient: Tensor, weight: float) -> Tensor:
        return total_variation(z, self.beta, gradient, weight, self.chroma)


PRIORS = {"alpha": AlphaNorm, "tv": TotalVariation}


def checked_priors(given: object) -> tuple[Prior | SavedPart, ...]:
    """Custom priors as a tuple, checked; their names must differ.

    Raises ``BadSettingError``.
    """
    single = isinstance(given, Prior | str | bytes) or not isinstance(given, Sequence)
    priors = [given] if single else list(given)  # type: ignore[call-overload]
    names = ["data", "total", *PRIORS]
    for prior in priors:
        if isinstance(prior, SavedPart):
            continue
        if not isinstance(prior, Prior):
            raise BadSettingError(
                f"prior {shown(prior)}: give an object of a class derived from iw.Prior, which "
                f"{Prior.remedy}; the built-in priors are set by alpha_weight and tv_weight"
            )
        if prior.name in names:
            raise BadSettingError(
                f"prior {shown(prior)}: another prior is called {prior.name!r}; rename one of them"
            )
        real_number(prior.weight, f"weight of prior {shown(prior)}:")
        names.append(prior.name)
    return tuple(priors)


def alpha_norm(
    z: Tensor,
    alpha: float = 6.0,
    kind: str = "pixel",
    gradient: Tensor | None = None,
    weight: float = 1.0,
) -> Tensor:
    """The α-norm R_α of each image, (S,): the pixels' norms to the power α, by the image range.

    >>> alpha_norm(torch.full((1, 3, 2, 2), 80 / 3**0.5))
    tensor([1.0000])

    ``kind="pixel"`` takes the norm of a pixel's three colors, Σ ‖z(u,v)‖^α / (H·W·B^α)
    (IJCV16, section 3.1); ``"element"`` every color by itself, Σ |z|^α / (H·W·B^α) (CVPR15,
    section 3, up to its weight).
    """
    step = weight * alpha / (_pixels(z) * IMAGE_RANGE**2)
    if alpha == 2:  # the gradient is proportional to z for both kinds
        if gradient is not None:
            gradient.add_(z, alpha=step)
        return _square(z) / (_pixels(z) * IMAGE_RANGE**2)
    scaled = z.square().mul_(1 / IMAGE_RANGE**2)
    if kind == "pixel":
        scaled = scaled.sum(1, keepdim=True)
    power = (scaled.clamp_min(1e-12) if alpha < 2 else scaled).pow(alpha / 2 - 1)
    if gradient is not None:
        gradient.addcmul_(z, power, value=step)
    return (power * scaled).flatten(1).sum(1) / _pixels(z)


def total_variation(
    z: Tensor,
    beta: float = 2.0,
    gradient: Tensor | None = None,
    weight: float = 1.0,
    chroma: float = 0.0,
) -> Tensor:
    """The total variation R_{V^β} of each image, (S,): its gradients' norms to the power β.

    >>> total_variation(torch.zeros(1, 3, 8, 8), beta=1.0)
    tensor([0.])

    Σ ((z(v,u+1) − z(v,u))² + (z(v+1,u) − z(v,u))²)^{β/2} / (H·W·V^β), summed over channels, with
    V = B / 6.5; a difference beyond the border is zero. β is a real number of at least 1. For β < 2
    the gradient uses a norm of at least ``TV_FLOOR``. Source: CVPR15, section 3; IJCV16, section
    3.2.

    ``chroma`` is the weight of an extra total variation of the chroma (z minus the mean of each
    pixel's colors), because colors vary less across a photo than brightness.
    """
    if chroma and z.shape[1] > 1:
        return _colored_variation(z, beta, gradient, weight, chroma)
    scale = 1 / (_pixels(z) * TV_RANGE**beta)
    down, right = z[..., 1:, :] - z[..., :-1, :], z[..., 1:] - z[..., :-1]
    if beta == 2:
        energy = _square(down) + _square(right)
    else:
        square = torch.zeros_like(z)
        square[..., :-1, :] = down.square()
        square[..., :-1] += right.square()
        energy = square.pow(beta / 2).flatten(1).sum(1)
        if gradient is not None:
            power = square.clamp_min_(TV_FLOOR**2).pow_(beta / 2 - 1)
            down.mul_(power[..., :-1, :])
            right.mul_(power[..., :-1])
    if gradient is not None:
        step = weight * beta * scale
        gradient[..., 1:, :].add_(down, alpha=step)
        gradient[..., :-1, :].sub_(down, alpha=step)
        gradient[..., 1:].add_(right, alpha=step)
        gradient[..., :-1].sub_(right, alpha=step)
    scaled: Tensor = energy * scale
    return scaled


def _colored_variation(
    z: Tensor, beta: float, gradient: Tensor | None, weight: float, chroma: float
) -> Tensor:
    gray = z.mean(1, keepdim=True)
    if beta == 2:  # the squares of gray and of chroma add up to the squares of z
        more = None if gradient is None else torch.zeros_like(gray)
        energy = (1 + chroma) * total_variation(z, 2.0, gradient, (1 + chroma) * weight)
        energy -= z.shape[1] * chroma * total_variation(gray, 2.0, more, -chroma * weight)
    else:
        more = None if gradient is None else torch.zeros_like(z)
        energy = total_variation(z, beta, gradient, weight)
        energy += chroma * total_variation(z - gray, beta, more, chroma * weight)
        more = None if more is None else more - more.mean(1, keepdim=True)
    if gradient is not None and more is not None:
        gradient.add_(more)
    return energy


def project(z: Tensor, radius: float) -> Tensor:
    """Project every pixel of z, in place, onto ‖z(u,v)‖ ≤ radius (IJCV16, section 3.1)."""
    norm = z.square().sum(-3, keepdim=True).sqrt_()
    return z.mul_(radius / norm.clamp_min_(radius))


def crops(z: Tensor, shifts: Tensor, size: tuple[int, int]) -> list[Tensor]:
    """Views of the images of ``size`` on their canvases (S, C, H, W), at the ``shifts`` (S, 2)."""
    height, width = size
    return [
        seed[:, top : top + height, left : left + width]
        for seed, (top, left) in zip(z, shifts.tolist(), strict=True)
    ]


def _pixels(z: Tensor) -> int:
    return z.shape[-2] * z.shape[-1]


def _square(z: Tensor) -> Tensor:
    """The sum of squares of each seed."""
    norm: Tensor = torch.linalg.vector_norm(z, dim=(1, 2, 3))
    return norm.square()
