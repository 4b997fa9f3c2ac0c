"""Tests of photos: all kinds of files, arrays and tensors, and messages for others."""

from __future__ import annotations

import io
import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import EpsImagePlugin, Image, features

from invwidgets import images
from invwidgets.errors import BadImageError, BadSettingError, InvwidgetsError, UnknownNameError
from invwidgets.images import (
    parse_size,
    photo_name,
    photos,
    read_photo,
    resize,
    to_pil,
    to_uint8,
)

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (12, 17, 3), np.uint8)


def as_unit(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(pixels)).movedim(-1, 0) / 255


def file_of(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def test_every_bundled_photo_reads_and_has_its_source_and_license() -> None:
    text = (Path(images.__file__).parent / "photos" / "README.md").read_text()
    assert len(photos()) >= 4
    for name in photos():
        photo = read_photo(name)
        assert photo.dtype == torch.float32
        assert photo.shape[0] == 3
        assert 0 <= float(photo.min()) < float(photo.max()) <= 1
        assert name in text


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "TIFF"])
def test_lossless_files_give_their_exact_pixels(kind: str, tmp_path: Path) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    data = file_of(Image.fromarray(PIXELS), kind, **options)
    path = tmp_path / f"photo.{kind.lower()}"
    path.write_bytes(data)
    for source in (data, path, str(path)):
        torch.testing.assert_close(read_photo(source), as_unit(PIXELS))


def test_jpeg_is_near_its_pixels() -> None:
    smooth = np.full((32, 32, 3), (200, 100, 50), np.uint8)
    read = read_photo(file_of(Image.fromarray(smooth), "JPEG", quality=95))
    assert float((read - as_unit(smooth)).abs().max()) < 0.02


def test_a_large_jpeg_is_decoded_small_and_looks_the_same() -> None:
    ramp = np.linspace(0, 255, 1600).astype(np.uint8)
    whole = np.stack([np.broadcast_to(ramp, (1200, 1600))] * 3, -1)
    small = read_photo(file_of(Image.fromarray(whole), "JPEG", quality=95), size=(48, 64))
    assert small.shape == (3, 48, 64)
    assert float((small - resize(as_unit(whole), (48, 64))).abs().max()) < 0.03


def test_gray_and_palette_pictures_become_color() -> None:
    gray = Image.fromarray(PIXELS[..., 0])
    read = read_photo(gray)
    assert read.shape == (3, 12, 17)
    torch.testing.assert_close(read[1], torch.from_numpy(PIXELS[..., 0]) / 255)
    palette = Image.fromarray(PIXELS).quantize(16)
    expected = np.asarray(palette.convert("RGB"))
    torch.testing.assert_close(read_photo(file_of(palette, "PNG")), as_unit(expected))
    one_bit = Image.fromarray(PIXELS[..., 0]).convert("1")
    assert set(read_photo(one_bit).unique().tolist()) == {0.0, 1.0}
    cmyk = Image.fromarray(PIXELS).convert("CMYK")
    assert read_photo(cmyk).shape == (3, 12, 17)


def test_transparent_pixels_lie_over_white() -> None:
    layered = np.dstack([PIXELS, np.zeros((12, 17), np.uint8)])
    layered[0, 0, 3] = 255
    read = read_photo(file_of(Image.fromarray(layered), "PNG"))
    assert float(read[:, 1:].min()) == 1.0
    torch.testing.assert_close(read[:, 0, 0], as_unit(PIXELS)[:, 0, 0])
    as_floats = read_photo(layered.astype(np.float32) / 255)
    torch.testing.assert_close(as_floats, read)


