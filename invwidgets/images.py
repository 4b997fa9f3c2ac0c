"""Functions that read, check, crop and resize photos, and convert tensors to pictures.

    >>> photo = read_photo("coffee", size=224)
    >>> photo.shape, photo.min() >= 0, photo.max() <= 1
    (torch.Size([3, 224, 224]), tensor(True), tensor(True))

A photo is a float32 tensor (3, H, W), RGB, in [0, 1]. An image for a network with another number
of input channels C is a tensor (C, H, W).
"""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from .arguments import as_whole, items, real_number, whole_number, whole_numbers
from .errors import (
    BadImageError,
    BadSettingError,
    InvwidgetsError,
    shown,
    shown_path,
    unknown_name,
)

PhotoSource: TypeAlias = (
    "str | os.PathLike[str] | bytes | Image.Image | np.ndarray[Any, Any] | Tensor"
)
Size: TypeAlias = "int | tuple[int, int]"

MAX_SIDE = 4096  # pixels; the side of the largest image that can be searched for
MAX_PIXELS = 178_956_970  # from this size on Pillow calls a file a decompression bomb

# The file formats that are read. Pillow knows about forty; one of them, EPS, is unsafe because it
# runs Ghostscript on the file.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
_FORMATS_IN_WORDS = "AVIF, BMP, GIF, JPEG, JPEG 2000, PNG, PPM, TIFF or WebP"


@cache
def photos() -> tuple[str, ...]:
    """The names of the bundled photos; their sources and licenses are in ``invwidgets/photos``.

    >>> "coffee" in photos()
    True
    """
    folder = resources.files(__package__) / "photos"
    return tuple(sorted(Path(f.name).stem for f in folder.iterdir() if f.name.endswith(".png")))


def photo_name(source: PhotoSource) -> str:
    """The name of a photo in a figure: a bundled name, a file name without ending, or ``image``."""
    if isinstance(source, str | os.PathLike):
        return Path(source).stem
    return "image"


def read_photo(
    source: PhotoSource,
    size: Size | None = None,
    fit: str = "crop",
    at: float = 0.5,
    channels: int = 3,
) -> Tensor:
    """Read a photo as a float32 tensor (3, H, W), RGB, in [0, 1], or (C, H, W) for C channels.

    >>> read_photo("chelsea", size=(120, 160)).shape
    torch.Size([3, 120, 160])

    Transparent pixels are blended with white, EXIF rotation is applied, and 16-bit gray values keep
    their depth.

    Parameters
    ----------
    source : str, path, bytes, PIL.Image.Image, numpy.ndarray or torch.Tensor
        The name of a bundled photo, a path, the bytes of a file, a picture, an array (H, W) or
        (H, W, 1|3|4) of uint8, uint16 or floats in [0, 1], or a tensor of the same types,
        (3|1, H, W) or (1, 3|1, H, W). A file must have one of the formats ``images.FORMATS``.
    size : int or (height, width), optional
        In pixels; by default the photo's own.
    fit : str
        ``"crop"`` crops the photo to the proportions of ``size`` before resizing, ``"stretch"``
        changes its proportions.
    at : float
        The position of the crop: 0 keeps the top or the left, 0.5 the center, 1 the bottom or the
        right.
    channels : int
        C, the number of channels of the image: 3 means RGB. For 1, photos become gray (ITU-R
        BT.601 weights), and an array or tensor with one channel is used unchanged. For any other
        number, give an array or a tensor (C, H, W) or (H, W, C) of the types above; a shape that
        fits both is refused.

    Returns
    -------
    torch.Tensor
        (C, H, W).

    Raises
    ------
    BadImageError
        For a photo that cannot be read.
    UnknownNameError
        For a name that is not a bundled photo.
    """
    check_fit(fit)
    channels = whole_number(channels, "channels", 1)
    if channels != 3 and isinstance(source, Tensor | np.ndarray):
        image = _of_channels(source, channels)
    elif channels not in (1, 3):
        what = source if isinstance(source, str | os.PathLike) else type(source).__name__
        raise BadImageError(
            f"photo {shown(what)} has 3 channels, but {channels} are needed: give an array or a "
            f"tensor ({channels}, H, W)"
        )
    elif isinstance(source, Tensor):
        image = _from_tensor(source)
    elif isinstance(source, np.ndarray):
        image = _from_array(source)
    elif isinstance(source, Image.Image):
        with _reading("the PIL image"):
            image = _from_pil(source)
    elif isinstance(source, bytes | bytearray | memoryview):
        image = _from_file(io.BytesIO(bytes(source)), f"the {len(source)} bytes given", size)
    elif isinstance(source, str | os.PathLike):
        image = _from_path(source, size)
    else:
        raise BadImageError(
            f"a {type(source).__name__} is not a photo: give a bundled name "
            f"({', '.join(photos())}), a path, bytes, a PIL image, a numpy array or a tensor"
        )
    if image.shape[-1] < 1 or image.shape[-2] < 1:
        raise BadImageError(f"an image of shape {tuple(image.shape)} has no pixels")
    if channels == 1:
        image = luminance(image)[:1] if len(image) == 3 else image
    return image if size is None else resize(image, parse_size(size), fit, at)


