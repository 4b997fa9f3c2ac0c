"""The public names of analyses: interpolation, recomposition, effective fields, errors, PSNR."""

from typing import Any

from .. import lazy

_HOME = {
    "interpolate": "analysis.interpolation",
    "recomposition": "analysis.matching",
    "effective_field": "analysis.fields",
    "exciting_patches": "analysis.patches",
    "psnr": "inversion.metrics",
    "relative_error": "inversion.metrics",
    "ssim": "inversion.metrics",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    return lazy.load_name(__name__, _HOME, name)


def __dir__() -> list[str]:
    return lazy.listed(__name__)
