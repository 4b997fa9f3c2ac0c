"""The program that makes golden arrays of HOG, HOGb and dense SIFT with VLFeat 0.9.21.

It needs Debian's library (``apt-get install libvlfeat1``)::

    python -m scripts.make_vlfeat_golden tests/golden/vlfeat

Tests use `vl_hog` and `vl_dsift` too, to compare the modules with VLFeat on whole photos if the
library is installed.
"""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CASES", "load_vlfeat", "vl_dsift", "vl_hog"]

Array = NDArray[np.float32]

# name of the case, which function, its parameters
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "hog": ("hog", {}),
    "hog_cell5_orientations6": ("hog", {"cell_size": 5, "orientations": 6}),
    "hogb": ("hog", {"bilinear": True}),
    "hogb_cell7": ("hog", {"bilinear": True, "cell_size": 7}),
    "hog_color": ("hog", {"color": True}),
    "dsift": ("dsift", {}),
    "dsift_bin4_step7": ("dsift", {"bin_size": 4, "step": 7}),
    "dsift_flat": ("dsift", {"flat_window": True}),
}


class _Geometry(ctypes.Structure):
    _fields_ = [(n, ctypes.c_int) for n in ("t", "x", "y", "size_x", "size_y")]


class _Dsift(ctypes.Structure):
    _fields_ = [
        *((n, ctypes.c_int) for n in ("width", "height", "step_x", "step_y")),
        *((n, ctypes.c_int) for n in ("min_x", "min_y", "max_x", "max_y")),
        ("geometry", _Geometry),
        ("flat_window", ctypes.c_int),
        ("window_size", ctypes.c_double),
        ("frames_count", ctypes.c_int),
        ("descriptor_size", ctypes.c_int),
        ("frames", ctypes.c_void_p),
        ("descriptors", ctypes.POINTER(ctypes.c_float)),
    ]


@lru_cache(maxsize=1)
def load_vlfeat() -> ctypes.CDLL | None:
    """The library; None if it is not installed."""
    for name in ("libvl.so.1", ctypes.util.find_library("vl"), "libvl.so"):
        if name is None:
            continue
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        library.vl_hog_new.restype = ctypes.c_void_p
        for function in ("width", "height", "dimension"):
            getattr(library, f"vl_hog_get_{function}").restype = ctypes.c_size_t
        library.vl_dsift_new_basic.restype = ctypes.POINTER(_Dsift)
        return library
    if os.environ.get("CI"):
        raise RuntimeError("libvlfeat1 is needed in CI: the comparison with VLFeat is not skipped")
    return None


def _library() -> ctypes.CDLL:
    library = load_vlfeat()
    if library is None:
        raise SystemExit("libvl.so.1 is not installed: apt-get install libvlfeat1")
    return library


def _floats(array: Array) -> tuple[Array, ctypes.c_void_p]:
    array = np.ascontiguousarray(array, dtype=np.float32)
    return array, array.ctypes.data_as(ctypes.c_void_p)


def vl_hog(
    image: Array, cell_size: int = 8, orientations: int = 9, bilinear: bool = False
) -> Array:
    """VLFeat's UoCTTI HOG of an image (H, W) or (channels, H, W) in 0-255: (3K + 4, h, w)."""
    vl = _library()
    image, pointer = _floats(image if image.ndim == 3 else image[None])
    channels, height, width = image.shape
    size = ctypes.c_size_t
    handle = ctypes.c_void_p(vl.vl_hog_new(1, size(orientations), 0))
    try:
        vl.vl_hog_set_use_bilinear_orientation_assignments(handle, int(bilinear))
        vl.vl_hog_put_image(
            handle, pointer, size(width), size(height), size(channels), size(cell_size)
        )
        shape = [getattr(vl, f"vl_hog_get_{n}")(handle) for n in ("dimension", "height", "width")]
        features, pointer = _floats(np.zeros(shape, np.float32))
        vl.vl_hog_extract(handle, pointer)
    finally:
        vl.vl_hog_delete(handle)
    return features


def vl_dsift(image: Array, bin_size: int = 5, step: int = 5, flat_window: bool = False) -> Array:
    """VLFeat's dense SIFT of a grey image (H, W) in 0-255: (128, h, w)."""
    vl = _library()
    image, pointer = _floats(image)
    height, width = image.shape
    dsift = vl.vl_dsift_new_basic(width, height, step, bin_size)
    try:
        dsift.contents.flat_window = int(flat_window)
        vl.vl_dsift_process(dsift, pointer)
        rows = (height - 1 - 3 * bin_size) // step + 1
        columns = (width - 1 - 3 * bin_size) // step + 1
        assert dsift.contents.frames_count == rows * columns
        flat = np.ctypeslib.as_array(dsift.contents.descriptors, (rows * columns * 128,))
        return flat.reshape(rows, columns, 128).transpose(2, 0, 1).copy()
    finally:
        vl.vl_dsift_delete(dsift)


def golden_image() -> NDArray[np.uint8]:
    """A small color picture (3, 67, 86) with edges of all directions, flat areas and noise."""
    y, x = np.mgrid[0:67, 0:86].astype(np.float64)
    rings = 120 + 100 * np.sin(np.hypot(x - 30, y - 25) ** 1.5 / 12)
    ramp = np.where((x > 55) & (y < 30), 200.0, 2.1 * x + y / 2)
    noise = np.random.default_rng(0).normal(0, 20, (67, 86))
    bars = np.where((x // 9) % 2 == 0, 40.0, 210.0)
    green = np.where(y < 40, rings, bars) + np.where(x < 20, noise, 0)
    green[50:, 60:] = 77
    image: NDArray[np.uint8] = np.clip(np.stack([ramp, green, 255 - rings]), 0, 255).astype(
        np.uint8
    )
    return image


def golden_arrays() -> Iterator[tuple[str, Array]]:
    """The name of each case and VLFeat's features of the golden image."""
    image = golden_image().astype(np.float32)
    for name, (function, parameters) in CASES.items():
        given = dict(parameters)
        taken = image if given.pop("color", False) else image[1]
        made: Any = vl_hog if function == "hog" else vl_dsift
        yield name, made(taken, **given)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {"image": golden_image(), **dict(golden_arrays())}
    np.savez_compressed(folder / "vlfeat.npz", **arrays)
    print(f"{folder / 'vlfeat.npz'}: {(folder / 'vlfeat.npz').stat().st_size} bytes")


if __name__ == "__main__":
    main()