def check_fit(fit: str) -> None:
    """Raise ``BadSettingError`` if ``fit`` is neither ``"crop"`` nor ``"stretch"``."""
    if not isinstance(fit, str) or fit not in ("crop", "stretch"):
        raise BadSettingError(f"fit {shown(fit)}: give 'crop' (keeps proportions) or 'stretch'")


def parse_size(size: Size | str) -> tuple[int, int]:
    """``224``, ``(192, 256)`` or ``"192x256"`` (height × width) as (height, width) in pixels."""
    sides: list[int] | None = None
    if isinstance(size, str):
        found = re.fullmatch(r"\s*(\d{1,9})(?:\s*[xX×]\s*(\d{1,9}))?\s*", size, re.ASCII)
        sides = [int(side) for side in found.groups() if side is not None] if found else None
    elif (side := as_whole(size)) is not None:
        sides = [side]
    elif (listed := items(size)) is not None:
        whole = [as_whole(side) for side in listed]
        sides = [side for side in whole if side is not None] if None not in whole else None
    if sides is None or len(sides) not in (1, 2):
        raise BadSettingError(f"size {shown(size)}: give a side like 224, or HEIGHTxWIDTH")
    height, width = sides if len(sides) == 2 else (sides[0], sides[0])
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise BadSettingError(f"size {shown(size)}: give sides between 1 and {MAX_SIDE} pixels")
    return height, width


def resize(image: Tensor, size: tuple[int, int], fit: str = "crop", at: float = 0.5) -> Tensor:
    """Resize an image (3, H, W) to ``size`` (bicubic, antialiased), cropped first for "crop"."""
    if fit == "crop":
        image = _crop(image, size[0] / size[1], at)
    if tuple(image.shape[-2:]) == size:
        return image.contiguous()
    resized = torch.nn.functional.interpolate(
        image[None], size=size, mode="bicubic", align_corners=False, antialias=True
    )
    return resized[0].clamp_(0, 1)


def in_rgb(images: Tensor, rgb: Sequence[int] | None = None) -> Tensor:
    """Images (..., C, H, W) as RGB pictures (..., 3, H, W).

    One channel is drawn in gray. Of other images the channels ``rgb`` are drawn as red, green and
    blue, by default the first three; with two channels there is no blue.

    >>> in_rgb(torch.rand(7, 8, 8), (6, 3, 0)).shape
    torch.Size([3, 8, 8])

    Raises ``BadSettingError`` for channels that the images do not have.
    """
    channels = images.shape[-3]
    if rgb is None:
        if channels < 3:
            missing = images if channels == 1 else torch.zeros_like(images[..., :1, :, :])
            return torch.cat([images, *[missing] * (3 - channels)], -3)
        return images[..., :3, :, :]
    chosen = whole_numbers(rgb, "rgb")
    if len(chosen) != 3 or not all(0 <= channel < channels for channel in chosen):
        raise BadSettingError(
            f"rgb {shown(rgb)}: give the three channels to draw as red, green and blue, from "
            f"0 … {channels - 1}"
        )
    return images[..., chosen, :, :]


