"""Tests of dense SIFT: equal to VLFeat, cut at every stage, correct derivatives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from invwidgets.errors import BadImageError, BadSettingError, UnknownNameError
from invwidgets.representations.descriptors.dsift import Dsift, dsift
from scripts.make_vlfeat_golden import load_vlfeat, vl_dsift
from tests.reference.plain_dsift import plain_dsift
from tests.representations.photo_arrays import PHOTOS, photo
from tests.saboteurs import constant_descriptor, shuffled_channels

torch.set_num_threads(1)

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "vlfeat" / "vlfeat.npz")
needs_vlfeat = pytest.mark.skipif(load_vlfeat() is None, reason="libvlfeat1 is not installed")


def relative(ours: Tensor, theirs: np.ndarray) -> float:
    return float(np.linalg.norm(ours[0].numpy() - theirs) / np.linalg.norm(theirs))


# --- equal to VLFeat ------------------------------------------------------------------------


@pytest.mark.claim(saboteurs=[constant_descriptor, shuffled_channels])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("case", "module", "allowed"),
    [
        ("dsift", dsift(), 1e-4),
        ("dsift", dsift(angle="exact"), 1e-2),
        ("dsift_bin4_step7", dsift(bin_size=4, step=7), 1e-4),
        # VLFeat pools the flat window by running sums in float32, which leave a rest.
        ("dsift_flat", dsift(window="flat"), 1e-3),
    ],
)
def test_equals_golden_vlfeat(case: str, module: Dsift, allowed: float, dtype: torch.dtype) -> None:
    image = torch.from_numpy(GOLDEN["image"]).to(dtype)[None, 1:2].expand(-1, 3, -1, -1) / 255
    assert module(image)[0].shape == GOLDEN[case].shape
    assert relative(module(image), GOLDEN[case]) <= allowed


@pytest.mark.claim(saboteurs=[constant_descriptor, shuffled_channels])
@needs_vlfeat
@pytest.mark.parametrize("name", PHOTOS)
def test_equals_vlfeat_on_photos(name: str) -> None:
    image = photo(name)
    theirs = vl_dsift(dsift().gray(image)[0, 0].numpy())
    assert relative(dsift()(image), theirs) <= 1e-4
    assert relative(dsift(angle="exact")(image), theirs) <= 1e-2


@needs_vlfeat
@pytest.mark.parametrize("size", [(22, 25), (31, 40), (48, 23)])
@pytest.mark.parametrize(("bin_size", "step"), [(1, 2), (3, 3), (4, 1), (5, 3), (6, 8), (7, 5)])
def test_equals_vlfeat_at_any_size(size: tuple[int, int], bin_size: int, step: int) -> None:
    image = photo("chelsea", (96, 96))[:, :, : size[0], : size[1]]
    module = dsift(bin_size=bin_size, step=step)
    gray = module.gray(image)[0, 0].numpy()
    assert relative(module(image), vl_dsift(gray, bin_size, step)) <= 1e-4
    flat = dsift(bin_size=bin_size, step=step, window="flat")
    assert relative(flat(image), vl_dsift(gray, bin_size, step, flat_window=True)) <= 1e-3


# --- against the plain form -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "parameters"),
    [
        (dsift(), {}),
        (dsift(angle="exact", bin_size=4, step=3), {"bin_size": 4, "step": 3, "exact": True}),
        (dsift(window="flat", step=2), {"step": 2, "flat_window": True}),
    ],
)
def test_features_and_gradient_equal_the_plain_form(
    module: Dsift, parameters: dict[str, Any]
) -> None:
    generator = torch.Generator().manual_seed(1)
    noise = torch.rand(1, 3, 44, 61, generator=generator, dtype=torch.float64)
    image = (photo("astronaut", (44, 61)) + noise / 100).requires_grad_()
    ours = module(image)
    plain = plain_dsift(module.gray(image), **parameters)
    torch.testing.assert_close(ours, plain, atol=1e-6, rtol=1e-5)
    weights = torch.linspace(-1, 1, ours.numel(), dtype=torch.float64).view_as(ours)
    (our_gradient,) = torch.autograd.grad(ours, image, weights)
    (plain_gradient,) = torch.autograd.grad(plain, image, weights)
    torch.testing.assert_close(our_gradient, plain_gradient, atol=1e-5, rtol=1e-4)


def test_matconvnet_variant_is_the_published_network() -> None:
    image = photo("coffee", (64, 81)).double()
    ours = dsift(variant="matconvnet")(image)
    gray = dsift().gray(image)[0, 0].numpy()
    dx = (gray[1:-1, 2:] - gray[1:-1, :-2]) / 2
    dy = (gray[2:, 1:-1] - gray[:-2, 1:-1]) / 2
    norm = np.hypot(dx, dy)
    rows, columns = (62 - 10) // 5 + 1, (79 - 10) // 5 + 1
    cells = np.zeros((8, rows, columns))
    triangle = 1 - np.abs(np.arange(10) - 4.5) / 5
    for o in range(8):
        cosine = dx * np.cos(o * np.pi / 4) + dy * np.sin(o * np.pi / 4)
        cosine = np.clip(cosine / np.maximum(norm, 1e-10), -1, 1)
        votes = norm * np.maximum(0, 1 - 4 / np.pi * np.arccos(cosine))
        for r in range(rows):
            for c in range(columns):
                cells[o, r, c] = triangle @ votes[5 * r : 5 * r + 10, 5 * c : 5 * c + 10] @ triangle
    window = np.exp(-0.5 * (np.arange(4) - 1.5) ** 2 / 1.5**2)
    expected = np.zeros((128, (rows - 4) // 3 + 1, (columns - 4) // 3 + 1))
    for r in range(expected.shape[1]):
        for c in range(expected.shape[2]):
            block = cells[:, 3 * r : 3 * r + 4, 3 * c : 3 * c + 4] * window[:, None] * window
            vector = block.transpose(1, 2, 0).ravel()
            expected[:, r, c] = np.minimum(vector / np.sqrt((vector**2).sum() + 1e-6), 0.2)
    np.testing.assert_allclose(ours[0].numpy(), expected, atol=1e-6)


# --- stages ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (dsift(), "gray gradient orientation blocks normalize clamp renormalize"),
        (
            dsift(window="flat"),
            "gray gradient orientation cells blocks normalize clamp renormalize",
        ),
        (dsift(variant="matconvnet"), "gray gradient orientation cells blocks normalize clamp"),
    ],
)
def test_every_stage_can_be_cut_at(module: Dsift, names: str) -> None:
    image = photo("rocket", (40, 56))
    seen: dict[str, Tensor] = {}
    hooks = [
        stage.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
        for name, stage in module.named_children()
    ]
    whole = module(image)
    for hook in hooks:
        hook.remove()
    assert " ".join(seen) == names
    for i, out in enumerate(seen.values()):
        cut = module[: i + 1]
        assert type(cut) is nn.Sequential
        torch.testing.assert_close(cut(image), out, atol=0, rtol=0)
    assert whole.shape[1] == 128
    assert not list(module.parameters())


def test_batch_is_its_images_one_by_one() -> None:
    images = torch.cat([photo(n, (50, 70)) for n in ("chelsea", "coffee", "china")])
    for module in (dsift(), dsift(window="flat"), dsift(variant="matconvnet")):
        together = module(images)
        alone = torch.cat([module(image[None]) for image in images])
        torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)


def test_channels_of_an_orientation() -> None:
    """A ramp to the right has gradients in direction 0 only."""
    image = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    descriptors = dsift()(image)
    mine = dsift().orientation_channels(0)
    assert mine[:3] == [0, 8, 16]
    others = [c for c in range(128) if c not in mine]
    assert descriptors[:, mine].amin() > 0.05
    assert descriptors[:, others].amax() < 1e-4


def test_other_orientations() -> None:
    assert dsift(orientations=5)(photo("china", (40, 40))).shape == (1, 80, 5, 5)


# --- derivatives ----------------------------------------------------------------------------


def random_image(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(1, 3, height, width, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("upto", range(1, 9))
@pytest.mark.parametrize(
    "module",
    [
        dsift(bin_size=2, orientations=4),
        dsift(bin_size=2, orientations=3, angle="exact"),
        dsift(bin_size=2, orientations=4, window="flat"),
        dsift(bin_size=2, orientations=4, variant="matconvnet"),
    ],
    ids=["vlfeat", "exact", "flat", "matconvnet"],
)
def test_gradcheck_of_each_stage(module: Dsift, upto: int) -> None:
    if upto > len(module):
        pytest.skip("it has fewer stages")
    with torch.no_grad():
        given = module[: upto - 1](random_image(12, 13)) if upto > 1 else random_image(12, 13)
    given.requires_grad_()
    assert torch.autograd.gradcheck(module[upto - 1], given, eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "module",
    [dsift(), dsift(angle="exact"), dsift(window="flat"), dsift(variant="matconvnet")],
    ids=["vlfeat", "exact", "flat", "matconvnet"],
)
def test_finite_on_constant_images(module: Dsift, dtype: torch.dtype, value: float) -> None:
    image = torch.full((2, 3, 32, 40), value, dtype=dtype, requires_grad=True)
    features = module(image)
    features.sum().backward()
    assert features.isfinite().all()
    assert image.grad is not None
    assert image.grad.isfinite().all()


# --- what cannot work -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"bin_size": 0}, "bin_size=0 is too small.*at least 1"),
        ({"bin_size": 5.5}, "bin_size=5.5 is not a whole number"),
        ({"step": 0}, "step=0 is too small.*at least 1"),
        ({"step": 2.5}, "step=2.5 is not a whole number"),
        ({"orientations": 0}, "orientations=0 is too small"),
        ({"window": "box"}, "no window 'box'. There are: gaussian, flat"),
        ({"angle": "true"}, "no angle 'true'. There are: vlfeat, exact"),
        ({"variant": "x"}, "no variant 'x'. There are: vlfeat, matconvnet"),
        ({"variant": "matconvnet", "step": 7}, "step=7 is no multiple of bin_size=5.*step=5"),
    ],
)
def test_parameters_that_cannot_work(parameters: dict[str, object], says: str) -> None:
    with pytest.raises((BadSettingError, UnknownNameError), match=says):
        dsift(**parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("module", "image", "says"),
    [
        (dsift(), torch.rand(1, 3, 15, 64), "15 x 64 pixels is smaller than one block"),
        (dsift(variant="matconvnet"), torch.rand(1, 3, 26, 26), "needs at least 27 x 27"),
        (dsift(), torch.rand(1, 1, 64, 64), "(1, 1, 64, 64)"),
    ],
)
def test_images_that_cannot_be_taken(module: Dsift, image: Tensor, says: str) -> None:
    with pytest.raises(BadImageError, match=re.escape(says)):
        module(image)


@pytest.mark.parametrize("variant", ["vlfeat", "matconvnet"])
def test_the_smallest_image_gives_one_descriptor(variant: str) -> None:
    module = dsift(variant=variant)  # type: ignore[arg-type]
    assert module(torch.rand(1, 3, *module.minimum_size)).shape == (1, 128, 1, 1)
