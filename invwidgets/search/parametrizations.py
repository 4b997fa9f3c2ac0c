"""The parametrizations of an image: pixels, Fourier coefficients, and custom ones.

    >>> invert("coffee", layer="blocks.4", parametrization="fourier")

A custom one defines the parameters of an image and the image of parameters:

    >>> class Opponent(Parametrization):  # gray, red-blue and green, each by its weight in photos
    ...     basis = torch.tensor([[.58, .58, .58], [.28, 0, -.28], [.08, -.16, .08]])
    ...     def parameters(self, z):
    ...         return torch.einsum("ij,sjhw->sihw", self.basis.T.inverse(), z)
    ...     def image(self, parameters):
    ...         return torch.einsum("ji,sjhw->sihw", self.basis, parameters)
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor

from ..errors import CustomPartError, shown
from ..swappable import Part, SavedPart, call_part, chosen
from .colors import color_basis, color_inverse, mixed


class Parametrization(Part):
    """The base class of parametrizations: a differentiable map from parameters to images and back.

    >>> class Doubled(Parametrization):
    ...     def parameters(self, z):
    ...         return z / 2
    ...     def image(self, parameters):
    ...         return parameters * 2
    >>> invert("coffee", layer="blocks.4", parametrization=Doubled(), optimizer="adam")

    A derived class must define ``parameters``, from iterates z (S, C, H, W), in 0-255 units
    relative to the run's center, to parameters (S, …), and ``image``, the map back. ``parameters``
    is called at the start of a search and after an image was bounded.
    """

    kind = "parametrization"
    remedy = "has parameters(self, z) and image(self, parameters)"

    @abstractmethod
    def parameters(self, z: Tensor) -> Tensor:
        """The parameters (S, …) whose image is z or as near to z as possible."""

    @abstractmethod
    def image(self, parameters: Tensor) -> Tensor:
        """The iterates z (S, C, H, W) of parameters, differentiable and independent per seed."""

    def pull_back(self, parameters: Tensor, gradient: Tensor) -> Tensor:
        """The gradient with respect to the parameters, from the one with respect to the image."""
        with torch.enable_grad():
            at = parameters.detach().requires_grad_(True)
            image = self.image(at)
            (found,) = torch.autograd.grad(image, at, gradient)
        return found


class Pixels(Parametrization):
    """The parametrization whose parameters are the pixels themselves."""

    name = "pixels"

    def parameters(self, z: Tensor) -> Tensor:
        return z

    def image(self, parameters: Tensor) -> Tensor:
        return parameters

    def pull_back(self, parameters: Tensor, gradient: Tensor) -> Tensor:
        return gradient


class Fourier(Parametrization):
    """The parametrization by Fourier (Hartley) coefficients of decorrelated colors.

    The coefficient of a frequency f has the weight 1 / f, as in the spectra of photos, so equal
    steps change an image in proportion to the variation of photos. For images without three
    channels ``decorrelated=True`` is refused. Source: Olah, Mordvintsev & Schubert, *Feature
    Visualization*, Distill 2017.
    """

    name = "fourier"

    def __init__(self, decorrelated: bool | None = None) -> None:
        self.decorrelated = decorrelated

    def parameters(self, z: Tensor) -> Tensor:
        return _hartley(self._colors(z, back=True)) / _falling(z)

    def image(self, parameters: Tensor) -> Tensor:
        return self._colors(_hartley(parameters * _falling(parameters)))

    def _colors(self, z: Tensor, back: bool = False) -> Tensor:
        if self.decorrelated is False or z.shape[1] != 3:
            return z
        return mixed((color_inverse(z) if back else color_basis(z)).T, z)


PARAMETRIZATIONS: Mapping[str, type[Parametrization]] = {
    kind.name: kind for kind in (Pixels, Fourier)
}


def parametrization(given: str | Parametrization | SavedPart) -> Parametrization:
    """The parametrization with the given name, or the given object itself.

    Raises ``UnknownNameError`` or ``BadSettingError``.
    """
    found: Parametrization = chosen(given, PARAMETRIZATIONS, Parametrization)
    return found


def image_of(part: Parametrization, parameters: Tensor) -> Tensor:
    """The iterates of parameters, detached; for pixels, the parameters themselves.

    Raises ``CustomPartError``.
    """
    with torch.no_grad():
        image: Tensor = call_part(part, "image", lambda: part.image(parameters))
    return image


def parameters_of(part: Parametrization, z: Tensor) -> Tensor:
    """The parameters of iterates, in separate memory; for pixels, z itself.

    Raises ``CustomPartError``.
    """
    if isinstance(part, Pixels):
        return z
    with torch.no_grad():
        found: Tensor = call_part(part, "parameters", lambda: part.parameters(z))
    return found.detach().contiguous().clone()


def check_parametrization(part: Parametrization, z: Tensor) -> None:
    """Raise an error if the images of a parametrization have the wrong shape or no gradient.

    Raises ``CustomPartError``.
    """
    parameters = call_part(part, "parameters", lambda: part.parameters(z))
    if not isinstance(parameters, Tensor) or parameters.dtype != z.dtype:
        raise CustomPartError(
            f"parametrization {shown(part)} returns parameters that are {_kind(parameters)}: "
            f"parameters(z) must be {_kind(z)}, like z"
        )
    with torch.enable_grad():
        at = parameters.detach().clone().requires_grad_(True)
        image = call_part(part, "image", lambda: part.image(at))
    if not isinstance(image, Tensor) or image.shape != z.shape or len(parameters) != len(z):
        given = tuple(image.shape) if isinstance(image, Tensor) else type(image).__name__
        raise CustomPartError(
            f"parametrization {shown(part)} makes images of shape {given} from parameters of shape "
            f"{tuple(parameters.shape)}: image(parameters(z)) must have the shape of z, "
            f"{tuple(z.shape)}"
        )
    if image.dtype != z.dtype:
        raise CustomPartError(
            f"parametrization {shown(part)} makes images that are {_kind(image)}: "
            f"image(parameters) must be {_kind(z)}, like the parameters"
        )
    if not image.requires_grad:
        raise CustomPartError(
            f"parametrization {shown(part)} makes images without a gradient: compute them from the "
            "parameters with torch, without detaching them"
        )
    if not bool(torch.isfinite(image).all()):
        raise CustomPartError(
            f"parametrization {shown(part)} makes images that hold NaN or infinite values"
        )


def _kind(value: object) -> str:
    """The kind of a value, in a message."""
    if isinstance(value, Tensor):
        return f"a tensor of {str(value.dtype).removeprefix('torch.')}"
    return f"not a tensor but {shown(value)}"


def _hartley(z: Tensor) -> Tensor:
    """The Hartley transform (S, C, H, W) of images, which is its own inverse."""
    spectrum = torch.fft.fft2(z, norm="ortho")
    coefficients: Tensor = spectrum.real - spectrum.imag
    return coefficients


def _falling(z: Tensor) -> Tensor:
    """The weights 1 / frequency, (H, W), scaled to a root mean square of one."""
    return _weights(z.shape[-2], z.shape[-1], z.device, z.dtype)


@lru_cache(maxsize=4)  # kept on the device, so that a step copies nothing to it
def _weights(height: int, width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(False):
        rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width)[None]
        falling = 1 / torch.hypot(rows, columns).clamp_min(1 / max(height, width))
        scaled: Tensor = falling / falling.square().mean().sqrt()
        return scaled.to(device, dtype)
