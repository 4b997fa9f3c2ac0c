"""The priors as loops over pixels in float64 numpy, written from the papers.

Sources: CVPR 2015, section 3 ("regularizers", its finite-difference V^β) and IJCV 2016,
sections 3.1 and 3.2 with B = 80 and V = B / 6.5.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def slow_alpha(z: Array, alpha: float, kind: str) -> float:
    """Σ ‖z(u,v)‖^α / (H·W·B^α), or Σ |z|^α / (H·W·B^α), of one image (3, H, W)."""
    _, height, width = z.shape
    total = 0.0
    for v in range(height):
        for u in range(width):
            if kind == "pixel":
                norm = math.sqrt(sum(float(z[c, v, u]) ** 2 for c in range(3)))
                total += norm**alpha
            else:
                total += sum(abs(float(z[c, v, u])) ** alpha for c in range(3))
    return total / (height * width * 80.0**alpha)


def slow_tv(z: Array, beta: float) -> float:
    """V^β / (H·W·V^β) of one image (3, H, W), with V = 80 / 6.5."""
    return slow_raw_tv(z, beta) / (z.shape[1] * z.shape[2] * (80 / 6.5) ** beta)


def slow_raw_tv(z: Array, beta: float) -> float:
    """Σ ((z(v,u+1) − z(v,u))² + (z(v+1,u) − z(v,u))²)^{β/2}; no difference leaves the image."""
    colors, height, width = z.shape
    total = 0.0
    for c in range(colors):
        for v in range(height):
            for u in range(width):
                right = float(z[c, v, u + 1] - z[c, v, u]) if u + 1 < width else 0.0
                down = float(z[c, v + 1, u] - z[c, v, u]) if v + 1 < height else 0.0
                total += (right**2 + down**2) ** (beta / 2)
    return total


def slow_bound(z: Array, radius: float) -> Array:
    """Each pixel whose norm exceeds ``radius``, scaled to this norm."""
    out = z.copy()
    for v in range(z.shape[1]):
        for u in range(z.shape[2]):
            norm = math.sqrt(sum(float(z[c, v, u]) ** 2 for c in range(3)))
            if norm > radius:
                out[:, v, u] *= radius / norm
    return out


def slow_cvpr2015_prior(z: Array, tv: float, sigma_squared: float) -> float:
    """(λ_TV/2 · V² + 8e-10/2 · Σ x⁶) / σ² with the paper's constants."""
    sixth = sum(float(x) ** 6 for x in z.flatten())
    return (tv / 2 * slow_raw_tv(z, 2.0) + 8e-10 / 2 * sixth) / sigma_squared


def slow_ijcv2016_prior(z: Array, beta: float = 2.0) -> float:
    """[Σ ‖x(u,v)‖⁶ / 80⁶ + (6.5/80)^β V^β] / (H·W) with the paper's constants."""
    pixels = z.shape[1] * z.shape[2]
    sixth = 0.0
    for v in range(z.shape[1]):
        for u in range(z.shape[2]):
            sixth += sum(float(z[c, v, u]) ** 2 for c in range(3)) ** 3
    return (sixth / 80.0**6 + (6.5 / 80) ** beta * slow_raw_tv(z, beta)) / pixels


def slow_momentum(z: Array, gradients: list[Array], lr: float, restarts: set[int]) -> Array:
    """CVPR 2015: μ ← 0.9 μ − rate·σ²·∇E, x ← x + μ; σ² = 27098.12² at 227 × 227, by pixel."""
    sigma_squared = 27098.12**2 / 227**2 * z.shape[1] * z.shape[2]
    z, velocity = z.copy(), np.zeros_like(z)
    for step, gradient in enumerate(gradients):
        if step in restarts:
            velocity[:] = 0
        for index in np.ndindex(z.shape):
            velocity[index] = 0.9 * velocity[index] - lr * sigma_squared * gradient[index]
            z[index] += velocity[index]
    return z


def slow_adagrad_momentum(z: Array, gradients: list[Array], lr: float) -> Array:
    """IJCV 2016: G ← 0.9 G + g²; m ← 0.9 m − g / (1/r + √G), r = rate · H · W; x ← x + m."""
    r = lr * z.shape[1] * z.shape[2]
    z, squares, velocity = z.copy(), np.zeros_like(z), np.zeros_like(z)
    for gradient in gradients:
        for index in np.ndindex(z.shape):
            g = gradient[index]
            squares[index] = 0.9 * squares[index] + g**2
            velocity[index] = 0.9 * velocity[index] - g / (1 / r + math.sqrt(squares[index]))
            z[index] += velocity[index]
    return z


def slow_adam(z: Array, gradients: list[Array], lr: float) -> Array:
    """Kingma & Ba 2015, algorithm 1, β₁ 0.9, β₂ 0.999, ε 0."""
    z, first, second = z.copy(), np.zeros_like(z), np.zeros_like(z)
    for t, gradient in enumerate(gradients, 1):
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        z -= lr * (first / (1 - 0.9**t)) / np.sqrt(second / (1 - 0.999**t))
    return z


def slow_inversion(features: Array, target: Array, mask: NDArray[Any]) -> float:
    """‖M∘(Φ − Φ₀)‖² / ‖M∘Φ₀‖² of one image's features."""
    above = below = 0.0
    for index in np.ndindex(features.shape):
        if mask[index]:
            above += float(features[index] - target[index]) ** 2
            below += float(target[index]) ** 2
    return above / below


def slow_maximize(features: Array, largest: float, mask: NDArray[Any]) -> float:
    """−⟨M, Φ⟩ / (|M|·Z)."""
    chosen = [float(features[i]) for i in np.ndindex(features.shape) if mask[i]]
    return -sum(chosen) / (len(chosen) * largest)


def slow_caricature(features: Array, target: Array, mask: NDArray[Any]) -> float:
    """−⟨max(0, M∘Φ₀), Φ⟩ / ‖max(0, M∘Φ₀)‖²."""
    above = below = 0.0
    for index in np.ndindex(features.shape):
        if mask[index]:
            excited = max(0.0, float(target[index]))
            above += excited * float(features[index])
            below += excited**2
    return -above / below