def test_sixteen_bit_grays_keep_their_depth() -> None:
    deep = np.arange(0, 65536, 65536 // 64, dtype=np.uint16).reshape(8, 8)
    read = read_photo(file_of(Image.fromarray(deep), "PNG"))
    torch.testing.assert_close(read[0], torch.from_numpy(deep.astype(np.float32)) / 65535)
    assert len(read[0].unique()) == 64
    torch.testing.assert_close(read_photo(deep), read)


@pytest.mark.parametrize(
    ("orientation", "turn"), [(1, lambda p: p), (3, lambda p: p[::-1, ::-1]),
                              (6, lambda p: np.rot90(p, -1)), (8, lambda p: np.rot90(p, 1))],
)  # fmt: skip
def test_exif_rotation_is_applied(orientation: int, turn: object) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file_of(Image.fromarray(PIXELS), "PNG", exif=exif)
    expected = np.ascontiguousarray(turn(PIXELS))  # type: ignore[operator]
    torch.testing.assert_close(read_photo(data), as_unit(expected))


def test_arrays_and_tensors() -> None:
    expected = as_unit(PIXELS)
    floats = PIXELS.astype(np.float64) / 255
    for source in (PIXELS, floats, PIXELS[:, ::-1][:, ::-1], expected, expected[None],
                   torch.from_numpy(PIXELS).movedim(-1, 0)):  # fmt: skip
        torch.testing.assert_close(read_photo(source), expected)
    torch.testing.assert_close(read_photo(PIXELS[..., :1])[2], expected[0])
    torch.testing.assert_close(read_photo(expected[:1])[2], expected[0])


def test_float_files_and_read_only_arrays(tmp_path: Path) -> None:
    gray = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    Image.fromarray(gray).save(tmp_path / "float.tiff")
    torch.testing.assert_close(read_photo(tmp_path / "float.tiff")[1], torch.from_numpy(gray))
    fixed = PIXELS.copy()
    fixed.flags.writeable = False
    torch.testing.assert_close(read_photo(fixed), as_unit(PIXELS))


def test_reading_never_shares_memory_with_what_was_given() -> None:
    mine = torch.rand(3, 6, 6)
    before = mine.clone()
    read_photo(mine).zero_()
    read_photo(mine, size=6).zero_()
    assert torch.equal(mine, before)
    array = np.random.default_rng(1).random((6, 6, 3), np.float32)
    kept = array.copy()
    read_photo(array).zero_()
    assert np.array_equal(array, kept)


def test_tiny_and_non_square_sizes() -> None:
    one = np.full((1, 1, 3), 128, np.uint8)
    assert read_photo(one).shape == (3, 1, 1)
    assert read_photo(one, size=(9, 5)).shape == (3, 9, 5)
    wide = read_photo("coffee", size=(30, 90))
    assert wide.shape == (3, 30, 90)


def test_crop_keeps_proportions_and_stretch_keeps_everything() -> None:
    image = torch.zeros(3, 20, 40)
    image[:, :, :10] = 1  # only what a center crop leaves out
    assert float(read_photo(image, size=10).max()) < 0.2
    assert float(read_photo(image, size=10, fit="stretch").max()) > 0.9
    with pytest.raises(BadSettingError, match=r"'crop'.*'stretch'"):
        read_photo(image, size=10, fit="squash")


@pytest.mark.parametrize("size", [(20, 40), (40, 20), (30, 30), (12, 90)])
def test_a_crop_is_the_largest_center_of_the_wanted_proportions(size: tuple[int, int]) -> None:
    """A picture of its own coordinates says which part of it was taken, and how it was scaled."""
    rows = torch.linspace(0, 1, 120)[:, None].expand(120, 160)
    columns = torch.linspace(0, 1, 160)[None].expand(120, 160)
    taken = read_photo(torch.stack([rows, columns, rows]), size)
    height = min(120, 160 * size[0] / size[1])
    width = height * size[1] / size[0]
    middle = taken[:, size[0] // 4 : -(size[0] // 4), size[1] // 4 : -(size[1] // 4)]
    down = float((middle[0, -1] - middle[0, 0]).mean()) / (middle.shape[1] - 1)
    right = float((middle[1, :, -1] - middle[1, :, 0]).mean()) / (middle.shape[2] - 1)
    assert down == pytest.approx(height / 119 / size[0], rel=0.03)
    assert right == pytest.approx(width / 159 / size[1], rel=0.03)
    assert float(middle.mean()) == pytest.approx(0.5, abs=0.02)


def test_a_photo_of_the_wanted_size_is_left_as_it_is() -> None:
    photo = torch.rand(3, 24, 28)
    assert torch.equal(read_photo(photo, size=(24, 28)), photo)


def test_resizing_antialiases() -> None:
    stripes = torch.zeros(3, 64, 64)
    stripes[:, :, ::2] = 1
    middle = resize(stripes, (16, 16))[:, 4:12, 4:12]
    assert float((middle - 0.5).abs().max()) < 0.05


def test_back_to_pictures_clips_and_rounds() -> None:
    image = torch.tensor([-0.5, 0.5, 1.5]).reshape(3, 1, 1)
    assert to_uint8(image).tolist() == [[[0, 128, 255]]]
    torch.testing.assert_close(read_photo(to_pil(as_unit(PIXELS))), as_unit(PIXELS))


def test_sizes() -> None:
    assert parse_size(224) == parse_size("224") == (224, 224)
    assert parse_size("192x256") == parse_size((192, 256)) == (192, 256)
    for bad in ("big", "1x2x3", 0, -5, "0x9", (1, 2, 3), 10**9, ""):
        with pytest.raises(BadSettingError, match="size"):
            parse_size(bad)


def test_names() -> None:
    assert photo_name("coffee") == "coffee"
    assert photo_name(Path("a/b.png")) == "b"
    assert photo_name(PIXELS) == "image"


# --- refusals -----------------------------------------------------------------------------------


def refused(source: object, *words: str, error: type[InvwidgetsError] = BadImageError) -> None:
    with pytest.raises(error) as caught:
        read_photo(source)  # type: ignore[arg-type]
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


def test_unknown_name_offers_the_closest() -> None:
    refused("cofee", "'cofee'", "'coffee'", "There are", error=UnknownNameError)


def test_missing_file_folder_and_unreadable_type(tmp_path: Path) -> None:
    refused(tmp_path / "none.png", "none.png", "No such file", "coffee")
    refused(tmp_path, "cannot be read", "a folder")
    refused(7, "int", "a path")
    refused(None, "NoneType")


def test_empty_truncated_and_foreign_files(tmp_path: Path) -> None:
    refused(b"", "empty")
    empty = tmp_path / "empty.png"
    empty.touch()
    refused(empty, "empty.png", "empty")
    refused(b"hello, I am text", "not an image")
    noisy = Image.fromarray(RNG.integers(0, 256, (80, 80, 3), np.uint8))
    for kind in ("PNG", "JPEG", "WEBP", "TIFF"):
        whole = file_of(noisy, kind)
        refused(whole[: len(whole) // 2], "save or download it again")
        with pytest.raises(BadImageError):
            read_photo(whole[:20])


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b""))  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="a shell script as the stand-in for Ghostscript")
def test_no_file_reaches_ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = tmp_path / "called"
    stand_in = tmp_path / "gs"
    stand_in.write_text(f'#!/bin/sh\necho "$@" >> "{called}"\nexit 0\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    eps = tmp_path / "photo.eps"
    Image.fromarray(PIXELS).save(eps)
    with suppress(OSError), Image.open(eps) as picture:
        picture.load()
    assert called.exists()  # Pillow alone would have called it
    called.unlink()
    for source in (eps, str(eps), eps.read_bytes()):
        with pytest.raises(BadImageError) as caught:
            read_photo(source)
        assert not called.exists()
        for kind in ("AVIF", "BMP", "GIF", "JPEG", "JPEG 2000", "PNG", "PPM", "TIFF", "WebP"):
            assert kind in str(caught.value)
    pytest.importorskip("ipywidgets")
    from invwidgets.widgets.controls.photo_chooser import check_upload

    with pytest.raises(BadImageError, match="not an image that can be read"):
        check_upload(eps.read_bytes())
    assert not called.exists()


@pytest.mark.parametrize("kind", ["EPS", "PSD", "PCX", "TGA", "ICNS", "SGI", "SPIDER"])
def test_other_formats_are_refused(kind: str) -> None:
    picture = Image.fromarray(RNG.integers(0, 256, (128, 128), np.uint8))
    if kind == "PSD":  # which Pillow reads, and does not write
        refused(b"8BPS\0\1" + bytes(100), "not an image that can be read")
    else:
        if kind == "ICNS":
            picture = picture.convert("RGBA")
        refused(file_of(picture, kind), "not an image that can be read", "PNG, PPM, TIFF or WebP")


@pytest.mark.parametrize("kind", ["AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM",
                                  "TIFF", "WEBP"])  # fmt: skip
def test_every_stated_format_is_read(kind: str) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    picture = to_pil(read_photo("coffee", 64))
    found = read_photo(file_of(picture, kind))
    assert (found - read_photo("coffee", 64)).abs().mean() < 0.1


@pytest.mark.parametrize("side", [15_000, 50_000])
def test_decompression_bomb(side: int) -> None:
    refused(png_claiming(side, side), "megapixels", "scale it down")


def test_bad_values_and_shapes() -> None:
    broken = np.zeros((4, 4, 3))
    broken[0, 0, 0] = np.nan
    refused(broken, "NaN")
    refused(torch.full((3, 4, 4), torch.inf), "infinite")
    refused(np.full((4, 4, 3), 200.0), "200", "[0, 1]", "uint8")
    refused(np.full((4, 4, 3), -0.2), "-0.2")
    refused(np.zeros((4, 4, 2)), "(4, 4, 2)")
    refused(torch.zeros(2, 3, 4, 4), "(2, 3, 4, 4)")
    refused(torch.zeros(3, 4, 4, dtype=torch.int64), "int64")
    refused(np.zeros((4, 4, 3), complex), "complex128")
    refused(np.zeros((0, 4, 3)), "no pixels")
    refused(torch.zeros(3, 4, 0), "no pixels")


@pytest.mark.parametrize(
    "image",
    [
        np.full((4, 5, 3), 0.5, np.longdouble),
        np.full((4, 5, 3), 128, np.uint8),
        np.full((4, 5), 32768, ">u2"),
        np.full((4, 5, 3), 0.5, ">f4"),
        torch.full((3, 4, 5), 32768, dtype=torch.uint16),
        torch.full((3, 4, 5), 0.5, dtype=torch.bfloat16),
    ],
    ids=lambda image: str(image.dtype),
)
def test_numbers_of_every_kind(image: object) -> None:
    photo = read_photo(image)  # type: ignore[arg-type]
    assert photo.shape == (3, 4, 5)
    assert torch.allclose(photo, torch.full((3, 4, 5), 0.5), atol=3e-3)


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(3, 4, 5).to_sparse(),
        torch.zeros(3, 4, 5, device="meta"),
        torch.zeros(3, 4, 5, dtype=torch.complex64),
    ],
    ids=["sparse", "meta", "complex"],
)
def test_tensors_that_are_no_images(image: torch.Tensor) -> None:
    with pytest.raises(BadImageError, match="give a dense one"):
        read_photo(image)


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    for path, words in (
        (pipe, "not a regular file"),
        (tmp_path, "a folder"),
        ("x" * 5000, r"5000 characters"),
        ("a\0.png", "null"),
    ):
        with pytest.raises(InvwidgetsError, match=words) as caught:
            read_photo(path)
        assert len(str(caught.value)) < 700