def rgb_note(channels: int, rgb: Sequence[int] | None = None) -> str:
    """The note that names the channels a picture shows; empty for gray and RGB images.

    >>> rgb_note(7), rgb_note(3)
    ('channels 0, 1, 2 of 7 as red, green, blue', '')
    """
    if rgb is None and channels in (1, 3):
        return ""
    drawn = [*range(min(channels, 3))] if rgb is None else list(rgb)
    colors = ("red", "green", "blue")[: len(drawn)]
    return f"channels {', '.join(map(str, drawn))} of {channels} as {', '.join(colors)}"


def to_uint8(
    images: Tensor, rgb: Sequence[int] | None = None
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Images (..., C, H, W) in [0, 1] as clipped uint8 pixels (..., H, W, 3); see ``in_rgb``."""
    pixels = in_rgb(images, rgb).detach().clamp(0, 1).mul(255).round().to(torch.uint8)
    return pixels.movedim(-3, -1).cpu().numpy()


def to_pil(image: Tensor) -> Image.Image:
    """One image (C, H, W) in [0, 1] as a PIL picture; see ``in_rgb`` for other than 1 channel."""
    pixels = to_uint8(image)
    return Image.fromarray(pixels[..., 0] if len(image) == 1 else pixels)


def luminance(photo: Tensor) -> Tensor:
    """Photos (…, 3, H, W) in gray (ITU-R BT.601 weights), still with three channels."""
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=photo.dtype, device=photo.device)
    return (photo * weights[:, None, None]).sum(-3, keepdim=True).expand_as(photo)


def sample_images(size: tuple[int, int], channels: int = 3) -> list[Tensor]:
    """The bundled photos as sample images (C, H, W), in gray for one channel.

    For other numbers than 1 and 3, each channel is the gray version of another photo.
    """
    if channels in (1, 3):
        return [read_photo(name, size, channels=channels) for name in photos()]
    gray = [read_photo(name, size, channels=1) for name in photos()]
    return [
        torch.cat([gray[(first + channel) % len(gray)] for channel in range(channels)])
        for first in range(len(gray))
    ]


def _crop(image: Tensor, aspect: float, at: float) -> Tensor:
    at = real_number(at, "at", 0, 1)
    height, width = image.shape[-2:]
    crop_height = min(height, max(1, round(width * aspect)))  # aspect is height / width
    crop_width = min(width, max(1, round(height / aspect)))
    top, left = int((height - crop_height) * at), int((width - crop_width) * at)
    return image[:, top : top + crop_height, left : left + crop_width]


def check_there(source: PhotoSource) -> None:
    """Raise an error if a photo does not exist, without reading it.

    Raises ``BadImageError`` or ``UnknownNameError``.
    """
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else ""
    if isinstance(name, str) and name and name not in photos():
        try:
            there = Path(name).exists()
        except (OSError, ValueError):
            there = True  # reading it will raise an error that says what is wrong
        if not there:
            _from_path(name if isinstance(source, str) else Path(name), None)


def _from_path(source: str | os.PathLike[str], size: Size | None) -> Tensor:
    name = os.fspath(source)
    if name in photos():
        data = (resources.files(__package__) / "photos" / f"{name}.png").read_bytes()
        return _from_file(io.BytesIO(data), name, size)
    path = Path(name)
    try:
        if not path.exists():
            if isinstance(source, str) and path.parent == Path() and not path.suffix:
                raise unknown_name("photo", name, photos())
        elif not path.is_file():
            kind = "a folder" if path.is_dir() else "not a regular file"
            raise BadImageError(
                f"photo {shown_path(name)} cannot be read: it is {kind}; give a picture file"
            )
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, InvwidgetsError):
            raise
        words = getattr(error, "strerror", None) or str(error)
        raise BadImageError(
            f"photo {shown_path(name)} cannot be read: {words}; give a readable file, or one of "
            f"the bundled photos: {', '.join(photos())}"
        ) from None
    return _from_file(io.BytesIO(data), shown_path(name), size)


def open_picture(file: IO[bytes]) -> Image.Image:
    """A picture file opened by Pillow, whose pixels are not read yet.

    Raises ``PIL.UnidentifiedImageError`` for a file whose format is not in ``FORMATS``.
    """
    return Image.open(file, formats=_known_formats())


@cache
def _known_formats() -> tuple[str, ...]:
    """The ``FORMATS`` that the installed Pillow can read; older versions lack AVIF."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _from_file(file: io.BytesIO, name: str, size: Size | None) -> Tensor:
    if not file.getbuffer().nbytes:
        raise BadImageError(f"{name} is empty: give a picture file ({_FORMATS_IN_WORDS})")
    with _reading(name):
        picture = open_picture(file)
        if size is not None:  # decoding a JPEG at a fraction of its size saves time and memory
            longest = max(parse_size(size))
            picture.draft(None, (3 * longest, 3 * longest))
        return _from_pil(picture)


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn any error that Pillow raises inside the block into a ``BadImageError``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # real problems are raised as errors
            yield
    except BadImageError:
        raise
    except Image.DecompressionBombError:
        raise BadImageError(
            f"{name} would decompress to more than {MAX_PIXELS // 10**6} megapixels; "
            "scale it down first"
        ) from None
    except UnidentifiedImageError:
        raise BadImageError(
            f"{name} is not an image that can be read: give a picture file ({_FORMATS_IN_WORDS})"
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError, IndexError) as error:
        raise BadImageError(
            f"{name} is damaged or incomplete ({error}); save or download it again"
        ) from None


def _from_pil(picture: Image.Image) -> Tensor:
    if picture.width * picture.height > MAX_PIXELS:
        raise Image.DecompressionBombError
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in ("I;16", "I;16B", "I;16L", "I;16N", "I", "F"):
        return _from_deep_gray(np.asarray(picture))
    if picture.has_transparency_data:
        layered = picture.convert("RGBA")
        white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, layered)
    return _unit_range(torch.from_numpy(np.array(picture.convert("RGB")))).movedim(-1, 0)


