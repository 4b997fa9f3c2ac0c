"""Small photos as files, and sweeps over them that take a second."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import invwidgets as iw
from invwidgets.images import to_pil

from ..small_networks import picture
from .nets import TINY


@pytest.fixture(scope="session")
def photos(tmp_path_factory: Any) -> list[str]:
    """Three different photos of 24 × 28 pixels, as files."""
    folder = tmp_path_factory.mktemp("photos")
    paths = [folder / f"photo{seed}.png" for seed in range(3)]
    for seed, path in enumerate(paths):
        to_pil(picture(seed=seed)).save(path)
    return [str(path) for path in paths]


@pytest.fixture
def tiny(photos: list[str], tmp_path: Path) -> Callable[..., iw.Sweep]:
    """A sweep of 2 photos × 2 layers × 2 weights, of 3 steps and 2 seeds; keywords change it."""
    count = itertools.count()

    def make(**changes: Any) -> iw.Sweep:
        given: dict[str, Any] = {
            "photos": photos[:2], "models": TINY, "layers": ["relu", "relu_1"], "seeds": 2,
            "settings": {"steps": 3, "tv_weight": [0.01, 0.1]},
        }  # fmt: skip
        given |= changes
        return iw.Sweep(**{"store": tmp_path / f"store{next(count)}", **given})

    return make
