"""A Gauss-Newton search with conjugate gradients, for a data term that is a sum of squares.

A step solves (Jᵀ J + priors + damping) d = −gradient by a few iterations of conjugate gradients,
each with one JVP and one VJP. The parameters are Fourier coefficients of decorrelated colors, and
each seed is solved separately. A step is halved until the energy decreases; the damping is then
adapted. It does not shift the images, so it starts from the middle of the canvas.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

import invwidgets as iw
from invwidgets.energy.priors import alpha_norm, total_variation
from invwidgets.inversion.canvas import raw_images, start_canvas, to_iterate
from invwidgets.inversion.run import Run
from invwidgets.search.parametrizations import Fourier

SOLVES = 4  # conjugate gradients a step; each is about a step of Adam, and so is the gradient


def gauss_newton(run: Run) -> Tensor:
    """Images (S, 3, H, W) after about as many network passes as a run of ``steps`` steps."""
    phi, target, settings = run.representation, run.target, run.settings
    color = torch.tensor(settings.center)
    center = color[:, None, None]
    norm = target.square().sum()
    canvas = start_canvas(phi, settings, run.size, run.photo, color)
    starts = to_iterate(raw_images(canvas, run.size, color), color)
    outer = max(1, settings.steps // (SOLVES + 1))
    return torch.cat([_search(phi, z[None], target, norm, center, settings, outer) for z in starts])


def _search(
    phi: iw.Representation,
    z: Tensor,
    target: Tensor,
    norm: Tensor,
    center: Tensor,
    settings: iw.InversionSettings,
    outer: int,
) -> Tensor:
    basis, damping = Fourier(), 1.0

    def features(image: Tensor) -> Tensor:
        scaled: Tensor = phi(image / 255 + center) / norm.sqrt()
        return scaled

    def priors(image: Tensor, gradient: Tensor, tv: float) -> Tensor:
        energy = settings.alpha_weight * alpha_norm(
            image, settings.alpha, settings.alpha_kind, gradient, settings.alpha_weight
        )
        return energy + tv * total_variation(image, settings.beta, gradient, tv, settings.tv_chroma)

    wanted = target / norm.sqrt()
    for step in range(outer):
        tv = settings.tv_weight * settings.tv_factor(round(step * settings.steps / outer))
        at, pull = torch.func.vjp(features, z)
        gradient = 2 * pull(at - wanted)[0]
        before = float((at - wanted).square().sum() + priors(z, gradient, tv))
        p = basis.parameters(z)
        slope = basis.pull_back(p, gradient)

        def curved(direction: Tensor, z: Tensor = z, p: Tensor = p, tv: float = tv,
                   pull: Callable[..., tuple[Tensor]] = pull) -> Tensor:  # fmt: skip
            image = basis.image(direction)
            _, along = torch.func.jvp(features, (z,), (image,))
            bent = 2 * pull(along)[0]
            priors(image, bent, tv)
            return basis.pull_back(p, bent)

        size = slope.square().mean().sqrt()
        move = _solve(lambda d: curved(d) + damping * size * d, -slope)  # noqa: B023
        for _ in range(4):
            tried = (basis.image(p + move) + 255 * center).clamp(0, 255) - 255 * center
            scratch = torch.zeros_like(tried)
            with torch.no_grad():
                data = (features(tried) - wanted).square().sum()
            after = float(data + priors(tried, scratch, tv))
            if after < before:
                z, damping = tried, max(1e-6, damping / 3)
                break
            move, damping = move / 2, damping * 2
    return (z / 255 + center).clamp(0, 1).detach()


def _solve(matrix: Callable[[Tensor], Tensor], right: Tensor) -> Tensor:
    """The solution after a few iterations of conjugate gradients from zero."""
    found, rest = torch.zeros_like(right), right.clone()
    direction, square = rest.clone(), rest.square().sum()
    for _ in range(SOLVES):
        image = matrix(direction)
        length = square / (direction * image).sum().clamp_min(1e-30)
        found += length * direction
        rest -= length * image
        new = rest.square().sum()
        direction = rest + new / square * direction
        square = new
    return found.detach()