def _from_deep_gray(gray: np.ndarray[Any, Any]) -> Tensor:
    """16-bit gray values as floats in [0, 1], also if the file stores them with 32 bits."""
    if gray.dtype.kind != "f":
        if gray.min() < 0 or gray.max() > 65535:
            raise BadImageError(
                f"gray values from {gray.min()} to {gray.max()} need more than 16 bits: convert "
                "the image to at most 16 bits"
            )
        gray = gray.astype(np.float32) / 65535
    return _checked(torch.from_numpy(np.array(gray, dtype=np.float32))[None])


def _from_array(array: np.ndarray[Any, Any]) -> Tensor:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[-1] not in (1, 3, 4):
        raise BadImageError(
            f"an array of shape {array.shape} is not one image: give (H, W), (H, W, 3) or (H, W, 4)"
        )
    image = _as_tensor(array).movedim(-1, 0)
    if image.shape[0] == 4:
        image = image[:3] * image[3:] + (1 - image[3:])
    return _checked(image)


def _as_tensor(array: np.ndarray[Any, Any]) -> Tensor:
    """An array of any shape as float32."""
    if array.dtype == np.longdouble:
        array = array.astype(np.float64)
    if not array.dtype.isnative:  # such as big-endian files of scanners, which torch cannot use
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind not in "buif":
        raise BadImageError(f"an array of {array.dtype} is not an image: give uint8, or floats")
    array = np.ascontiguousarray(array)
    if not array.flags.writeable:  # torch warns about read-only memory
        array = array.copy()
    if array.dtype == np.uint16:
        array = array.astype(np.float32) / 65535
    return _unit_range(torch.from_numpy(array))


