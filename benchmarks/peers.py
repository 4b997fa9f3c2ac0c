"""Searches of other tools and papers, to compare with this package's: images and seconds.

Every function takes Φ, a photo (3, H, W) and a number of seeds, and returns images (S, 3, H, W) in
[0, 1] and the seconds it took. All minimize the same data term, ‖Φ(x) − Φ₀‖² / ‖Φ₀‖² over the whole
map, in float32, on the network as its authors wrote it, with frozen parameters. They differ in the
parametrization of the image, the prior and the optimizer.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

import invwidgets as iw

from .plain import PlainNetwork, plain_adam

STEPS = 200  # our deep runs take 280
Found = tuple[Tensor, float]


def plain(phi: iw.Representation, photo: Tensor, seeds: int) -> Found:
    """Adam on pixels with total variation, the loop of ``benchmarks.plain``."""
    return plain_adam(network_of(phi), photo, seeds, STEPS)


def lucent(phi: iw.Representation, photo: Tensor, seeds: int) -> Found:
    """The image, learning rate and jitter (8 pixels) of torch-lucent, with decorrelated colors."""
    from lucent.optvis import param, transform

    torch.manual_seed(0)
    side = photo.shape[-1]
    parameters, image = param.image(side, batch=seeds, fft=True, decorrelate=True)
    optimizer = torch.optim.Adam(parameters, lr=0.05)
    jitter, data = transform.jitter(8), data_term(phi, photo)
    seconds = _descend(lambda: data(jitter(image())), optimizer, STEPS)
    return image().detach(), seconds


def horama(phi: iw.Representation, photo: Tensor, seeds: int) -> Found:
    """Horama's Fourier image with its spectrum and colors, noise of 0.05, and NAdam at rate 1."""
    from horama.fourier_fv import fourier_preconditionner, get_fft_scale, init_lucid_buffer

    torch.manual_seed(0)
    side = photo.shape[-1]
    scale = get_fft_scale(side, side, 1.5)
    spectra = [init_lucid_buffer(side, side).requires_grad_(True) for _ in range(seeds)]
    data = data_term(phi, photo)

    def images() -> Tensor:
        return torch.stack([fourier_preconditionner(s, scale, (0, 1), "cpu") for s in spectra])

    def loss() -> Tensor:
        found = images()
        return data(found + 0.05 * 0.25 * torch.randn_like(found))  # its range is 5, ours is 1.25

    seconds = _descend(loss, torch.optim.NAdam(spectra, lr=1.0), STEPS)
    return images().detach(), seconds


def deep_image_prior(phi: iw.Representation, photo: Tensor, seeds: int, steps: int = 2000) -> Found:
    """A search for the weights of an untrained network fed with noise (Ulyanov et al.)."""
    found, seconds = [], 0.0
    for seed in range(seeds):
        torch.manual_seed(seed)
        hourglass, noise = Hourglass(), torch.rand(1, 32, *photo.shape[-2:]) * 0.1
        data = data_term(phi, photo)
        optimizer = torch.optim.Adam(hourglass.parameters(), lr=0.01)
        seconds += _descend(
            lambda net=hourglass, z=noise, d=data: d(net(z + torch.randn_like(z) * 0.03)),
            optimizer,
            steps,
        )
        with torch.no_grad():
            found.append(hourglass(noise))
    return torch.cat(found), seconds


class Hourglass(nn.Module):
    """A network of five levels with 32 channels and skip connections with 4 channels."""

    def __init__(self, levels: int = 5, width: int = 32, skip: int = 4) -> None:
        super().__init__()
        self.down = nn.ModuleList(_block(width, width, 2) for _ in range(levels))
        self.skip = nn.ModuleList(_block(width, skip, 1, 1) for _ in range(levels))
        self.up = nn.ModuleList(_block(width + skip, width) for _ in range(levels))
        self.color = nn.Conv2d(width, 3, 1)

    def forward(self, z: Tensor) -> Tensor:
        kept = []
        for down, skip in zip(self.down, self.skip, strict=True):
            kept.append(skip(z))
            z = down(z)
        for up, beside in zip(self.up, reversed(kept), strict=True):
            z = nn.functional.interpolate(z, beside.shape[-2:], mode="bilinear")
            z = up(torch.cat([z, beside], 1))
        found: Tensor = self.color(z).sigmoid()
        return found


def _block(taken: int, given: int, stride: int = 1, kernel: int = 3) -> nn.Module:
    convolution = nn.Conv2d(
        taken, given, kernel, stride, kernel // 2, padding_mode="reflect" if kernel > 1 else "zeros"
    )
    return nn.Sequential(convolution, nn.BatchNorm2d(given), nn.LeakyReLU(0.2))


def network_of(phi: iw.Representation) -> PlainNetwork:
    """The network of Φ as its authors wrote it, with a hook at its layer."""
    weights = "random" if phi.weights == "random weights" else phi.weights
    return PlainNetwork(phi.name, phi.layer_info().name, weights=weights)


def data_term(phi: iw.Representation, photo: Tensor) -> Callable[[Tensor], Tensor]:
    """‖Φ(x) − Φ₀‖² / ‖Φ₀‖², summed over images."""
    network = network_of(phi)
    with torch.no_grad():
        target = network(photo[None])
        norm = target.square().sum()

    def loss(images: Tensor) -> Tensor:
        return (network(images) - target).square().sum() / norm

    return loss


def _descend(loss: Callable[[], Tensor], optimizer: torch.optim.Optimizer, steps: int) -> float:
    began = time.perf_counter()
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    return time.perf_counter() - began