def _check_dense(tensor: Tensor) -> None:
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_complex():
        kind = "meta" if tensor.is_meta else str(tensor.layout).removeprefix("torch.")
        kind = str(tensor.dtype).removeprefix("torch.") if tensor.is_complex() else kind
        raise BadImageError(
            f"a tensor of {kind} numbers is not an image: give a dense one of uint8, uint16, or "
            "floats in [0, 1]"
        )


def _from_tensor(tensor: Tensor) -> Tensor:
    _check_dense(tensor)
    image = tensor.detach().cpu()
    if image.ndim == 4 and image.shape[0] == 1:
        image = image[0]
    if image.ndim == 2:
        image = image[None]
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise BadImageError(
            f"a tensor of shape {tuple(tensor.shape)} is not one image: give (3, H, W) or (1, H, W)"
        )
    return _checked(_unit_range(image))


def _of_channels(given: Tensor | np.ndarray[Any, Any], channels: int) -> Tensor:
    """An array or a tensor as an image (C, H, W) with a number of channels other than 3.

    For one channel it may also be a photo, which is returned with its colors.
    """
    shape = tuple(given.shape)
    if isinstance(given, Tensor) and len(shape) == 4 and shape[0] == 1:
        given, shape = given[0], shape[1:]
    ways = {}
    if len(shape) == 2 and channels == 1:
        ways["H, W"] = given
    if len(shape) == 3 and shape[0] == channels:
        ways[f"{channels}, H, W"] = given
    if len(shape) == 3 and shape[2] == channels:
        ways[f"H, W, {channels}"] = given
    if len(shape) == 3 and channels == 1:
        if isinstance(given, Tensor) and shape[0] == 3:
            ways["3, H, W"] = given
        elif isinstance(given, np.ndarray) and shape[2] in (3, 4):
            ways[f"H, W, {shape[2]}"] = given
    kind = "a tensor" if isinstance(given, Tensor) else "an array"
    if len(ways) != 1:
        known = [f"({channels}, H, W)", f"(H, W, {channels})"]
        known += ["(H, W)", "a photo"] if channels == 1 else []
        said = " and ".join(f"({way})" for way in ways)
        why = f"can be read as {said}: transpose it" if ways else "is not one image: give"
        rest = "so that only one fits" if ways else f"{', '.join(known[:-1])} or {known[-1]}"
        raise BadImageError(
            f"{kind} of shape {shape} for {channels} channel{'s' * (channels != 1)} {why} {rest}"
        )
    (way,) = ways
    if way == "3, H, W" or (channels == 1 and way.endswith((" 3", " 4"))):
        return _from_tensor(given) if isinstance(given, Tensor) else _from_array(given)
    if isinstance(given, np.ndarray):
        image = _as_tensor(given)
    else:
        _check_dense(given)
        image = _unit_range(given.detach().cpu())
    image = image[None] if image.ndim == 2 else image
    return _in_range(image.movedim(-1, 0) if way == f"H, W, {channels}" else image)


def _unit_range(image: Tensor) -> Tensor:
    if image.dtype == torch.uint8:
        return image.float() / 255
    if image.dtype == torch.uint16:
        return image.float() / 65535
    if image.dtype == torch.bool or image.is_floating_point():
        return image.float()
    raise BadImageError(
        f"an image of {image.dtype} cannot be read: give uint8, uint16, or floats in [0, 1]"
    )


def _checked(image: Tensor) -> Tensor:
    """A float image (1|3, H, W) as (3, H, W); raises an error for values outside [0, 1]."""
    return _in_range(image).expand(3, *image.shape[-2:]).contiguous()


def _in_range(image: Tensor) -> Tensor:
    """A float image unchanged; raises an error for values outside [0, 1]."""
    if image.numel():
        low, high = float(image.min()), float(image.max())
        if not bool(torch.isfinite(image).all()):
            raise BadImageError("the image contains NaN or infinite values; replace them first")
        if low < -1e-3 or high > 1 + 1e-3:
            raise BadImageError(
                f"float values from {low:.4g} to {high:.4g} are outside [0, 1]: scale them, or "
                "give uint8 for 0 to 255"
            )
    return image.clamp(0, 1).contiguous()
